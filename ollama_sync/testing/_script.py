"""The words of a script: what the server says to one request, step by step, as a test would tell it.

    server.script([head(), chunk({"response": "A"}), wait(gate), raw(b"1f\\r\\n{"), reset()], path="/api/generate")

Each word returns a frozen value and does nothing else; the server runs it, on its own thread, when the request comes.
When a script ends, the connection is kept for the next request if the reply is complete by its own framing (`end()` after a
chunked head, all bytes after a head with a length, `reply`, `stream`); else it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ollama_sync.testing._connection import Framing
from ollama_sync.testing._gate import Gate
from ollama_sync.testing._steps import (
    Chunk,
    End,
    Hangup,
    Head,
    Pause,
    Pieces,
    Reply,
    Silence,
    Step,
    Stream,
    Wait,
    json_bytes,
    pieces_of,
)

_HeaderSource = Mapping[str, str] | Sequence[tuple[str, str]]


def head(
    status: int = 200,
    headers: _HeaderSource | None = None,
    framing: Framing = "chunked",
    length: int = 0,
    http: str = "1.1",
) -> Step:
    """Send the status line and the headers.

    Args:
        status: of HTTP.
        headers: a mapping, or pairs where a name comes twice; None means Ollama's content type of a stream. `Date` is added.
        framing: what else is added: "chunked" `Transfer-Encoding: chunked`, "length" `Content-Length: <length>`, "close"
            `Connection: close`, "none" nothing.
        length: bytes of the body, for "length". The body that follows may be of another length: it is a script.
        http: "1.1" or "1.0", the version in the status line.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(framing="length", length=19), raw(b'{"version":"1.2.3"}')], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    given = {"Content-Type": "application/x-ndjson"} if headers is None else headers
    return Head(status, _pairs(given), framing, length, http)


def line(obj: object) -> bytes:
    r"""Return `obj` as one line of NDJSON.

    Example:
        >>> line({"done": True})
        b'{"done":true}\n'
    """
    return json_bytes(obj) + b"\n"


def chunk(data: object) -> Step:
    """Send one HTTP chunk, framed as such whatever the head said.

    Args:
        data: bytes, or an object to be sent as its JSON line.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "Hi", "done": True}), end()], path="/api/generate")
        ...     client.generate("llama3.2", "hi", stream=True).result().response
        'Hi'
    """
    return Chunk(data if isinstance(data, bytes) else line(data))


def end() -> Step:
    """Send the chunk that ends a chunked body.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "Hi"}), chunk({"done": True}), end()], path="/api/generate")
        ...     client.generate("llama3.2", "hi", stream=True).result().response
        'Hi'
    """
    return End()


def raw(data: bytes) -> Step:
    """Send exactly these bytes.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(framing="length", length=19), raw(b'{"version":'), raw(b'"1.2.3"}')], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    return Pieces((data,))


def cut(data: bytes, at: Iterable[int], delay: float = 0.0) -> Step:
    """Send exactly these bytes, cut at the given offsets.

    Args:
        data: the bytes.
        at: offsets into `data`; each piece is a TCP segment of its own. A reader that is late may still get several at once.
        delay: seconds between two pieces.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(framing="length", length=19), cut(b'{"version":"1.2.3"}', at=[1, 11])], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    return Pieces(pieces_of(data, at), delay)


def dribble(data: bytes, size: int = 1, delay: float = 0.0) -> Step:
    """Send exactly these bytes, in segments of `size` bytes, `delay` seconds apart. See `cut`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(framing="length", length=19), dribble(b'{"version":"1.2.3"}', size=4)], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    return cut(data, range(size, len(data), size), delay)


def replay(response: bytes, pieces: Iterable[int] | None = None) -> Step:
    r"""Send a recorded reply exactly as it was, status line to last byte; the connection is closed after it.

    Args:
        response: the recorded bytes.
        pieces: offsets to cut at, as in `cut`; None sends all at once.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> recorded = b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"version":"1.2.3"}'
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([replay(recorded)], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    return cut(response, pieces or ())


def wait(gate: Gate) -> Step:
    """Stop until the test calls `gate.open()`; `gate.wait_reached()` tells the test that it has come to this.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import Gate, MockOllama
        >>> gate = Gate()
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), wait(gate), chunk({"done": True}), end()], path="/api/generate")
        ...     stream = client.generate("llama3.2", "hi", stream=True)
        ...     gate.wait_reached()
        ...     print(stream.done)
        ...     gate.open()
        ...     print(stream.result().response)
        False
        A
    """
    return Wait(gate)


def pause(seconds: float) -> Step:
    """Stop for that many seconds; other requests are served meanwhile.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([pause(0.01), reply({"version": "1.2.3"})], path="/api/version")
        ...     client.version().version
        '1.2.3'
    """
    return Pause(seconds)


def silence() -> Step:
    """Say nothing more until the client hangs up or the server stops.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), silence()], path="/api/generate")
        ...     with client.generate("llama3.2", "hi", stream=True) as stream:
        ...         print(next(stream).response)
        ...     server.wait_disconnect()
        A
    """
    return Silence()


def close() -> Step:
    """Close the connection now, as a process that ends. Later steps may wait, but not send.

    Example:
        >>> from ollama_sync import Client, StreamBroken
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), close()], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "hi", stream=True).result()
        ...     except StreamBroken as error:
        ...         print(error.partial.response)
        A
    """
    return Hangup("close")


def reset() -> Step:
    """Reset the connection now, as a machine that crashed: the client reads "connection reset by peer".

    Example:
        >>> from ollama_sync import Client, StreamBroken
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), reset()], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "hi", stream=True).result()
        ...     except StreamBroken as error:
        ...         print(error.partial.response)
        A
    """
    return Hangup("reset")


def half_close() -> Step:
    """End the server's sending direction only, and read on.

    Example:
        >>> from ollama_sync import Client, StreamBroken
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "A"}), half_close()], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "hi", stream=True).result()
        ...     except StreamBroken as error:
        ...         print(error.partial.response)
        A
    """
    return Hangup("half_close")


def reply(obj: object, status: int = 200, headers: _HeaderSource | None = None) -> Step:
    """Send one whole reply with its `Content-Length`, as Ollama does where nothing streams.

    Args:
        obj: bytes or str, sent as plain text; anything else, sent as JSON.
        status: of HTTP.
        headers: further headers.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([reply({"error": "no such model"}, status=404)], path="/api/generate")
        ...     client.generate("llama3.2", "hi")
        Traceback (most recent call last):
        ...
        ollama_sync.errors.ResponseError: no such model (status code: 404)
    """
    extra = _pairs(headers or {})
    if isinstance(obj, str):
        return Reply(status, obj.encode(), "text/plain", extra)
    if isinstance(obj, bytes):
        return Reply(status, obj, "text/plain", extra)
    return Reply(status, json_bytes(obj), "application/json; charset=utf-8", extra)


def stream(parts: Iterable[Any], delay: float = 0.0) -> Step:
    """Send one whole stream: head, one object a chunk, end.

    Args:
        parts: the objects, to the last; a stream of chat ends with one that says `"done": true`.
        delay: seconds from part to part, by a schedule that does not drift: part `i` is due `i * delay` after the first.
            Parts that are due at the same time leave in one write.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([stream([{"response": "H"}, {"response": "i"}, {"done": True}])], path="/api/generate")
        ...     client.generate("llama3.2", "hi", stream=True).result().response
        'Hi'
    """
    return Stream(tuple(parts), delay)


def _pairs(headers: _HeaderSource) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)
