"""What the mock server says when no script was given, next to what a real Ollama says."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ollama_sync.testing import MockOllama, Request, reply

CHAT = {"model": "m", "messages": [{"role": "user", "content": "why is it so"}]}
PROMPT = {"model": "m", "prompt": "why is it so"}
CREATED = re.compile(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock whose own stream is short."""
    with MockOllama(chunks=3, delay=0) as running:
        yield running


def call(server: MockOllama, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
    """Make one request and return the reply with its body read (as `.text`)."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data)
    response = connection.getresponse()
    response.text = response.read().decode()  # type: ignore[attr-defined]  # a test's own field
    connection.close()
    return response


def ask(server: MockOllama, path: str = "/api/chat", body: Any = CHAT) -> socket.socket:
    """Send one request and return its socket."""
    client = socket.create_connection((server.host, server.port), timeout=10)
    data = json.dumps(body).encode()
    client.sendall(
        b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data
    )
    return client


def test_the_fake_chat_stream_is_ollamas(server: MockOllama) -> None:
    """`chunks` parts with "A", then a final object with metrics in nanoseconds, as a chunked NDJSON reply."""
    response = call(server, "POST", "/api/chat", CHAT)
    assert response.getheader("Content-Type") == "application/x-ndjson"
    assert response.getheader("Transfer-Encoding") == "chunked"
    *parts, final = [json.loads(row) for row in response.text.splitlines()]
    assert len(parts) == 3
    for part in parts:
        assert list(part) == ["model", "created_at", "message", "done"]
        assert (part["model"], part["done"]) == ("m", False)
        assert part["message"] == {"role": "assistant", "content": "A"}
        assert CREATED.fullmatch(part["created_at"])
    assert (final["done"], final["done_reason"]) == (True, "stop")
    assert final["message"]["content"] == ""
    assert (final["prompt_eval_count"], final["eval_count"]) == (4, 3)
    times = ("load_duration", "prompt_eval_duration", "eval_duration")
    assert final["total_duration"] == sum(final[name] for name in times)
    assert all(type(final[name]) is int for name in times)


def test_the_fake_generate_stream_is_ollamas(server: MockOllama) -> None:
    """Generate says the same by `response`; its final part has the context."""
    response = call(server, "POST", "/api/generate", PROMPT)
    *parts, final = [json.loads(row) for row in response.text.splitlines()]
    assert [part["response"] for part in parts] == ["A", "A", "A"]
    assert "message" not in parts[0]
    assert final["response"] == ""
    assert final["context"]
    assert final["done"]


@pytest.mark.parametrize(("path", "body"), [("/api/chat", CHAT), ("/api/generate", PROMPT)])
def test_without_stream_the_text_comes_whole(server: MockOllama, path: str, body: Any) -> None:
    """With `"stream": false` one object has the whole text, with a length and the JSON content type."""
    response = call(server, "POST", path, body | {"stream": False})
    assert response.getheader("Content-Type") == "application/json; charset=utf-8"
    assert response.getheader("Content-Length") == str(len(response.text))
    said = json.loads(response.text)
    assert said.get("response", said.get("message", {}).get("content")) == "AAA"
    assert (said["done"], said["eval_count"]) == (True, 3)


@pytest.mark.parametrize("value", [True, None])
def test_streaming_is_the_default(server: MockOllama, value: bool | None) -> None:
    """`"stream": null` streams, as does true."""
    response = call(server, "POST", "/api/chat", CHAT | {"stream": value})
    assert len(response.text.splitlines()) == 4


def test_the_head_leaves_with_the_first_part(server: MockOllama) -> None:
    """Status, headers and the first object come in one segment, as from Ollama."""
    with MockOllama(chunks=3, delay=30) as slow, ask(slow) as client:
        first = client.recv(65536)
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.count(b'"content":"A"') == 1


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), (0, "unload")])
def test_nothing_to_say_loads_or_unloads(
    server: MockOllama, keep_alive: int | None, reason: str
) -> None:
    """A request without messages or prompt gets one object with its reason."""
    for path in ("/api/chat", "/api/generate"):
        said = json.loads(call(server, "POST", path, {"model": "m", "keep_alive": keep_alive}).text)
        assert (said["done"], said["done_reason"]) == (True, reason)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, "Ollama is running"),
        ("HEAD", "/", 200, ""),
        ("GET", "/api/nope", 404, "404 page not found"),
        ("GET", "/api/chat", 405, "405 method not allowed"),
        ("POST", "/api/tags", 405, "405 method not allowed"),
    ],
)
def test_plain_replies(server: MockOllama, method: str, path: str, status: int, text: str) -> None:
    """The root, unknown routes and wrong methods are answered in Ollama's own words."""
    response = call(server, method, path)
    assert (response.status, response.text) == (status, text)
    assert str(response.getheader("Content-Type")).startswith("text/plain")


def test_the_models_are_listed(server: MockOllama) -> None:
    """Tags and version are JSON with the members that a client reads."""
    assert json.loads(call(server, "GET", "/api/version").text)["version"]
    with MockOllama(models=["a", "b:7b"]) as named:
        models = json.loads(call(named, "GET", "/api/tags").text)["models"]
    assert [model["name"] for model in models] == ["a:latest", "b:7b"]
    assert all(len(model["digest"]) == 64 and model["details"]["family"] for model in models)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"messages": []}, 400, "model is required"),
        (b"", 400, "missing request body"),
        (b'{"model": "m", "messages": [', 400, "unexpected EOF"),
        (b"{not json}", 400, "invalid character 'n' looking for beginning of object key string"),
        (b"bad", 400, "invalid character 'b' looking for beginning of value"),
        (b"\xff", 400, "invalid character 'ÿ' looking for beginning of value"),
        (b"[1]", 400, "json: cannot unmarshal array into Go value of type api.ChatRequest"),
        ({"model": "nope", "messages": []}, 404, "model 'nope' not found"),
    ],
)
def test_refusals_of_chat(body: Any, status: int, error: str) -> None:
    """A bad body, no model, or an unknown model is refused with Ollama's status and text."""
    with MockOllama(models=["llama3.2"]) as named:
        response = call(named, "POST", "/api/chat", body)
    assert (response.status, json.loads(response.text)) == (status, {"error": error})


