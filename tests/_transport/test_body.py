"""The two readers of bodies: the same bytes from both, however they are framed and cut, and an end that is an end."""

from __future__ import annotations

import gzip
import http.client
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import gevent
import gevent.event
import gevent.socket
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import HTTPResponse

from ollama_sync._hub import shared_hub
from ollama_sync._transport.adapter import GreenHTTPPool
from ollama_sync._transport.body import ChunkedBody, PlainBody, SizedBody, body_of
from ollama_sync._transport.green import GreenHTTPConnection
from ollama_sync._transport.wire import current_progress
from ollama_sync._wire import BadFraming
from ollama_sync.errors import StreamBroken

Kind = Literal["chunked", "plain"]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Pair:
    """A pool whose connections lead to the test itself. Lives on the hub.

    Args:
        replies: the pieces of one reply after the other; each piece is sent by itself.
        closes: whether the connection ends behind the last reply.
    """

    def __init__(self, replies: Sequence[Sequence[bytes]], closes: bool = False) -> None:
        pair = self
        self.connections = 0
        self.replies = replies
        self.closes = closes
        self.peers: list[gevent.Greenlet] = []

        class Connection(GreenHTTPConnection):
            def _new_conn(self) -> Any:
                ours, theirs = gevent.socket.socketpair()
                pair.connections += 1
                pair.peers.append(gevent.spawn(pair.serve, theirs))
                return ours

        self.pool = GreenHTTPPool("pair.example")
        self.pool.ConnectionCls = Connection
        self.sock: Any = None
        self._responses: list[HTTPResponse] = []

    def connected(self, sock: Any, *, kept: bool) -> None:
        self.sock = sock

    def received(self, size: int) -> None:
        """Nothing to note."""

    def sent(self) -> None:
        """Nothing to note."""

    def serve(self, sock: Any) -> None:
        with sock:
            for pieces in self.replies:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    got = sock.recv(65536)
                    if not got:
                        return
                    request += got
                for piece in pieces:
                    sock.sendall(piece)
                    gevent.sleep(0)  # the reader takes its turn
            if not self.closes:
                sock.recv(1)

    def ask(self) -> HTTPResponse:
        """Send a request and return urllib3's response, its body not begun."""
        current_progress.set(self)
        response = self.pool.urlopen(
            "GET", "/", preload_content=False, decode_content=False, retries=False
        )
        assert isinstance(response, HTTPResponse)
        self._responses.append(response)
        return response

    def body(self, response: HTTPResponse, kind: Kind) -> Any:
        """Return the reader of that kind."""
        made = body_of(response, self.sock) if kind == "chunked" else PlainBody(response)
        assert isinstance(made, ChunkedBody if kind == "chunked" else PlainBody)
        return made

    def close(self) -> None:
        for response in self._responses:
            response.close()
        self.pool.close()
        gevent.joinall(self.peers, timeout=5, raise_error=True)


def on_hub(work: Callable[[Pair], Any], *replies: Sequence[bytes], closes: bool = False) -> Any:
    """Run `work` on the hub with a pair that answers so."""

    def run() -> Any:
        pair = Pair(replies, closes)
        try:
            return work(pair)
        finally:
            pair.close()

    return shared_hub().call(run)


def read_all(body: Any) -> bytes:
    return b"".join(iter(body.read, b""))


