"""A chat: a page, the list of models, and answers that go on when the page is loaded again, in a second tab, or on another network.

Run it by `flask --app examples/flask_chat/app run` and open http://localhost:5000. What was said stays in the browser.

    CHAT_HOSTS    the names by which browsers may reach it, separated by commas: localhost unless you say otherwise
    SECRET_KEY    signs the cookie that says whose an answer is; made anew at each start unless you give one
"""

from __future__ import annotations

import os
import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, render_template, request, session
from werkzeug.exceptions import HTTPException

from ollama_sync.flask import Answers, Ollama, chat_arguments, current_ollama

HOSTS = os.environ.get("CHAT_HOSTS", "localhost,127.0.0.1,::1").split(",")

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex()
app.config["SESSION_COOKIE_SAMESITE"] = "Strict"
app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024  # pictures
Ollama(app)  # at OLLAMA_HOST, of app.config or of the environment
answers = Answers(app)


@app.errorhandler(HTTPException)
def refusal(error: HTTPException) -> tuple[dict[str, Any], int]:
    return {"error": error.description}, error.code or 500


@app.before_request
def check_where_it_comes_from() -> None:
    # A page of elsewhere can have a name of its own point here, or ask from there: neither may use the model, or read an answer.
    if urlsplit(request.host_url).hostname not in HOSTS:
        abort(400, "this server is not known by that name; see CHAT_HOSTS")
    own = request.host_url.rstrip("/")
    if request.headers.get("Origin", own) != own:
        abort(403, "asked by a page of another origin")


@app.get("/")
def page() -> str:
    session.setdefault("user", secrets.token_urlsafe())
    return render_template("chat.html")


@app.get("/models")
def models() -> list[str]:
    ollama: Any = current_ollama
    # With OLLAMA_HOSTS it is a fleet, whose servers may have different models.
    servers = ollama if hasattr(ollama, "servers") else [ollama]
    names = (str(model.model) for server in servers for model in server.list().models)
    return list(dict.fromkeys(names))


@app.post("/answers")
def ask() -> tuple[dict[str, str], int]:
    owner = reader()
    question = chat_arguments(request, allow=["images", "options", "system", "think"])
    stream = current_ollama.chat(**question, stream=True)
    return {"id": answers.start(stream, owner=owner).id}, 202


@app.get("/answers/<answer>")
def follow(answer: str) -> Response:
    # A browser that vanished in silence is noticed at the second heartbeat.
    return answers.sse(answer, owner=reader(), heartbeat=1.0)


@app.delete("/answers/<answer>")
def stop(answer: str) -> tuple[str, int]:
    answers.cancel(answer, owner=reader())
    return "", 204


def reader() -> str:
    """Whose browser asks."""
    if "user" not in session:
        abort(401, "load the page first: it brings the cookie")
    return str(session["user"])


@app.after_request
def with_guards(response: Response) -> Response:
    # Nothing from elsewhere, no script that is not a file of ours, no text that becomes markup: whatever a model says, it is text.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
