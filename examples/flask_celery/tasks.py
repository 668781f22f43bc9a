"""Answers that a worker of Celery makes and the web process follows: the model may take as long as it likes, and the web may be restarted.

    redis-server
    celery --workdir examples/flask_celery -A tasks:celery worker
    flask --app examples/flask_celery/tasks run
    curl -X POST localhost:5000/answers --json '{"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}]}'
    curl localhost:5000/answers/ID

`REDIS` is the URL of the Redis server. Whose an answer is: here everybody's who knows its id; name an `owner` where people log in.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from flask import Flask, Response, request

from ollama_sync import OllamaError
from ollama_sync.flask import Answers, Ollama, chat_arguments, current_ollama

REDIS = os.environ.get("REDIS", "redis://localhost:6379/0")

app = Flask(__name__)
app.config["OLLAMA_ANSWERS"] = REDIS
Ollama(app)
answers = Answers(app)
celery = Celery("tasks", broker=REDIS, backend=REDIS)


@celery.task
def make(answer: str, question: dict[str, Any]) -> bool:
    """Make an answer that was reserved, and last as long as it does."""
    with app.app_context():
        try:
            stream = current_ollama.chat(**question, stream=True)
            answers.start(stream, owner=None, id=answer)
        except OllamaError as error:
            answers.fail(answer, error, owner=None)
            raise
        return answers.wait(answer, owner=None)


@app.post("/answers")
def ask() -> tuple[dict[str, str], int]:
    question = chat_arguments(request)
    answer = answers.reserve(owner=None).id
    make.delay(answer, question)
    return {"id": answer}, 202


@app.get("/answers/<answer>")
def follow(answer: str) -> Response:
    return answers.sse(answer, owner=None)


@app.delete("/answers/<answer>")
def stop(answer: str) -> tuple[str, int]:
    answers.cancel(answer, owner=None)
    return "", 204


@celery.task
def whole(question: dict[str, Any]) -> Any:
    """Return a reply of one piece: Celery's JSON takes it as it is, and who asked gets a dict."""
    with app.app_context():
        return current_ollama.chat(**question)
