"""A web program as users write it: one client, made and used at import, shared by every request. Served by each host.

With gunicorn's `--preload` and in uWSGI it is imported by the master, so that the workers inherit a hub that has run.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, request

import ollama_sync

app = Flask(__name__)
client = ollama_sync.Client()
client.version()


def _messages() -> list[dict[str, str]]:
    return [{"role": "user", "content": request.args["prompt"]}]


@app.get("/stream")
def stream() -> Response:
    """Hand the tokens on as they come."""
    messages = _messages()

    def tokens() -> Iterator[str]:
        with client.chat("m", messages, stream=True) as answer:
            for batch in answer.tokens():
                yield "".join(batch)

    return Response(tokens(), mimetype="text/plain")


@app.get("/whole")
def whole() -> str:
    """Answer when the model has."""
    return client.chat("m", _messages()).message.content or ""
