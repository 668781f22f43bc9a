"""`Answers` under gunicorn with two workers and Redis: what one worker makes is followed and cancelled by the other.

`FLASK_ANSWERS=FILE` adds, for each kind of worker, the milliseconds to the first event and the memory of 200 answers, as JSON.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ollama_sync.testing import Request, chunk, end, head, pause, silence

KINDS = {
    "gthread": ("-k", "gthread", "--threads", "300"),
    "gevent": ("-k", "gevent"),
}
ANSWERS, FOLLOWERS, TOKENS = 200, 2, 12


class Got(NamedTuple):
    """A response: the process that made it, its body, and the seconds until its first event."""

    worker: int
    body: str
    first: float


def ask(port: int, method: str, path: str, worker: Callable[[int], bool] = bool) -> Got:
    """Ask until a worker that suits has something to say, and read its answer to the end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        began = time.perf_counter()
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            browser.request(method, path)
            answer = browser.getresponse()
            made_by = int(answer.headers["X-Worker"])
            # 503: Redis was too slow to answer at this moment, and the next one may do.
            if worker(made_by) and answer.status != 503:
                assert answer.status < 300, answer.read()
                body, first = b"", 0.0
                while piece := answer.read1(65536):
                    body += piece
                    if not first and b"id: " in body:
                        first = time.perf_counter() - began
                return Got(made_by, body.decode(), first)
            answer.close()
        finally:
            browser.close()
    raise AssertionError("no worker that suits has answered")


def say(text: str, *, done: bool = False) -> Any:
    return chunk({"model": "m", "message": {"role": "assistant", "content": text}, "done": done})


def count(request: Request) -> Any:
    """Answer with numbered words that name the question."""
    question = request.json["messages"][0]["content"]
    words = [
        step for number in range(TOKENS) for step in (say(f"{question}-{number} "), pause(0.25))
    ]
    return [head(), *words, say("", done=True), end()]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def port(kind: str, host: Callable[..., Any], redis_server: Any) -> int:
    """Where two workers of that kind listen."""
    command = ("-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "answers_app:app")
    return int(host(*command, *KINDS[kind], REDIS=redis_server.url).port)


def test_workers_share_answers(port: int, kind: str, upstream: Any) -> None:
    """One answer is followed and cancelled by the worker that did not start it; 200 at once with 400 followers are all whole."""
    upstream.on("POST", "/api/chat", None)
    upstream.script([head(), say("one"), silence()])
    started = ask(port, "POST", "/answers/x")
    name = json.loads(started.body)["id"]

    def is_other(worker: int) -> bool:
        return worker != started.worker

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(ask, port, "GET", f"/answers/{name}", is_other)
        ask(port, "DELETE", f"/answers/{name}", is_other)
        upstream.wait_disconnect(timeout=30)
        assert following.result(30).body.endswith('event: end\ndata: {"cancelled":true}\n\n')

    upstream.on("POST", "/api/chat", count)
    before = memory(port)
    followers = ANSWERS * FOLLOWERS
    with ThreadPoolExecutor(followers) as pool:
        paths = [f"/answers/q{number}" for number in range(ANSWERS)]
        asked = list(pool.map(lambda path: ask(port, "POST", path), paths))
        names = [json.loads(each.body)["id"] for each in asked] * FOLLOWERS
        got = list(pool.map(lambda name: ask(port, "GET", f"/answers/{name}"), names))
    for number, answer in enumerate(got):
        words = re.findall(r'"content":"([^"]+) "', answer.body)
        question = f"q{number % ANSWERS}"
        assert words == [f"{question}-{word}" for word in range(TOKENS)]
        assert answer.body.endswith("event: end\ndata: {}\n\n")
    elsewhere = [
        answer.worker != asked[number % ANSWERS].worker for number, answer in enumerate(got)
    ]
    assert any(elsewhere)
    firsts = sorted(answer.first * 1000 for answer in got)
    note(
        kind,
        {
            "first event, median ms": round(statistics.median(firsts), 1),
            "first event, 99 of 100, ms": round(firsts[len(firsts) * 99 // 100], 1),
            "memory before, MiB": round(before / 1024, 1),
            "most memory, MiB": round(memory(port) / 1024, 1),
            "followed elsewhere": sum(elsewhere),
        },
    )


def memory(port: int) -> int:
    """The most that a worker has held, of the one that held more, in KiB."""
    got = [ask(port, "GET", "/whole")]
    got.append(ask(port, "GET", "/whole", lambda worker: worker != got[0].worker))
    return max(json.loads(each.body)["most"] for each in got)


def note(kind: str, figures: dict[str, float]) -> None:
    """Show the figures, and add them to the file, where one is named."""
    print(f"{kind}: {figures}")
    where = os.environ.get("FLASK_ANSWERS")
    if where:
        file = Path(where)
        noted = json.loads(file.read_text()) if file.exists() else {}
        noted[kind] = figures
        file.write_text(json.dumps(noted, indent=2) + "\n")
