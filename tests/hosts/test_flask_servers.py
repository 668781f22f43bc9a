"""The Flask extension under each WSGI server, and behind nginx: tokens come one by one, and a browser that leaves is noticed.

`FLASK_TTFB=FILE` adds, for each server, its command and the milliseconds to the first token in the browser, as JSON.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.testing import Gate, chunk, end, head, silence, wait

_GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "flask_app:app")

# Name: the command, and whether nginx is in front.
SERVERS: dict[str, tuple[tuple[str, ...], bool]] = {
    "flask run": (("-m", "flask", "--app", "flask_app", "run", "--port", "{port}"), False),
    "sync": ((*_GUNICORN, "-k", "sync"), False),
    "gthread": ((*_GUNICORN, "-k", "gthread", "--threads", "8"), False),
    "gthread, preloaded": ((*_GUNICORN, "-k", "gthread", "--threads", "8", "--preload"), False),
    "gevent": ((*_GUNICORN, "-k", "gevent"), False),
    "waitress": (("-m", "waitress", "--listen", "127.0.0.1:{port}", "flask_app:app"), False),
    "nginx and gthread": ((*_GUNICORN, "-k", "gthread", "--threads", "8"), True),
    "nginx and gevent": ((*_GUNICORN, "-k", "gevent"), True),
}
ROUNDS = 10


@pytest.fixture(params=SERVERS)
def flask_server(
    request: pytest.FixtureRequest, host: Callable[..., Any], nginx_before: Callable[[int], int]
) -> tuple[str, int]:
    """The name of a server that runs, and its port."""
    command, is_behind_nginx = SERVERS[request.param]
    early = {"ASK_EARLY": "1"} if "preload" in request.param else {}
    port = host(*command, **early).port
    return request.param, nginx_before(port) if is_behind_nginx else port


@contextmanager
def asked(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    """Ask as a browser does, by a connection that could be kept, and leave at the end."""
    browser = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(browser):
        browser.request("GET", path)
        with browser.getresponse() as answer:  # which alone holds a connection that cannot be kept
            assert answer.status == 200
            yield answer


def say(text: str, *, done: bool = False) -> Any:
    return chunk({"model": "m", "message": {"role": "assistant", "content": text}, "done": done})


def read_until(answer: http.client.HTTPResponse, text: bytes) -> bytes:
    got = b""
    while text not in got:
        more = answer.read1(65536)
        assert more, got
        got += more
    return got


def test_tokens_come_one_by_one(flask_server: tuple[str, int], upstream: Any) -> None:
    """The model makes its second token only when the browser has had the first; that takes milliseconds."""
    name, port = flask_server
    took = []
    for path in ("/sse", "/ndjson", "/text"):
        for _ in range(ROUNDS):
            first, second = Gate("first"), Gate("second")
            answer = [say("1st"), wait(first), say("2nd"), wait(second), say("", done=True)]
            upstream.script([head(), *answer, end()])
            began = time.perf_counter()
            with asked(port, path) as got:
                read_until(got, b"1st")
                took.append(time.perf_counter() - began)
                first.open()
                read_until(got, b"2nd")
                second.open()
                assert b"1st" not in got.read()
    note(name, took)
    assert statistics.median(took) < 1.0


def test_a_browser_that_leaves_is_noticed(flask_server: tuple[str, int], upstream: Any) -> None:
    """The model is stopped when the page is closed in mid-answer, or in silence, or while the model loads."""
    _, port = flask_server
    upstream.on("POST", "/api/chat", None)
    for number, (path, script, sign) in enumerate(
        [
            ("/text", None, b"A"),  # the mock's own endless answer
            ("/quick", [head(), say("1st"), silence()], b"1st"),
            ("/quick", [silence()], b": nothing yet"),
        ],
        1,
    ):
        if script is not None:
            upstream.script(script)
        with asked(port, path) as answer:
            read_until(answer, sign)
        upstream.wait_disconnect(number, timeout=30)


def note(name: str, took: list[float]) -> None:
    """Show how long it took to the first token, and add that to the file, where one is named."""
    milliseconds = round(statistics.median(took) * 1000, 1)
    print(f"{name}: first token after {milliseconds} ms (median of {len(took)})")
    where = os.environ.get("FLASK_TTFB")
    if where:
        file = Path(where)
        noted = json.loads(file.read_text()) if file.exists() else {}
        command = " ".join(SERVERS[name][0]).removeprefix("-m ")
        noted[name] = {"command": command, "milliseconds": milliseconds}
        file.write_text(json.dumps(noted, indent=2) + "\n")
