"""Answers in Redis: two apps of this process stand for two workers, a real redis-server is between them.

What needs processes of its own, a worker that dies for one, is in `tests/browser/test_chat_workers.py`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("redis")

import redis
from flask import Flask, Response, request

from ollama_sync import UsageError
from ollama_sync.flask import AnswerNotFound, Answers, Ollama, StoreError, current_ollama
from ollama_sync.flask._reader import Reader
from ollama_sync.flask._record import End
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, silence, wait

TOKEN = {"model": "m", "message": {"role": "assistant", "content": "A"}, "done": False}
LAST = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True}


class Worker:
    """An app, with answers of its own as a worker process has them.

    Args:
        url: of Redis.
        ollama: the address of the model's server.
        settings: more of the app's.
    """

    def __init__(self, url: str, ollama: str, **settings: Any) -> None:
        app = self.app = Flask("shop")
        app.config.update(OLLAMA_ANSWERS=url, OLLAMA_HOST=ollama)
        app.config.update(settings)
        Ollama(app)
        self.answers = answers = Answers(app)

        @app.get("/answers/<name>")
        def follow(name: str) -> Response:
            return answers.sse(name, owner=request.args.get("user", "ada"), heartbeat=0.5)

    def start(self, owner: str = "ada", name: str | None = None) -> str:
        """Begin an answer, and return its id."""
        with self.app.app_context():
            stream = current_ollama.chat("m", [{"role": "user", "content": "hi"}], stream=True)
            return self.answers.start(stream, owner=owner, id=name).id

    def cancel(self, name: str, owner: str = "ada") -> None:
        with self.app.app_context():
            self.answers.cancel(name, owner=owner)

    def follow(self, name: str, last: int = 0) -> str:
        """Follow an answer to its end, and return its events."""
        headers = {"Last-Event-ID": str(last)}
        return self.app.test_client().get(f"/answers/{name}", headers=headers).text

    @property
    def reader(self) -> Reader:
        """What reads the answers of the other worker."""
        with self.app.app_context():
            reader: Reader = self.answers._worker().store._reader  # type: ignore[union-attr]
        return reader

    def close(self, eventually: Callable[[Callable[[], object]], None]) -> None:
        with self.app.app_context():
            current_ollama.close()
        for worker in self.app.extensions["ollama_answers"].values():
            eventually(
                lambda worker=worker: not worker._keeping and not worker.store._reader._reading
            )
            worker.store._redis.connection_pool.disconnect()


class Following:
    """Somebody who follows an answer to its end, on a thread of their own.

    Args:
        worker: which is asked.
        name: of the answer.
    """

    def __init__(self, worker: Worker, name: str) -> None:
        self.events = ""
        self._asked = worker.app.test_client(), f"/answers/{name}?user=ada"
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        http, path = self._asked
        with http.get(path, buffered=False) as got:
            for piece in got.response:
                self.events += piece if isinstance(piece, str) else piece.decode()

    @property
    def count(self) -> int:
        """How many parts have come."""
        return len(contents(self.events))

    def whole(self) -> str:
        """Wait for the end, and return all events."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.events


@pytest.fixture
def make(
    redis_server: Any,
    server: MockOllama,
    eventually: Callable[[Callable[[], object]], None],
) -> Iterator[Callable[..., Worker]]:
    """Makes workers, and closes them in the end."""
    made: list[Worker] = []

    def make_one(**settings: Any) -> Worker:
        made.append(Worker(redis_server.url, server.url, **settings))
        return made[-1]

    yield make_one
    for worker in made:
        worker.close(eventually)


@pytest.fixture
def one(make: Callable[..., Worker]) -> Worker:
    return make()


@pytest.fixture
def other(make: Callable[..., Worker]) -> Worker:
    return make()


