"""Reads the body of a reply as it comes.

The readers give the same bytes. Two fast ones take a body that is chunked, or whose length is known, from the connection's
own socket, past three layers of Python per read. The plain one uses urllib3's public methods and serves everything else:
mocks, bodies that end with their connection, compressed ones.

Runs on the hub, in the greenlet of the call. May not parse what it reads.
"""

from __future__ import annotations

import http.client
from typing import Any, Protocol

from urllib3.response import BaseHTTPResponse, HTTPResponse

from ollama_sync._transport.receive import READ_SIZE, receiver_of
from ollama_sync._wire import Dechunker
from ollama_sync.errors import StreamBroken

# Bytes; what is asked for in one read of a body that has proved large, and of one that takes long for its size.
MOST_READ = 1024 * 1024
_LEAST_READ = 16384


class Body(Protocol):
    """The body of one reply."""

    def read(self, most: int = MOST_READ) -> bytes:
        """Return what has come, at most `most` bytes, waiting for at least one; b"" at the end.

        Raises:
            StreamBroken: the connection closed before the body was complete.
            BadFraming: the bytes do not follow the protocol.
            OSError, urllib3.exceptions.HTTPError: the connection failed.
        """

    def close(self) -> None:
        """Read no more. Before the connection is closed; may be called again."""


def body_of(response: BaseHTTPResponse, sock: Any) -> Body:
    """Return the reader for `response`.

    Args:
        response: urllib3's, with its headers read and its body not begun.
        sock: the gevent socket it comes from; None when a mock answered.
    """
    # urllib3 has no public name for http.client's response; if a release moves it, the plain reader takes over.
    source = getattr(response, "_fp", None)
    if (
        sock is not None
        and isinstance(response, HTTPResponse)
        and response.headers.get("content-encoding", "identity").lower() == "identity"
        and isinstance(source, http.client.HTTPResponse)
        and source.fp is not None
    ):
        if response.chunked:
            return ChunkedBody(response, source, sock)
        if source.length:
            return SizedBody(response, source, sock)
    return PlainBody(response)


class PlainBody:
    """Reads by urllib3's `read1`, which returns what has come and waits for no more."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        # What is compressed may take a thousand times as long: of that, small pieces.
        self._is_identity = response.headers.get("content-encoding", "identity") == "identity"
        self._size = READ_SIZE if self._is_identity else _LEAST_READ

    def read(self, most: int = MOST_READ) -> bytes:
        """See `Body.read`."""
        data = self._response.read1(min(self._size, most), decode_content=True)
        if len(data) == self._size < MOST_READ and self._is_identity:
            self._size *= 2
        return data

    def close(self) -> None:
        """See `Body.close`."""


class _Connection:
    """The connection of one reply, read past http.client, and given back to its pool in time.

    Args:
        response: urllib3's.
        source: http.client's, whose head has been read.
        sock: the gevent socket below it.
    """

    def __init__(self, response: HTTPResponse, source: http.client.HTTPResponse, sock: Any) -> None:
        self._response = response
        self._source = source
        self._receiver = receiver_of(sock)
        self._has_begun = False
        self.close = self._receiver.close

    def receive(self, size: int) -> bytes:
        """Return what has come, at most `size` bytes; at the first time perhaps more.

        Raises:
            StreamBroken: the connection closed.
        """
        # When the headers were read, some of the body came along into `fp`'s buffer. Its first `read1` returns all of
        # that, or reads from the socket when there was none: after it the buffer is empty, and stays so.
        if self._has_begun and not self._source.will_close:
            data = self._receiver.receive(size)
        else:
            self._has_begun = True
            data = self._source.fp.read1(READ_SIZE)
        if not data:
            raise StreamBroken("the server closed the connection in the middle of its reply")
        return data

    def give_back(self, *, is_clean: bool) -> None:
        """Return the connection to its pool, or close it when it holds bytes that belong to no reply."""
        self._receiver.close()
        if not is_clean:
            self._response.close()
        self._source.close()
        self._response.release_conn()


class ChunkedBody:
    """Reads from the socket and takes the chunked framing off itself."""

    def __init__(self, response: HTTPResponse, source: http.client.HTTPResponse, sock: Any) -> None:
        self._connection = _Connection(response, source, sock)
        self._dechunker = Dechunker()
        self._size = READ_SIZE
        self.close = self._connection.close

    def read(self, most: int = MOST_READ) -> bytes:
        """See `Body.read`."""
        dechunker = self._dechunker
        while not dechunker.done:
            if dechunker.broken:
                dechunker.feed(b"")  # raises
            data = self._connection.receive(min(self._size, most))
            body = dechunker.feed(data)
            self._adapt(len(data), len(data) - len(body))
            if dechunker.done:
                self._connection.give_back(is_clean=not dechunker.excess)
            if body:
                return body
        return b""

    def _adapt(self, size: int, framing: int) -> None:
        """Take the size of the next read from what the latest one held."""
        if framing > size // 2 and size >= _LEAST_READ:
            # Chunks of a byte or two, which no model sends: each costs as much as a line.
            self._size = _LEAST_READ
        elif size == self._size < MOST_READ and framing < size // 64:
            self._size *= 2


class SizedBody:
    """Reads from the socket as many bytes as the head has promised."""

    def __init__(self, response: HTTPResponse, source: http.client.HTTPResponse, sock: Any) -> None:
        self._connection = _Connection(response, source, sock)
        self._left: int = source.length or 0
        self._size = READ_SIZE
        self.close = self._connection.close

    def read(self, most: int = MOST_READ) -> bytes:
        """See `Body.read`."""
        if not self._left:
            return b""
        data = self._connection.receive(min(self._size, self._left, most))[: self._left]
        self._left -= len(data)
        if not self._left:
            self._connection.give_back(is_clean=True)
        elif len(data) == self._size < MOST_READ:
            self._size *= 2
        return data
