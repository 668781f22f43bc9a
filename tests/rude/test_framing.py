"""Servers that frame their replies badly, or in ways that are right and rare.

Runs in the thread of the tests; the server is a hub of its own.
"""

from __future__ import annotations

import functools
import zlib
from typing import Any

import pytest

from ollama_sync import Timeout
from ollama_sync._client import calls as calls_module
from ollama_sync._wire import LineFramer, WholeBody
from ollama_sync.errors import StreamBroken
from ollama_sync.testing import (
    FakeClock,
    Gate,
    chunk,
    close,
    cut,
    dribble,
    end,
    head,
    line,
    raw,
    wait,
)

A = line({"message": {"role": "assistant", "content": "A"}, "done": False})
B = line({"message": {"role": "assistant", "content": "Bé"}, "done": False})
FINAL = line({"message": {"role": "assistant", "content": ""}, "done": True})
WHOLE = ["A", "Bé", ""]


def framed(data: bytes, size: bytes | None = None) -> bytes:
    return b"%b\r\n%b\r\n" % (b"%x" % len(data) if size is None else size, data)


def test_line_ends_with_a_carriage_return_are_line_ends(stage: Any) -> None:
    """Lines that end as on Windows are lines; the carriage return is no part of anything."""
    lines = [data[:-1] + b"\r\n" for data in (A, B, FINAL)]
    heard = stage.stream(head(), *map(chunk, lines), end())
    assert (heard.texts, heard.error) == (WHOLE, None)


@pytest.mark.parametrize("offset", [1, 2, 3])
@pytest.mark.parametrize("stays", [True, False])
def test_a_reply_cut_at_every_byte_is_whole(stays: bool, offset: int, stage: Any) -> None:
    """Chunk headers, line ends, characters and trailers come in pieces of one to three bytes, and nothing is lost."""
    data = b"".join(map(framed, (A, b"\r\n", B, FINAL)))
    start, *finish = [head(), end()]
    if not stays:
        start, *finish = [head(headers={"Connection": "close"})]
        data += b"0\r\nX-Trailer: 1\r\n\r\n"
    heard = stage.stream(start, cut(data, range(offset, len(data), offset)), *finish)
    assert (heard.texts, heard.error) == (WHOLE, None)


def test_a_head_cut_at_every_byte_is_a_head(stage: Any) -> None:
    """The status line and the headers may come in pieces as well."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    heard = stage.stream(dribble(data), chunk(A), chunk(B), chunk(FINAL), end())
    assert (heard.texts, heard.error) == (WHOLE, None)


def test_a_byte_a_second_is_no_silence(stage_with: Any, eventually: Any) -> None:
    """The idle clock, of two seconds, starts anew with each byte: a reply of half a minute is only slow."""
    data = b'{"done":true,"message":{}}\n'
    gates = [Gate() for _ in data]
    steps = [step for at, gate in enumerate(gates) for step in (raw(data[at : at + 1]), wait(gate))]
    with FakeClock() as clock:
        stage = stage_with(timeout=Timeout(first=5, idle=2))
        with stage.goes_on():
            stream = stage.chat(head(framing="close"), *steps, close())
            for sent, gate in enumerate(gates, 1):
                eventually(lambda sent=sent: stream.stats.bytes == sent)
                clock.advance(1.0)
                gate.open()
            assert next(stream).done
            assert list(stream) == []


def test_chunk_extensions_and_trailers_are_skipped(stage: Any) -> None:
    """What a chunk says beside its size, and headers behind the last chunk, are allowed and mean nothing."""
    data = framed(A, b'%X;name="a;b";flag' % len(A)) + framed(B, b"000%x \t" % len(B))
    data += framed(FINAL) + b"0;last\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n"
    heard = stage.stream(head(headers={"Connection": "close"}), raw(data))
    assert (heard.texts, heard.error) == (WHOLE, None)


@pytest.mark.parametrize(
    "size", [b"xyz", b"-5", b"+5", b"0x10", b"", b"1_0", b"f" * 17, b"\x00", "\uff15".encode()]
)
def test_a_chunk_whose_size_is_no_number_breaks_the_stream(size: bytes, stage: Any) -> None:
    """A size that is no hexadecimal number of at most 16 digits is refused, behind what was right."""
    heard = stage.stream(head(), chunk(A), raw(framed(B, size)), chunk(FINAL), end())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert "not the size of a chunk" in str(heard.error)
    assert heard.error.partial.message.content == "A"


def test_a_chunk_longer_than_its_size_breaks_the_stream(stage: Any) -> None:
    """A size that is too small is seen at once, and the rest is not taken for lines."""
    heard = stage.stream(head(), chunk(A), raw(framed(B, b"%x" % (len(B) - 3))), chunk(FINAL))
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert "longer than its size says" in str(heard.error)


def test_a_chunk_shorter_than_its_size_breaks_the_stream(stage: Any) -> None:
    """A size that is too big swallows the framing behind it; the line itself was whole, and is delivered."""
    heard = stage.stream(
        head(), chunk(A), raw(framed(B, b"%x" % (len(B) + 4))), chunk(FINAL), end()
    )
    assert heard.texts == ["A", "Bé"]
    assert type(heard.error) is StreamBroken


def test_a_chunk_of_sixteen_digits_that_never_fills_breaks_with_the_connection(stage: Any) -> None:
    """A chunk of exabytes takes no memory; the lines in it are delivered, and the end of the connection is no end."""
    heard = stage.stream(head(), raw(b"%x\r\n" % (16**16 - 1) + A + B), close())
    assert heard.texts == ["A", "Bé"]
    assert type(heard.error) is StreamBroken
    assert "closed the connection" in str(heard.error)


def test_a_line_of_sixteen_megabytes_is_a_line(stage: Any) -> None:
    """A line may be larger than every buffer."""
    text = "x" * (16 * 1024 * 1024)
    large = line({"message": {"role": "assistant", "content": text}, "done": False})
    heard = stage.stream(head(), chunk(A), chunk(large), chunk(FINAL), end())
    assert heard.error is None
    assert heard.texts == ["A", text, ""]


class Forever:
    """Sends a line that does not end."""

    def run(self, connection: Any) -> None:
        while True:
            connection.send(framed(b"x" * 50_000))


def test_a_line_that_never_ends_breaks_the_stream(
    stage: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a cap on a line; behind it the connection is cut, so that the server stops."""

    class ShortLines(LineFramer):
        def __init__(self) -> None:
            super().__init__(1_000_000)

    with monkeypatch.context() as patch:
        patch.setattr(calls_module, "LineFramer", ShortLines)
        heard = stage.stream(head(), chunk(A), Forever())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert "a line of more than 1000000 bytes" in str(heard.error)
    server.wait_disconnect()


