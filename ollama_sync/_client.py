"""`Client`: the verbs of the API, and nothing else.

Each verb checks its arguments, makes the body, and hands both to one of two roads: `_stream` or `_reply`. Any thread or
greenlet may call; a client may be shared by any number of them. What changes after `__init__`: `_closed`, set once.
"""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from ollama_sync import _arguments, _endpoints
from ollama_sync._config import api_key_for, environment, parse_host
from ollama_sync._endpoints import Endpoint
from ollama_sync._exchange import Exchange, Settings
from ollama_sync._hub import shared_hub
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync._stream import Stream
from ollama_sync._transport import Transport
from ollama_sync._wire import LineFramer, WholeBody, loads
from ollama_sync.errors import ClosedError, RequestError, StreamBroken
from ollama_sync.types import (
    ChatResponse,
    GenerateResponse,
    Image,
    ListResponse,
    Message,
    Options,
    Tool,
    VersionResponse,
    View,
)

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
        if isinstance(max_buffered, bool) or not isinstance(max_buffered, int) or max_buffered < 1:
            raise RequestError(f"max_buffered={max_buffered!r}: bytes, 1 or more")
        environ = environment()
        where = parse_host(environ.host if host is None else host)
        self._closed = False
        self._timeout = Timeout.of(timeout)
        self._batch = batch
        self._max_buffered = max_buffered
        self._transport = Transport(
            where,
            api_key=api_key_for(where, api_key, environ.api_key),
            headers=headers or {},
            verify=verify,
            cert=cert,
            proxy=proxy,
        )
        weakref.finalize(self, _retire, self._transport).atexit = False

    @overload
    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Mapping[str, Any] | Tool] | None = None,
        stream: Literal[False] = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> ChatResponse: ...

    @overload
    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Mapping[str, Any] | Tool] | None = None,
        stream: Literal[True],
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> Stream[ChatResponse]: ...

    def chat(
        self,
        model: str = "",
        messages: Sequence[Mapping[str, Any] | Message] | None = None,
        *,
        tools: Sequence[Mapping[str, Any] | Tool] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> ChatResponse | Stream[ChatResponse]:
        """Continue a conversation.

        Blocks the caller's thread or greenlet: for the whole answer, or with `stream` until the request is on the wire.

        Args:
            model: its name.
            messages: the conversation so far. None or [] only loads the model.
            tools: that the model may call.
            stream: return a `Stream` of parts instead of one reply.
            think: whether, or how hard, a model that can should think first: true, false, or a level as "high".
            logprobs: return the log probability of each token.
            top_logprobs: and of so many others at its place.
            format: "json", or a JSON schema that the answer is to keep to.
            options: of the model, as temperature; see `Options`.
            keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
            truncate: whether a conversation that is too long is cut rather than refused.
            shift: whether the context moves on when it is full, rather than the answer ending.

        Returns:
            the answer, or a `Stream` of its parts.

        Raises:
            RequestError: an argument is wrong. Nothing was sent.
            ConnectError: nothing listens there.
            ResponseError: the server refuses; of a stream also later, from its first use.
            WaitTimeout: see `Timeout`.
        """
        body = _arguments.body(
            model=_arguments.model_name(model),
            messages=_arguments.messages(messages),
            tools=_arguments.tools(tools),
            stream=_arguments.flag("stream", stream),
            think=_arguments.think(think),
            logprobs=_arguments.flag("logprobs", logprobs),
            top_logprobs=top_logprobs,
            format=_arguments.reply_format(format),
            options=_arguments.options(options),
            keep_alive=_arguments.keep_alive(keep_alive),
            truncate=_arguments.flag("truncate", truncate),
            shift=_arguments.flag("shift", shift),
        )
        return self._stream(_endpoints.CHAT, body) if stream else self._reply(_endpoints.CHAT, body)

    @overload
    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: Literal[False] = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        images: Sequence[str | bytes | Image] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> GenerateResponse: ...

    @overload
    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: Literal[True],
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        images: Sequence[str | bytes | Image] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> Stream[GenerateResponse]: ...

    def generate(
        self,
        model: str = "",
        prompt: str | None = None,
        suffix: str | None = None,
        *,
        system: str | None = None,
        template: str | None = None,
        context: Sequence[int] | None = None,
        stream: bool = False,
        think: bool | str | None = None,
        logprobs: bool | None = None,
        top_logprobs: int | None = None,
        raw: bool | None = None,
        format: Literal["", "json"] | Mapping[str, Any] | None = None,
        images: Sequence[str | bytes | Image] | None = None,
        options: Mapping[str, Any] | Options | None = None,
        keep_alive: float | str | None = None,
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        truncate: bool | None = None,
        shift: bool | None = None,
    ) -> GenerateResponse | Stream[GenerateResponse]:
        """Complete a prompt.

        Blocks the caller's thread or greenlet: for the whole answer, or with `stream` until the request is on the wire.

        Args:
            model: its name.
            prompt: to complete. None or "" only loads the model.
            suffix: the text behind the gap, for models that fill gaps.
            system: in place of the model's system prompt.
            template: in place of the model's template.
            context: of an earlier reply, to go on from; deprecated by Ollama.
            stream: return a `Stream` of parts instead of one reply.
            think: whether, or how hard, a model that can should think first: true, false, or a level as "high".
            logprobs: return the log probability of each token.
            top_logprobs: and of so many others at its place.
            raw: send the prompt to the model as it is, without a template.
            format: "json", or a JSON schema that the answer is to keep to.
            images: for models that see: `Path`, bytes, base64 text, or `Image`.
            options: of the model, as temperature; see `Options`.
            keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
            width: of an image to make, in pixels; servers before 0.32.6.
            height: of an image to make, in pixels; servers before 0.32.6.
            steps: of making an image; servers before 0.32.6.
            truncate: whether a prompt that is too long is cut rather than refused.
            shift: whether the context moves on when it is full, rather than the answer ending.

        Returns:
            the answer, or a `Stream` of its parts.

        Raises:
            RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.
        """
        body = _arguments.body(
            model=_arguments.model_name(model),
            prompt=_arguments.text("prompt", prompt),
            suffix=_arguments.text("suffix", suffix),
            system=_arguments.text("system", system),
            template=_arguments.text("template", template),
            context=context,
            stream=_arguments.flag("stream", stream),
            think=_arguments.think(think),
            logprobs=_arguments.flag("logprobs", logprobs),
            top_logprobs=top_logprobs,
            raw=_arguments.flag("raw", raw),
            format=_arguments.reply_format(format),
            images=_arguments.images("images", images),
            options=_arguments.options(options),
            keep_alive=_arguments.keep_alive(keep_alive),
            width=width,
            height=height,
            steps=steps,
            truncate=_arguments.flag("truncate", truncate),
            shift=_arguments.flag("shift", shift),
        )
        endpoint = _endpoints.GENERATE
        return self._stream(endpoint, body) if stream else self._reply(endpoint, body)

    def list(self) -> ListResponse:
        """Return the models that the server has.

        Raises:
            ConnectError, ResponseError, WaitTimeout: as `chat`.
        """
        return self._reply(_endpoints.LIST, None)

    def version(self) -> VersionResponse:
        """Return the server's version.

        Raises:
            ConnectError, ResponseError, WaitTimeout: as `chat`.
        """
        return self._reply(_endpoints.VERSION, None)

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
        try:
            parsed = loads(answer)
        except ValueError as error:
            raise StreamBroken(f"{exchange.tried}: the reply is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise StreamBroken(f"{exchange.tried}: the reply is not a JSON object")
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
