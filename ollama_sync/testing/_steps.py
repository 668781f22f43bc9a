"""The steps behind the words of `_script.py`: frozen values, each of which acts on a connection.

They run on the server's hub thread, in the greenlet of one request. A step keeps no state, so one script can answer many
requests at once. It may not block the thread: it waits by the connection, by a gate, or by gevent.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ollama_sync.testing._connection import Connection, Framing, frame
from ollama_sync.testing._gate import Gate
from ollama_sync.testing._request import Request


class Step(Protocol):
    """One thing that a scripted server does.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, reply
        >>> class Note:
        ...     def run(self, connection):
        ...         seen.append(connection.request.path)
        >>> seen = []
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([Note(), reply({"version": "1.2.3"})], path="/api/version")
        ...     version = client.version()
        >>> seen
        ['/api/version']
    """

    def run(self, connection: Connection) -> object:
        """Do it. Runs on the server's thread; may wait by gevent's functions, may not block the thread."""


Script = Iterable[Step]
"""What the server says to one request: steps, in order.

Example:
    >>> from ollama_sync.testing import chunk, end, head
    >>> script: Script = [head(), chunk({"response": "Hi", "done": True}), end()]
    >>> len(script)
    3
"""

Handler = Script | Step | Callable[[Request], Script | Step]
"""What answers the requests to one path: a script or a step for all of them, or a function that makes one for each.

Example:
    >>> from ollama_sync import Client
    >>> from ollama_sync.testing import MockOllama, reply
    >>> handler: Handler = lambda request: [reply({"response": request.json["prompt"].upper()})]
    >>> with MockOllama() as server, Client(server.url) as client:
    ...     server.on("POST", "/api/generate", handler)
    ...     client.generate("llama3.2", "hi").response
    'HI'
"""

# Not the package's own codec: the mock must not share a mistake with the client that it tests.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def json_bytes(value: object) -> bytes:
    """Return `value` as compact UTF-8 JSON."""
    return _encode(value).encode()


@dataclass(frozen=True)
class Head:
    """Sends a status line and headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    framing: Framing
    length: int
    http: str

    def run(self, connection: Connection) -> None:
        connection.begin(self.status, self.headers, self.framing, self.length, self.http)
        connection.flush()


@dataclass(frozen=True)
class Chunk:
    """Sends one HTTP chunk, whatever the head said."""

    data: bytes

    def run(self, connection: Connection) -> None:
        connection.send(frame(self.data))


@dataclass(frozen=True)
class End:
    """Sends the chunk that ends a chunked body."""

    def run(self, connection: Connection) -> None:
        connection.end_chunks()
        connection.flush()


@dataclass(frozen=True)
class Pieces:
    """Sends bytes as they are, in pieces that are segments of their own on the wire."""

    pieces: tuple[bytes, ...]
    delay: float = 0.0

    def run(self, connection: Connection) -> None:
        for number, piece in enumerate(self.pieces):
            if number:
                connection.sleep(self.delay)
            connection.send(piece)


@dataclass(frozen=True)
class Wait:
    """Stops until the test opens the gate."""

    gate: Gate

    def run(self, connection: Connection) -> None:
        connection.flush()
        self.gate.hold(connection.call_soon)


@dataclass(frozen=True)
class Pause:
    """Stops for some seconds."""

    seconds: float

    def run(self, connection: Connection) -> None:
        connection.sleep(self.seconds)


@dataclass(frozen=True)
class Silence:
    """Says nothing until the client hangs up or the server stops."""

    def run(self, connection: Connection) -> None:
        while True:  # either of the two kills this greenlet
            connection.sleep(3600.0)


@dataclass(frozen=True)
class Hangup:
    """Ends the connection in one of three ways: named by the method of `Connection` that does it."""

    how: str

    def run(self, connection: Connection) -> None:
        getattr(connection, self.how)()


@dataclass(frozen=True)
class Reply:
    """Sends one whole reply with its length."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()

    def run(self, connection: Connection) -> None:
        headers = [("Content-Type", self.content_type), *self.headers]
        http = connection.request.http
        connection.begin(self.status, headers, "length", len(self.body), http)
        if connection.request.method != "HEAD":
            connection.queue(self.body)
        connection.flush()


@dataclass(frozen=True)
class Stream:
    """Sends a whole stream of given objects, `delay` seconds apart."""

    parts: tuple[Any, ...]
    delay: float

    def run(self, connection: Connection) -> None:
        connection.begin_stream()
        for number in connection.schedule(len(self.parts), self.delay):
            connection.queue_part(json_bytes(self.parts[number]) + b"\n")
        connection.end_stream()


def pieces_of(data: bytes, at: Iterable[int]) -> tuple[bytes, ...]:
    """Return `data` cut at the given offsets; those that are not inside it cut nothing."""
    edges = sorted({0, len(data), *(offset for offset in at if 0 < offset < len(data))})
    return tuple(data[a:b] for a, b in itertools.pairwise(edges))
