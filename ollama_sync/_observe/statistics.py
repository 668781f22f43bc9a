"""How much one client has done, and how the hub is.

`Totals` is written by the hub, but for `began`; whoever reads gets numbers that are right, some a moment younger than others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ollama_sync._hub import Cancelled, End, Failed, Hub, get_ident, new_waiter, shared_hub
from ollama_sync._now import monotonic
from ollama_sync._process import Process, this_process

# Seconds that a hub which does not answer is waited for.
_LONGEST_LAG = 1.0


@dataclass(frozen=True)
class ClientStatistics:
    """What one client has done so far.

    Args:
        running: calls and streams under way.
        finished: those whose reply was read to its end.
        failed: those that ended by an error, an error line in the middle of a stream included.
        cancelled: those that were cancelled, by their caller or with the client.
        retried: attempts that failed and were followed by another.
        parts: that arrived in the streams that have ended.
        bytes: of the bodies of all replies that have ended.
        connections: open ones that wait for the next call.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     _ = client.generate("llama3.2", "hi", stream=True).result()
        ...     statistics = client.statistics()
        >>> statistics.finished, statistics.parts, statistics.failed
        (1, 4, 0)
    """

    running: int
    finished: int
    failed: int
    cancelled: int
    retried: int
    parts: int
    bytes: int
    connections: int

    def __json__(self) -> dict[str, Any]:
        """Return the numbers by name, for serializers that ask by this name."""
        return asdict(self)


@dataclass(frozen=True)
class HubStatistics:
    """How the hub of this process is.

    Args:
        running: whether its thread runs; it starts with the first call.
        thread: the thread's identifier, as in `sys._current_frames()`; None before it runs.
        jobs: greenlets that it runs: one for each call and stream under way.
        waiting: callbacks from other threads that wait for their turn.
        lag: seconds from a callback's arrival to its turn, measured just now; None when the hub does not run. What is above
            a few milliseconds slows every stream: a hook that blocks, or a thread that keeps the interpreter to itself.

    Example:
        >>> from ollama_sync import hub_statistics
        >>> hub_statistics().waiting < 1000
        True
    """

    running: bool
    thread: int | None
    jobs: int
    waiting: int
    lag: float | None

    def __json__(self) -> dict[str, Any]:
        """Return the numbers by name, for serializers that ask by this name."""
        return asdict(self)


def hub_statistics() -> HubStatistics:
    """Return how the hub is, the one thread that every client of this process shares.

    Blocks the caller's thread or greenlet for the lag that it measures, at most a second; inside a hook, not at all.

    Returns:
        a snapshot. A lag of a second means that the hub has not answered by then.

    Raises:
        HubError: called in a callback of an event loop, which must not block.

    Example:
        >>> from ollama_sync import Client, hub_statistics
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     _ = client.version()
        ...     statistics = hub_statistics()
        >>> statistics.running, statistics.lag < 1
        (True, True)
    """
    hub = shared_hub()
    jobs, waiting = hub.jobs, hub.waiting
    lag = _lag(hub)
    return HubStatistics(lag is not None, hub.thread, jobs, waiting, lag)


def _lag(hub: Hub) -> float | None:
    """Measure how long a callback waits for its turn. None when the hub does not run."""
    if hub.thread == get_ident():
        return 0.0
    waiter = new_waiter()
    turn: list[float] = []

    def take_turn() -> None:
        turn.append(monotonic())
        waiter.wake()

    began = monotonic()
    if not hub.call_soon(take_turn):
        return None
    while not turn and (left := began + _LONGEST_LAG - monotonic()) > 0:
        waiter.wait(left)
    return turn[0] - began if turn else _LONGEST_LAG


class Totals:
    """Adds up the calls of one client."""

    def __init__(self) -> None:
        # Each with its process: a forked child has the parent's calls here, which it does not run.
        self._running: dict[int, Process] = {}
        self._finished = self._failed = self._cancelled = self._retried = 0
        self._parts = self._bytes = 0

    def began(self, call: int) -> None:
        """Note a call under way. The caller's thread."""
        self._running[call] = this_process()

    def retried(self) -> None:
        """Note that a call is tried again."""
        self._retried += 1

    def ended(self, call: int, end: End, parts: int, size: int) -> None:
        """Note how a call has ended."""
        if isinstance(end, Failed):
            self._failed += 1
        elif isinstance(end, Cancelled):
            self._cancelled += 1
        else:
            self._finished += 1
        self._parts += parts
        self._bytes += size
        self._running.pop(call, None)

    def snapshot(self, connections: int) -> ClientStatistics:
        """Return the numbers. Any thread."""
        return ClientStatistics(
            list(self._running.values()).count(this_process()),
            self._finished,
            self._failed,
            self._cancelled,
            self._retried,
            self._parts,
            self._bytes,
            connections,
        )
