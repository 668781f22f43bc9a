"""Chunked framing: checked against http.client, against itself cut otherwise, and with bytes that break the protocol."""

from __future__ import annotations

import http.client
import io
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ollama_sync._wire import BadFraming, Dechunker, chunked

LINE = b'{"model":"m","response":"token","done":false}\n'


def encode(
    chunks: list[bytes], *, upper: bool = False, extension: bytes = b"", end: bytes = b"0\r\n\r\n"
) -> bytes:
    """Frame the chunks; none of them may be empty."""
    form = b"%X" if upper else b"%x"
    return b"".join(form % len(c) + extension + b"\r\n" + c + b"\r\n" for c in chunks) + end


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut the bytes at these places (taken modulo their number); empty pieces are left out, as a socket has none."""
    places = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places) if a != b]


def decode(pieces: list[bytes]) -> bytes:
    """Feed a whole reply; it must end exactly with its last byte."""
    dechunker = Dechunker()
    body = b"".join(map(dechunker.feed, pieces))
    if dechunker.broken:
        dechunker.feed(b"")  # raises
    assert dechunker.done
    assert dechunker.excess == b""
    return body


def outcome(pieces: list[bytes]) -> tuple[bytes, bool, bytes] | tuple[bytes, str]:
    """Feed anything; say what came of it: the body and the end, or the body before the fault."""
    dechunker = Dechunker()
    body = b""
    try:
        for piece in pieces:
            body += dechunker.feed(piece)
        if dechunker.broken:
            dechunker.feed(b"")
    except BadFraming:
        return body, "bad"
    assert not dechunker.broken
    return body, dechunker.done, dechunker.excess


class _FakeSocket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def by_http_client(framed: bytes) -> bytes:
    """Let the standard library decode the same reply."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = http.client.HTTPResponse(_FakeSocket(head + framed))  # type: ignore[arg-type]  # all it needs
    response.begin()
    body = response.read()
    response.close()
    return body


blobs = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.binary(min_size=1, max_size=8).map(lambda text: text.replace(b"\n", b".") + b"\n"),
    st.sampled_from(
        [LINE, b"\n", b"\r\n", b"\n\n", b"0\r\n\r\n", b"5\r\n", LINE + LINE, LINE * 30]
    ),
)
places = st.lists(st.integers(0, 100_000), max_size=30)


@given(
    chunks=st.lists(blobs, max_size=60),
    cuts=places,
    upper=st.booleans(),
    extension=st.sampled_from([b"", b";a=b", b' ; n="v"', b" ", b"\t"]),
    end=st.sampled_from(
        [b"0\r\n\r\n", b"000\r\n\r\n", b"0;last\r\n\r\n", b"0\r\nA: b\r\nC: d\r\n\r\n"]
    ),
)
def test_any_body_any_chunking_any_cutting(
    chunks: list[bytes], cuts: list[int], upper: bool, extension: bytes, end: bytes
) -> None:
    """The body is what was framed, however it was cut into chunks and reads, and is what http.client makes of it."""
    framed = encode(chunks, upper=upper, extension=extension, end=end)
    assert decode(cut(framed, cuts)) == b"".join(chunks) == by_http_client(framed)


@given(lines=st.lists(st.binary(max_size=50), min_size=20, max_size=100), cuts=places)
def test_a_line_a_chunk_any_cutting(lines: list[bytes], cuts: list[int]) -> None:
    """What Ollama sends, of any lines: the shortcut gives what was framed wherever the reads are cut."""
    chunks = [line.replace(b"\n", b"") + b"\n" for line in lines]
    assert decode(cut(encode(chunks), cuts)) == b"".join(chunks)


def test_byte_by_byte() -> None:
    """No piece is too small."""
    framed = encode([LINE, b"x", LINE * 50], end=b"0\r\nA: b\r\n\r\n")
    assert decode([framed[n : n + 1] for n in range(len(framed))]) == LINE + b"x" + LINE * 50


