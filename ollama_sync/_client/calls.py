"""How a client's calls are made: what they have in common, and what becomes of their replies.

A client and a fleet both have one `Calls`; what differs is the route that each of their calls takes. Runs on the caller's
thread, any one; nothing here changes after `__init__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ollama_sync._call.exchange import Exchange
from ollama_sync._call.retries import Retry, policy_of
from ollama_sync._call.route import Route
from ollama_sync._call.settings import Settings
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._hub import shared_hub
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.observer import observe as observer_of
from ollama_sync._observe.runs import RunObserver
from ollama_sync._observe.statistics import Totals
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync._stream.stream import Stream
from ollama_sync._wire import LineFramer, WholeBody, error_line, loads_whole, said
from ollama_sync.errors import RequestError, StreamBroken
from ollama_sync.types import ChatResponse, GenerateResponse, View

if TYPE_CHECKING:
    from ollama_sync.events import Hook

T = TypeVar("T", bound=View)
A = TypeVar("A", ChatResponse, GenerateResponse)


class Calls:
    """What the calls of one client have in common. The arguments are `Client`'s.

    Attributes:
        totals: what the calls add up to.
    """

    def __init__(
        self,
        *,
        timeout: Timeout | float | None,
        batch: BatchPolicy,
        retries: int | Retry,
        max_buffered: int,
        observe: Hook | Iterable[Hook] | None,
    ) -> None:
        if not isinstance(batch, BatchPolicy):
            raise RequestError(f"batch={batch!r}: a BatchPolicy")
        self.totals = Totals()
        self._hooks = Hooks(observe)
        self._timeout = Timeout.of(timeout)
        self._batch = batch
        self._retries = policy_of(retries)
        self._max_buffered = max_buffered

    def observed_run(self, model: str) -> RunObserver:
        """Return who follows a run of tools."""
        return RunObserver(self._hooks, model)

    def stream(
        self, route: Route, endpoint: Endpoint[T], body: object, answer_type: Any = None
    ) -> Stream[T]:
        """Make a call, and return its reply as it comes. Blocks until the request is on the wire.

        Args:
            route: where it goes.
            endpoint: that can stream.
            body: of the request; looked at for the model only.
            answer_type: that the accumulated answer is to be of.

        Raises:
            OllamaError: it has failed already.
        """
        kind = endpoint.stream
        assert kind is not None
        exchange = self._exchange(route, endpoint, body, LineFramer(), kind.timeout, kind.is_final)
        # Made before it is needed: should Ctrl-C come between the start and the caller, the stream is dropped, and cancels.
        stream = Stream(
            *(endpoint.verb, kind, endpoint.reply),
            *(exchange, self._batch.max_size, answer_type),
        )
        try:
            exchange.start()
            # The model has begun: now there is time to import what `tokens()` needs. At the first take an interrupt could come
            # into the import, again and again.
            kind.texts_of_lines(b"")
        except BaseException:
            stream.close()
            del stream, exchange, route  # the error holds this frame, which would hold the error
            raise
        return stream

    def whole(self, route: Route, endpoint: Endpoint[Any], body: object) -> Exchange:
        """Return a call, not yet begun, whose reply comes whole. Arguments as for `stream`."""
        return self._exchange(route, endpoint, body, WholeBody(), endpoint.timeout)

    def reply(self, route: Route, endpoint: Endpoint[T], body: object) -> T:
        """Make a call, and return its whole reply. Blocks until then. Arguments as for `stream`.

        Raises:
            OllamaError: it failed.
        """
        # Without a name here: an error holds this frame, and the exchange the error.
        return reply_of(endpoint, self.whole(route, endpoint, body).receive(), route.tried)

    def _exchange(
        self,
        route: Route,
        endpoint: Endpoint[Any],
        body: object,
        framer: LineFramer | WholeBody,
        timeout: Timeout,
        is_final: Callable[[dict[str, Any]], bool] | None = None,
    ) -> Exchange:
        settings = Settings(
            self._timeout.or_else(timeout),
            self._batch,
            self._max_buffered,
            self._retries,
            endpoint.safe,
            is_final,
            endpoint.method,
        )
        hub = shared_hub()
        observer = observer_of(
            hub,
            self._hooks,
            self.totals,
            verb=endpoint.verb,
            tried=route.tried,
            body=body,
            is_stream=isinstance(framer, LineFramer),
        )
        return Exchange(hub, route, framer, settings, observer)


def reply_of(endpoint: Endpoint[T], answer: bytes, tried: str) -> T:
    """Return the reply that a whole body is.

    Args:
        endpoint: that was called.
        answer: the body.
        tried: the request, as errors name it.

    Raises:
        StreamBroken: it is not a JSON object.
        ResponseError: it reports an error, although its status says success.
    """
    if endpoint.empty is not None and answer.strip() in (b"", b"null"):
        return endpoint.reply.view(dict(endpoint.empty))
    if endpoint.of_body is not None and (reply := endpoint.of_body(answer)) is not None:
        return reply
    shown = repr(answer[:80])
    try:
        parsed = loads_whole(answer)
    except ValueError as error:
        page = "; is that the address of Ollama?" if answer.lstrip()[:1] == b"<" else ""
        raise StreamBroken(f"{tried}: the reply is not JSON: {shown}{page}") from error
    if not isinstance(parsed, dict):
        raise StreamBroken(f"{tried}: the reply is not a JSON object: {shown}")
    if said(parsed.get("error")):
        raise error_line(parsed)
    return endpoint.reply.view(parsed)


def with_parsed(endpoint: Endpoint[A], reply: A, answer_type: Any) -> A:
    """Return an answer with `parsed`, where the call gave a type as `format`.

    Raises:
        FormatError: it is not of that type.
    """
    if answer_type is not None:
        from ollama_sync._schema.structured import parse  # slow to import, and needed here only

        assert endpoint.stream is not None
        reply.set_parsed(parse(endpoint.stream.text_of(reply.to_dict()), answer_type))
    return reply
