"""Sends one request: once, again, or to another server, until a reply begins or nothing more can help.

Runs on the hub: `send` in the greenlet of the call, the rest there or in callbacks of the loop. The hub writes everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ollama_sync._call.clocks import Clocks
from ollama_sync._call.frames import clear_frames
from ollama_sync._call.retries import Attempts
from ollama_sync._call.route import Route
from ollama_sync._call.settings import Settings
from ollama_sync._hub import Hub, HubEvent, Killed
from ollama_sync._transport import Call, Progress
from ollama_sync.errors import (
    ConnectError,
    ConnectTimeout,
    FirstTimeout,
    OllamaError,
    ResponseError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from ollama_sync._observe.observer import CallObserver
    from ollama_sync._transport import Reply


class Sending(Call, Progress, Protocol):
    """A call, as the transport sees it."""


class Sender:
    """Makes the attempts of one call.

    Args:
        hub: where it runs.
        route: by which server each attempt goes.
        settings: of the call.
        clocks: of the call.
        observer: told of connections and failed attempts.
    """

    def __init__(
        self, hub: Hub, route: Route, settings: Settings, clocks: Clocks, observer: CallObserver
    ) -> None:
        self._hub = hub
        self._route = route
        self._clocks = clocks
        self._observer = observer
        self._attempts = Attempts(settings.retries, settings.method, safe=settings.safe)
        # The clock that ends the attempt that is under way, but not the call.
        self._awaited: type[WaitTimeout] | None = None
        self._too_late: WaitTimeout | None = None

    @property
    def count(self) -> int:
        """How many attempts were made so far."""
        return self._attempts.count

    def send(self, call: Sending) -> Reply:
        """Send, and send again as long as that may help and can do no harm.

        Returns:
            a reply whose headers have come.

        Raises:
            OllamaError: the last attempt failed.
        """
        while True:
            try:
                return self._attempt(call)
            except (ConnectError, ConnectTimeout, FirstTimeout, ResponseError) as error:
                wait = self._wait_after(error)
                if wait is None:
                    verdict = self._route.verdict(error)
                    if verdict is error:
                        raise
                    raise verdict from error
                self._clocks.repeat(wait)
                self._observer.retrying(self.count - 1, error, wait)
                clear_frames(error)
            # Out here, so that the next error is not told as one that came while this one was handled. No wait lets the others
            # have their turn, too: a refused connection may not have waited for anything.
            HubEvent().wait(wait)

    def connected(self, *, kept: bool) -> None:
        """Note that there is a connection: the connect clock gives way to the first one."""
        self._awaited = FirstTimeout
        self._attempts.connected(kept=kept)
        self._clocks.connected()
        self._observer.connected(kept=kept)

    def sent(self) -> None:
        """Note that the request is on the wire."""
        self._attempts.sent()
        self._clocks.sent()

    def stop(self, job: Any, error: WaitTimeout) -> bool:
        """Have the attempt fail by `error`; false where none waits for what that clock limits. In a callback of the loop.

        What was waited for may have come in this same round of the loop, so ask at the round's end.
        """
        if not isinstance(error, self._awaited or ()):
            return False
        self._too_late = error
        self._hub.interrupt(job)
        return True

    def _attempt(self, call: Sending) -> Reply:
        self._route.enter(call, self._clocks)
        self._awaited = ConnectTimeout
        try:
            return self._route.send(call)
        except Killed:
            if self._too_late is None:
                raise
        finally:
            self._awaited = None
        late, self._too_late = self._too_late, None
        raise late

    def _wait_after(self, error: OllamaError) -> float | None:
        """Return how many seconds after `error` the next attempt begins; None when there is to be none."""
        left = self._clocks.left()
        if self._attempts.renews(error):
            return 0.0
        if left > 0 and self._route.moves_on(error):
            self._attempts.begin()
            return 0.0
        return self._attempts.after(error, left)
