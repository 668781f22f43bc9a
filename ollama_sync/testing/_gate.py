"""A gate in a script: the server stops there until the test lets it go on.

`open` and `wait_reached` belong to the test and run on any thread or greenlet; `hold` belongs to a script and runs on the
server's hub thread. Nothing here may block that thread natively.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gevent.event import Event

from ollama_sync._hub import Waiter, new_waiter
from ollama_sync._now import perf_counter


class Gate:
    """A point of a script that the test opens: the means to order two threads without sleeping.

    Once open, a gate stays open. One gate may stand in many scripts: opening it lets all of them go on.

    Args:
        name: shown in the message when a wait for it runs out.

    Example:
        >>> gate = Gate("before the second part")
        >>> gate.is_open
        False
        >>> gate.open()
        >>> gate.is_open
        True
    """

    def __init__(self, name: str = "gate") -> None:
        self._name = name
        self._is_open = False  # set by `open`, never cleared
        self._is_reached = False  # set on a hub thread, never cleared
        # Wakes one held script. Each hub thread appends and removes its own; `open` only reads a copy.
        self._held: list[Callable[[], None]] = []
        # Callers of `wait_reached` append, a hub thread takes out. One whose time ran out is left in: waking it is harmless.
        self._callers: deque[Waiter] = deque()

    def __repr__(self) -> str:
        return f"<Gate {self._name!r}: {'open' if self._is_open else 'shut'}, {'reached' if self._is_reached else 'not reached'}>"

    @property
    def is_open(self) -> bool:
        """Whether `open` has been called."""
        return self._is_open

    @property
    def is_reached(self) -> bool:
        """Whether a script has come to the gate, or passed it."""
        return self._is_reached

    def open(self) -> None:
        """Let every script go on that waits here, now or later. Any thread; returns at once."""
        # First the flag, then the wake-ups; `hold` registers first and looks at the flag then: none is missed.
        self._is_open = True
        for wake in list(self._held):
            wake()

    def wait_reached(self, timeout: float = 5.0) -> None:
        """Wait until a script has come to this gate. Blocks the calling thread, or greenlet if the caller is one.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: no script came in time.
        """
        deadline = perf_counter() + timeout
        waiter = new_waiter()
        self._callers.append(waiter)
        while not self._is_reached:
            left = deadline - perf_counter()
            if left <= 0:
                raise TimeoutError(
                    f"no script reached {self._name!r} within {timeout} s; was the request made?"
                )
            waiter.wait(left)

    def hold(self, call_soon: Callable[..., object]) -> None:
        """Block the script that runs now until the gate is open. Hub thread only.

        Args:
            call_soon: runs a callback on this hub's loop, called from any thread; drops it when the hub has ended.
        """
        opened = Event()

        def wake() -> None:
            call_soon(opened.set)

        self._held.append(wake)
        try:
            self._is_reached = True
            while self._callers:
                self._callers.popleft().wake()
            if not self._is_open:
                opened.wait()
        finally:
            self._held.remove(wake)
