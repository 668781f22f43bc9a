"""A shop with the Flask extension, as its user would write it. Served by each host of `test_flask_servers.py`.

With `ASK_EARLY` set the client is made and used when the module is imported: by gunicorn's master, under `--preload`.
"""

from __future__ import annotations

import os

from flask import Flask, Response

from ollama_sync.flask import Ollama, current_ollama, ndjson, sse, text

app = Flask(__name__)
Ollama(app)

if os.environ.get("ASK_EARLY"):
    with app.app_context():
        current_ollama.version()


@app.get("/<kind>")
def answer(kind: str) -> Response:
    """Stream an answer in one of the three ways; `/quick` has quick heartbeats."""
    stream = current_ollama.chat("m", [{"role": "user", "content": "Hi"}], stream=True)
    if kind == "quick":
        return sse(stream, heartbeat=0.05, grace=0)
    return {"sse": sse, "ndjson": ndjson, "text": text}[kind](stream)


@app.get("/whole")
def whole() -> str:
    """Say that the server is up."""
    return "up"
