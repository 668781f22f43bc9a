"""The dispatcher of a fleet: gives each call a place at a server, and keeps what is known of the servers.

One for each fleet and hub. Runs on the hub, in the greenlets of the calls and in callbacks of the loop, none of which gives way
between a look at the servers and what follows from it; so nothing here needs a lock. The hub writes everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ollama_sync._hub import Hub, HubEvent
from ollama_sync._now import monotonic
from ollama_sync.errors import (
    ConnectError,
    ConnectTimeout,
    ErrorLine,
    FirstTimeout,
    FleetBusy,
    FleetDown,
    IdleTimeout,
    OllamaError,
    ResponseError,
    StreamBroken,
)
from ollama_sync.fleet.inquiry import Inquiry
from ollama_sync.fleet.policy import NoServer, choose
from ollama_sync.fleet.server import Server
from ollama_sync.fleet.wish import Wish

if TYPE_CHECKING:
    from ollama_sync._call.clocks import Clocks

# Seconds for which it is taken for true which models a server has.
_KNOWN_FOR = 15.0

# Seconds that the first call of a fleet waits, at most, to learn that.
_FIRST_LOOK = 1.0

# What a server that is overloaded, or a proxy before one that is gone, answers.
_OVERLOADED = (429, 502, 503, 504)


class Dispatcher:
    """Where the calls of one fleet go.

    Args:
        hub: where it runs.
        servers: of the fleet.
        max_waiting: how many calls may wait for a place; None for any number.
    """

    def __init__(self, hub: Hub, servers: Sequence[Server], max_waiting: int | None) -> None:
        self.hub = hub
        self.servers = servers
        self._max_waiting = max_waiting
        self._waiting: deque[Wish] = deque()
        self._inquiry = Inquiry()
        self._has_looked = HubEvent()
        self._is_over = False

    @property
    def waiting(self) -> int:
        """How many calls wait for a place. Any thread."""
        return len(self._waiting)

    def acquire(self, wish: Wish, clocks: Clocks) -> Server:
        """Return a server with a place for a call. In the greenlet of the call, which may wait.

        Raises:
            FleetBusy: too many wait already.
            FleetDown: there is no server that could take it.
        """
        if wish.is_refused:  # by every server there is; but the call is to be tried again
            wish.start_over(monotonic())
        self._look(clocks)
        self._waiting.append(wish)
        self._dispatch()
        if wish.number is None and not wish.is_refused:
            if self._max_waiting is not None and len(self._waiting) > self._max_waiting:
                self._waiting.remove(wish)
                raise FleetBusy(self._max_waiting)
            clocks.hold()
            try:
                wish.wait()
            finally:
                if wish in self._waiting:  # its call was cancelled
                    self._waiting.remove(wish)
            clocks.repeat(0.0)
        if wish.number is None:
            raise self._down(wish)
        return self.servers[wish.number]

    def release(self, wish: Wish) -> None:
        """Give back a place."""
        assert wish.number is not None
        server = self.servers[wish.number]
        server.running -= 1
        server.is_tried = False
        wish.number = None
        self._dispatch()

    def served(self, wish: Wish) -> None:
        """Note that a call has succeeded, and give back its place."""
        assert wish.number is not None
        server = self.servers[wish.number]
        server.has_served(wish.model)
        self._drop_timer(server)
        self.release(wish)

    def failed(self, wish: Wish, error: OllamaError) -> None:
        """Note what an error says of the server that a call was at, and give back its place."""
        assert wish.number is not None
        if _is_the_servers(error):
            self._rest(self.servers[wish.number], error, wish.began)
        self.release(wish)

    def moves_on(self, wish: Wish, error: OllamaError) -> bool:
        """Whether a call that failed by `error`, before its reply began, goes to another server.

        Its place is given back where the error is one that another server may not make.
        """
        number = wish.number
        if number is None:  # it found no server at all
            return False
        server = self.servers[number]
        if _lacks_model(error):
            server.has_not(wish.model)
        elif not _is_the_servers(error):
            return False
        wish.excluded.add(number)
        wish.errors[server.host] = error
        self.failed(wish, error)
        if self._can_go_on(wish):
            return True
        wish.is_refused = True
        return False

    def verdict(self, wish: Wish, error: OllamaError) -> OllamaError:
        """Return the error of a call whose last attempt failed by `error`."""
        if isinstance(error, FleetDown):
            return error
        if len(self.servers) > 1 and wish.is_refused and not _lacks_model(error):
            return self._down(wish)
        return error

    def close(self) -> None:
        """End every question, and what waits for a place. The calls under way are ended by their clients."""
        self._is_over = True
        self._inquiry.close()
        for server in self.servers:
            self._drop_timer(server)
        while self._waiting:
            wish = self._waiting.popleft()
            wish.refuse()

    # Places.

    def _dispatch(self) -> None:
        """Give what places there are to those that wait, in the order in which they came."""
        passed: deque[Wish] = deque()
        while self._waiting and self._has_news:
            wish = self._waiting.popleft()
            if not self._settle(wish):
                passed.append(wish)
        self._waiting.extendleft(reversed(passed))

    @property
    def _has_news(self) -> bool:
        """Whether one that waits could learn anything: there is a place, or there is nobody to wait for."""
        up = [server for server in self.servers if not server.is_resting]
        return not up or any(server.running < server.places for server in up)

    def _settle(self, wish: Wish) -> bool:
        """Give a call its place, or tell it that there is none; false when it has to wait."""
        chosen = choose(self.servers, wish.model, wish.affinity, wish.excluded)
        if chosen is NoServer.BUSY:
            return False
        if chosen is NoServer.DOWN:
            left = self._last_resorts(wish)
            if not left:
                return self._refuse_in_time(wish)
            free = [number for number in left if not self.servers[number].is_tried]
            if not free:
                return False  # until the call that tries it has ended
            chosen = min(free, key=lambda number: self.servers[number].rest_until)
            self.servers[chosen].is_tried = True
        server = self.servers[chosen]
        server.running += 1
        server.calls += 1
        wish.give(chosen, monotonic())
        return True

    def _last_resorts(self, wish: Wish) -> list[int]:
        """Return the resting servers that a call may try all the same, rather than fail: they may be back.

        One that has failed since the call came would only fail again.
        """
        return [
            number
            for number, server in enumerate(self.servers)
            if server.is_resting
            and number not in wish.excluded
            and server.failed_at < wish.arrived
            and (server.models is None or wish.model in server.models)
        ]

    def _refuse_in_time(self, wish: Wish) -> bool:
        """Tell a call that there is no server for it, when its patience has run out."""
        if self._is_over or not wish.is_patient(monotonic()):
            wish.refuse()
            return True
        # One that was at every server may try them all again, when they are back.
        wish.excluded.clear()
        if not wish.has_alarm:
            wish.has_alarm = True
            self.hub.call_later(wish.patience, self._dispatch)
        return False

    def _can_go_on(self, wish: Wish) -> bool:
        if choose(self.servers, wish.model, wish.affinity, wish.excluded) is not NoServer.DOWN:
            return True
        return bool(self._last_resorts(wish)) or (
            not self._is_over and not wish.lacks_model and wish.is_patient(monotonic())
        )

    def _down(self, wish: Wish) -> FleetDown:
        reasons = {}
        for server in self.servers:
            error = wish.errors.get(server.host) or (server.error if server.is_resting else None)
            reasons[server.host] = (
                f"does not have {wish.model}" if error is None else _reason(error)
            )
        return FleetDown(wish.tried, reasons)

    # What is known.

    def _look(self, clocks: Clocks) -> None:
        """Have it learned anew which models the servers have, where that was some time ago."""
        now = monotonic()
        for server in self.servers:
            if (
                now - server.looked_at > _KNOWN_FOR
                and not server.is_looking
                and not server.is_resting
            ):
                server.is_looking = True
                self._inquiry.models(server, partial(self._looked, server, now))
        if not self._has_looked.is_set():
            clocks.hold()
            self._has_looked.wait(_FIRST_LOOK)
            self._has_looked.set()  # one that hangs is waited for once
            clocks.repeat(0.0)

    def _looked(self, server: Server, began: float, error: OllamaError | None) -> None:
        server.is_looking = False
        server.looked_at = monotonic()
        if error is not None and _is_the_servers(error):
            self._rest(server, error, began)
        if all(one.looked_at > 0 for one in self.servers):
            self._has_looked.set()
        self._dispatch()

    def _rest(self, server: Server, error: OllamaError, began: float) -> None:
        """Let a server rest that has failed, and ask it whether it is there when it has rested."""
        now = monotonic()
        rest = server.has_failed(error, began, now)
        self._drop_timer(server)
        if server.failures == 1 and isinstance(error, StreamBroken):
            # One reply that breaks says little of its server, which goes on if it answers.
            server.has_answered()
            self._ask(server)
        elif not self._is_over:
            server.timer = self.hub.call_later(rest, partial(self._ask, server))
        self._dispatch()

    def _ask(self, server: Server) -> None:
        self._drop_timer(server)
        self._inquiry.version(server, partial(self._answered, server, monotonic()))

    def _answered(
        self, server: Server, began: float, _reply: object, error: OllamaError | None
    ) -> None:
        if error is not None:
            self._rest(server, error, began)
        elif server.is_resting:
            server.has_answered()
            server.looked_at = float("-inf")  # it may have been restarted with other models
            self._dispatch()

    def _drop_timer(self, server: Server) -> None:
        if server.timer is not None:
            server.timer.close()
            server.timer = None


def _reason(error: OllamaError) -> str:
    """Return what happened, of a text that says what was tried, what happened and what to do."""
    text = str(error)
    tried, _, rest = text.partition(": ")
    return (rest if "://" in tried else text).partition("; ")[0]


def _lacks_model(error: OllamaError) -> bool:
    """Whether a server says that it does not have what it was asked for."""
    return isinstance(error, ResponseError) and error.status_code == 404


def _is_the_servers(error: OllamaError) -> bool:
    """Whether an error is one of the server, or of the way to it, and not of what it was asked."""
    if isinstance(error, ErrorLine):
        return False
    if isinstance(error, ResponseError):
        return error.status_code in _OVERLOADED
    return isinstance(
        error, (ConnectError, ConnectTimeout, FirstTimeout, IdleTimeout, StreamBroken)
    ) and not isinstance(error, FleetDown)
