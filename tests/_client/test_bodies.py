"""Tests of what goes on the wire for a call: the JSON that the official client sends for the same call.

The bodies were recorded from `ollama` 0.6.3 over a mock of its transport. Where ours differ on purpose, both stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client, Image, Message, Options, Tool
from ollama_sync.testing import MockOllama

HI = [{"role": "user", "content": "hi"}]

# With a client of ours and the path of a picture whose bytes are "hello".
Call = Callable[[Client, Path], Any]

# A row is one line.
# fmt: off
SAME: list[tuple[Call, dict[str, Any]]] = [
    (lambda c, _: c.chat("m"), {"model": "m", "stream": False, "messages": [], "tools": []}),
    (lambda c, _: c.chat("m", HI), {"model": "m", "stream": False, "messages": HI, "tools": []}),
    (lambda c, _: c.chat(model="m", messages=HI), {"model": "m", "stream": False, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, stream=True), {"model": "m", "stream": True, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", []), {"model": "m", "stream": False, "messages": [], "tools": []}),
    (lambda c, _: c.chat("m", ({"role": "user", "content": "hi"},)), {"model": "m", "stream": False, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", [Message(role="user", content="hi")]), {"model": "m", "stream": False, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", [{"role": "system", "content": "s"}, {"role": "user", "content": "é/\u2028\"\\n\u0001"}]), {"model": "m", "stream": False, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "\u00e9/\u2028\"\\n\u0001"}], "tools": []}),
    (lambda c, _: c.chat("m", [{"role": "critic", "content": "any role"}]), {"model": "m", "stream": False, "messages": [{"role": "critic", "content": "any role"}], "tools": []}),
    (lambda c, _: c.chat("m", HI, think=True), {"model": "m", "stream": False, "messages": HI, "tools": [], "think": True}),
    (lambda c, _: c.chat("m", HI, think=False), {"model": "m", "stream": False, "messages": HI, "tools": [], "think": False}),
    (lambda c, _: c.chat("m", HI, think="high"), {"model": "m", "stream": False, "messages": HI, "tools": [], "think": "high"}),
    (lambda c, _: c.chat("m", HI, format="json"), {"model": "m", "stream": False, "format": "json", "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, format=""), {"model": "m", "stream": False, "format": "", "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, format={"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}), {"model": "m", "stream": False, "format": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, options={"temperature": 0, "stop": ["x"], "top_p": 0.5, "seed": 42}), {"model": "m", "stream": False, "options": {"temperature": 0, "stop": ["x"], "top_p": 0.5, "seed": 42}, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, options={}), {"model": "m", "stream": False, "options": {}, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, options=Options(temperature=0.25, num_ctx=2048)), {"model": "m", "stream": False, "options": {"num_ctx": 2048, "temperature": 0.25}, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, options={"brand_new": [1, 2]}), {"model": "m", "stream": False, "options": {"brand_new": [1, 2]}, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, keep_alive=0), {"model": "m", "stream": False, "keep_alive": 0.0, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, keep_alive=-1), {"model": "m", "stream": False, "keep_alive": -1.0, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, keep_alive=1.5), {"model": "m", "stream": False, "keep_alive": 1.5, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, keep_alive="5m"), {"model": "m", "stream": False, "keep_alive": "5m", "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, logprobs=True, top_logprobs=3), {"model": "m", "stream": False, "messages": HI, "tools": [], "logprobs": True, "top_logprobs": 3}),
    (lambda c, _: c.chat("m", HI, logprobs=False), {"model": "m", "stream": False, "messages": HI, "tools": [], "logprobs": False}),
    (lambda c, _: c.chat("m", HI, tools=[]), {"model": "m", "stream": False, "messages": HI, "tools": []}),
    (lambda c, _: c.chat("m", HI, tools=[{"type": "function", "function": {"name": "now", "description": "The time"}}]), {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "now", "description": "The time"}}]}),
    (lambda c, _: c.chat("m", HI, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "description": "d"}}}}}]), {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "description": "d"}}}}}]}),
    (lambda c, _: c.chat("m", HI, tools=[Tool(function=Tool.Function(name="f", parameters=Tool.Function.Parameters(properties={"a": Tool.Function.Parameters.Property(type="string", enum=["x", "y"])})))]), {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string", "enum": ["x", "y"]}}}}}]}),
    (lambda c, _: c.chat("m", [{"role": "user", "content": "see", "images": [b"\x89PNG"]}]), {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": ["iVBORw=="]}], "tools": []}),
    (lambda c, _: c.chat("m", [{"role": "user", "content": "see", "images": ["aGVsbG8="]}]), {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": ["aGVsbG8="]}], "tools": []}),
    (lambda c, picture: c.chat("m", [{"role": "user", "content": "see", "images": [picture]}]), {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": ["aGVsbG8="]}], "tools": []}),
    (lambda c, picture: c.chat("m", [{"role": "user", "content": "see", "images": [Image(value=b"hello"), Image(value="aGVsbG8="), Image(value=picture)]}]), {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": ["aGVsbG8=", "aGVsbG8=", "aGVsbG8="]}], "tools": []}),
    (lambda c, _: c.chat("m", [Message(role="user", content="see", images=[Image(value=b"hello")])]), {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": ["aGVsbG8="]}], "tools": []}),
    (lambda c, _: c.chat("m", [{"role": "assistant", "content": "a", "thinking": "t"}]), {"model": "m", "stream": False, "messages": [{"role": "assistant", "content": "a", "thinking": "t"}], "tools": []}),
    (lambda c, _: c.chat("m", [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, {"role": "tool", "tool_name": "f", "content": "2"}]), {"model": "m", "stream": False, "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, {"role": "tool", "content": "2", "tool_name": "f"}], "tools": []}),
    (lambda c, _: c.chat("m", [Message(role="assistant", tool_calls=[Message.ToolCall(function=Message.ToolCall.Function(name="f", arguments={"a": 1}))])]), {"model": "m", "stream": False, "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}], "tools": []}),
    (lambda c, _: c.chat("m", HI, stream=True, think=None, format=None, options=None, keep_alive=None, logprobs=None, top_logprobs=None, tools=None), {"model": "m", "stream": True, "messages": HI, "tools": []}),
    (lambda c, _: c.generate("m"), {"model": "m", "stream": False}),
    (lambda c, _: c.generate("m", "hi"), {"model": "m", "stream": False, "prompt": "hi"}),
    (lambda c, _: c.generate("m", "hi", "there"), {"model": "m", "stream": False, "prompt": "hi", "suffix": "there"}),
    (lambda c, _: c.generate(model="m", prompt="hi", suffix="there"), {"model": "m", "stream": False, "prompt": "hi", "suffix": "there"}),
    (lambda c, _: c.generate("m", ""), {"model": "m", "stream": False, "prompt": ""}),
    (lambda c, _: c.generate("m", "hi", stream=True), {"model": "m", "stream": True, "prompt": "hi"}),
    (lambda c, _: c.generate("m", "hi", system="s", template="t", raw=True), {"model": "m", "stream": False, "prompt": "hi", "system": "s", "template": "t", "raw": True}),
    (lambda c, _: c.generate("m", "hi", system=""), {"model": "m", "stream": False, "prompt": "hi", "system": ""}),
    (lambda c, _: c.generate("m", "hi", raw=False), {"model": "m", "stream": False, "prompt": "hi", "raw": False}),
    (lambda c, _: c.generate("m", "hi", context=[1, 2, 3]), {"model": "m", "stream": False, "prompt": "hi", "context": [1, 2, 3]}),
    (lambda c, _: c.generate("m", "hi", context=(1, 2, 3)), {"model": "m", "stream": False, "prompt": "hi", "context": [1, 2, 3]}),
    (lambda c, _: c.generate("m", "hi", context=[]), {"model": "m", "stream": False, "prompt": "hi", "context": []}),
    (lambda c, picture: c.generate("m", "hi", images=[b"hello", picture, "aGVsbG8="]), {"model": "m", "stream": False, "prompt": "hi", "images": ["aGVsbG8=", "aGVsbG8=", "aGVsbG8="]}),
    (lambda c, _: c.generate("m", "hi", images=[Image(value=b"hello")]), {"model": "m", "stream": False, "prompt": "hi", "images": ["aGVsbG8="]}),
    (lambda c, _: c.generate("m", "hi", images=[]), {"model": "m", "stream": False, "prompt": "hi"}),
    (lambda c, _: c.generate("m", "hi", options={"num_predict": 5, "mirostat": 1}, keep_alive="1h"), {"model": "m", "stream": False, "options": {"num_predict": 5, "mirostat": 1}, "keep_alive": "1h", "prompt": "hi"}),
    (lambda c, _: c.generate("m", "hi", options=Options(stop=["a", "b"], use_mmap=False)), {"model": "m", "stream": False, "options": {"use_mmap": False, "stop": ["a", "b"]}, "prompt": "hi"}),
    (lambda c, _: c.generate("m", "hi", format={"type": "integer"}, think="low"), {"model": "m", "stream": False, "format": {"type": "integer"}, "prompt": "hi", "think": "low"}),
    (lambda c, _: c.generate("m", "hi", format="json", logprobs=True, top_logprobs=0), {"model": "m", "stream": False, "format": "json", "prompt": "hi", "logprobs": True, "top_logprobs": 0}),
    (lambda c, _: c.generate("m", "hi", width=64, height=32, steps=4), {"model": "m", "stream": False, "prompt": "hi", "width": 64, "height": 32, "steps": 4}),
    (lambda c, _: c.chat("m", [{"role": "user", "content": None}]), {"model": "m", "stream": False, "messages": [{"role": "user"}], "tools": []}),
    (lambda c, _: c.generate("m", "hi", options={"min_p": 0.1}), {"model": "m", "stream": False, "options": {"min_p": 0.1}, "prompt": "hi"}),
    (lambda c, _: c.chat("m", HI, tools=[{"function": {"name": "f"}}]), {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "f"}}]}),
]
# Why we differ; the call; what the official client sends; what we send.
DIFFERENT: list[tuple[str, Call, dict[str, Any], dict[str, Any]]] = [
    ("an empty content is kept",
     lambda c, _: c.chat("m", [{"role": "user", "content": ""}]),
     {"model": "m", "stream": False, "messages": [{"role": "user"}], "tools": []},
     {"model": "m", "stream": False, "messages": [{"role": "user", "content": ""}], "tools": []}),
    ("empty images are kept",
     lambda c, _: c.chat("m", [{"role": "user", "content": "see", "images": []}]),
     {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see"}], "tools": []},
     {"model": "m", "stream": False, "messages": [{"role": "user", "content": "see", "images": []}], "tools": []}),
    ("the id of the call that a message answers is kept",
     lambda c, _: c.chat("m", [{"role": "tool", "content": "2", "tool_call_id": "call_1"}]),
     {"model": "m", "stream": False, "messages": [{"role": "tool", "content": "2"}], "tools": []},
     {"model": "m", "stream": False, "messages": [{"role": "tool", "content": "2", "tool_call_id": "call_1"}], "tools": []}),
    ("id and index of a tool call are kept",
     lambda c, _: c.chat("m", [{"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {}}}]}]),
     {"model": "m", "stream": False, "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}], "tools": []},
     {"model": "m", "stream": False, "messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {}}}]}], "tools": []}),
    ("a field of a message that is not known is kept",
     lambda c, _: c.chat("m", [{"role": "user", "content": "hi", "brand_new": 1}]),
     {"model": "m", "stream": False, "messages": HI, "tools": []},
     {"model": "m", "stream": False, "messages": [{"role": "user", "content": "hi", "brand_new": 1}], "tools": []}),
    ("every keyword of a tool's schema is kept",
     lambda c, _: c.chat("m", HI, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}}}]),
     {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}]},
     {"model": "m", "stream": False, "messages": HI, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}}}]}),
    ("an option that is None is left out; the server skips null",
     lambda c, _: c.chat("m", HI, options={"temperature": None}),
     {"model": "m", "stream": False, "options": {"temperature": None}, "messages": HI, "tools": []},
     {"model": "m", "stream": False, "options": {}, "messages": HI, "tools": []}),
    ("min_p of Options is sent",
     lambda c, _: c.chat("m", HI, options=Options(min_p=0.1)),
     {"model": "m", "stream": False, "options": {}, "messages": HI, "tools": []},
     {"model": "m", "stream": False, "options": {"min_p": 0.1}, "messages": HI, "tools": []}),
]
# fmt: on


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture whose bytes are "hello"."""
    path = tmp_path / "picture.png"
    path.write_bytes(b"hello")
    return path


