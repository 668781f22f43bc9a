"""`Inbox`: how the hub tells one caller which of many calls have something for it.

The numbers of the calls gather here, and the caller is woken once per round of the loop, whatever their number. `post` runs
on the hub, `wait` on the caller's thread.
"""

from __future__ import annotations

from collections import deque

from ollama_sync._hub import Hub, Waiter, new_waiter


class Inbox:
    """Numbers of calls that have something.

    any thread       numbers (append)
    caller writes    numbers (del of the first), waiter
    """

    def __init__(self, hub: Hub) -> None:
        self.numbers: deque[int] = deque()
        self.waiter: Waiter | None = None
        self._hub = hub

    def post(self, number: int) -> None:
        """Add a number, and have the caller woken at the end of the round. Hub only."""
        self.numbers.append(number)
        # Read once: the caller clears it when it goes on, which may be now.
        waiter = self.waiter
        if waiter is not None:
            self._hub.wake(waiter)

    def post_from_caller(self, number: int) -> None:
        """Post from any thread. Only the hub may wake a waiter: it is asked to post the number again, which does no harm."""
        self.numbers.append(number)
        # A consumer that sets its waiter after this line looks at the numbers afterwards.
        if self.waiter is not None:
            self._hub.call_soon(self.post, number)

    def wait(self) -> None:
        """Sleep until there is a number. The caller's thread."""
        waiter = new_waiter()
        self.waiter = waiter
        try:
            # Looked at after the waiter was set: a number that came before could not wake us.
            while not self.numbers:
                waiter.wait(None)
        finally:
            self.waiter = None
