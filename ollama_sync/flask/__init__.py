"""Ollama in Flask: a client for each app, and responses that stream an answer to a browser.

    app = Flask(__name__)
    Ollama(app)                                             # OLLAMA_HOST, OLLAMA_TIMEOUT, ... of app.config

    @app.get("/ask")
    def ask():
        return sse(current_ollama.chat("llama3.2", question, stream=True))

Runs on the threads or greenlets of the WSGI server, and stands where a user stands: it may use the public surface only. Needs the
extra `flask`; `import ollama_sync` does not import it.
"""

from __future__ import annotations

from ollama_sync.flask._answers import Answer, Answers
from ollama_sync.flask._errors import (
    AnswerLost,
    AnswerNotFound,
    AnswerTooLong,
    InvalidRequest,
    StoreError,
    error_reply,
)
from ollama_sync.flask._extension import Ollama, current_ollama
from ollama_sync.flask._request import chat_arguments
from ollama_sync.flask._responses import ndjson, sse, text

__all__ = [
    "Answer",
    "AnswerLost",
    "AnswerNotFound",
    "AnswerTooLong",
    "Answers",
    "InvalidRequest",
    "Ollama",
    "StoreError",
    "chat_arguments",
    "current_ollama",
    "error_reply",
    "ndjson",
    "sse",
    "text",
]
