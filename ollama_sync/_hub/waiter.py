"""How a caller sleeps until the hub has something for it.

An ordinary thread blocks on a native lock. A greenlet of a host that uses gevent sleeps in its own loop, which keeps
turning. Which of the two is needed is seen from the caller's thread: only a thread that runs greenlets has a gevent hub.

`wait` runs on the caller's thread, `wake` on the hub's.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

import greenlet
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter as Parking

from ollama_sync._hub import native
from ollama_sync.errors import HubError

# Seconds. A wait without a limit still looks up now and then: neither a lock nor a timer can be waited for without end.
_LONGEST = 3600.0

# Seconds. The main thread looks up more often, for Ctrl-C: one that comes between the interpreter's last look and the
# system call does not end the lock's wait (84 of 1,027 aimed at that moment were lost so), and on Windows before Python
# 3.14 none does (cpython#125541).
_LONGEST_IN_MAIN = 0.5


class Waiter(Protocol):
    """One caller's bed: it lies down with `wait`, the hub gets it up with `wake`."""

    def wait(self, timeout: float | None) -> bool:
        """Sleep until woken, at most `timeout` seconds; true when woken.

        May return early without a reason: look again at what you wait for. Each `wake` ends one `wait`, also one that
        begins only afterwards, so that no wake-up is lost.
        """

    def wake(self) -> None:
        """End the wait. Hub thread only; cheap when the caller has been woken already."""

    @property
    def is_woken(self) -> bool:
        """Whether the caller has been woken and has not run since: it wants the interpreter. Hub thread only."""


def new_waiter() -> Waiter:
    """Return the right kind of waiter for the caller that runs now.

    Raises:
        HubError: inside a callback of an event loop, or on a hub's own thread, where waiting would be for ever.
    """
    hub = get_hub_if_exists()
    if hub is None or hub.loop is None or hub.dead:
        return NativeWaiter()
    if hasattr(hub, "ollama_sync_hub"):
        raise HubError("a hub thread cannot wait for itself; call from another thread or greenlet")
    if greenlet.getcurrent() is hub:
        raise HubError("cannot block in a callback of the event loop; spawn a greenlet for it")
    return GreenletWaiter(_mailbox_of(hub))


class NativeWaiter:
    """Blocks the native thread. Ctrl-C interrupts it."""

    __slots__ = ("_lock", "_sleeps", "_woken")

    def __init__(self) -> None:
        self._lock = native.allocate_lock()
        self._lock.acquire()
        self._woken = False
        self._sleeps = (
            False  # written by the caller; after an interrupt it may stay true until the next wait
        )

    def wait(self, timeout: float | None) -> bool:
        """Sleep on the lock; see `Waiter.wait`."""
        self._sleeps = True
        woken = self._lock.acquire(True, _slice(timeout))
        self._sleeps = False
        # The hub sets the flag before it releases the lock, so after an acquire nobody but us touches either. A wake
        # that comes between these two lines is not lost: it finds the flag still set, and our caller looks again.
        if woken:
            self._woken = False
        return woken

    def wake(self) -> None:
        """Release the lock once; see `Waiter.wake`."""
        if not self._woken:
            self._woken = True
            self._lock.release()

    @property
    def is_woken(self) -> bool:
        """See `Waiter.is_woken`."""
        return self._woken and self._sleeps


def _slice(timeout: float | None) -> float:
    """Return how long to sleep at once."""
    # Not natively: in a patched process the main thread has the number that gevent gives it.
    is_main = threading.get_ident() == threading.main_thread().ident
    longest = _LONGEST_IN_MAIN if is_main else _LONGEST
    return longest if timeout is None else min(max(timeout, 0.0), longest)


class GreenletWaiter:
    """Parks the greenlet; other greenlets of its thread go on."""

    __slots__ = ("_mailbox", "_parking", "_woken")

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._parking: Parking | None = None  # owned by the caller's thread
        self._woken = False  # set by the hub, cleared by the caller

    def wait(self, timeout: float | None) -> bool:
        """Sleep in the caller's own loop; see `Waiter.wait`."""
        if not self._woken:
            # A loop in the main thread may miss Ctrl-C as a lock may: just before it looks at its sockets.
            slice_ = _slice(timeout)
            parking = self._parking = Parking(self._mailbox.hub)
            # The timer also keeps the host's loop from ending for want of anything to wait for (LoopExit).
            timer = self._mailbox.hub.loop.timer(slice_)
            timer.start(parking.switch, None)
            try:
                parking.get()
            finally:
                self._parking = None
                timer.stop()
                timer.close()
        if not self._woken:
            return False  # without a write: a wake that comes just now is for the next wait
        self._woken = False
        return True

    def wake(self) -> None:
        """Have the caller's own loop resume it; see `Waiter.wake`."""
        if not self._woken:
            self._woken = True
            self._mailbox.post(self)

    @property
    def is_woken(self) -> bool:
        """See `Waiter.is_woken`."""
        return self._woken and self._parking is not None

    def resume(self) -> None:
        """Switch to the sleeping greenlet, if it still sleeps. Runs in the caller's loop."""
        if self._parking is not None:
            self._parking.switch(None)


class Mailbox:
    """The one watcher through which the hub reaches a host's loop.

    It is started once and stays: a watcher that is started anew for each wait loses wake-ups that come before the start
    (gevent#130; 10 of 20,000 were lost in a test). It does not keep the host's loop alive.
    """

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self._ready: deque[GreenletWaiter] = deque()
        self._watcher = hub.loop.async_(ref=False)
        self._watcher.start(self._deliver)

    def post(self, waiter: GreenletWaiter) -> None:
        """Have `waiter` resumed by its own loop. Any thread."""
        self._ready.append(waiter)
        if self.hub.loop is not None:
            try:
                self._watcher.send()
            except ValueError:
                pass  # its thread has destroyed the loop since: there nobody waits any more

    def _deliver(self) -> None:
        # Only those that are ready now: what they do may make others ready, and the loop has more to serve. Each `post`
        # has this run again.
        for _ in range(len(self._ready)):
            self._ready.popleft().resume()


_local = native.thread_local()


def _mailbox_of(hub: Any) -> Mailbox:
    """Return the mailbox of this thread's gevent hub, made at the first wait."""
    mailbox: Mailbox | None = getattr(_local, "mailbox", None)
    if mailbox is None or mailbox.hub is not hub:
        mailbox = _local.mailbox = Mailbox(hub)
    return mailbox