def test_the_shortcut_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long read of one line a chunk does not walk from chunk to chunk: only the end is looked at as framing."""
    looked_at = []
    walk = Dechunker._framing_line
    monkeypatch.setattr(
        Dechunker, "_framing_line", lambda self, line: (looked_at.append(line), walk(self, line))[1]
    )
    assert decode([encode([LINE] * 500)]) == LINE * 500
    assert len(looked_at) <= 4


GOOD = [b"%x\r\n%b\r\n" % (len(LINE), LINE)] * 30
NEAR_MISSES = {
    "one byte too few": [b"%x\r\n%b\r\n" % (len(LINE) - 1, LINE)],
    "one byte too many": [b"%x\r\n%b\r\n" % (len(LINE) + 1, LINE)],
    "two wrong sizes whose sum is right": [
        b"%x\r\n%b\r\n" % (len(LINE) - 1, LINE),
        b"%x\r\n%b\r\n" % (len(LINE) + 1, LINE),
    ],
    "two lines in one chunk": [b"%x\r\n%b\r\n" % (2 * len(LINE), LINE * 2)],
    "three lines in one chunk": [b"%x\r\n%b\r\n" % (3 * len(LINE), LINE * 3)],
    "a line over two chunks": [
        b"5\r\n" + LINE[:5] + b"\r\n",
        b"%x\r\n%b\r\n" % (len(LINE) - 5, LINE[5:]),
    ],
    "a chunk of one newline": [b"1\r\n\n\r\n"],
    "a chunk that looks like framing": [b"9\r\n5\r\nabc\r\n\n\r\n"],
    "an extension": [b"%x;a=b\r\n%b\r\n" % (len(LINE), LINE)],
    "upper case": [b"%X\r\n%b\r\n" % (len(LINE), LINE)],
    "leading zeros": [b"000%x\r\n%b\r\n" % (len(LINE), LINE)],
    "too many leading zeros": [b"0" * 16 + b"%x\r\n%b\r\n" % (len(LINE), LINE)],
    "0x": [b"0x%x\r\n%b\r\n" % (len(LINE), LINE)],
    "plus": [b"+%x\r\n%b\r\n" % (len(LINE), LINE)],
    "minus": [b"-%x\r\n%b\r\n" % (len(LINE), LINE)],
    "underscore": [b"0_%x\r\n%b\r\n" % (len(LINE), LINE)],
    "blank before": [b" %x\r\n%b\r\n" % (len(LINE), LINE)],
    "blank behind": [b"%x \r\n%b\r\n" % (len(LINE), LINE)],
    "vertical tab": [b"\x0b%x\r\n%b\r\n" % (len(LINE), LINE)],
    "form feed behind": [b"%x\x0c\r\n%b\r\n" % (len(LINE), LINE)],
    "not ASCII": ["\u0661\r\n".encode() + b"\n\r\n"],
    "no size": [b"\r\n%b\r\n" % LINE],
    "a size without a carriage return": [b"%x\n%b\r\n" % (len(LINE), LINE)],
    "an end without a carriage return": [b"%x\r\n%b\n" % (len(LINE), LINE)],
    "an end of two carriage returns": [b"%x\r\n%b\r\r\n" % (len(LINE), LINE)],
    "no end": [b"%x\r\n%b" % (len(LINE), LINE)],
    "the last chunk in the middle": [b"0\r\n\r\n"],
    "the last chunk and a trailer in the middle": [b"0\r\nA: b\r\n\r\n"],
    "text": [b"HTTP/1.1 200 OK\r\n"],
}


@pytest.mark.parametrize("place", [0, 1, 15, 30])
@pytest.mark.parametrize("miss", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_the_shortcut_is_equal_to_the_long_way(
    miss: list[bytes], place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is not quite one line a chunk: the same bytes, the same end or the same refusal as without the shortcut."""
    data = b"".join([*GOOD[:place], *miss, *GOOD[place:], b"0\r\n\r\n"])
    assert len(data) > chunked._SHORTCUT_FROM
    short = outcome([data])
    with monkeypatch.context() as patch:
        patch.setattr(chunked, "_SHORTCUT_FROM", 10**9)
        assert outcome([data]) == short
    assert outcome([data[n : n + 1] for n in range(len(data))]) == short


@given(
    st.lists(
        st.one_of(
            st.sampled_from([GOOD[0], *(b"".join(miss) for miss in NEAR_MISSES.values())]),
            st.binary(max_size=12),
            st.sampled_from([b"\r\n", b"\n", b"0\r\n", b"3\r\n", b"a\r\n\n"]),
        ),
        max_size=20,
    ),
    places,
)
def test_anything_is_the_same_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    """For right and wrong bytes alike the reads decide nothing: not the bytes, not the end, not the refusal."""
    data = b"".join([*GOOD[:25], *pieces])
    assert outcome(cut(data, cuts)) == outcome([data])


@pytest.mark.parametrize(
    "wrong",
    [
        b"xyz\r\n",
        b"\r\n",
        b"\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"1_0\r\n",
        b";a=b\r\n",
        b"5 5\r\n",
        b"12345678901234567\r\n",
        b"5\r\nhello!\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello \r\n",
        b"5\r\nhel\r\n0\r\n\r\n",
        b'{"error":"not chunked at all"}\n',
        b"HTTP/1.1 200 OK\r\n",
    ],
    ids=repr,
)
def test_what_breaks_the_framing_is_refused(wrong: bytes) -> None:
    """In one read and byte by byte, and the message shows what was found."""
    for pieces in ([wrong], [wrong[n : n + 1] for n in range(len(wrong))]):
        with pytest.raises(BadFraming, match=r"b['\"]"):
            decode(pieces)