def sent_for(server: MockOllama, answer: Any) -> Any:
    """Return the body of the only request, once `answer` has been read."""
    if isinstance(answer, Iterable) and not hasattr(answer, "model_dump"):
        for _ in answer:
            pass
    (request,) = server.requests
    assert (request.method, request.query) == ("POST", "")
    return request.json


@pytest.mark.parametrize(("call", "body"), SAME, ids=[f"{n}" for n in range(len(SAME))])
def test_a_call_sends_what_the_official_client_sends(
    server: MockOllama, client: Client, picture: Path, call: Call, body: dict[str, Any]
) -> None:
    """The same call, the same JSON, at the path of its verb."""
    assert sent_for(server, call(client, picture)) == body
    assert server.requests[0].path == ("/api/chat" if "messages" in body else "/api/generate")


@pytest.mark.parametrize(
    ("call", "theirs", "ours"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT]
)
def test_where_we_differ_it_is_on_purpose(
    server: MockOllama,
    client: Client,
    picture: Path,
    call: Call,
    theirs: dict[str, Any],
    ours: dict[str, Any],
) -> None:
    """What the official client drops, the server is told."""
    assert theirs != ours
    assert sent_for(server, call(client, picture)) == ours


def test_the_lists_send_no_body(server: MockOllama, client: Client) -> None:
    """As the official client's."""
    client.list()
    client.version()
    assert [(r.method, r.path, r.query, r.body) for r in server.requests] == [
        ("GET", "/api/tags", "", b""),
        ("GET", "/api/version", "", b""),
    ]


def test_the_table_is_large_enough() -> None:
    """A table that somebody has cut down proves nothing."""
    assert len(SAME) >= 40


def test_text_is_sent_as_utf_8_without_escapes(server: MockOllama, client: Client) -> None:
    """Base64 is full of slashes, and most of the world's text is not ASCII: escaped, both would grow."""
    client.generate("m", "é/\U0001f600\u2028")
    assert '"prompt":"é/\U0001f600\u2028"'.encode() in server.requests[0].body
