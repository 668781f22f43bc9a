"""What the tests of Flask share: an app whose pages stream in each way, and a real server for it."""

from __future__ import annotations

import http.client
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, Response, request
from werkzeug.serving import make_server

from ollama_sync.flask import Ollama, current_ollama, ndjson, sse, text
from ollama_sync.testing import MockOllama

Get = Callable[..., http.client.HTTPResponse]
RESPONSES: dict[str, Callable[..., Response]] = {"sse": sse, "ndjson": ndjson, "text": text}


@pytest.fixture(autouse=True)
def _keeper_looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a test waits for the keeper of its answers, which otherwise looks every half second."""
    monkeypatch.setattr("ollama_sync.flask._worker._TICK", 0.05)


def make_app(**settings: Any) -> Flask:
    """An app whose page `/sse` streams as server-sent events, and so on; seconds are given as in `/sse?heartbeat=1`."""
    app = Flask("shop")
    app.config.update(settings)
    Ollama(app)

    @app.get("/<kind>")
    def answer(kind: str) -> Response:
        seconds = {name: float(value) for name, value in request.args.items()}
        return RESPONSES[kind](current_ollama.generate("m", "hi", stream=True), **seconds)

    return app


@pytest.fixture
def make() -> Iterator[Callable[..., Flask]]:
    """Makes apps, and closes their clients in the end."""
    made: list[Flask] = []

    def make_one(**settings: Any) -> Flask:
        made.append(make_app(**settings))
        return made[-1]

    yield make_one
    for app in made:
        with app.app_context():
            current_ollama.close()


@pytest.fixture
def app(server: MockOllama, make: Callable[..., Flask]) -> Flask:
    return make(OLLAMA_HOST=server.url)


@pytest.fixture
def get(app: Flask) -> Iterator[Get]:
    """Fetches a page from a real server, whose threads serve many at once. What is not read to the end is left at the end."""
    site = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    opened: list[http.client.HTTPResponse] = []

    def fetch(path: str, method: str = "GET") -> http.client.HTTPResponse:
        asked = urllib.request.Request(f"http://127.0.0.1:{site.port}{path}", method=method)
        opened.append(urllib.request.urlopen(asked, timeout=10))
        return opened[-1]

    yield fetch
    for answer in opened:
        answer.close()
    site.shutdown()
    serving.join()
    site.server_close()


@pytest.fixture
def get_of(app: Flask) -> Iterator[Callable[..., http.client.HTTPResponse]]:
    """Fetches a page of the test's own app from a real server, with these headers. What is not read is left at the end."""
    site = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    opened: list[http.client.HTTPResponse] = []

    def fetch(path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        asked = urllib.request.Request(f"http://127.0.0.1:{site.port}{path}", headers=headers)
        opened.append(urllib.request.urlopen(asked, timeout=10))
        return opened[-1]

    yield fetch
    for answer in opened:
        answer.close()
    site.shutdown()
    serving.join()
    site.server_close()