@pytest.mark.parametrize("begin", [b"", b"5\r\nhello", b"0\r\n", b"0\r\nA: b\r\n"])
@pytest.mark.parametrize("size", [chunked._MAX_FRAMING_LINE, chunked._MAX_FRAMING_LINE + 1])
def test_a_header_without_an_end_is_refused(begin: bytes, size: int) -> None:
    """What is kept is bounded, whatever is awaited and however it comes; one byte below the bound it is still awaited."""
    flood = b"0" * size
    before = b"hello" if begin[:1] == b"5" else b""
    expected = (before, "bad") if size > chunked._MAX_FRAMING_LINE else (before, False, b"")
    assert outcome([begin, flood]) == expected
    assert outcome([begin + flood]) == expected
    assert outcome([begin, *[b"0"] * size]) == expected


@pytest.mark.parametrize("over", [0, 1])
def test_a_long_header_with_an_end_is_refused_alike(over: int) -> None:
    """The bound does not depend on whether the end of the line has come in the same read."""
    extension = b"5;" + b"x" * (chunked._MAX_FRAMING_LINE - 3 + over) + b"\r"
    data = extension + b"\nhello\r\n0\r\n\r\n"
    whole = outcome([data])
    assert whole == ((b"", "bad") if over else (b"hello", True, b""))
    assert outcome([data[:100], data[100:5000], data[5000:]]) == whole
    assert outcome([data[n : n + 1] for n in range(len(data))]) == whole


def test_what_is_right_before_a_fault_is_delivered_first() -> None:
    """In the same read: the fault is raised by the next call, and by each one after it."""
    dechunker = Dechunker()
    assert dechunker.feed(b"2\r\nhi\r\noops\r\n") == b"hi"
    assert dechunker.broken
    assert not dechunker.done
    for _ in range(2):
        with pytest.raises(BadFraming, match="oops"):
            dechunker.feed(b"2\r\nhi\r\n")


def test_trailers_without_an_end_are_refused() -> None:
    """Also when each is short."""
    dechunker = Dechunker()
    dechunker.feed(b"0\r\n")
    with pytest.raises(BadFraming, match="trailers"):
        b"".join(dechunker.feed(b"A: b\r\n") for _ in range(chunked._MAX_TRAILERS))


def test_trailers_up_to_the_bound_are_read() -> None:
    """They are dropped."""
    trailer = b"A: " + b"b" * 1000 + b"\r\n"
    assert decode([b"0\r\n", *[trailer] * 60, b"\r\n"]) == b""


def test_what_comes_behind_the_end_is_no_body() -> None:
    """The next bytes of the connection are kept apart, in the same read or in a later one."""
    dechunker = Dechunker()
    assert dechunker.feed(b"2\r\nhi\r\n0\r\n\r\nHTTP") == b"hi"
    assert dechunker.done
    assert dechunker.feed(b"/1.1") == b""
    assert dechunker.excess == b"HTTP/1.1"


def test_before_the_end_nothing_is_excess() -> None:
    """A begun piece of framing is no excess."""
    dechunker = Dechunker()
    assert dechunker.feed(b"2\r\nhi\r\n0\r") == b"hi"
    assert (dechunker.done, dechunker.excess) == (False, b"")


@pytest.mark.parametrize("stop", range(len(b"2\r\nhi\r\n0\r\n\r\n")))
def test_cut_short_anywhere_is_not_done(stop: int) -> None:
    """Only the last byte of the framing makes it complete."""
    dechunker = Dechunker()
    dechunker.feed(b"2\r\nhi\r\n0\r\n\r\n"[:stop])
    assert not dechunker.done


@example(1)
@given(st.integers(1, 200_000))
def test_a_large_chunk_is_handed_on_as_it_comes(size: int) -> None:
    """The bytes of a chunk do not wait for its end."""
    dechunker = Dechunker()
    assert dechunker.feed(b"%x\r\n" % (size + 1)) == b""
    assert dechunker.feed(b"x" * size) == b"x" * size
    assert dechunker.feed(b"y\r\n0\r\n\r\n") == b"y"
    assert dechunker.done


def test_an_empty_read_changes_nothing() -> None:
    """At each stage."""
    dechunker = Dechunker()
    for piece in (b"2", b"\r\nh", b"i", b"\r", b"\n0\r\n", b"\r\n"):
        assert dechunker.feed(b"") == b""
        dechunker.feed(piece)
    assert dechunker.done
