"""The mock server's words for the `responses` library: what Ollama would say, without a server.

Runs where `responses` answers: on the SDK's hub thread for this SDK, on the caller's for a program that uses requests
itself. May not wait there. The library itself is not imported: it is given, as the module or as a `RequestsMock`.
"""

from __future__ import annotations

import http.client
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from ollama_sync.errors import UsageError
from ollama_sync.testing._answer import answer
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._fake import FakeModel
from ollama_sync.testing._library import Library
from ollama_sync.testing._request import Headers, Request
from ollama_sync.testing._routes import Routes
from ollama_sync.testing._script import reply
from ollama_sync.testing._scripts import steps_of
from ollama_sync.testing._steps import Handler, Hangup, Silence, Wait

_FRAMING = ("content-length", "transfer-encoding", "connection", "date")


class Responses(Protocol):
    """The part of `responses` that is used: the module has it, and each `RequestsMock`."""

    def add_callback(
        self,
        method: str,
        url: re.Pattern[str],
        callback: Callable[[Any], Any],  # the library declares less than it takes
    ) -> object:
        """Answer matching requests by what `callback` returns."""


def add_script(
    rsps: Responses, handler: Handler, path: str = "/api/chat", method: str = "POST", host: str = ""
) -> None:
    r"""Answer by the words of a script, as `MockOllama.on` does.

    What is added twice for one path answers in order; the last one stays.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        handler: a script, or a function that takes the `Request` and returns one. Steps that need a connection are refused:
            `wait`, `silence`, `close`, `reset`, `half_close`. A delay is waited for before the reply begins.
        path: the whole path, without a query; a `*` at its end stands for anything.
        method: of HTTP.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import chunk, end, head
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_script(rsps, [head(), chunk({"response": "Hi"}), chunk(b'{"done"'), chunk(b':true}\n'), end()], "/api/generate")
        ...     client.generate("llama3.2", "hi", stream=True).result().response
        'Hi'
    """
    tail = f"{re.escape(path[:-1])}[^?]*" if path.endswith("*") else re.escape(path)
    start = re.escape(host.rstrip("/")) if host else r"https?://.*"
    url = re.compile(rf"{start}{tail}(\?.*)?$")
    rsps.add_callback(method, url, lambda prepared: _rendered(handler, _request(prepared)))


def add_chat(
    rsps: Responses,
    tokens: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    tool_calls: Iterable[tuple[str, Mapping[str, Any]]] = (),
    error: str | None = None,
    done_reason: str = "stop",
    host: str = "",
) -> None:
    """Answer a chat with these words, whether it streams or not.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        tokens: the text, one part a token.
        thinking: what the model thinks before, one part a token.
        tool_calls: name and arguments of each tool that the model calls.
        error: what goes wrong after all of that, see `answer`.
        done_reason: "stop", or "length" for an answer that was cut short by its limit.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_chat(rsps, tool_calls=[("get_weather", {"city": "Paris"})])
        ...     add_chat(rsps, ["It is ", "sunny"])
        ...     first = client.chat("llama3.2", [{"role": "user", "content": "Weather in Paris?"}])
        ...     second = client.chat("llama3.2", [{"role": "user", "content": "And now?"}], stream=True).result()
        >>> first.message.tool_calls[0].function.arguments
        {'city': 'Paris'}
        >>> second.message.content
        'It is sunny'
    """
    said = answer(
        tokens, thinking=thinking, tool_calls=tool_calls, error=error, done_reason=done_reason
    )
    add_script(rsps, [said], "/api/chat", host=host)


def add_generate(
    rsps: Responses,
    tokens: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    error: str | None = None,
    done_reason: str = "stop",
    host: str = "",
) -> None:
    """Answer a generate with these words, whether it streams or not. The arguments are those of `add_chat`.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        tokens: the text, one part a token.
        thinking: what the model thinks before, one part a token.
        error: what goes wrong after all of that, see `answer`.
        done_reason: "stop", or "length" for an answer that was cut short by its limit.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_generate(rsps, ["Hel", "lo"])
        ...     client.generate("llama3.2", "hi").response
        'Hello'
    """
    said = answer(tokens, thinking=thinking, error=error, done_reason=done_reason)
    add_script(rsps, [said], "/api/generate", host=host)


