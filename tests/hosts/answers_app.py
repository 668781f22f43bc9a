"""A shop whose answers outlive their request, as its user would write it. Served by each host of `test_answers_workers.py`."""

from __future__ import annotations

import os
import resource
from typing import Any

from flask import Flask, Response

from ollama_sync.flask import Answers, Ollama, current_ollama

app = Flask(__name__)
app.config["OLLAMA_ANSWERS"] = os.environ["REDIS"]
Ollama(app)
answers = Answers(app)


@app.post("/answers/<question>")
def ask(question: str) -> Any:
    messages = [{"role": "user", "content": question}]
    stream = current_ollama.chat("m", messages, stream=True)
    return {"id": answers.start(stream, owner=None, grace=0).id}, 202


@app.get("/answers/<name>")
def follow(name: str) -> Response:
    return answers.sse(name, owner=None)


@app.delete("/answers/<name>")
def stop(name: str) -> Any:
    answers.cancel(name, owner=None)
    return "", 204


@app.get("/whole")
def whole() -> Any:
    """Say that the server is up, and the most memory that this process has held, in KiB."""
    return {"most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


@app.after_request
def sign(response: Response) -> Response:
    """Name the process that answers, and let the next request go to any."""
    response.headers["X-Worker"] = str(os.getpid())
    response.headers["Connection"] = "close"
    return response
