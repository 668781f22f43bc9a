"""`Client`: a page that lists the verbs of the API, and the two roads that all of them take.

A verb (in `_verbs/`) checks its arguments, makes the body, and hands both to `_stream` or `_reply`. Any thread or greenlet
may call; a client may be shared by any number of them. What changes after `__init__`: `_closed`, set once.
"""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import TypeVar

from ollama_sync import _arguments
from ollama_sync._config import api_key_for, check_headers, environment, parse_host
from ollama_sync._endpoints import Endpoint
from ollama_sync._exchange import Exchange, Settings
from ollama_sync._hub import shared_hub
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync._stream import Stream
from ollama_sync._transport import Transport
from ollama_sync._verbs import _account, _answers, _models
from ollama_sync._wire import LineFramer, WholeBody, loads
from ollama_sync.errors import ClosedError, RequestError, StreamBroken
from ollama_sync.types import View

T = TypeVar("T", bound=View)

_JSON = "application/json"
_NDJSON = "application/x-ndjson"


class Client:
    """A client of one Ollama server.

    Args:
        host: where the server is, by the rules of OLLAMA_HOST, which is read when this is None: "name", "name:port",
            a URL with or without a path, "unix:///path". Without either it is http://127.0.0.1:11434.
        api_key: sent to the host as a bearer token. When None, OLLAMA_API_KEY is used, for https://ollama.com only.
        headers: sent with each request; they win over the client's own. A value of None is left out.
        timeout: the limits of each call: a `Timeout`, a number of seconds for connect, first and idle, or None for none.
        batch: when what has arrived is released to the caller.
        max_buffered: bytes; when so many wait for the caller, reading pauses until half of them are taken.
        verify: true to check the server's certificate by the usual authorities, the path of a bundle, an
            `ssl.SSLContext`, or false not to check it.
        cert: the path of a client certificate with its key, or the paths of both.
        proxy: the URL of an http or https proxy; "" for none. None goes by the environment, but never for loopback.

    Raises:
        RequestError: an argument is wrong.

    Example:
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     models = [model.model for model in client.list().models]
        >>> len(models) > 0
        True
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: Timeout | float | None = Timeout(),
        batch: BatchPolicy = BatchPolicy(),
        max_buffered: int = 8 * 1024 * 1024,
        verify: bool | str | ssl.SSLContext = True,
        cert: str | tuple[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        if not isinstance(batch, BatchPolicy):
            raise RequestError(f"batch={batch!r}: a BatchPolicy")
        _arguments.of_client(max_buffered, headers=headers, api_key=api_key, proxy=proxy)
        environ = environment()
        where = parse_host(environ.host if host is None else host)
        key = check_headers({"api_key": api_key_for(where, api_key, environ.api_key)})
        self._closed = False
        self._timeout = Timeout.of(timeout)
        self._batch = batch
        self._max_buffered = max_buffered
        self._transport = Transport(
            where,
            api_key=key.get("api_key"),
            headers=headers or {},
            verify=verify,
            cert=cert,
            proxy=proxy,
        )
        weakref.finalize(self, _retire, self._transport).atexit = False

    chat = _answers.chat
    generate = _answers.generate
    list = _models.list
    version = _account.version

    def close(self) -> None:
        """End the calls and streams under way, and close every connection. Any thread; never blocks.

        What had arrived of a stream is still delivered. Later calls raise `ClosedError`.
        """
        if not self._closed:
            self._closed = True
            shared_hub().call_soon(self._transport.close)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self._transport.host.url}{', closed' if self._closed else ''}>"

    def _stream(self, endpoint: Endpoint[T], body: bytes | None) -> Stream[T]:
        assert endpoint.stream is not None
        exchange = self._start(endpoint, body, LineFramer(), _NDJSON, endpoint.stream.timeout)
        return Stream(endpoint, exchange, self._batch.max_size)

    def _reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        exchange = self._start(endpoint, body, WholeBody(), _JSON, endpoint.timeout)
        answer = exchange.receive()
        tried, shown = exchange.tried, repr(answer[:80])
        try:
            parsed = loads(answer)
        except ValueError as error:
            raise StreamBroken(f"{tried}: the reply is not JSON: {shown}") from error
        if not isinstance(parsed, dict):
            raise StreamBroken(f"{tried}: the reply is not a JSON object: {shown}")
        return endpoint.reply.view(parsed)

    def _start(
        self,
        endpoint: Endpoint[T],
        body: bytes | None,
        framer: LineFramer | WholeBody,
        accept: str,
        timeout: Timeout,
    ) -> Exchange:
        if self._closed:
            raise ClosedError(f"{endpoint.verb}: this client was closed; make a new one")
        request = self._transport.prepare(endpoint.method, endpoint.path, body, accept)
        settings = Settings(self._timeout.or_else(timeout), self._batch, self._max_buffered)
        exchange = Exchange(shared_hub(), self._transport, request, framer, settings)
        exchange.start()
        return exchange


def _retire(transport: Transport) -> None:
    """Have the hub close what a dropped client leaves. Runs wherever the client was collected."""
    shared_hub().call_soon(transport.retire)