def chunks_of(body: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield the body in chunks of the given sizes; the rest is one more."""
    for size in sizes:
        if body:
            yield b"%x\r\n%b\r\n" % (min(size, len(body)), body[:size])
            body = body[size:]
    if body:
        yield b"%X;why=not\r\n%b\r\n" % (len(body), body)
    yield b"0\r\n\r\n"


def cut_at(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


SECOND = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
BODIES = st.binary(max_size=3000) | st.lists(st.binary(max_size=40)).map(
    lambda lines: b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
)
SIZES = st.lists(st.integers(1, 200), max_size=30)
CUTS = st.lists(st.integers(0, 5000), max_size=40)


@given(body=BODIES, sizes=SIZES, cuts=CUTS)
@example(body=b"", sizes=[], cuts=[])
@example(body=b'{"a":1}\n{"a":2}\n', sizes=[8, 8], cuts=list(range(200)))
def test_both_readers_give_the_same_bytes(body: bytes, sizes: list[int], cuts: list[int]) -> None:
    """Any body, in any chunks, cut anywhere, is read whole by both, and the connection serves another request."""
    pieces = cut_at(CHUNKED + b"".join(chunks_of(body, sizes)), cuts)

    def work(pair: Pair, kind: Kind) -> tuple[bytes, bytes, int]:
        first = read_all(pair.body(pair.ask(), kind))
        second = read_all(PlainBody(pair.ask()))
        return first, second, pair.connections

    for kind in ("chunked", "plain"):
        got = on_hub(lambda pair, kind=kind: work(pair, kind), pieces, SECOND)
        assert got == (body, b"ok", 1)


@pytest.mark.parametrize("kind", ["chunked", "plain"])
def test_what_proves_large_is_read_in_larger_pieces(kind: Kind) -> None:
    """A body that fills its reads is read in pieces of up to 1 MiB."""
    size = 8 * 1024 * 1024
    head = CHUNKED if kind == "chunked" else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    framing = (b"%x\r\n" % size, b"\r\n0\r\n\r\n") if kind == "chunked" else (b"", b"")

    def work(pair: Pair) -> list[int]:
        body = pair.body(pair.ask(), kind)
        return [len(piece) for piece in iter(body.read, b"")]

    pieces = on_hub(work, [head, bytes(size).join(framing)])
    assert sum(pieces) == size
    assert 65536 < max(pieces) <= 1024 * 1024


@given(body=st.binary(min_size=1, max_size=500), sizes=SIZES, cuts=CUTS, data=st.data())
def test_a_chunked_body_that_is_cut_short_is_broken(
    body: bytes, sizes: list[int], cuts: list[int], data: st.DataObject
) -> None:
    """Wherever the connection ends before the last chunk, what came is given and then the break is told."""
    framed = b"".join(chunks_of(body, sizes))
    kept = framed[: data.draw(st.integers(0, len(framed) - 1), "kept")]
    pieces = cut_at(CHUNKED + kept, cuts)

    def work(pair: Pair, kind: Kind, broken: type[Exception]) -> bytes:
        reader = pair.body(pair.ask(), kind)
        got: list[bytes] = []
        with pytest.raises(broken):
            got.extend(iter(reader.read, b""))
        return b"".join(got)

    for kind, broken in (("chunked", StreamBroken), ("plain", ProtocolError)):
        if kind == "plain" and kept.endswith((b"0\r\n\r", b"0\r\n", b"0\r", b"0")):
            continue  # http.client takes the end of the connection for the end of the trailers
        got = on_hub(
            lambda pair, kind=kind, broken=broken: work(pair, kind, broken), pieces, closes=True
        )
        assert body.startswith(got)


@pytest.mark.parametrize("cut", [b"0\r\n", b"0\r\n\r"])
def test_a_connection_that_ends_within_the_last_chunk_is_broken(cut: bytes) -> None:
    """The chunk that ends a body ends with an empty line; until then it is cut short."""
    with pytest.raises(StreamBroken):
        on_hub(
            lambda pair: read_all(pair.body(pair.ask(), "chunked")),
            [CHUNKED + b"2\r\nok\r\n" + cut],
            closes=True,
        )


def test_bytes_behind_the_end_close_the_connection() -> None:
    """What belongs to no reply would be taken for the next one: the connection is not used again."""

    def work(pair: Pair) -> tuple[bytes, int]:
        got = read_all(pair.body(pair.ask(), "chunked"))
        pair.replies = [SECOND]
        assert read_all(PlainBody(pair.ask())) == b"ok"
        return got, pair.connections

    assert on_hub(work, [CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 500"], SECOND) == (b"ok", 2)


def test_chunks_that_are_none_are_bad_framing() -> None:
    """A size that is no number is told as such."""
    with pytest.raises(BadFraming, match="is not the size of a chunk"):
        on_hub(lambda pair: read_all(pair.body(pair.ask(), "chunked")), [CHUNKED + b"zz\r\nno\r\n"])


def test_the_end_may_be_read_again() -> None:
    """A body that is over stays over, also when its connection serves another call."""

    def work(pair: Pair) -> list[bytes]:
        body = pair.body(pair.ask(), "chunked")
        read_all(body)
        other = PlainBody(pair.ask())
        return [body.read(), other.read(), body.read(), other.read()]

    assert on_hub(work, [CHUNKED + b"0\r\n\r\n"], SECOND) == [b"", b"ok", b"", b""]


def test_a_body_with_a_length_ends_there() -> None:
    """Content-Length is obeyed, and the connection is kept."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

    def work(pair: Pair) -> tuple[bytes, bytes, int]:
        response = pair.ask()
        body = body_of(response, pair.sock)
        assert isinstance(body, SizedBody)
        return read_all(body), read_all(PlainBody(pair.ask())), pair.connections

    assert on_hub(work, [head + b"he", b"llo"], SECOND) == (b"hello", b"ok", 1)


def test_what_comes_behind_its_length_is_not_the_bodys() -> None:
    """A server that sends more than it promised does not lengthen the body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert (
        on_hub(lambda pair: read_all(body_of(pair.ask(), pair.sock)), [head + b"hello!!"])
        == b"hello"
    )


def test_a_large_body_is_read_in_larger_pieces() -> None:
    """But never in larger ones than are asked for."""
    size = 3_000_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    def work(pair: Pair) -> int:
        body = body_of(pair.ask(), pair.sock)
        pieces = [len(body.read(200_000))]
        while pieces[-1]:
            pieces.append(len(body.read(200_000)))
        assert max(pieces) <= 200_000
        return sum(pieces)

    assert on_hub(work, [head + b"x" * size]) == size


def test_a_body_shorter_than_its_length_is_broken() -> None:
    """A connection that ends before the length was reached is no end of the body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    with pytest.raises(HTTPError, match="IncompleteRead"):
        on_hub(lambda pair: read_all(PlainBody(pair.ask())), [head + b"short"], closes=True)


def gated(framing: Literal["close", "length", "chunked", "chunked, closed behind"]) -> list[bytes]:
    """Read a reply of two parts, the second of which is sent when the first has been read."""
    head = {
        "close": b"HTTP/1.1 200 OK\r\n\r\n",
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
        "chunked": CHUNKED,
        "chunked, closed behind": CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    }[framing]
    was_read = gevent.event.Event()

    def pieces() -> Iterator[bytes]:
        chunked = framing.startswith("chunked")
        yield head + (b"3\r\none\r\n" if chunked else b"one")
        assert was_read.wait(5)
        yield b"3\r\ntwo\r\n0\r\n\r\n" if chunked else b"two"

    def work(pair: Pair) -> list[bytes]:
        body = body_of(pair.ask(), pair.sock)
        first = body.read()
        was_read.set()
        return [first, *iter(body.read, b"")]

    return shared_hub().call(_with_pair, work, pieces)  # type: ignore[no-any-return] # of a lambda


def _with_pair(work: Callable[[Pair], Any], pieces: Callable[[], Iterator[bytes]]) -> Any:
    pair = Pair([pieces()], closes=True)  # type: ignore[list-item] # read once, in order
    try:
        return work(pair)
    finally:
        pair.close()


@pytest.mark.parametrize("framing", ["close", "length", "chunked", "chunked, closed behind"])
def test_each_part_arrives_when_it_is_sent(framing: Any) -> None:
    """No reader waits for more than there is, whatever the framing: the second part is sent after the first was read."""
    assert gated(framing) == [b"one", b"two"]


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_compressed_body_is_decompressed(framing: bytes) -> None:
    """A server that compresses unasked is understood, by the plain reader."""
    text = b'{"done":false}\n' * 500
    packed = gzip.compress(text)
    if b"chunked" in framing:
        packed = b"".join(chunks_of(packed, [7, 9]))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + framing + b"\r\n\r\n"

    def work(pair: Pair) -> bytes:
        body = body_of(pair.ask(), pair.sock)
        assert isinstance(body, PlainBody)
        return read_all(body)

    assert on_hub(work, cut_at(head + packed, range(0, 200, 3)), closes=True) == text


def test_without_a_socket_the_plain_reader_serves() -> None:
    """What a mock made has no socket to read from, even when it says that it is chunked."""

    def work(pair: Pair) -> bytes:
        response = pair.ask()
        body = body_of(response, None)
        assert isinstance(body, PlainBody)
        return read_all(body)

    assert on_hub(work, [CHUNKED + b"2\r\nok\r\n0\r\n\r\n"]) == b"ok"


def test_without_the_inner_response_the_plain_reader_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a release of urllib3 hides http.client's response, streams still work."""
    monkeypatch.setattr(http.client, "HTTPResponse", type("Moved", (), {}))

    def work(pair: Pair) -> Any:
        response = pair.ask()
        return type(body_of(response, pair.sock)), read_all(body_of(response, pair.sock))

    assert on_hub(work, [CHUNKED + b"2\r\nok\r\n0\r\n\r\n"]) == (PlainBody, b"ok")
