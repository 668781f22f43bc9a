"""What has arrived of one reply. The hub counts; anybody may read."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """What has arrived so far. Seconds are of the monotonic clock; None: not yet."""

    parts: int
    bytes: int
    started: float
    first_part: float | None
    last_part: float | None
    longest_gap: float
    ended: float | None
    buffered: int


class Counters:
    """Counts one reply. Written by the hub only.

    Args:
        started: when the call began.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self._parts = 0
        self._bytes = 0
        self._first_part: float | None = None
        self._last_part: float | None = None
        self._longest_gap = 0.0
        self._ended: float | None = None

    def add_bytes(self, count: int) -> None:
        """Count what was read, without its framing."""
        self._bytes += count

    def add_parts(self, count: int, now: float) -> None:
        """Count parts that were read at `now`."""
        self._parts += count
        if self._last_part is None:
            self._first_part = now
        elif now - self._last_part > self._longest_gap:
            self._longest_gap = now - self._last_part
        self._last_part = now

    def end(self, now: float) -> None:
        """Note that nothing will come any more."""
        self._ended = now

    def counts(self, buffered: int) -> Counts:
        """Return what has arrived. Any thread: each number is right, some may be a moment younger than others."""
        return Counts(
            self._parts,
            self._bytes,
            self.started,
            self._first_part,
            self._last_part,
            self._longest_gap,
            self._ended,
            buffered,
        )
