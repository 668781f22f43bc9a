"""What a fleet asks its servers of its own accord: whether they are there, what models they have, and which are loaded.

Runs on the hub, in callbacks of its loop; a question is a call like any other, of which nobody waits for the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ollama_sync._call.exchange import Exchange
from ollama_sync._call.route import OneServer
from ollama_sync._client import endpoints
from ollama_sync._client.calls import Calls, reply_of
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync.errors import HubError, OllamaError
from ollama_sync.fleet.policy import canonical
from ollama_sync.fleet.server import Server

# Seconds. Each of these questions is answered at once by a server that is well.
_PATIENCE = Timeout(connect=5.0, first=5.0, idle=5.0, total=10.0)

Answered = Callable[[Any, OllamaError | None], object]


class Inquiry:
    """Asks, and remembers what is under way, so that it can be ended."""

    def __init__(self) -> None:
        # Apart from the fleet's own, whose statistics are about the calls of the user.
        self._calls = Calls(
            timeout=_PATIENCE,
            batch=BatchPolicy(),
            retries=0,
            max_buffered=16 * 1024 * 1024,
            observe=None,
        )
        self._asking: set[Exchange] = set()
        self._is_over = False

    def version(self, server: Server, answered: Answered) -> None:
        """Ask whether a server is there; `answered` is called with its reply, or the error."""
        self._ask(server, endpoints.VERSION, answered)

    def models(self, server: Server, answered: Callable[[OllamaError | None], object]) -> None:
        """Ask which models a server has and which are loaded, and note them; `answered` is called behind that."""

        def have(reply: Any, error: OllamaError | None) -> None:
            if error is not None:
                answered(error)
                return
            server.models = _names(reply)
            self._ask(server, endpoints.PS, are_loaded)

        def are_loaded(reply: Any, error: OllamaError | None) -> None:
            if error is None:
                server.loaded = _names(reply)
            answered(error)

        self._ask(server, endpoints.LIST, have)

    def close(self) -> None:
        """End what is under way; nobody is told."""
        self._is_over = True
        for exchange in list(self._asking):
            exchange.cancel()

    def _ask(self, server: Server, endpoint: Endpoint[Any], answered: Answered) -> None:
        if self._is_over:
            return
        request = server.transport.prepare(endpoint.method, endpoint.path, None, "application/json")
        exchange = self._calls.whole(OneServer(server.transport, request), endpoint, None)
        self._asking.add(exchange)
        try:
            exchange.launch(partial(self._has_ended, exchange, endpoint, answered))
        except HubError:  # it stops: then nobody wants to know
            self._asking.discard(exchange)

    def _has_ended(self, exchange: Exchange, endpoint: Endpoint[Any], answered: Answered) -> None:
        self._asking.discard(exchange)
        if self._is_over:
            return
        reply, failure = None, None
        try:
            reply = reply_of(endpoint, exchange.whole(), exchange.tried)
        except OllamaError as error:
            failure = error.with_traceback(None)  # which leads through this frame, and so to itself
        answered(reply, failure)


def _names(reply: Any) -> frozenset[str]:
    """Return the names of the models in a reply, whatever else a server may have put there."""
    models = reply.to_dict().get("models")
    names = (one.get("model") or one.get("name") for one in models or () if isinstance(one, dict))
    return frozenset(canonical(name) for name in names if isinstance(name, str))
