"""The raw connection under a script: bytes out, time, and how it ends.

Runs on the server's hub thread. It knows HTTP's framing only so far as to tell whether the reply is complete, and so
whether the connection may carry another request. It may not block the thread: every wait is a gevent wait.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal

import gevent

from ollama_sync._now import perf_counter
from ollama_sync.testing._request import Request

Framing = Literal["chunked", "length", "close", "none"]

# A greenlet that is always late gives way to the others after so many seconds. A sleep of 0 would let only callbacks run,
# not the sockets.
_LONGEST_RUN = 0.002
_GIVE_WAY = 1e-6
# Seconds; how long who is late gives way. A thread that waits for the interpreter needs some time to get up: a shorter release
# only has it begin its wait anew, and this one would keep the interpreter for seconds.
_BREATH = 0.0005
_NO_BODY = (204, 304)


class ClientGone(gevent.GreenletExit):  # type: ignore[misc]  # gevent has no types: its exception is Any
    """The client closed or reset the connection before the reply was complete. Ends a script, and is no error.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, chunk, head
        >>> class Tell:
        ...     def run(self, connection):
        ...         try:
        ...             connection.sleep(60)
        ...         except ClientGone:
        ...             seen.append("gone")
        ...             raise
        >>> seen = []
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), Tell()], path="/api/generate")
        ...     with client.generate("llama3.2", "hi", stream=True) as stream:
        ...         print(next(stream).response)
        ...     server.wait_disconnect()
        A
        >>> seen
        ['gone']
    """


class Connection:
    r"""What the steps of a script act on: the server's side of one request.

    A step of your own is anything with a method `run(connection)`; it may use what is listed here, and wait by `sleep` or by
    gevent's functions, on the server's own thread.

    Attributes:
        request: what is being answered.
        call_soon: runs a callback on this loop; for what must be woken from other threads.
        is_closed: a step has closed or reset the connection.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> class Count:
        ...     def run(self, connection):
        ...         connection.begin_stream()
        ...         for number in connection.schedule(3, 0.001):
        ...             connection.queue_part(b'{"response": "%d"}\n' % number)
        ...         connection.queue_part(b'{"done": true}\n')
        ...         connection.end_stream()
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([Count()], path="/api/generate")
        ...     client.generate("llama3.2", "Count", stream=True).result().response
        '012'
    """

    def __init__(
        self, sock: Any, reader: Any, request: Request, call_soon: Callable[..., object]
    ) -> None:
        self.request = request
        self.call_soon = call_soon
        self.is_closed = False
        self._sock = sock
        self._reader = reader
        self._queued = bytearray()
        self._framing: Framing | None = None
        self._is_last = False
        self._is_ended = False  # by its own framing; but some of it may still be queued
        self._missing = 0  # bytes of a body with Content-Length that are still to come
        self._awake_since = perf_counter()
        self._watching: gevent.Greenlet | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the reply has been sent to its end, by its own framing."""
        return self._is_ended and not self._queued

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.is_complete and not self.is_closed and not self._is_last

    @property
    def is_begun(self) -> bool:
        """Whether anything of the reply has been sent or queued."""
        return self._framing is not None

    def begin(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        framing: Framing,
        length: int = 0,
        http: str = "1.1",
    ) -> None:
        """Queue the status line and the headers; they go out with the first bytes that follow, or by `flush`."""
        pairs = list(headers)
        given = {name.lower(): value.lower() for name, value in pairs}
        if "date" not in given:
            pairs.append(("Date", formatdate(usegmt=True)))
        if framing == "chunked":
            pairs.append(("Transfer-Encoding", "chunked"))
        elif framing == "length":
            pairs.append(("Content-Length", str(length)))
        elif framing == "close":
            pairs.append(("Connection", "close"))
        lines = [f"HTTP/{http} {status} {_phrase(status)}", *(f"{n}: {v}" for n, v in pairs)]
        self._queued += "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._framing = framing
        self._is_last = http == "1.0" or framing == "close" or given.get("connection") == "close"
        self._missing = length
        empty = framing == "length" and length == 0
        self._is_ended = empty or status in _NO_BODY or self.request.method == "HEAD"

    def begin_stream(self, status: int = 200) -> None:
        """Queue the head of a stream as Ollama sends it: chunked, or ended by the close for an HTTP/1.0 client."""
        headers = [("Content-Type", "application/x-ndjson")]
        if self.request.http == "1.0":
            self.begin(status, headers, "none", http="1.0")
        else:
            self.begin(status, headers, "chunked")

    def queue_part(self, data: bytes) -> None:
        """Queue one part of a stream, in a chunk of its own when the stream is chunked."""
        self.queue(frame(data) if self._framing == "chunked" else data)

    def end_stream(self) -> None:
        """Send what is queued and end the body: the last chunk, or nothing where the close is the end."""
        if self._framing == "chunked":
            self.end_chunks()
        self.flush()

    def end_chunks(self) -> None:
        """Queue the last chunk."""
        self._is_ended = True
        self.queue(_LAST_CHUNK)

    def queue(self, data: bytes) -> None:
        """Take `data` to be sent with what follows, by `flush`, `send`, `sleep` or `pace`."""
        self._queued += data
        if self._framing == "length":
            self._missing -= len(data)
            self._is_ended = self._missing <= 0

    def flush(self) -> None:
        """Send what is queued. Waits while the client does not read.

        Raises:
            ClientGone: the client closed or reset the connection.
        """
        if not self._queued:
            return
        if self.is_closed:
            raise ValueError("this step sends, but an earlier step has closed the connection")
        try:
            self._sock.sendall(self._queued)
        except OSError as error:
            raise ClientGone(f"sending to the client failed: {error}") from error
        self._queued = bytearray()  # only now: what could not be sent keeps the reply incomplete

    def send(self, data: bytes) -> None:
        """Send `data` now, after what is queued. See `flush`."""
        self.queue(data)
        self.flush()

    def sleep(self, seconds: float) -> None:
        """Send what is queued, then pause this script only."""
        self.flush()
        gevent.sleep(max(seconds, _GIVE_WAY))
        self._awake_since = perf_counter()

    def pace(self, due: float) -> None:
        """Wait until `due`, a reading of `perf_counter`. Who is late does not wait, but gives way now and then."""
        now = perf_counter()
        if due > now:
            self.sleep(due - now)
        elif now - self._awake_since > _LONGEST_RUN:
            self.sleep(_BREATH)

    def schedule(self, count: int, delay: float) -> Iterator[int]:
        """Yield 0, 1, … up to `count`, each when it is due: `i * delay` seconds after the first, so that nothing drifts."""
        start = perf_counter()
        for number in range(count):
            self.pace(start + number * delay)
            yield number

    def close(self) -> None:
        """Close the socket at once; what has been sent still arrives, then the client reads the end."""
        self.flush()
        self.unwatch()  # a greenlet that still waits for the socket would keep it from being closed
        self.is_closed = True
        self._reader.close()
        self._sock.close()

    def reset(self) -> None:
        """Close the socket so that the client's next read fails with "connection reset"."""
        self.flush()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self) -> None:
        """End the sending direction only: the client reads the end, and may still send."""
        self.flush()
        self._is_last = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:  # there is nobody any more to be told
            raise ClientGone from error

    def watch(self) -> gevent.Greenlet:
        """Return a greenlet whose value turns true when the client hangs up.

        It ends with false when the client sends its next request already: then a hang-up is seen by sending only.
        """
        self._watching = gevent.spawn(self._sees_hang_up)
        return self._watching

    def unwatch(self) -> None:
        """End what `watch` began."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.kill()

    def _sees_hang_up(self) -> bool:
        try:
            return not self._reader.peek(1)
        except OSError:
            return True  # a reset


_LAST_CHUNK = b"0\r\n\r\n"


def frame(data: bytes) -> bytes:
    """Return `data` as one chunk of the chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
