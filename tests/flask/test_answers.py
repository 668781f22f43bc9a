"""Answers that outlive their request, in the memory of one process: by Flask's test client and by a real server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Response, request

from ollama_sync import RequestError, UsageError
from ollama_sync.flask import Answers, Ollama, current_ollama
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    end,
    head,
    reply,
    silence,
    wait,
)
from ollama_sync.testing import stream as stream_of

TOKEN = {"model": "m", "message": {"role": "assistant", "content": "A"}, "done": False}
LAST = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True}


@pytest.fixture
def settings() -> dict[str, Any]:
    """Of the app; a test may name others."""
    return {}


@pytest.fixture
def app(server: MockOllama, settings: dict[str, Any]) -> Iterator[Flask]:
    """An app as docs/flask.md has it; who asks is in the header `User`."""
    app = Flask("shop")
    app.config.update(settings, OLLAMA_HOST=server.url)
    Ollama(app)
    answers = Answers(app)

    @app.post("/answers")
    def ask() -> Any:
        stream = current_ollama.chat("m", [{"role": "user", "content": "hi"}], stream=True)
        return {"id": answers.start(stream, owner=request.headers["User"]).id}, 202

    @app.get("/answers/<id>")
    def follow(id: str) -> Response:
        seconds = float(request.args.get("heartbeat", 15))
        after = int(request.args.get("after", 0))
        return answers.sse(id, owner=request.headers["User"], heartbeat=seconds, after=after)

    @app.delete("/answers/<id>")
    def stop(id: str) -> Any:
        answers.cancel(id, owner=request.headers["User"])
        return "", 204

    yield app
    with app.app_context():
        current_ollama.close()


def start(app: Flask, user: str = "ada") -> str:
    """Begin an answer, and return its id."""
    got = app.test_client().post("/answers", headers={"User": user})
    assert got.status_code == 202, got.text
    return str(got.json["id"])


def follow(app: Flask, name: str, user: str = "ada", *, last: int | None = None) -> str:
    """Follow an answer to its end, and return its events."""
    headers = {"User": user} | ({} if last is None else {"Last-Event-ID": str(last)})
    return app.test_client().get(f"/answers/{name}", headers=headers).text


def contents(events: str) -> list[str]:
    """Return the texts of the parts, whose numbers must be without a gap."""
    found = re.findall(r"id: (\d+)\ndata: (.*)\n\n", events)
    numbers = [int(number) for number, _ in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    return [json.loads(data)["message"]["content"] for _, data in found]


def last_event(events: str) -> tuple[str, dict[str, Any]]:
    event, data = events.rstrip("\n").split("\n\n")[-1].split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_an_answer_is_followed_from_the_start(app: Flask, server: MockOllama) -> None:
    """Each part is an event with its number, the headers keep proxies from holding it back, and the end is told."""
    name = start(app)
    got = app.test_client().get(f"/answers/{name}", headers={"User": "ada"})
    assert got.mimetype == "text/event-stream"
    assert got.headers["X-Accel-Buffering"] == "no"
    assert got.text.startswith("retry: 1000\n\nid: 1\ndata: {")
    assert contents(got.text) == ["A", "A", "A", ""]
    assert last_event(got.text) == ("end", {})
    assert len(server.requests) == 1


def test_a_browser_goes_on_where_it_was(app: Flask) -> None:
    """Of what has come, only events behind `Last-Event-ID` are sent; behind the last there is only the end."""
    name = start(app)
    assert contents(follow(app, name)) == ["A", "A", "A", ""]
    assert re.findall(r"id: (\d+)", follow(app, name, last=2)) == ["3", "4"]
    for last in (4, 1000):
        assert follow(app, name, last=last) == "retry: 1000\n\nevent: end\ndata: {}\n\n"


def test_a_page_may_name_what_it_has(app: Flask) -> None:
    """`after` is for a page that was loaded again; the browser's own header is newer and goes before it."""
    name = start(app)
    http = app.test_client()
    got = http.get(f"/answers/{name}?after=3", headers={"User": "ada"})
    assert re.findall(r"id: (\d+)", got.text) == ["4"]
    got = http.get(f"/answers/{name}?after=3", headers={"User": "ada", "Last-Event-ID": "1"})
    assert re.findall(r"id: (\d+)", got.text) == ["2", "3", "4"]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 16, "²"])
