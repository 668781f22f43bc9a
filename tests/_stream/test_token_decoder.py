"""The token decoder: the texts of lines without parts are those of the parts, or there is none of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._client.endpoints import CHAT, GENERATE, Endpoint
from ollama_sync._stream.token_decoder import read_chat, read_generate
from ollama_sync._wire import loads_block

BOTH = [(CHAT, read_chat), (GENERATE, read_generate)]

values = st.sampled_from([None, "", "a", "é😀\n", 7, True, {"content": "x"}, ["x"], {"a": "error"}])
parts = st.fixed_dictionaries(
    {},
    optional={
        "message": values
        | st.fixed_dictionaries({"content": values}, optional={"thinking": values}),
        "response": values,
        "done": values,
        "done_reason": values,
        "_debug_info": values,
        "error": values,
        "more": values,
    },
)
odd = st.sampled_from(
    [
        b'{"message":{"content":"\\ud83d"}}\n',
        b'{"response":"\\ud83d\\ude00"}\n',
        b'{"response":"a"}{"response":"b"}\n',
        b'{"response":"a"\n"done":true}\n',
        b'{"message":{"content":"\xff"}}\n',
        b'{"more":"\xff"}\n',
        b'{"more":123456789012345678901234567890}\n',
        b'{"more":NaN}\n',
        b'{"response":"a"}\r\n',
        b"\n",
        b"[]\n",
        b"oops\n",
    ]
)
lines = parts.map(lambda part: json.dumps(part).encode() + b"\n") | odd


def by_parts(endpoint: Endpoint[Any], block: bytes) -> list[str] | None:
    """What the long way says; None where it finds a fault."""
    kind = endpoint.stream
    assert kind is not None
    assert kind.texts is not None
    found, bad = loads_block(block)
    return None if bad is not None else kind.texts(found)


@pytest.mark.parametrize(("endpoint", "read"), BOTH, ids=["chat", "generate"])
@given(block=st.lists(lines, min_size=1, max_size=5).map(b"".join))
def test_what_it_reads_is_what_the_parts_say(
    endpoint: Endpoint[Any], read: Callable[[bytes], Any], block: bytes
) -> None:
    """Any lines: it gives the same texts as decoding everything, or it leaves them to that."""
    texts = read(block)
    assert texts is None or texts == by_parts(endpoint, block)


@pytest.mark.parametrize(("endpoint", "read"), BOTH, ids=["chat", "generate"])
def test_lines_of_a_real_server_are_read(
    endpoint: Endpoint[Any], read: Callable[[bytes], Any]
) -> None:
    """The short way is taken where it matters: for what Ollama sends."""
    part = {
        "model": "m",
        "created_at": "2026-01-01T00:00:00Z",
        "done": False,
        "logprobs": [{"token": "a"}],
    }
    block = b"".join(
        json.dumps(part | more).encode() + b"\n"
        for more in (
            {"response": "a", "message": {"role": "assistant", "content": "a"}},
            {"response": "", "message": {"role": "assistant", "content": "", "thinking": "hm"}},
            {"response": "", "message": {"role": "assistant", "tool_calls": [{"function": {}}]}},
            {"response": "b", "message": {"role": "assistant", "content": "b"}, "context": [1, 2]},
        )
    )
    assert read(block) == ["a", "b"]
    assert read(block + b'{"done":true,"done_reason":"stop"}\n') == ["a", "b"]


@pytest.mark.parametrize("depth", [900, 1100, 3000, 100_000])
def test_depth_does_not_matter_where_it_is_skipped(depth: int) -> None:
    """How deep msgspec goes depends on the Python; what is too deep for it, or for the parts, loses no text before it."""
    deep = b'{"response":"b","more":' + b"[" * depth + b"]" * depth + b"}\n"
    assert read_generate(b'{"response":"a"}\n' + deep) in (None, ["a", "b"])


@pytest.mark.parametrize(
    "block",
    [
        b'{"response":"a"}\n{"response":"b"\n',
        b"\n",
        b'{"response":"a"}{"response":"b"}\n\n',
        b'{"response":"a"}{"response":\n"b"}\n',
    ],
)
def test_what_is_not_plain_is_left_to_the_parts(block: bytes) -> None:
    """A broken line, an empty one, and lines that are not one object each are not its business."""
    assert read_generate(block) is None
    assert read_chat(block) is None
