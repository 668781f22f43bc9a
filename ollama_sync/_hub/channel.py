"""The buffer from the hub to one caller: the only thing that both sides touch.

The hub puts blocks of bytes in, marks them released, and says once how it ended. The caller takes them out. No lock is
needed, because every field has one writer and `deque.append` and `popleft` are atomic:

    hub writes      _arrived (append), _bytes_in, _blocks_in, _released, _opened, _end, _paused
    caller writes   _arrived (popleft), _bytes_out, _blocks_out, _listener
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ollama_sync.errors import OllamaError


class Finished:
    """The reply was read to its end."""


class Cancelled:
    """The caller asked for the end."""


class Failed:
    """The exchange came to an end by an error, still to be raised at the caller's."""

    def __init__(self, error: OllamaError) -> None:
        self.error = error


End: TypeAlias = Finished | Cancelled | Failed
FINISHED = Finished()
CANCELLED = Cancelled()


def _nobody() -> None:
    """Stand in for a listener while nobody waits."""


class Channel:
    """One producer, on the hub; one consumer, anywhere.

    Args:
        max_buffered: bytes; at this fill `is_full` turns true and the producer should pause.
        on_drained: called by the consumer's thread when a paused channel has fallen below half of `max_buffered`.
    """

    __slots__ = (
        "_arrived",
        "_blocks_in",
        "_blocks_out",
        "_bytes_in",
        "_bytes_out",
        "_end",
        "_listener",
        "_max_buffered",
        "_on_drained",
        "_opened",
        "_paused",
        "_released",
    )

    def __init__(self, max_buffered: int, on_drained: Callable[[], object]) -> None:
        self._max_buffered = max_buffered
        self._on_drained = on_drained
        self._arrived: deque[bytes] = deque()
        self._bytes_in = self._bytes_out = 0
        self._blocks_in = self._blocks_out = 0
        self._released = 0
        self._opened = False
        self._paused = False
        self._end: End | None = None
        self._listener: Callable[[], None] = _nobody

    # The hub's side.

    def open(self) -> None:
        """Tell the caller that the request is on the wire or has been answered."""
        if not self._opened:
            self._opened = True
            self._listener()

    def put(self, block: bytes) -> None:
        """Add a block, visible to `take_arrived` at once and to `take_released` after `release`."""
        self._bytes_in += len(block)
        self._blocks_in += 1
        self._arrived.append(block)

    def release(self) -> None:
        """Hand everything that was put to the caller, and wake it."""
        if self._released != self._blocks_in:
            self._released = self._blocks_in
            self._listener()

    def end(self, end: End) -> None:
        """Release what is left and say how it ended. The first end counts, later ones change nothing."""
        if self._end is None:
            self._released = self._blocks_in
            # Last, so that a caller who sees the end also sees every block.
            self._end = end
            self._listener()

    def pause(self) -> bool:
        """Ask for `on_drained`; false when there is no need to pause after all."""
        self._paused = True
        # The caller may have taken everything just before it could see the flag: look again, or nobody resumes us.
        if self.buffered < self._max_buffered:
            self._paused = False
        return self._paused

    def resume(self) -> None:
        """Take back `pause`."""
        self._paused = False

    # Either side: what it reads may be outdated by the time it is used, never torn.

    @property
    def buffered(self) -> int:
        """Bytes put and not yet taken."""
        return self._bytes_in - self._bytes_out

    @property
    def is_full(self) -> bool:
        """Whether the producer should pause."""
        return self._bytes_in - self._bytes_out >= self._max_buffered

    # The caller's side.

    def listen(self, listener: Callable[[], None]) -> None:
        """Have the hub call `listener` (on its own thread) at each release and at the end."""
        self._listener = listener

    def unlisten(self) -> None:
        """Stop the calls. One that is under way may still come."""
        self._listener = _nobody

    @property
    def is_open(self) -> bool:
        """Whether the call may return to its caller: `open` was called, or it is all over."""
        return self._opened or self._end is not None

    @property
    def is_ready(self) -> bool:
        """Whether `take_released` has something, or will never have."""
        return self._released > self._blocks_out or self._end is not None

    @property
    def ended(self) -> End | None:
        """How it ended, or None. Read it before you take: then nothing can come after what you took."""
        return self._end

    def take_released(self) -> bytes | None:
        """Return the oldest released block, or None. Never blocks."""
        # `poll` may have taken more than was released, so this compares counts and not the deque.
        return self._pop() if self._released > self._blocks_out else None

    def take_arrived(self) -> bytes | None:
        """Return the oldest block, released or not, or None. Never blocks."""
        return self._pop() if self._arrived else None

    def _pop(self) -> bytes:
        block = self._arrived.popleft()
        self._blocks_out += 1
        self._bytes_out += len(block)
        if self._paused and self.buffered * 2 < self._max_buffered:
            self._on_drained()
        return block