def test_a_wrong_last_event_is_the_browsers_mistake(app: Flask, last: str) -> None:
    """What is no number is 400, and not a replay that a page would show twice."""
    headers = {"User": "ada", "Last-Event-ID": last}
    got = app.test_client().get(f"/answers/{start(app)}", headers=headers)
    assert (got.status_code, got.json["type"]) == (400, "InvalidRequest")


def test_many_follow_at_once(app: Flask, server: MockOllama) -> None:
    """Whenever they come, all followers get every part, once and in order."""
    gates = [Gate(), Gate()]
    words = [str(number) for number in range(50)]
    parts = [chunk({**TOKEN, "message": {"content": word}}) for word in words]
    server.script(
        [head(), *parts[:20], wait(gates[0]), *parts[20:], wait(gates[1]), chunk(LAST), end()]
    )
    name = start(app)
    with ThreadPoolExecutor(30) as pool:
        early = [pool.submit(follow, app, name) for _ in range(10)]
        gates[0].wait_reached()
        middle = [pool.submit(follow, app, name, last=10) for _ in range(10)]
        gates[0].open()
        gates[1].wait_reached()
        late = [pool.submit(follow, app, name) for _ in range(10)]
        gates[1].open()
        assert all(contents(one.result()) == [*words, ""] for one in early + late)
        assert all(contents(one.result()) == [*words[10:], ""] for one in middle)
    assert len(server.requests) == 1


def test_an_answer_goes_on_without_its_follower(
    app: Flask, server: MockOllama, get_of: Callable[..., Any]
) -> None:
    """A page that is closed in mid-answer and comes back has lost nothing, and the model was asked once."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(TOKEN), chunk(LAST), end()])
    name = start(app)
    page = get_of(f"/answers/{name}", {"User": "ada"})
    while b"id: 1" not in page.readline():
        pass
    page.close()
    gate.open()
    assert contents(follow(app, name, last=1)) == ["A", ""]
    assert server.disconnects == 0


def test_a_foreign_answer_is_as_an_unknown_one(app: Flask) -> None:
    """404 for both, without a difference: neither followed nor cancelled, whatever the id looks like."""
    name = start(app)
    http = app.test_client()
    for method in (http.get, http.delete):
        foreign = method(f"/answers/{name}", headers={"User": "eve"})
        for other in ("A" * 22, "x", "*", "ollama:answers:x", "%00", name + "A"):
            unknown = method(f"/answers/{other}", headers={"User": "ada"})
            assert (unknown.status_code, unknown.data) == (foreign.status_code, foreign.data)
        assert foreign.status_code == 404
    assert contents(follow(app, name)) == ["A", "A", "A", ""]


def test_ids_cannot_be_guessed(app: Flask) -> None:
    """An id has 128 random bits in characters that a URL takes as they are."""
    ids = {start(app) for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[\w-]{22}", name, re.ASCII) for name in ids)


def test_an_answer_without_owner_belongs_to_who_knows_its_id(app: Flask) -> None:
    """`None` is an owner of its own: somebody who says a name does not get it."""
    answers = Answers(app)
    with app.test_request_context():
        stream = current_ollama.chat("m", [], stream=True)
        name = answers.start(stream, owner=None).id
        assert "event: end" in answers.sse(name, owner=None).get_data(as_text=True)
        with pytest.raises(Exception, match="no such answer"):
            answers.sse(name, owner="ada")
        number = answers.start(current_ollama.chat("m", [], stream=True), owner=7).id
        assert answers.wait(number, owner=7, timeout=10)


@pytest.mark.parametrize(
    "script",
    [[silence()], [head(), chunk(TOKEN), silence()], [stream_of([TOKEN] * 10**5, delay=0.002)]],
    ids=["loads", "silent", "talks"],
)
def test_cancel_stops_the_model(app: Flask, server: MockOllama, script: list[Any]) -> None:
    """Those who follow get the end at once, and the connection to the model is closed; a second time does nothing."""
    server.script(script)
    name = start(app)
    with ThreadPoolExecutor(2) as pool:
        following = [pool.submit(follow, app, name) for _ in range(2)]
        for _ in range(2):
            assert app.test_client().delete(f"/answers/{name}", headers={"User": "ada"}).data == b""
        for one in following:
            assert last_event(one.result(10)) == ("end", {"cancelled": True})
    server.wait_disconnect(timeout=10)


@pytest.mark.parametrize("settings", [{"OLLAMA_ANSWERS_ABANDON_AFTER": 0.2}])
def test_an_answer_that_nobody_follows_stops(app: Flask, server: MockOllama) -> None:
    """The model is stopped after `abandon_after`, also one that still loads, and a page that comes later is told why."""
    for number, script in enumerate([[silence()], [head(), chunk(TOKEN), silence()]], 1):
        server.script(script)
        name = start(app)
        server.wait_disconnect(number, timeout=20)
        assert last_event(follow(app, name)) == ("end", {"abandoned": True})


@pytest.mark.parametrize("settings", [{"OLLAMA_ANSWERS_ABANDON_AFTER": 0.2}])
def test_an_answer_that_is_followed_goes_on(app: Flask, server: MockOllama) -> None:
    """However long the model is silent: following is enough."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk(LAST), end()])
    name = start(app)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, app, name)
        assert not threading.Event().wait(2)  # four looks of the keeper
        gate.open()
        assert last_event(following.result(10)) == ("end", {})