def contents(events: str) -> list[str]:
    """Return the texts of the parts, whose numbers must be without a gap."""
    found = re.findall(r"id: (\d+)\ndata: (.*)\n\n", events)
    numbers = [int(number) for number, _ in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    return [json.loads(data)["message"]["content"] for _, data in found]


def last_event(events: str) -> tuple[str, dict[str, Any]]:
    event, data = events.rstrip("\n").split("\n\n")[-1].split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_any_worker_follows_from_any_event(one: Worker, other: Worker, server: MockOllama) -> None:
    """What one worker makes the other follows while it comes and when it has ended, from wherever the browser was."""
    words = [str(number) for number in range(1000)]
    parts = [chunk({**TOKEN, "message": {"content": word}}) for word in words]
    gates = Gate(), Gate()
    server.script(
        [head(), *parts[:100], wait(gates[0]), *parts[100:], wait(gates[1]), chunk(LAST), end()]
    )
    name = one.start()
    with ThreadPoolExecutor(20) as pool:
        gates[0].wait_reached()
        following = [pool.submit(other.follow, name, last) for last in range(0, 100, 7)]
        gates[0].open()
        gates[1].wait_reached()
        late = [pool.submit(other.follow, name, last) for last in (1, 99, 501, 1000)]
        gates[1].open()
        for last, got in zip(range(0, 100, 7), following, strict=True):
            assert contents(got.result(20)) == [*words[last:], ""]
        for last, got in zip((1, 99, 501, 1000), late, strict=True):
            assert contents(got.result(20)) == [*words[last:], ""]
    assert contents(other.follow(name, 990)) == [*words[990:], ""]
    assert last_event(one.follow(name)) == ("end", {})
    assert len(server.requests) == 1


def test_a_foreign_answer_is_as_an_unknown_one(one: Worker, other: Worker) -> None:
    """In the other worker, too, nobody follows or cancels what is not theirs, nor learns that it is there."""
    name = one.start(owner="ada")
    with other.app.test_request_context():
        for asked, owner in ((name, "eve"), (name, None), ("A" * 22, "ada"), (f"{name}:x", "ada")):
            with pytest.raises(AnswerNotFound, match=r"^no such answer$"):
                other.answers.sse(asked, owner=owner)
            with pytest.raises(AnswerNotFound, match=r"^no such answer$"):
                other.answers.cancel(asked, owner=owner)
    assert contents(other.follow(name)) == ["A", "A", "A", ""]


@pytest.mark.parametrize("script", [[silence()], [head(), chunk(TOKEN), silence()]])
def test_any_worker_cancels(
    one: Worker, other: Worker, server: MockOllama, script: list[Any]
) -> None:
    """The model stops, also a silent one, and those who follow get the end, in both workers."""
    server.script(script)
    name = one.start()
    with ThreadPoolExecutor(2) as pool:
        following = [pool.submit(worker.follow, name) for worker in (one, other)]
        other.cancel(name)
        server.wait_disconnect(timeout=10)
        other.cancel(name)  # once more does no harm
        for got in following:
            assert last_event(got.result(10)) == ("end", {"cancelled": True})


@pytest.mark.once  # it waits longer than a lease
def test_followers_elsewhere_keep_an_answer(
    make: Callable[..., Worker], server: MockOllama
) -> None:
    """An answer that only the other worker's browsers follow goes on; when they have gone it stops."""
    settings = {"OLLAMA_ANSWERS_ABANDON_AFTER": 0.5}
    one, other = make(**settings), make(**settings)
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    name = one.start()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(other.follow, name)
        assert not threading.Event().wait(3)
        gate.open()
        assert last_event(following.result(10)) == ("end", {})
    server.script([head(), chunk(TOKEN), silence()])
    name = one.start()
    server.wait_disconnect(timeout=20)
    assert last_event(other.follow(name)) == ("end", {"abandoned": True})


def test_an_answer_may_be_started_elsewhere(one: Worker, other: Worker, server: MockOllama) -> None:
    """One worker reserves it and follows, the other starts it: once, for its owner only, and not after it was cancelled."""
    with one.app.app_context():
        name = one.answers.reserve(owner="ada").id
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(one.follow, name)
        with pytest.raises(AnswerNotFound):
            other.start("eve", name)
        assert other.start("ada", name) == name
        assert contents(following.result(10)) == ["A", "A", "A", ""]
    server.script([head(), chunk(TOKEN), silence()])
    one.start(
        "ada", name
    )  # a task that is delivered twice: the answer stays as it is, the second model stops
    server.wait_disconnect(timeout=10)
    assert contents(one.follow(name)) == ["A", "A", "A", ""]
    with one.app.app_context():
        name = one.answers.reserve(owner="ada").id
    server.script([head(), chunk(TOKEN), silence()])
    server.script([head(), chunk(TOKEN), silence()])
    other.start("ada", name)
    with pytest.raises(UsageError, match="started already"):
        one.start("ada", name)
    other.cancel(name)
    server.wait_disconnect(3, timeout=10)
    with one.app.app_context():
        name = one.answers.reserve(owner="ada").id
        one.answers.cancel(name, owner="ada")
    server.script([head(), chunk(TOKEN), silence()])
    other.start("ada", name)
    server.wait_disconnect(4, timeout=10)
    assert last_event(one.follow(name)) == ("end", {"cancelled": True})


def test_an_answer_that_cannot_be_started_is_told(
    one: Worker, other: Worker, server: MockOllama
) -> None:
    """Who follows a reserved answer gets the error, and it is not started later; one that is made goes on; others' are unknown."""
    error = StoreError("no room")
    with one.app.app_context():
        name = one.answers.reserve(owner="ada").id
    following = Following(one, name)
    with other.app.app_context():
        with pytest.raises(AnswerNotFound):
            other.answers.fail(name, error, owner="eve")
        other.answers.fail(name, error, owner="ada")
    event, data = last_event(following.whole())
    assert (event, data["type"], data["status"]) == ("error", "StoreError", 503)
    server.script([head(), chunk(TOKEN), silence()])
    other.start("ada", name)
    server.wait_disconnect(timeout=10)
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    name = one.start()
    with other.app.app_context():
        other.answers.fail(name, error, owner="ada")
    gate.open()
    assert contents(other.follow(name)) == ["A", ""]


def test_without_redis_a_start_says_so(one: Worker, redis_server: Any, server: MockOllama) -> None:
    """The view gets an error that names Redis, for the log; the browser gets 503 without its address; the model stops."""
    redis_server.kill()
    server.script([head(), chunk(TOKEN), silence()])
    with pytest.raises(StoreError, match=f"127.0.0.1:{redis_server.port}.*is the Redis server"):
        one.start()
    server.wait_disconnect(timeout=10)
    got = one.app.test_client().get(f"/answers/{'A' * 22}")
    assert (got.status_code, got.headers["Retry-After"]) == (503, "5")
    assert str(redis_server.port) not in got.text
    redis_server.start()
    assert contents(one.follow(one.start())) == ["A", "A", "A", ""]


@pytest.mark.parametrize("loss", ["killed", "cleared"])
def test_redis_goes_and_comes_back(
    one: Worker,
    other: Worker,
    server: MockOllama,
    redis_server: Any,
    loss: str,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """In mid-answer: those who follow where it is made notice nothing, those elsewhere go on when it is back, with all of it."""
    gates = Gate(), Gate()
    parts = [chunk({**TOKEN, "message": {"content": str(number)}}) for number in range(30)]
    server.script(
        [
            head(),
            *parts[:10],
            wait(gates[0]),
            *parts[10:20],
            wait(gates[1]),
            *parts[20:],
            chunk(LAST),
            end(),
        ]
    )
    name = one.start()
    here, there = Following(one, name), Following(other, name)
    eventually(lambda: there.count == 10)
    if loss == "killed":
        redis_server.kill()
    else:
        redis_server.clear()
    gates[0].open()
    gates[1].wait_reached()
    eventually(lambda: here.count == 20)
    if loss == "killed":
        redis_server.start()
    else:
        eventually(lambda: there.count == 20)
    gates[1].open()
    whole = [*map(str, range(30)), ""]
    assert contents(here.whole()) == whole
    assert contents(there.whole()) == whole
    assert contents(other.follow(name)) == whole


@pytest.mark.once  # it waits until the time limits of several attempts have passed
def test_redis_that_stays_away_is_told(
    one: Worker,
    other: Worker,
    server: MockOllama,
    redis_server: Any,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """Who follows elsewhere gets an error event after some seconds; where it is made the answer ends as if nothing were."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    name = one.start()
    here, there = Following(one, name), Following(other, name)
    eventually(lambda: there.count == 1)
    redis_server.pause()
    try:
        event, data = last_event(there.whole())
        assert (event, data["type"], data["status"]) == ("error", "StoreError", 503)
        gate.open()
        assert contents(here.whole()) == ["A", ""]
    finally:
        redis_server.go_on()


def test_an_answer_that_was_given_up_stays_ended(
    one: Worker, other: Worker, server: MockOllama
) -> None:
    """A process that was taken for dead and is not adds nothing behind the end, and stops its model."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), *[chunk(TOKEN)] * 5, silence()])
    name = one.start()
    other.reader.stop(name, End("error", '{"message":"given up"}'))
    gate.open()
    server.wait_disconnect(timeout=10)
    events = other.follow(name)
    assert last_event(events) == ("error", {"message": "given up"})
    assert last_event(one.follow(name)) == ("error", {"message": "given up"})


def test_one_connection_reads_for_all_who_follow(
    one: Worker,
    other: Worker,
    server: MockOllama,
    redis_server: Any,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """200 who follow elsewhere wait at one reader, and the process holds few connections; each gets the whole answer."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), *[chunk(TOKEN)] * 20, chunk(LAST), end()])
    name = one.start()
    following = [Following(other, name) for _ in range(200)]
    eventually(lambda: all(each.count == 1 for each in following))
    with redis.Redis.from_url(redis_server.url) as asked:
        clients = asked.info("clients")
    assert clients["blocked_clients"] <= 1
    assert clients["connected_clients"] <= 2 * 16 + 1
    gate.open()
    for each in following:
        assert contents(each.whole()) == ["A"] * 21 + [""]


def test_who_comes_while_the_reader_waits_is_served(
    server: MockOllama,
    redis_server: Any,
    make: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """The reader waits long for a silent answer: one that is followed next has it wake up, and is not kept waiting."""
    patient = f"{redis_server.url}?socket_timeout=100"
    one, other = make(OLLAMA_ANSWERS=patient), make(OLLAMA_ANSWERS=patient)
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    silent, quick = one.start(), one.start()
    monkeypatch.setattr("ollama_sync.flask._reader._LOOK", 60.0)
    first = Following(other, silent)
    eventually(lambda: first.count == 1)
    with redis.Redis.from_url(redis_server.url) as asked:
        eventually(lambda: asked.info("clients")["blocked_clients"])
    try:
        assert contents(Following(other, quick).whole()) == ["A", "A", "A", ""]
    finally:
        gate.open()
    assert contents(first.whole()) == ["A", ""]


def test_who_is_long_in_writing_is_read_on_for(
    one: Worker,
    other: Worker,
    server: MockOllama,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """An answer whose only follower is busy is read no more; when he comes back he gets what followed, once."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(TOKEN), chunk(LAST), end()])
    name = one.start()
    with other.app.app_context():
        follower = other.answers._find(name, "ada")
    assert len(follower.wait(0, 10).parts) == 1
    eventually(lambda: not other.reader._reading)
    gate.open()
    seen = 1
    while not (got := follower.wait(seen, 10)).end:
        seen += len(got.parts)
    assert seen + len(got.parts) == 3
    assert got.end.data == "{}"


def test_a_reader_that_breaks_is_told(
    one: Worker, other: Worker, server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who follow get an error and do not wait for ever, and the next has another reader."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    name = one.start()
    told = []
    monkeypatch.setattr("threading.excepthook", told.append)
    with monkeypatch.context() as broken:
        broken.setattr("ollama_sync.flask._reader.parts_behind", lambda *_: 1 / 0)
        event, data = last_event(other.follow(name))
    assert (event, data["type"], data["status"]) == ("error", "StoreError", 503)
    assert [each.exc_type for each in told] == [ZeroDivisionError]
    gate.open()
    assert contents(other.follow(name)) == ["A", ""]
