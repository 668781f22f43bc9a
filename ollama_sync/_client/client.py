"""`Client`: a page that lists the verbs of the API, and the roads that all of them take.

A verb (in `verbs/`) checks its arguments, makes the body, and hands both to `_stream` or `_reply`. Any thread or greenlet
may call; a client may be shared by any number of them. What changes after `__init__`: `_closed`, set once.
"""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ollama_sync._call.retries import Retry
from ollama_sync._call.route import OneServer
from ollama_sync._client import arguments
from ollama_sync._client.calls import Calls, with_parsed
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.outcomes import Launcher
from ollama_sync._client.verbs import (
    account,
    answers,
    many,
    models,
    request,
    tools,
    transfer,
    vectors,
)
from ollama_sync._config import api_key_for, check_headers, environment, parse_host
from ollama_sync._hub import shared_hub
from ollama_sync._observe.runs import RunObserver
from ollama_sync._observe.statistics import ClientStatistics
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync._stream.stream import Stream
from ollama_sync._transport import Transport
from ollama_sync._transport.blobs import Blob, OnProgress
from ollama_sync.errors import ClosedError, RequestError
from ollama_sync.types import ChatResponse, GenerateResponse, StatusResponse, View

if TYPE_CHECKING:
    from ollama_sync.events import Hook

