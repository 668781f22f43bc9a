"""Responses that stream an answer; by Flask's test client, and by a real server on a socket."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, Response

from ollama_sync import Client, RequestError, UsageError
from ollama_sync.flask import ndjson, sse, text
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    end,
    head,
    silence,
    stream,
    wait,
)

Get = Callable[..., http.client.HTTPResponse]

PATH = "/api/generate"
RESPONSES: dict[str, Callable[..., Response]] = {"sse": sse, "ndjson": ndjson, "text": text}
TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson", "text": "text/plain"}
TOKEN = {"model": "m", "response": "A", "done": False}
LAST = {"model": "m", "response": "", "done": True}
IN_JSON = '{"model":"m","response":"A","done":false}'
LAST_IN_JSON = '{"model":"m","response":"","done":true}'
# What a silent model makes each kind write.
BEATS = {"sse": b": nothing yet\n\n", "ndjson": b"\n"}


@pytest.mark.parametrize("kind", RESPONSES)
def test_the_answer_is_whole(app: Flask, kind: str, server: MockOllama) -> None:
    """Each part is an event, a line or its text; the headers keep proxies from holding it back."""
    server.script([head(), *[chunk(TOKEN)] * 3, chunk(LAST), end()], path=PATH)
    answer = app.test_client().get(f"/{kind}")
    parts = [IN_JSON] * 3 + [LAST_IN_JSON]
    whole = {
        "sse": "".join(f"data: {part}\n\n" for part in parts) + "event: end\ndata: {}\n\n",
        "ndjson": "".join(f"{part}\n" for part in parts),
        "text": "AAA",
    }
    assert answer.get_data(as_text=True) == whole[kind]
    assert answer.mimetype == TYPES[kind]
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_text_is_that_of_a_chat_too(server: MockOllama, client: Client) -> None:
    """The text of a chat's part is the content of its message, in whatever language, and thinking is none."""
    said = [{"thinking": "hm"}, {"content": "Grüß "}, {"content": "\u65e5\u672c"}, {"content": ""}]
    parts = [chunk({"message": message, "done": False}) for message in said]
    server.script([head(), *parts, chunk({"done": True}), end()])
    with text(client.chat("m", [], stream=True)) as response:
        assert response.get_data(as_text=True) == "Grüß 日本"


def test_text_needs_text(server: MockOllama, client: Client) -> None:
    """A pull has no text: that is an error of the call, and the stream is closed."""
    server.script([silence()], path="/api/pull")
    with pytest.raises(UsageError, match="the parts of pull have no text"):
        text(client.pull("m", stream=True))
    server.wait_disconnect()


def test_a_batch_is_one_write(server: MockOllama, client: Client) -> None:
    """What comes within a window of the client's policy is written together: a fast model makes no write for each token."""
    server.script([head(), chunk(TOKEN), *[chunk(TOKEN)] * 500, chunk(LAST), end()], path=PATH)
    answer = client.generate("m", "hi", stream=True)
    with sse(answer) as response:
        writes = list(response.response)
    assert len(writes) < 100
    assert sum(write.count("data: {") for write in writes) == 503
    assert answer.stats.batches == len(writes) - 1


@pytest.mark.parametrize("kind", RESPONSES)
def test_tokens_come_one_by_one(get: Get, kind: str, server: MockOllama) -> None:
    """A token is in the browser before the model makes the next."""
    gates = [Gate(), Gate()]
    server.script(
        [head(), chunk(TOKEN), wait(gates[0]), chunk(TOKEN), wait(gates[1]), chunk(LAST), end()],
        path=PATH,
    )
    answer = get(f"/{kind}")
    for gate in gates:
        got = b""
        while b"A" not in got:
            more = answer.read1()
            assert more, got
            got += more
        gate.open()
    assert b"A" not in answer.read()


@pytest.mark.parametrize("kind", BEATS)
def test_a_silent_model_is_bridged(get: Get, kind: str, server: MockOllama) -> None:
    """While the model loads there are the headers and a heartbeat at once, then one each `heartbeat` seconds."""
    loaded = Gate()
    server.script([wait(loaded), head(), chunk(LAST), end()], path=PATH)
    answer = get(f"/{kind}?heartbeat=0.05&grace=0.01")
    assert answer.status == 200
    beats = BEATS[kind] * 3
    assert answer.read(len(beats)) == beats
    loaded.open()
    assert answer.read().lstrip(BEATS[kind]).startswith((b"data: {", b"{"))


def test_a_model_that_talks_needs_no_heartbeat(app: Flask) -> None:
    """A heartbeat is for silence only."""
    for kind, beat in BEATS.items():
        data = app.test_client().get(f"/{kind}").data
        assert not data.startswith(beat)
        assert b"\n" + beat not in data.replace(b"}\n\n", b"}")


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_browser_that_leaves_stops_the_model(get: Get, kind: str, server: MockOllama) -> None:
    """In mid-answer, the connection to the model's server is closed."""
    server.script([stream([TOKEN] * 100_000, delay=0.005)], path=PATH)
    answer = get(f"/{kind}")
    assert answer.read(1)
    answer.close()
    server.wait_disconnect(timeout=20)


@pytest.mark.parametrize("kind", BEATS)
@pytest.mark.parametrize("said", [[], [head(), chunk(TOKEN)]], ids=["loads", "has begun"])
def test_a_browser_that_leaves_in_silence_is_noticed(
    get: Get, kind: str, said: list[Any], server: MockOllama
) -> None:
    """A heartbeat finds out that nobody reads, also when no token comes."""
    server.script([*said, silence()], path=PATH)
    answer = get(f"/{kind}?heartbeat=0.02&grace=0.01")
    assert answer.read(1)
    answer.close()
    server.wait_disconnect(timeout=20)


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_that_is_never_read_is_closed(get: Get, kind: str, server: MockOllama) -> None:
    """A HEAD request has no body, so nobody begins the stream; it is closed all the same."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    assert get(f"/{kind}", "HEAD").read() == b""
    server.wait_disconnect()


@pytest.mark.parametrize("kind", BEATS)
@pytest.mark.parametrize("heartbeat", [0, -1, "1", float("nan"), float("inf")])
def test_a_wrong_number_of_seconds_is_an_error_of_the_call(
    kind: str, heartbeat: Any, server: MockOllama, client: Client
) -> None:
    """It is said before anything is sent, and the stream is closed."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    with pytest.raises(RequestError, match="heartbeat="):
        RESPONSES[kind](client.generate("m", "hi", stream=True), heartbeat=heartbeat)
    server.wait_disconnect()


@pytest.mark.parametrize("kind", RESPONSES)
def test_half_of_a_surrogate_pair_breaks_no_answer(
    app: Flask, kind: str, server: MockOllama
) -> None:
    """What UTF-8 cannot carry is JSON's escape, in plain text a question mark; the answer goes on behind it."""
    half = b'{"model":"m","response":"\\ud83d","done":false}\n'
    server.script([head(), chunk(half), chunk(TOKEN), chunk(LAST), end()], path=PATH)
    got = app.test_client().get(f"/{kind}").get_data(as_text=True)
    if kind == "text":
        assert got == "?A"
    else:
        assert '"response":"\\ud83d"' in got
        assert LAST_IN_JSON in got
