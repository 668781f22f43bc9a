"""`examples/flask_celery`: a real worker of Celery makes answers, the web follows and cancels them, Redis is between the two."""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kombu.pools
import pytest

from ollama_sync.testing import Gate, chunk, end, head, reply, silence, wait

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask_celery"
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def say(text: str, *, done: bool = False) -> Any:
    return chunk({"model": "m", "message": {"role": "assistant", "content": text}, "done": done})


class Following:
    """Somebody who follows an answer from the web, on a thread of their own.

    Args:
        app: the web's.
        name: of the answer.
    """

    def __init__(self, app: Any, name: str) -> None:
        self.events = ""
        self._changed = threading.Condition()
        self._asked = app.test_client(), f"/answers/{name}"
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        http, path = self._asked
        with http.get(path, buffered=False) as got:
            for piece in got.response:
                with self._changed:
                    self.events += piece if isinstance(piece, str) else piece.decode()
                    self._changed.notify_all()

    def until(self, text: str) -> None:
        """Wait until that has come."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.events, 30), self.events

    def end(self) -> tuple[str, Any]:
        """Wait for the end, and return the last event."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        event, data = self.events.rstrip("\n").split("\n\n")[-1].split("\n")
        return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.fixture
def environ(upstream: Any, redis_server: Any) -> dict[str, str]:
    return {"OLLAMA_HOST": upstream.url, "REDIS": redis_server.url}


@pytest.fixture
def app(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[[Callable[[], object]], None],
) -> Iterator[Any]:
    """The web's half of the example, in this process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = runpy.run_path(str(EXAMPLE / "tasks.py"), run_name="tasks")
    made["app"].whole = made["whole"]
    yield made["app"]
    for worker in made["app"].extensions["ollama_answers"].values():
        eventually(lambda worker=worker: not worker.store._reader._reading)
        worker.store._redis.connection_pool.disconnect()
    gc.collect()  # Celery's results unsubscribe where they are collected: while there is a Redis
    celery = made["celery"]
    celery.backend.result_consumer.stop()
    celery.backend.client.connection_pool.disconnect()
    celery.close()
    kombu.pools.reset()


@pytest.fixture
def worker(environ: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The worker's half, as a user starts it: two processes, forked from a master."""
    command = ["-m", "celery", "-A", "tasks:celery", "worker", "-c", "2"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (
        (tmp_path / "celery.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, *command],
            cwd=EXAMPLE,
            env={**os.environ, **environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def ask(app: Any) -> str:
    got = app.test_client().post("/answers", json=QUESTION)
    assert got.status_code == 202, got.text
    return str(got.json["id"])


def test_a_worker_makes_and_the_web_follows(app: Any, worker: Any, upstream: Any) -> None:
    """Tokens come one by one; a stop of the web reaches the worker's model; what the worker could not begin is told; a reply is JSON."""
    gate = Gate()
    upstream.script([head(), say("one"), wait(gate), say("two"), say("", done=True), end()])
    following = Following(app, ask(app))
    following.until('"one"')
    gate.open()
    assert following.end() == ("end", {})
    assert '"two"' in following.events

    upstream.script([head(), say("one"), silence()])
    name = ask(app)
    following = Following(app, name)
    following.until('"one"')
    assert app.test_client().delete(f"/answers/{name}").status_code == 204
    upstream.wait_disconnect(timeout=30)
    assert following.end() == ("end", {"cancelled": True})

    upstream.script([reply({"error": "model 'm' not found"}, status=404)], path="/api/chat")
    event, data = Following(app, ask(app)).end()
    assert (event, data["message"], data["status"]) == ("error", "model 'm' not found", 404)

    upstream.echo()
    answer = app.whole.delay(QUESTION).get(timeout=30)
    assert answer["message"] == {"role": "assistant", "content": "Hi"}


def test_a_worker_that_is_killed_is_told(app: Any, worker: Any, upstream: Any) -> None:
    """SIGKILL of all its processes in mid-answer: who follows gets an error within 5 s."""
    upstream.script([head(), say("one"), silence()])
    following = Following(app, ask(app))
    following.until('"one"')
    os.killpg(worker.pid, signal.SIGKILL)
    killed = time.monotonic()
    event, data = following.end()
    assert time.monotonic() - killed < 5
    assert (event, data["type"]) == ("error", "AnswerLost")
