"""What a browser is told of errors, before the status has been sent and after."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, Response

from ollama_sync import Client, OllamaError, Timeout, UsageError
from ollama_sync.flask import error_reply, ndjson, sse, text
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    head,
    pause,
    reply,
    silence,
    wait,
)

Get = Callable[..., http.client.HTTPResponse]

PATH = "/api/generate"
RESPONSES: dict[str, Callable[..., Response]] = {"sse": sse, "ndjson": ndjson, "text": text}
TOKEN = {"model": "m", "response": "A", "done": False}
IN_JSON = '{"model":"m","response":"A","done":false}'


@pytest.mark.parametrize("kind", RESPONSES)
def test_what_the_server_refuses_is_a_status(get: Get, kind: str, server: MockOllama) -> None:
    """An unknown model is known before the status is sent, so the status says it."""
    refusal = reply({"error": "model 'm' not found"}, status=404)
    server.script([pause(0.02), refusal], path=PATH)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"/{kind}?grace=10")
    with caught.value as answer:
        assert answer.code == 404
        told = {"error": "model 'm' not found", "type": "ResponseError", "status": 404}
        assert json.load(answer) == told


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_server_that_is_not_there_is_a_status(kind: str, make: Callable[..., Flask]) -> None:
    """The browser learns that there is no answer, and not at which address."""
    answer = make(OLLAMA_HOST="127.0.0.1:1").test_client().get(f"/{kind}")
    assert answer.status_code == 502
    assert answer.json["type"] == "ConnectError"
    assert "127.0.0.1" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("ending", "kind", "message", "status"),
    [
        ([chunk({"error": "out of memory"})], "ErrorLine", "out of memory", 502),
        ([chunk({"error": "spent", "StatusCode": 429})], "ErrorLine", "spent", 429),
        ([close()], "StreamBroken", "the answer broke off", 502),
        ([silence()], "IdleTimeout", "the model's server did not answer in time", 504),
    ],
    ids=["error line", "error line with a status", "cut", "silent"],
)
def test_what_fails_later_is_an_event(
    ending: list[Any],
    kind: str,
    message: str,
    status: int,
    server: MockOllama,
    make: Callable[..., Flask],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the status has gone, the error is the last event or line, behind everything that had come; the log has it in full."""
    http = make(OLLAMA_HOST=server.url, OLLAMA_TIMEOUT=Timeout(idle=0.1)).test_client()
    for _ in range(2):
        server.script([head(), chunk(TOKEN), *ending], path=PATH)
    events = http.get("/sse").get_data(as_text=True).split("\n\n")
    assert events[0] == f"data: {IN_JSON}"
    name, data = events[-2].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": kind,
        "message": message,
        "status": status,
    }
    first, *_, last = http.get("/ndjson").get_data(as_text=True).splitlines()
    assert first == IN_JSON
    assert json.loads(last) == {"error": message, "type": kind, "status": status}
    assert [record.name for record in caplog.records] == ["ollama_sync.flask"] * 2
    assert kind in caplog.text


def test_an_error_of_text_cuts_the_connection(get: Get, server: MockOllama) -> None:
    """Plain text has no place for an error: the browser sees a body that is not complete."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk({"error": "spent"})], path=PATH)
    answer = get("/text")
    assert answer.read(1) == b"A"
    gate.open()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_a_cancelled_answer_ends_as_any(server: MockOllama, client: Client) -> None:
    """A stop button elsewhere in the program ends the events, and is no error."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    answer = client.generate("m", "hi", stream=True)
    with sse(answer) as response:
        body = iter(response.response)
        assert next(body) == f"data: {IN_JSON}\n\n"
        answer.cancel()
        assert list(body) == ["event: end\ndata: {}\n\n"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("POST http://10.0.0.5/: wrong"), 500), (OllamaError("http://10.0.0.5/"), 500)],
)
def test_a_mistake_of_the_program_is_not_told(error: OllamaError, status: int) -> None:
    """What the browser can do nothing about is a plain 500."""
    told, code, _ = error_reply(error)
    assert code == told["status"] == status
    assert "10.0.0.5" not in told["error"]