T = TypeVar("T", bound=View)
A = TypeVar("A", ChatResponse, GenerateResponse)

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
        retries: how often a call is tried again that found no server, or an overloaded one, before any of its reply has
            come: a number, or a `urllib3.Retry`.
        max_buffered: bytes; when so many wait for the caller, reading pauses until half of them are taken.
        verify: true to check the server's certificate by the usual authorities, the path of a bundle, an
            `ssl.SSLContext`, or false not to check it.
        cert: the path of a client certificate with its key, or the paths of both.
        proxy: the URL of an http or https proxy; "" for none. None goes by the environment, but never for loopback.
        observe: a function that is told what becomes of each call, or several; see `ollama_sync.events`. It runs in the
            thread that reads every stream, so it must be short and may not block. One that raises is told nothing more.

        others: nothing; a name of httpx's, as `base_url`, is refused with the name that it has here.

    Raises:
        RequestError: an argument is wrong.
        TypeError: there is no such argument.

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
        retries: int | Retry = 0,
        max_buffered: int = 8 * 1024 * 1024,
        verify: bool | str | ssl.SSLContext = True,
        cert: str | tuple[str, str] | None = None,
        proxy: str | None = None,
        observe: Hook | Iterable[Hook] | None = None,
        **others: NoReturn,
    ) -> None:
        if others:
            import inspect  # for a mistake only

            from ollama_sync._client.arguments.foreign import no_such

            raise no_such(others, inspect.signature(Client).parameters)
        # As given, and so never with the key of the environment.
        self._given: dict[str, Any] = {
            "host": host,
            "api_key": api_key,
            "headers": headers,
            "timeout": timeout,
            "batch": batch,
            "retries": retries,
            "max_buffered": max_buffered,
            "verify": verify,
            "cert": cert,
            "proxy": proxy,
            "observe": observe,
        }
        arguments.of_client(max_buffered, headers=headers, api_key=api_key, proxy=proxy)
        environ = environment()
        where = parse_host(environ.host if host is None else host)
        key = check_headers({"api_key": api_key_for(where, api_key, environ.api_key)})
        self._calls = Calls(
            timeout=timeout,
            batch=batch,
            retries=retries,
            max_buffered=max_buffered,
            observe=observe,
        )
        self._closed = False
        self._cloud_key = environ.api_key
        self._to_cloud: dict[str, Any] = {"verify": verify, "cert": cert, "proxy": proxy}
        self._cloud: Transport | None = None
        self._transport = Transport(
            where,
            api_key=key.get("api_key"),
            headers=headers or {},
            verify=verify,
            cert=cert,
            proxy=proxy,
        )
        weakref.finalize(self, _retire, self._transport).atexit = False

    # Answers of models.
    chat = answers.chat
    generate = answers.generate
    run_tools = tools.run_tools
    embed = vectors.embed
    embeddings = vectors.embeddings
    systemone = vectors.systemone

    # Many requests.
    map = many.map

    # Models.
    list = models.list
    ps = models.ps
    show = models.show
    copy = models.copy
    delete = models.delete
    load = models.load
    unload = models.unload
    pull = transfer.pull
    push = transfer.push
    create = transfer.create
    create_blob = transfer.create_blob
    blob_exists = transfer.blob_exists

    # The server, its account, and the web.
    version = account.version
    status = account.status
    whoami = account.whoami
    signout = account.signout
    recommendations = account.recommendations
    web_search = account.web_search
    web_fetch = account.web_fetch
    local_web_search = account.local_web_search
    local_web_fetch = account.local_web_fetch
    balance = account.balance
    usage = account.usage

    # Whatever is not above.
    request = request.request

    def statistics(self) -> ClientStatistics:
        """Return how much this client has done so far. Any thread; never blocks.

        Example:
            >>> from ollama_sync.testing import MockOllama
            >>> with MockOllama() as server, Client(server.url) as client:
            ...     _ = client.version()
            ...     statistics = client.statistics()
            >>> statistics.finished, statistics.connections
            (1, 1)
        """
        transports = (self._transport, self._cloud)
        return self._calls.totals.snapshot(
            sum(transport.kept_connections for transport in transports if transport is not None)
        )

    def close(self) -> None:
        """End the calls and streams under way, and close every connection. Any thread; never blocks.

        What had arrived of a stream is still delivered. Later calls raise `ClosedError`.

        Example:
            >>> client = Client("127.0.0.1")
            >>> client.close()
            >>> client
            <Client http://127.0.0.1:11434, closed>
        """
        if not self._closed:
            self._closed = True
            for transport in (self._transport, self._cloud):
                if transport is not None:
                    shared_hub().call_soon(transport.close)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # As its configuration: where it arrives it reads that place's environment, and has connections of its own.
        return _made_of, (type(self), self._given)

    def __repr__(self) -> str:
        return f"<Client {self._transport.host.url}{', closed' if self._closed else ''}>"

    @property
    def transport(self) -> Transport:
        """What a fleet sends by; not for users."""
        return self._transport

    @property
    def calls(self) -> Calls:
        """What a fleet makes its calls by; not for users."""
        return self._calls

    def _observed_run(self, model: str) -> RunObserver:
        return self._calls.observed_run(model)

    def _stream(
        self, endpoint: Endpoint[T], body: bytes | None, answer_type: Any = None
    ) -> Stream[T]:
        route = self._route(self._transport, endpoint, body, _NDJSON)
        return self._calls.stream(route, endpoint, body, answer_type)

    def _reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        return self._reply_from(self._transport, endpoint, body)

    def _answer(self, endpoint: Endpoint[A], body: bytes, answer_type: Any) -> A:
        return with_parsed(endpoint, self._reply(endpoint, body), answer_type)

    def _upload(
        self, endpoint: Endpoint[StatusResponse], blob: Blob, on_progress: OnProgress | None
    ) -> None:
        route = self._route(self._transport, endpoint, blob, _JSON)

        def tell() -> None:
            if on_progress is not None:
                sent = min(getattr(route.request.body, "sent", 0), blob.size)
                on_progress("uploading", sent, blob.size)

        self._calls.whole(route, endpoint, None).receive(None if on_progress is None else tell)

    def _cloud_reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        if self._transport.host.is_ollama_com:
            return self._reply_from(self._transport, endpoint, body)
        if self._cloud_key is None:
            raise RequestError(
                f"{endpoint.verb}: https://ollama.com needs a key: set OLLAMA_API_KEY before the client is made, "
                "or use Client('https://ollama.com', api_key=...)"
            )
        if self._cloud is None:
            # Two threads may both make one: the second is used, the first is collected with no connection opened.
            host = parse_host("https://ollama.com")
            self._cloud = Transport(host, api_key=self._cloud_key, headers={}, **self._to_cloud)
            weakref.finalize(self, _retire, self._cloud).atexit = False
        return self._reply_from(self._cloud, endpoint, body)

    def _reply_from(self, transport: Transport, endpoint: Endpoint[T], body: bytes | None) -> T:
        route = self._route(transport, endpoint, body, _JSON)
        return self._calls.reply(route, endpoint, body)

    def _launcher(self) -> Launcher:
        self._check_open("map")
        return Launcher(
            self._calls,
            lambda plan: self._route(self._transport, plan.endpoint, plan.body, _JSON),
            lambda _error, _attempts: False,
        )

    def _check_open(self, tried: str) -> None:
        if self._closed:
            raise ClosedError(f"{tried}: this client was closed; make a new one")

    def _route(
        self,
        transport: Transport,
        endpoint: Endpoint[Any],
        body: bytes | Blob | None,
        accept: str,
    ) -> OneServer:
        route = OneServer(
            transport, transport.prepare(endpoint.method, endpoint.path, body, accept)
        )
        self._check_open(route.tried)
        return route


def _made_of(kind: type[Client], given: dict[str, Any]) -> Client:
    """Return a client of another one's configuration; pickles name this function."""
    return kind(**given)


def _retire(transport: Transport) -> None:
    """Have the hub close what a dropped client leaves. Runs wherever the client was collected."""
    shared_hub().call_soon(transport.retire)