def test_a_reply_that_never_ends_breaks(
    stage: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a cap on a reply that does not stream, too."""
    with monkeypatch.context() as patch:
        patch.setattr(calls_module, "WholeBody", functools.partial(WholeBody, 1_000_000))
        error = stage.reply(head(), Forever())
    assert type(error) is StreamBroken
    assert "a body of more than 1000000 bytes" in str(error)
    server.wait_disconnect()


GZIPPED = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}


def test_a_compressed_reply_streams_as_well(stage: Any) -> None:
    """Compressed though identity was asked for: each part arrives when it was sent."""
    gate = Gate()
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(A) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(B + FINAL) + packer.flush()
    with stage.goes_on():
        stream = stage.chat(head(headers=GZIPPED), chunk(first), wait(gate), chunk(rest), end())
        parts = [next(stream)]
        gate.open()
        parts += stream
    assert [part.message.content for part in parts] == WHOLE
    assert stage.server.requests[0].headers["accept-encoding"] == "identity"


def test_a_compressed_reply_that_is_not_breaks_the_stream(stage: Any) -> None:
    """What says that it is compressed, and is not, cannot be read."""
    heard = stage.stream(head(headers=GZIPPED), chunk(A), chunk(FINAL), end())
    assert heard.texts == []
    assert type(heard.error) is StreamBroken


def test_a_compressed_reply_that_is_cut_short_breaks_the_stream(stage: Any) -> None:
    """A compressed reply whose connection is lost is not taken for a whole one."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(A) + packer.flush(zlib.Z_SYNC_FLUSH)
    heard = stage.stream(head(headers=GZIPPED), chunk(first), close())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken


FRAMINGS = {
    "http/1.0": (head(framing="none", http="1.0"), close()),
    "until close": (head(framing="close"), close()),
    "with a length": (head(framing="length", length=len(A + B + FINAL)),),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_reply_without_chunks_streams_as_well(name: str, stage: Any) -> None:
    """By HTTP/1.0, ended by the connection, or with a length: each part arrives when it was sent, not at the end."""
    start, *finish = FRAMINGS[name]
    first, second = Gate(), Gate()
    steps = [start, raw(A), wait(first), raw(B), wait(second), raw(FINAL), *finish]
    with stage.goes_on():
        stream = stage.chat(*steps)
        parts = [next(stream)]
        first.open()
        parts.append(next(stream))
        second.open()
        parts += stream
    assert [part.message.content for part in parts] == WHOLE


def test_a_length_that_is_not_reached_breaks_the_stream(stage: Any) -> None:
    """A body shorter than its length was cut short."""
    heard = stage.stream(head(framing="length", length=len(A + B) + 20), raw(A + B), close())
    assert heard.texts == ["A", "Bé"]
    assert type(heard.error) is StreamBroken
    assert heard.error.partial.message.content == "ABé"


def test_a_body_longer_than_its_length_ends_where_it_says(stage: Any) -> None:
    """What comes behind the length is no part of the reply."""
    heard = stage.stream(head(framing="length", length=len(A + FINAL)), raw(A + FINAL + B))
    assert (heard.texts, heard.error) == (["A", ""], None)