def add_embed(rsps: Responses, embeddings: Sequence[Sequence[float]], *, host: str = "") -> None:
    """Answer an embed with these vectors, whatever the texts are.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        embeddings: one vector a text.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_embed(rsps, [[0.6, 0.8]])
        ...     client.embed("all-minilm", "hi").embeddings
        [[0.6, 0.8]]
    """
    vectors = [list(vector) for vector in embeddings]
    mock = Routes(FakeModel(0, 0.0), Library(None))

    def answered(request: Request) -> Any:
        # What the mock says, but for the vectors: its refusals and counts are those of a server.
        status, _, body = _rendered(mock.answer, request)
        said = json.loads(body)
        return [reply(said | {"embeddings": vectors} if status == 200 else said, status)]

    add_script(rsps, answered, "/api/embed", host=host)


def add_list(rsps: Responses, models: Iterable[str], *, host: str = "") -> None:
    """Answer a list with these models.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        models: their names.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_list(rsps, ["llama3.2", "gemma3:1b"])
        ...     [model.model for model in client.list().models]
        ['llama3.2:latest', 'gemma3:1b']
    """
    mock = Routes(FakeModel(0, 0.0), Library(models))
    add_script(rsps, mock.answer, "/api/tags", "GET", host)


def add_error(
    rsps: Responses,
    status: int,
    error: str,
    path: str = "/api/chat",
    method: str = "POST",
    host: str = "",
) -> None:
    """Answer with an error, as Ollama words it.

    Args:
        rsps: the module `responses`, or a `RequestsMock`.
        status: of HTTP: 404 for a model that is not there, 503 for a full queue.
        error: the server's words.
        path: the whole path, without a query; a `*` at its end stands for anything.
        method: of HTTP.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as rsps, Client() as client:
        ...     add_error(rsps, 404, "model 'llama3.2' not found")
        ...     client.chat("llama3.2", [{"role": "user", "content": "hi"}])
        Traceback (most recent call last):
        ...
        ollama_sync.errors.ResponseError: model 'llama3.2' not found (status code: 404)...
    """
    add_script(rsps, [reply({"error": error}, status)], path, method, host)


def add_mock(
    rsps: Responses, models: Iterable[str] | None = None, chunks: int = 3, host: str = ""
) -> None:
    """Answer everything as a `MockOllama` does: list, show, pull, create, embed and so on. To be added last.

    Args:
        rsps: the module `responses`, or a `RequestsMock`; one that asserts that all requests are fired will complain of
            the methods that were not asked.
        models: the models that exist at first; None: every name exists.
        chunks: parts with text in a chat or generate.
        host: "http://127.0.0.1:11434", the one server that is meant; "" means each.

    Example:
        >>> import responses
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock(assert_all_requests_are_fired=False) as rsps, Client() as client:
        ...     add_mock(rsps, models=["llama3.2"])
        ...     client.copy("llama3.2", "mine")
        ...     sorted(model.model for model in client.list().models)
        StatusResponse(status='success')
        ['llama3.2:latest', 'mine:latest']
    """
    mock = Routes(FakeModel(chunks, 0.0), Library(models))
    for method in ("GET", "HEAD", "POST", "DELETE"):
        add_script(rsps, mock.answer, "/*", method, host)


class _Wire:
    """As much of a socket as a script and http.client need: keeps what is sent, and gives it back."""

    def __init__(self) -> None:
        self._sent = bytearray()

    def sendall(self, data: bytes) -> None:
        self._sent += data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._sent)


def _refuse(*_: object) -> NoReturn:
    raise UsageError(
        "add_script: this step needs a connection, and under `responses` there is none; use MockOllama for it"
    )


def _rendered(handler: Handler, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body of what a handler says."""
    wire: Any = _Wire()
    connection = Connection(wire, wire, request, _refuse)
    for step in steps_of(handler(request) if callable(handler) else handler):
        if isinstance(step, (Wait, Silence, Hangup)):
            _refuse()
        step.run(connection)
    connection.flush()
    said = http.client.HTTPResponse(wire, method=request.method)
    try:
        said.begin()
        body = said.read()
    except http.client.HTTPException as error:
        raise UsageError(f"add_script: these steps make no complete reply: {error!r}") from error
    headers = [pair for pair in said.getheaders() if pair[0].lower() not in _FRAMING]
    return said.status, headers, body


def _request(prepared: Any) -> Request:
    """Return what a prepared request of the requests library asks."""
    url = urlsplit(prepared.url)
    path = url.path[max(0, url.path.find("/api/")) :]  # without the path of a proxy in front
    body = prepared.body or b""
    data = body.encode() if isinstance(body, str) else body
    if not isinstance(data, bytes):
        data = b"".join(data)
    headers = Headers(list(prepared.headers.items()))
    return Request(prepared.method, path, url.query, headers, data, "1.1", 1)
