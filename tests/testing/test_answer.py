"""What `answer` says, beside what a real server was recorded to say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client, ResponseError, StreamBroken
from ollama_sync.testing import MockOllama, answer

WIRE = Path(__file__).parents[1] / "wire" / "data"
HI = [{"role": "user", "content": "hi there"}]
CALL = ("get_weather", {"city": "Paris"})


def recorded(name: str) -> list[dict[str, Any]]:
    """Give the JSON lines of a recorded reply."""
    text = (WIRE / f"{name}.response").read_text(encoding="utf-8")
    return [json.loads(found) for found in re.findall(r"^\{.*\}\r?$", text, re.MULTILINE)]


def shape(value: Any) -> Any:
    """Give the names in their order, and the types of what they name."""
    if isinstance(value, dict):
        return [(name, shape(one)) for name, one in value.items()]
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chat_stream", {"tokens": ["a", "b"]}),
        ("chat_think_stream", {"tokens": ["a"], "thinking": ["b"]}),
        ("chat_toolcall_stream", {"tool_calls": [CALL]}),
    ],
)
def test_a_stream_has_the_shapes_of_the_real_one(
    server: MockOllama, name: str, words: dict[str, Any]
) -> None:
    """Part for part the same members in the same order: first and last part of each kind."""
    server.script([answer(**words)])
    parts = raw(server, "/api/chat", {"model": "m", "messages": HI})
    real = recorded(name)
    assert shape(parts[0]) == shape(real[0])
    assert shape(parts[-2]) == shape(real[-2])
    assert shape(parts[-1]) == shape(real[-1])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chat_nonstream", {"tokens": ["a", "b"]}),
        ("chat_think_nonstream", {"tokens": ["a"], "thinking": ["b"]}),
        ("chat_toolcall_nonstream", {"tool_calls": [CALL]}),
        ("generate_nonstream", {"tokens": ["a"]}),
    ],
)
def test_a_whole_reply_has_the_shape_of_the_real_one(
    server: MockOllama, name: str, words: dict[str, Any]
) -> None:
    """The same members in the same order."""
    path = f"/api/{name.partition('_')[0]}"
    server.script([answer(**words)], path)
    asked = {"model": "m", "messages": HI, "prompt": "hi", "stream": False}
    assert shape(raw(server, path, asked)) == shape(recorded(name)[-1:])


def raw(server: MockOllama, path: str, body: dict[str, Any]) -> list[Any]:
    from urllib.request import Request, urlopen

    request = Request(server.url + path, json.dumps(body).encode())
    with urlopen(request, timeout=10) as reply:
        return [json.loads(line) for line in reply]


def test_the_same_words_stream_and_do_not(server: MockOllama, client: Client) -> None:
    """One script answers both kinds of request, chat and generate, with equal text and counts."""
    words = answer(["Hel", "lo"], thinking=["so", "…"], done_reason="length")
    server.on("POST", "/api/*", [words])
    whole = client.chat("m", HI)
    stream = client.chat("m", HI, stream=True).result()
    assert whole.message == stream.message
    assert (whole.message.content, whole.message.thinking) == ("Hello", "so…")
    assert (whole.done_reason, whole.eval_count) == (stream.done_reason, stream.eval_count)
    assert (whole.done_reason, whole.eval_count) == ("length", 4)
    assert whole.eval_duration
    generated = client.generate("m", "hi", stream=True).result()
    assert (generated.response, generated.thinking, generated.model) == ("Hello", "so…", "m")
    assert client.generate("m", "hi").response == "Hello"


def test_tool_calls_are_numbered(server: MockOllama, client: Client) -> None:
    """Each call of a tool has an id and a place of its own."""
    server.on("POST", "/api/chat", [answer(tool_calls=[CALL, ("other", {})])])
    for message in (
        client.chat("m", HI).message,
        client.chat("m", HI, stream=True).result().message,
    ):
        calls = message.tool_calls or []
        assert [call.function.name for call in calls] == ["get_weather", "other"]
        assert calls[0].function.arguments == {"city": "Paris"}
        assert calls[0]["id"] != calls[1]["id"]


def test_an_error_comes_after_the_words(server: MockOllama, client: Client) -> None:
    """Mid-stream it is a line of its own behind the parts; without stream, or without parts, it is a status."""
    server.on("POST", "/api/chat", [answer(["Hel"], error="out of memory")])
    stream = client.chat("m", HI, stream=True)
    assert next(stream).message.content == "Hel"
    with pytest.raises(StreamBroken, match="out of memory") as raised:
        next(stream)
    assert isinstance(raised.value, ResponseError)
    with pytest.raises(ResponseError, match="out of memory") as whole:
        client.chat("m", HI)
    assert whole.value.status_code == 500
    server.script([answer(error="no room")])
    with pytest.raises(ResponseError, match="no room") as early:
        client.chat("m", HI, stream=True).result()
    assert early.value.status_code == 500


def test_what_is_no_request_is_refused(server: MockOllama) -> None:
    """A body that is no JSON is refused as by the real server."""
    import http.client

    server.script([answer(["a"])])
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("POST", "/api/chat", b"{")
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (400, b'{"error":"unexpected EOF"}')
    connection.close()
