"""How does a page show an answer while it is made, and stop the model when it is closed? By `sse`, in Flask.

Run it by `flask --app flask_stream run` and open http://localhost:5000, or ask by `curl -N "localhost:5000/ask?about=tea"`.
"""

from __future__ import annotations

from flask import Flask, Response, request

from ollama_sync import OllamaError
from ollama_sync.flask import Ollama, current_ollama, error_reply, sse

app = Flask(__name__)
Ollama(app)  # at OLLAMA_HOST, of app.config or of the environment
app.register_error_handler(OllamaError, error_reply)

PAGE = """<!doctype html><title>Ask</title>
<form><input name=about autofocus> <button>Ask</button></form>
<p id=answer style="white-space: pre-wrap"></p>
<script>
  const answer = document.querySelector("#answer"), source = new EventSource("/ask" + location.search)
  source.onmessage = event => answer.append(JSON.parse(event.data).message.content)
  source.addEventListener("end", () => source.close())
  source.addEventListener("error", event => {
    source.close()
    answer.append(event.data ? JSON.parse(event.data).message : " (no answer)")
  })
</script>"""


@app.get("/")
def page() -> str:
    return PAGE


@app.get("/ask")
def ask() -> Response:
    question = [{"role": "user", "content": request.args.get("about", "Say hello.")}]
    return sse(current_ollama.chat("llama3.2", question, stream=True))
