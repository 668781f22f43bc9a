"""A Flask view that streams an answer, and stops the model when the browser goes away.

Run it by `flask --app flask_stream run`, and ask it by `curl -N "localhost:5000/ask?about=tea"`. The server notices that
the browser has gone when it next writes to it; it then closes the response, and that closes the stream.
"""

from __future__ import annotations

from itertools import chain

from flask import Flask, Response, request

import ollama_sync as ollama

app = Flask(__name__)


@app.get("/ask")
def ask() -> Response:
    question = [{"role": "user", "content": request.args["about"]}]
    stream = ollama.chat("llama3.2", question, stream=True)
    texts = map("".join, stream.tokens())
    # Wait for the first token: what the server refuses is raised here, while the status can still say so.
    first = next(texts, "")
    response = Response(chain([first], texts), mimetype="text/plain")
    # Not a `with` in a generator: one that was never started is never left either.
    response.call_on_close(stream.close)
    return response


@app.errorhandler(ollama.OllamaError)
def no_answer(error: ollama.OllamaError) -> tuple[str, int]:
    return f"No answer: {error}\n", 502
