"""Lines: the same whatever the reads, split at newlines only, in linear time, up to a cap."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._wire import BadFraming, LineFramer


def frame(pieces: list[bytes], max_line: int | None = None) -> list[bytes]:
    """Feed everything; return the lines without their newlines."""
    framer = LineFramer() if max_line is None else LineFramer(max_line)
    blocks = [*map(framer.feed, pieces), framer.close()]
    assert all(block == b"" or block.endswith(b"\n") for block in blocks)
    return b"".join(blocks).split(b"\n")[:-1]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut the bytes at these places (taken modulo their number)."""
    places = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


texts = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\n", b"\r\n", b"\n\n", b"\r", b" ", b"\t", b"{", b"}", b'{"a":1}', b'{"a":1}\n']
        ),
        st.sampled_from(["\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x00"]).map(
            str.encode
        ),
        st.binary(max_size=5),
    ),
    max_size=40,
).map(b"".join)
places = st.lists(st.integers(0, 10_000), max_size=20)


@given(texts, places)
def test_any_cutting_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """The lines are those of the bytes, unchanged, wherever the reads are cut; the last needs no newline."""
    lines = data.split(b"\n")
    assert frame(cut(data, cuts)) == (lines if lines[-1] else lines[:-1])


def test_whole_lines_are_handed_on_at_once() -> None:
    """Nothing that is complete waits; only what is not is kept."""
    framer = LineFramer()
    assert framer.feed(b'{"a":1}\n{"b":2}\n{"c"') == b'{"a":1}\n{"b":2}\n'
    assert framer.feed(b":3") == b""
    assert framer.feed(b"}") == b""
    assert framer.feed(b'\n{"d":4}\n') == b'{"c":3}\n{"d":4}\n'
    assert framer.close() == b""


def test_a_block_of_whole_lines_is_not_copied() -> None:
    """The usual read goes through as it is."""
    block = b'{"a":1}\n{"b":2}\n'
    assert LineFramer().feed(block) is block


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_last_line_needs_no_newline(end: bytes) -> None:
    """Ollama's error lines have none; the line is there once with and without."""
    assert frame([b'{"a":1}\n{"error":"x"}' + end]) == [b'{"a":1}', b'{"error":"x"}']


def test_closed_twice_the_last_line_comes_once() -> None:
    """And the framer is empty then."""
    framer = LineFramer()
    framer.feed(b"{}")
    assert framer.close() == b"{}\n"
    assert framer.close() == b""


@pytest.mark.parametrize(
    "separator", ["\u0085", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]
)
def test_only_a_newline_ends_a_line(separator: str) -> None:
    """What else Python's text calls a line's end may stand inside a JSON string."""
    line = f'{{"a":"x{separator}y"}}'.encode()
    assert frame([line + b"\n" + line + b"\n"]) == [line, line]


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    cuts=places,
    closed=st.booleans(),
)
def test_the_cap_holds_for_each_line_however_it_is_cut(
    lengths: list[int], cuts: list[int], closed: bool
) -> None:
    """A line of just the cap passes, one of a byte more is refused, and neighbours do not count."""
    data = b"\n".join(b"x" * length for length in lengths) + (b"\n" if closed else b"")
    pieces = cut(data, cuts)
    if max(lengths) <= 20:
        assert frame(pieces, 20) == [b"x" * length for length in lengths]
    else:
        with pytest.raises(BadFraming, match="more than 20 bytes"):
            frame(pieces, 20)


def test_an_endless_line_is_refused_before_its_end() -> None:
    """What is kept is bounded by the cap."""
    framer = LineFramer(1000)
    with pytest.raises(BadFraming):
        b"".join(framer.feed(b"x") for _ in range(1001))


def _seconds(size: int) -> float:
    framer = LineFramer()
    piece = b"x" * 65536
    began = time.perf_counter()
    for _ in range(size // len(piece)):
        framer.feed(piece)
    assert len(framer.feed(b"\n")) == size + 1
    return time.perf_counter() - began


def test_a_long_line_takes_linear_time() -> None:
    """16 MB in 4 times the time of 4 MB; by joining at each read it would be 16 times."""
    mega = 1 << 20
    assert min(_seconds(16 * mega) / _seconds(4 * mega) for _ in range(5)) < 10
