"""Responses that stream an answer: server-sent events, lines of JSON, plain text.

Runs on the thread or greenlet of the WSGI server, which iterates over the body, and in every case closes the response: that closes the
stream, so the model stops. A view's context is gone by then, and nothing here needs it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

from flask import Response

from ollama_sync import ChatResponse, GenerateResponse, RequestError, Stream, View
from ollama_sync.errors import OllamaError
from ollama_sync.flask._errors import error_reply, told
from ollama_sync.flask._json import part_json

T = TypeVar("T", bound=View)

_log = logging.getLogger("ollama_sync.flask")

# Neither a proxy nor a browser may hold back what has come; nginx goes by the second.
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def sse(stream: Stream[Any], *, heartbeat: float = 15.0, grace: float = 0.25) -> Response:
    r"""Return a response of server-sent events, for `EventSource` and its like.

    Each part is an event whose data is the part's JSON; the parts of a batch are written together. While nothing comes, a comment
    is written every `heartbeat` seconds, and the first at once: so the headers go out while the model still loads, no proxy loses
    patience, and a browser that has left is noticed. Then, as in every other case, the stream is closed, and the server stops generating.

    The answer ends with an event `end`, at which the page should close its `EventSource`: it would ask again. What goes
    wrong after the status has been sent is the last event, `error`, with the data `{"type": ..., "message": ..., "status": ...}` of
    `error_reply`, and a warning in the log `ollama_sync.flask`.

    What goes wrong sooner is raised here, while the status can still say so. To that end this call waits up to `grace` seconds for a
    first part: servers refuse at once (an unknown model), and loading a model takes longer than anyone would hold back the headers for.

    Args:
        stream: the answer; the response owns it from now on.
        heartbeat: seconds of silence until a comment is written. A browser that leaves in silence is noticed at the second comment
            after that, at the latest.
        grace: seconds to wait for the first part; 0 does not wait.

    Raises:
        OllamaError: the answer failed within `grace`.
        RequestError: a number of seconds is wrong.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, stream
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([stream([{"response": "Hi"}, {"done": True}])], path="/api/generate")
        ...     print(sse(client.generate("llama3.2", "hi", stream=True)).get_data(as_text=True))
        data: {"response":"Hi"}
        <BLANKLINE>
        data: {"done":true}
        <BLANKLINE>
        event: end
        data: {}
        <BLANKLINE>
    """
    return _respond(stream, _events, "text/event-stream", heartbeat, grace)


def ndjson(stream: Stream[Any], *, heartbeat: float = 15.0, grace: float = 0.25) -> Response:
    r"""Return a response of lines of JSON, one for each part, as Ollama itself streams.

    It behaves as `sse`. The heartbeat is an empty line, which readers are to skip. What goes wrong after the status has been sent is a
    last line, `{"error": ..., "type": ..., "status": ...}`.

    Args:
        stream: the answer; the response owns it from now on.
        heartbeat: seconds of silence until an empty line is written.
        grace: seconds to wait for the first part; 0 does not wait.

    Raises:
        OllamaError: the answer failed within `grace`.
        RequestError: a number of seconds is wrong.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, stream
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([stream([{"response": "Hi"}, {"done": True}])], path="/api/generate")
        ...     print(ndjson(client.generate("llama3.2", "hi", stream=True)).get_data(as_text=True))
        {"response":"Hi"}
        {"done":true}
        <BLANKLINE>
    """
    return _respond(stream, _lines, "application/x-ndjson", heartbeat, grace)


def text(
    stream: Stream[ChatResponse] | Stream[GenerateResponse], *, grace: float = 0.25
) -> Response:
    """Return a response of plain text: what the model says, and nothing else.

    Plain text has no room for a heartbeat. So the headers go out with the first token, and a browser that leaves is noticed at the
    next one; how long a silent model can hold a worker is for the client's `Timeout` to say. Nor is there room for an error:
    what goes wrong after the status has been sent is raised to the WSGI server, which logs it and cuts the connection, so that the
    browser sees a failure and not the end of an answer.

    Args:
        stream: of a chat or generate; the response owns it from now on.
        grace: seconds to wait for the first part; what goes wrong within it is raised here.

    Raises:
        OllamaError: the answer failed within `grace`.
        RequestError: a number of seconds is wrong.
        UsageError: the parts of this stream have no text (pull, push, create).

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     text(client.generate("llama3.2", "hi", stream=True)).get_data(as_text=True)
        'AAA'
    """
    return _closing(stream, lambda: _texts(stream, grace), "text/plain")


# A body as text, from the lists of parts; an empty list says that it is time for a heartbeat.
_Write = Callable[[Iterator[list[Any]]], Iterator[str]]


def _respond(
    stream: Stream[Any], write: _Write, mimetype: str, heartbeat: float, grace: float
) -> Response:
    def begin() -> Iterator[str]:
        check_heartbeat(heartbeat)
        return write(_batches(stream, stream.poll(timeout=grace), heartbeat))

    return _closing(stream, begin, mimetype)


def check_heartbeat(heartbeat: float) -> None:
    """Refuse what is no number of seconds above 0: said here, and not at the first silence.

    Raises:
        RequestError: it is none.
    """
    # With 0 heartbeats would come as fast as they can be written.
    if not isinstance(heartbeat, (int, float)) or not 0 < heartbeat < math.inf:
        raise RequestError(f"heartbeat={heartbeat!r}: seconds, above 0")


def _closing(
    stream: Stream[Any], begin: Callable[[], Iterator[str] | Iterator[bytes]], mimetype: str
) -> Response:
    """Respond with what `begin` returns. The stream is closed when that fails, and else with the response."""
    try:
        response = Response(begin(), mimetype=mimetype, headers=STREAM_HEADERS)
    except BaseException:
        stream.close()
        raise
    # Not a `with` in a generator: one that was never started is never left either.
    response.call_on_close(stream.close)
    return response


def _batches(stream: Stream[T], first: list[T], heartbeat: float) -> Iterator[list[T]]:
    """Iterate over lists of all that has arrived: [] when nothing came for `heartbeat` seconds, or has not come at first."""
    parts = first
    while parts or not stream.done:
        yield parts
        parts = stream.poll(timeout=heartbeat)


def _events(batches: Iterator[list[Any]]) -> Iterator[str]:
    try:
        for parts in batches:
            events = [f"data: {part_json(part)}\n\n" for part in parts]
            yield "".join(events) or ": nothing yet\n\n"
        yield "event: end\ndata: {}\n\n"
    except OllamaError as error:
        _warn(error)
        yield f"event: error\ndata: {_json(told(error)._asdict())}\n\n"


def _lines(batches: Iterator[list[Any]]) -> Iterator[str]:
    try:
        for parts in batches:
            yield "".join(f"{part_json(part)}\n" for part in parts) or "\n"
    except OllamaError as error:
        _warn(error)
        yield f"{_json(error_reply(error)[0])}\n"


def _texts(stream: Stream[Any], grace: float) -> Iterator[bytes]:
    tokens = stream.tokens()
    first = [_text_of(part) for part in stream.poll(timeout=grace)]
    # Half of a surrogate pair, which UTF-8 cannot carry, is shown as a question mark.
    texts = ("".join(batch).encode("utf-8", "replace") for batch in chain([first], tokens))
    return filter(None, texts)


def _text_of(part: View) -> str:
    said = part.get("message") or part  # generate has no message, but the text beside it
    return said.get("content") or said.get("response") or ""


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _warn(error: OllamaError) -> None:
    _log.warning("failed when the status had been sent: %s: %s", type(error).__name__, error)