def test_a_known_model_is_known_with_its_tag() -> None:
    """`llama3.2` and `llama3.2:latest` are the same model."""
    with MockOllama(chunks=1, models=["llama3.2"]) as named:
        for name in ("llama3.2", "llama3.2:latest"):
            assert call(named, "POST", "/api/chat", CHAT | {"model": name}).status == 200


# Time.


def test_a_stream_that_was_held_up_catches_up() -> None:
    """The schedule does not drift: parts that a stall made late are sent at once, and the end is on time."""
    with MockOllama(chunks=100, delay=0.015) as server:

        def stall(_: Request) -> list[Any]:
            until = time.perf_counter() + 1.4
            while time.perf_counter() < until:
                pass
            return [reply("stalled")]

        server.on("GET", "/stall", stall)
        began = time.perf_counter()
        with ask(server) as client:
            client.recv(1)
            call(server, "GET", "/stall")
            while b'"done":true' not in client.recv(65536):
                pass
        took = time.perf_counter() - began
    assert 1.5 <= took < 2.7, "the schedule takes 1.5 s; with the stall added it would be 2.9 s"


def test_the_log_tells_how_long_chunks_took(caplog: pytest.LogCaptureFixture) -> None:
    """At level INFO the first 20 chunks and every tenth are logged with their times in ms."""
    caplog.set_level(logging.INFO, "ollama_sync.testing")
    with MockOllama(chunks=45, delay=0) as server:
        call(server, "POST", "/api/chat", CHAT)
    rows = [record.getMessage() for record in caplog.records]
    expected = re.compile(
        r"chunk (\d+): made in [\d.]+ ms, encoded in [\d.]+ ms, [\d.]+ ms since the start"
    )
    numbers = [int(match[1]) for match in map(expected.fullmatch, rows) if match]
    assert numbers == [*range(1, 21), 30, 40]
    assert len(rows) == len(numbers)