@pytest.mark.parametrize("settings", [{"OLLAMA_ANSWERS_MAX_BYTES": 5000}])
def test_an_answer_cannot_grow_for_ever(app: Flask, server: MockOllama) -> None:
    """One that is longer than `max_bytes` is stopped, and says so behind what it has."""
    server.script([stream_of([TOKEN] * 10**5, delay=0.0)])
    events = follow(app, start(app))
    assert last_event(events)[1]["message"] == "the answer became longer than 5000 bytes"
    assert 5000 < len(events) < 20_000
    server.wait_disconnect(timeout=10)


@pytest.mark.parametrize("settings", [{"OLLAMA_ANSWERS_MAX_ANSWERS": 2}])
def test_answers_make_room(app: Flask, server: MockOllama) -> None:
    """The oldest that has ended goes; when all are under way a new one is refused with 503, and its model stopped."""
    first = start(app)
    follow(app, first)
    server.script([head(), chunk(TOKEN), silence()])
    server.script([head(), chunk(TOKEN), silence()])
    running = [start(app), start(app)]
    assert app.test_client().get(f"/answers/{first}", headers={"User": "ada"}).status_code == 404
    server.script([head(), chunk(TOKEN), silence()])
    got = app.test_client().post("/answers", headers={"User": "ada"})
    assert (got.status_code, got.json["type"]) == (503, "StoreError")
    assert got.headers["Retry-After"] == "5"
    server.wait_disconnect(timeout=10)
    for name in running:
        app.test_client().delete(f"/answers/{name}", headers={"User": "ada"})


