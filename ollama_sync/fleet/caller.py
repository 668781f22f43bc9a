"""A fleet, as the verbs see it: each call goes to the server that suits it best. Runs on the caller's thread."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from ollama_sync._client.calls import Calls, with_parsed
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.outcomes import Launcher
from ollama_sync._observe.runs import RunObserver
from ollama_sync._stream.stream import Stream
from ollama_sync._transport.blobs import Blob, OnProgress
from ollama_sync.errors import RequestError
from ollama_sync.fleet.route import FleetRoute
from ollama_sync.types import ChatResponse, GenerateResponse, StatusResponse, View

T = TypeVar("T", bound=View)
A = TypeVar("A", ChatResponse, GenerateResponse)

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Routing(Protocol):
    """A fleet, as what makes its calls sees it."""

    @property
    def calls(self) -> Calls:
        """What its calls have in common."""

    def route(
        self,
        endpoint: Endpoint[Any],
        body: bytes,
        model: str,
        *,
        accept: str,
        affinity: str | None,
        patience: float,
    ) -> FleetRoute:
        """Return the route of one call.

        Raises:
            ClosedError: the fleet was closed.
        """

    def launcher(self) -> Launcher:
        """Return who makes many calls.

        Raises:
            ClosedError: the fleet was closed.
        """


class FleetCaller:
    """A fleet, for the verb that makes one call. It is a `Caller`.

    Args:
        fleet: that is asked.
        model: that the call is for.
        affinity: what keeps the calls of one conversation together; None for a call that stands alone.
    """

    def __init__(self, fleet: Routing, model: object, affinity: str | None) -> None:
        if affinity is not None and not isinstance(affinity, str):
            raise RequestError(
                f"affinity={affinity!r}: a str that names a conversation, or None for a call that stands alone"
            )
        self._fleet = fleet
        self._model = str(model)
        self._affinity = affinity

    def _observed_run(self, model: str) -> RunObserver:
        return self._fleet.calls.observed_run(model)

    def _stream(
        self, endpoint: Endpoint[T], body: bytes | None, answer_type: Any = None
    ) -> Stream[T]:
        return self._fleet.calls.stream(
            self._route(endpoint, body, NDJSON), endpoint, body, answer_type
        )

    def _reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        return self._fleet.calls.reply(self._route(endpoint, body, JSON), endpoint, body)

    def _answer(self, endpoint: Endpoint[A], body: bytes, answer_type: Any) -> A:
        return with_parsed(endpoint, self._reply(endpoint, body), answer_type)

    def _launcher(self) -> Launcher:
        return self._fleet.launcher()

    def _upload(
        self, endpoint: Endpoint[StatusResponse], blob: Blob, on_progress: OnProgress | None
    ) -> None:
        raise NotImplementedError("no verb of a fleet uploads")

    def _cloud_reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        raise NotImplementedError("no verb of a fleet goes to ollama.com")

    def _route(self, endpoint: Endpoint[Any], body: bytes | None, accept: str) -> FleetRoute:
        return self._fleet.route(
            endpoint, body or b"", self._model, accept=accept, affinity=self._affinity, patience=0.0
        )
