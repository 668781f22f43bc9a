"""The rounds of the hub's loop: what runs when within one, and who has the interpreter between two.

In a round the loop looks at the sockets, serves the timers that are due, then the sockets that are ready, and last what
was put off to the round's end.

Runs on the hub, which owns everything here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.hub import Waiter as Parking

from ollama_sync._hub.waiter import Waiter

# Seconds that a job gives way for when a caller's thread wants the interpreter.
_TURN_OF_CALLERS = 2e-4

# Callers that are woken together; it takes the hub some milliseconds to have something for so many.
_MOST_TO_WAKE = 64


class Rounds:
    """One loop, seen from what runs in it.

    Args:
        hub: gevent's, of this thread.
    """

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._loop = hub.loop
        # libuv counts in milliseconds, and warns of timers that are shorter.
        self._least = 0.001 if type(self._loop).__module__.startswith("gevent.libuv") else 0.0
        self._to_wake: dict[Waiter, None] = {}  # in order, each once
        self._woken: list[Waiter] = []  # those of the latest round

    @property
    def number(self) -> int:
        """Another one after each look at the sockets; with libuv, which does not count, always the same."""
        number: int = self._loop.iteration
        return number

    def call_at_end(self, callback: Callable[[], object]) -> None:
        """Run `callback` when everything that is ready now has been served."""
        self._loop.run_callback(callback)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Run `callback` after `seconds`; return the timer, whose `close` takes the call back."""
        timer = self._loop.timer(max(seconds, self._least) if seconds > 0 else 0.0)
        timer.start(callback)
        return timer

    def call_after_look(self, callback: Callable[[], object]) -> Any:
        """Run `callback` when every socket has been looked at and what was found has been served.

        Returns:
            the timer, whose `close` takes the call back until the look.
        """

        def looked() -> None:
            timer.close()
            self._loop.run_callback(callback)

        # A timer has the loop look, without a wait; but of one round, timers are served before sockets.
        timer = self.call_later(0.0, looked)
        return timer

    def look(self) -> None:
        """Have everything that is ready served before this job goes on.

        Where nothing is ready that is one look at the sockets, some 10 µs. With `sleep(0)` the loop would run up to 50
        callbacks before it looks, which left gaps of 100 ms beside a stream that pours.
        """
        parking = Parking(self._hub)
        timer = self.call_after_look(partial(parking.switch, None))
        try:
            parking.get()
        finally:
            timer.close()

    def yield_to_callers(self) -> None:
        """Like `look`, and let go of the interpreter's lock for so long that a caller's thread can get up and take it.

        A release that is over before that only has the thread begin its wait anew: with 1 µs, 1 % of the tokens beside a
        stream that pours were 17 to 34 ms late; so they are 4.
        """
        self._woken = []
        gevent.sleep(max(_TURN_OF_CALLERS, self._least))

    @property
    def callers_wait(self) -> bool:
        """Whether a caller's thread is to be woken, or has been and has not run since."""
        return bool(self._to_wake) or any(waiter.is_woken for waiter in self._woken)

    def wake(self, waiter: Waiter) -> None:
        """Wake a caller at the end of the round, just before the loop waits.

        Then the interpreter's lock is free when that thread has got up. Woken at once it would only lie down again, to wait
        for a hub that goes on: three sleeps for each token in place of one. In a round that is long some are woken before.
        """
        if not self._to_wake:
            self._loop.run_callback(self._wake_all)
        self._to_wake[waiter] = None
        if len(self._to_wake) >= _MOST_TO_WAKE:
            self._wake_all()

    def wake_now(self) -> None:
        """Wake whoever is to be woken, since no round will end any more. Any thread, for the loop does not turn."""
        self._wake_all()

    def _wake_all(self) -> None:
        self._woken, self._to_wake = [*self._to_wake], {}
        for waiter in self._woken:
            waiter.wake()