@pytest.mark.parametrize("settings", [{"OLLAMA_ANSWERS_KEEP": 0.05}])
def test_an_answer_is_forgotten_after_its_time(
    app: Flask, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """`keep` seconds after its end it is as unknown as any."""
    name = start(app)
    http = app.test_client()
    eventually(lambda: http.get(f"/answers/{name}", headers={"User": "ada"}).status_code == 404)


def test_silence_is_bridged(app: Flask, server: MockOllama, get_of: Callable[..., Any]) -> None:
    """While the model loads there are the headers at once, and a comment each `heartbeat` seconds."""
    server.script([silence()])
    name = start(app)
    page = get_of(f"/answers/{name}?heartbeat=0.05", {"User": "ada"})
    assert page.read(42) == b"retry: 1000\n\n: nothing yet\n\n: nothing yet\n\n"[:42]
    app.test_client().delete(f"/answers/{name}", headers={"User": "ada"})
    assert page.read().endswith(b'event: end\ndata: {"cancelled":true}\n\n')


@pytest.mark.parametrize(
    ("ending", "kind"),
    [([chunk({"error": "out of memory"})], "ErrorLine"), ([close()], "StreamBroken")],
)
def test_what_fails_later_is_an_event(
    app: Flask, server: MockOllama, ending: list[Any], kind: str
) -> None:
    """An error is the last event, behind every part that had come, for each follower alike; others go on."""
    server.script([head(), chunk(TOKEN), silence()])
    other = start(app)
    gate = Gate()
    server.script([head(), chunk(TOKEN), chunk(TOKEN), wait(gate), *ending])
    name = start(app)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, app, name)
        gate.wait_reached()
        gate.open()
        if kind:
            app.test_client().delete(f"/answers/{other}", headers={"User": "ada"})
        events = following.result(10)
    assert contents(events) == ["A", "A"]
    assert last_event(events)[0] == "error"
    assert last_event(events)[1]["type"] == kind
    assert last_event(follow(app, name)) == last_event(events)
    assert last_event(follow(app, other)) == ("end", {"cancelled": True})


def test_what_is_refused_at_once_is_a_status(app: Flask, server: MockOllama) -> None:
    """An unknown model is 404 of the request that asks; a server that is not there is 502, with a time to come back."""
    server.script([reply({"error": "model 'm' not found"}, status=404)])
    got = app.test_client().post("/answers", headers={"User": "ada"})
    assert (got.status_code, got.json["error"]) == (404, "model 'm' not found")
    app.config["OLLAMA_HOST"] = "127.0.0.1:1"
    app.extensions["ollama"].clear()
    got = app.test_client().post("/answers", headers={"User": "ada"})
    assert (got.status_code, got.headers["Retry-After"]) == (502, "5")


def test_many_answers_at_once(app: Flask) -> None:
    """Each of 50 that overlap is whole, and when all have ended no thread of them is left."""
    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(lambda _: start(app), range(50)))
        for events in pool.map(lambda name: follow(app, name), ids):
            assert contents(events) == ["A", "A", "A", ""]
            assert last_event(events) == ("end", {})


def test_text_of_any_kind_comes_through(app: Flask, server: MockOllama) -> None:
    """Line ends, other scripts and half of a surrogate pair neither end an event nor break one."""
    said = ["\ud83d", "a\nb\r\n\r\ndata: x", "日本 \u2028 🙂", "\x00"]
    lines = [json.dumps({**TOKEN, "message": {"content": text}}).encode() + b"\n" for text in said]
    server.script([head(), *map(chunk, lines), chunk(LAST), end()])
    assert contents(follow(app, start(app))) == [*said, ""]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OLLAMA_ANSWERS", "file:///x"),
        ("OLLAMA_ANSWERS", None),
        ("OLLAMA_ANSWERS_ABANDON_AFTER", 0),
        ("OLLAMA_ANSWERS_KEEP", "1"),
        ("OLLAMA_ANSWERS_MAX_BYTES", float("inf")),
    ],
)
def test_a_wrong_setting_is_an_error_of_init_app(setting: str, value: object) -> None:
    """It is known when the app is made, and named."""
    app = Flask("shop")
    app.config[setting] = value
    with pytest.raises(RequestError, match=setting):
        Answers(app)


def test_a_program_that_uses_it_wrongly_is_told(app: Flask) -> None:
    """A stream that is closed or has a consumer, a process that nobody else finds, an app without answers."""
    answers = Answers(app)
    with app.test_request_context():
        stream = current_ollama.chat("m", [], stream=True)
        stream.close()
        with pytest.raises(UsageError):
            answers.start(stream, owner="ada")
        with pytest.raises(UsageError, match="memory"):
            answers.reserve(owner="ada")
    with Flask("other").app_context(), pytest.raises(UsageError, match=r"'other'.*Answers\(app\)"):
        answers.cancel("x", owner=None)
