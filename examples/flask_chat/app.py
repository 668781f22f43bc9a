"""A chat: a page, the list of models, and answers that stream to a browser and stop when it hangs up.

Run it by `flask --app examples/flask_chat/app run` and open http://localhost:5000. What was said stays in the browser.
"""

from __future__ import annotations

from flask import Flask, Response, render_template, request

from ollama_sync import OllamaError
from ollama_sync.flask import Ollama, current_ollama, error_reply, ndjson

app = Flask(__name__)
Ollama(app)  # at OLLAMA_HOST, of app.config or of the environment
app.register_error_handler(OllamaError, error_reply)


@app.get("/")
def page() -> str:
    return render_template("chat.html")


@app.get("/models")
def models() -> list[str]:
    return [str(model.model) for model in current_ollama.list().models]


@app.post("/chat")
def chat() -> Response:
    asked = request.get_json()
    stream = current_ollama.chat(asked["model"], asked["messages"], stream=True)
    # The stop button hangs up, which is noticed at the second write after it: so it takes 0.06 s, even while the model loads.
    return ndjson(stream, heartbeat=0.03, grace=0)


@app.after_request
def with_guards(response: Response) -> Response:
    # Nothing from elsewhere, and no script that is not a file of ours: whatever a model says, it is text.
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
