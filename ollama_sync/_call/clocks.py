"""The clocks of one call: which may run out next, and what becomes of the call then.

`Timeout` decides, from times alone; this is where the time comes from. Runs on the hub. Its source of time can be replaced,
by the fake clock of `ollama_sync.testing` and by nothing else: what is batched and counted goes by the real time.

    hub writes      _waiting, and every field of a `Clocks`
    tests write     _now
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ollama_sync._hub import Hub
from ollama_sync._now import monotonic
from ollama_sync._policies import Marks, Timeout
from ollama_sync.errors import (
    ConnectTimeout,
    FirstTimeout,
    IdleTimeout,
    TotalTimeout,
    WaitTimeout,
)

_TIMEOUTS: dict[str, type[WaitTimeout]] = {
    "connect": ConnectTimeout,
    "first": FirstTimeout,
    "idle": IdleTimeout,
    "total": TotalTimeout,
}

_now: Callable[[], float] = monotonic

# Those that have a timer.
_waiting: set[Clocks] = set()


def use_time_of(source: Callable[[], float]) -> None:
    """Take the time from `source`, in seconds, until `use_time_of(_now.monotonic)`. Any thread."""
    global _now
    _now = source


def look() -> None:
    """Ring every clock that has run out, when the time has jumped. Hub only."""
    for clocks in list(_waiting):
        clocks.ring()


class Named(Protocol):
    """Whatever knows how errors name a request, which may change when it moves to another server."""

    @property
    def tried(self) -> str:
        """The request, as errors name it now."""


def _nobody(_: WaitTimeout) -> None:
    """Stand in for whom to tell when nothing is to ring any more."""


class Clocks:
    """Watches one call, from its start until `stop`.

    Args:
        hub: whose loop calls.
        timeout: with every default filled in.
        route: names the request in errors.
        on_expired: called once, on the hub, with the error of the clock that ran out.
    """

    def __init__(
        self, hub: Hub, timeout: Timeout, route: Named, on_expired: Callable[[WaitTimeout], object]
    ) -> None:
        self._started = _now()
        self._hub = hub
        self._timeout = timeout
        self._route = route
        self._on_expired: Callable[[WaitTimeout], object] = on_expired
        self._connected: float | None = None
        self._sent: float | None = None
        self._active: float | None = None
        self._repeated: float | None = None
        self._paused = False
        self._stopped = False
        self._timer: Any = None
        self._timer_at = 0.0

    def arm(self) -> None:
        """Have the loop look at the clocks when the next one may run out.

        A read only notes its time; the timer is set anew where a clock could run out earlier than the timer that stands,
        and otherwise finds out itself, when it rings, that there was activity since.
        """
        expiry = self._timeout.next_expiry(self._marks())
        if expiry is None or self._stopped or expiry.at == float("inf"):
            return
        if self._timer is not None:
            if self._timer_at <= expiry.at:
                return
            self._timer.close()
        self._timer_at = expiry.at
        self._timer = self._hub.call_later(max(0.0, expiry.at - _now()), self._due)
        _waiting.add(self)

    def connected(self) -> None:
        """Note that there is a connection: the connect clock gives way to the first one."""
        self._connected = _now()
        self.arm()

    def sent(self) -> None:
        """Note that the request is on the wire."""
        self._sent = _now()
        self.arm()

    def left(self) -> float:
        """Return the seconds until the total clock runs out; infinite without one."""
        total = self._timeout.total
        return self._started + total - _now() if isinstance(total, (int, float)) else float("inf")

    def hold(self) -> None:
        """Let only the total clock run until `repeat`: there is nothing to connect to yet."""
        self._repeated = float("inf")

    @property
    def has_begun(self) -> bool:
        """Whether some of the body has come."""
        return self._active is not None

    def repeat(self, seconds: float) -> None:
        """Note that an attempt has failed, and that another begins in `seconds`: its connect clock counts from then."""
        self._repeated = _now() + seconds
        self._connected = self._sent = None
        self.arm()

    def arrived(self) -> None:
        """Note that some of the body came: from the first time on, the idle clock counts."""
        is_first = self._active is None
        self._active = _now()
        if is_first:
            self.arm()

    def pause(self) -> None:
        """Stop the idle clock: nothing is read, so nothing can come."""
        self._paused = True

    def resume(self) -> None:
        """Start the idle clock anew: our pause was not the server's silence."""
        self._paused = False
        self._active = _now()
        self.arm()

    def _due(self) -> None:
        # The loop serves timers before sockets. What came while it was held up is read before a clock may say that nothing came.
        self._timer.close()
        self._timer = self._hub.call_after_look(self.ring)

    def ring(self) -> None:
        """Tell which clock has run out; without one, wait for the next."""
        self._drop_timer()
        expiry = self._timeout.next_expiry(self._marks())
        if expiry is not None and expiry.at <= _now():
            self._on_expired(
                _TIMEOUTS[expiry.phase](expiry.phase, expiry.seconds, self._route.tried)
            )
        else:
            self.arm()

    def stop(self) -> None:
        """Let nothing ring any more."""
        self._stopped = True
        self._on_expired = _nobody  # which would keep the call alive as long as its clocks
        self._drop_timer()

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
            _waiting.discard(self)

    def _marks(self) -> Marks:
        return Marks(
            self._started, self._connected, self._sent, self._active, self._paused, self._repeated
        )
