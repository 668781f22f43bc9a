"""`FleetRoute`: the way of one call to one of several servers. See `ollama_sync._call.route`.

Made on the caller's thread; from the start of the call on it runs on the hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama_sync._client.endpoints import Endpoint
from ollama_sync._hub import Failed, Finished
from ollama_sync.errors import OllamaError
from ollama_sync.fleet.dispatcher import Dispatcher
from ollama_sync.fleet.server import Server
from ollama_sync.fleet.wish import Wish

if TYPE_CHECKING:
    from ollama_sync._call.clocks import Clocks
    from ollama_sync._hub import End
    from ollama_sync._transport import Call, PreparedRequest, Progress, Reply


class FleetRoute:
    """Chooses the server of each attempt of one call.

    Args:
        dispatcher: of the fleet.
        endpoint: that is called.
        body: of the request.
        accept: the media type that is asked for.
        wish: what the call wants.
    """

    __slots__ = ("_accept", "_body", "_dispatcher", "_endpoint", "_request", "_server", "_wish")

    def __init__(
        self,
        dispatcher: Dispatcher,
        endpoint: Endpoint[Any],
        body: bytes,
        accept: str,
        wish: Wish,
    ) -> None:
        self._dispatcher = dispatcher
        self._endpoint = endpoint
        self._body = body
        self._accept = accept
        self._wish = wish
        self._server: Server | None = None
        self._request: PreparedRequest | None = None

    @property
    def tried(self) -> str:
        """See `Route.tried`."""
        if self._server is None or self._request is None:
            return self._wish.tried
        return self._server.transport.describe(self._request)

    @property
    def host(self) -> str:
        """See `Route.host`."""
        return "" if self._server is None else self._server.host

    def enter(self, call: Call, clocks: Clocks) -> None:
        """See `Route.enter`."""
        if self._wish.number is not None:  # a kept connection is replaced, at the same server
            return
        self._leave_server(call)
        server = self._server = self._dispatcher.acquire(self._wish, clocks)
        # On the hub, for only now it is known to whom it goes; with a body in memory this takes some microseconds.
        self._request = server.transport.prepare(
            self._endpoint.method, self._endpoint.path, self._body, self._accept
        )
        server.transport.began(call)

    def send(self, progress: Progress) -> Reply:
        """See `Route.send`."""
        assert self._server is not None
        assert self._request is not None
        return self._server.transport.send(self._request, progress)

    def moves_on(self, error: OllamaError) -> bool:
        """See `Route.moves_on`."""
        return self._dispatcher.moves_on(self._wish, error)

    def verdict(self, error: OllamaError) -> OllamaError:
        """See `Route.verdict`."""
        return self._dispatcher.verdict(self._wish, error)

    def leave(self, call: Call, end: End | None) -> None:
        """See `Route.leave`."""
        try:
            if self._wish.number is not None:
                if isinstance(end, Finished):
                    self._dispatcher.served(self._wish)
                elif isinstance(end, Failed):
                    self._dispatcher.failed(self._wish, end.error)
                else:
                    self._dispatcher.release(self._wish)
        finally:
            self._leave_server(call)

    def _leave_server(self, call: Call) -> None:
        if self._server is not None:
            self._server.transport.ended(call)
