"""By which server a call goes.

A client's calls all go to one server; a fleet's choose among several, and may move to another before the reply begins. The
exchange sees only this. Everything here runs on the hub, but for `tried`, which any thread may read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ollama_sync.errors import OllamaError

if TYPE_CHECKING:
    from ollama_sync._call.clocks import Clocks
    from ollama_sync._hub import End
    from ollama_sync._transport import Call, PreparedRequest, Progress, Reply, Transport


class Route(Protocol):
    """Where the attempts of one call go."""

    @property
    def tried(self) -> str:
        """The request, as errors name it."""

    @property
    def host(self) -> str:
        """The URL of the server that has the call, or had it last; "" before there is one. Any thread."""

    def enter(self, call: Call, clocks: Clocks, /) -> None:
        """Have a server for the next attempt. In the greenlet of the call, which may wait here for a free place."""

    def send(self, progress: Progress) -> Reply:
        """Make the attempt, and return a reply whose headers have come; see `Transport.send`."""

    def moves_on(self, error: OllamaError, /) -> bool:
        """Whether an attempt that failed by `error`, before its reply began, is made again at another server, at once."""

    def verdict(self, error: OllamaError) -> OllamaError:
        """Return the error of the call, of which the last attempt failed by `error`."""

    def leave(self, call: Call, end: End | None, /) -> None:
        """The call is over, in this way; None where something unforeseen was raised. Called once, also without an `enter`."""


class OneServer:
    """The route of a client.

    Args:
        transport: to its server.
        request: of `transport.prepare`.
    """

    __slots__ = ("_transport", "request", "tried")

    def __init__(self, transport: Transport, request: PreparedRequest) -> None:
        self._transport = transport
        self.request = request
        self.tried = transport.describe(request)

    @property
    def host(self) -> str:
        """See `Route.host`."""
        return self._transport.host.url

    def enter(self, call: Call, _clocks: Clocks) -> None:
        """See `Route.enter`; does not wait."""
        self._transport.began(call)

    def send(self, progress: Progress) -> Reply:
        """See `Route.send`."""
        return self._transport.send(self.request, progress)

    def moves_on(self, _error: OllamaError) -> bool:
        """There is no other server."""
        return False

    def verdict(self, error: OllamaError) -> OllamaError:
        """The last error says it all."""
        return error

    def leave(self, call: Call, _end: End | None) -> None:
        """See `Route.leave`."""
        self._transport.ended(call)
