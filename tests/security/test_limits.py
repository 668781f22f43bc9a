"""Servers that mean harm: what they send costs bounded memory and a clear error. More of them are in rude/."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

import pytest

from ollama_sync import Client, OllamaError, ResponseError, StreamBroken
from ollama_sync._client import calls as calls_module
from ollama_sync._wire import LineFramer
from ollama_sync.testing import MockOllama, chunk, end, head, line, reply

HI = [{"role": "user", "content": "hi"}]
PART = {"message": {"role": "assistant", "content": "a"}, "done": False}
FINAL = {"message": {"role": "assistant", "content": ""}, "done": True}

# What a decoder may choke on: nested as deep as it decodes and one step deeper, numbers beyond what Python reads, a key a megabyte
# long, a hundred thousand keys.
BOMBS: dict[str, bytes] = {
    "lists": b"[" * 1100 + b"]" * 1100,
    "lists, just decoded": b"[" * 1000 + b"]" * 1000,
    "objects": b'{"a":' * 1100 + b"1" + b"}" * 1100,
    "digits": b"9" * 1_000_000,
    "fraction": b"0." + b"9" * 1_000_000,
    "exponent": b"1e" + b"9" * 1_000_000,
    "key": b'{"' + b"k" * 1_000_000 + b'":1}',
    "keys": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
    "escapes": b'"' + rb"\ud800" * 100_000 + b'"',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_json_bomb_is_a_part_or_a_clear_error(bomb: str, server: MockOllama) -> None:
    """In a stream or a reply: no RecursionError, no MemoryError, an error of the tree that is short; the client goes on."""
    text = BOMBS[bomb]
    evil = line(PART).replace(b'"a"', b'"a","x":' + text)
    with Client(server.url) as client:
        server.script([head(), chunk(evil), chunk(FINAL), end()])
        server.script([reply(evil.strip())])
        for stream in (True, False):
            try:
                got: Any = client.chat("m", HI, stream=stream)
                got = got.result() if stream else got
            except StreamBroken as error:  # noqa: PERF203 - twice
                assert len(str(error)) < 1000  # noqa: PT017 - it may also succeed
            else:
                assert got.message.content == "a"
        assert client.version().version


class SmallLines(LineFramer):
    """A framer with a cap that is reached soon."""

    def __init__(self) -> None:
        super().__init__(8_000_000)


def test_a_small_reply_that_unpacks_to_a_huge_one_is_bounded(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed though nobody asked for it, 300 MB of one line: the cap on a line ends it long before."""
    packed = gzip.compress(b"a" * 10_000_000, 9) * 30
    server.script([head(200, {"Content-Encoding": "gzip"}), chunk(packed), end()])
    monkeypatch.setattr(calls_module, "LineFramer", SmallLines)
    tracemalloc.start()
    try:
        with Client(server.url) as client, pytest.raises(StreamBroken, match="a line of more than"):
            list(client.chat("m", HI, stream=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 250_000_000


def test_a_refusal_without_end_is_bounded(server: MockOllama) -> None:
    """Of a 500 with a hundred megabytes 64 KiB are read, and some 2,000 characters shown."""
    server.script([head(500), *[chunk(b"x" * 1_000_000)] * 100])
    with Client(server.url) as client, pytest.raises(ResponseError) as raised:
        client.chat("m", HI)
    assert len(str(raised.value)) < 3000
    server.wait_disconnect()


def test_a_head_without_end_is_refused(server: MockOllama) -> None:
    """Neither one header of a megabyte nor a thousand headers are taken."""
    for headers in ({"X": "x" * 1_000_000}, {f"X-{n}": "x" for n in range(1000)}):
        server.script([head(200, headers)])
        with Client(server.url) as client, pytest.raises(OllamaError) as raised:
            client.chat("m", HI)
        assert len(str(raised.value)) < 1000
