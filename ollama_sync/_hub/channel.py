"""The buffer from the hub to one caller: the only thing that both sides touch.

The hub puts blocks of lines in, marks them released, and says once how it ended. The caller looks at the blocks, and says
how far it has taken them by one assignment to `taken`, which an interrupt cannot cut in two. Blocks that were taken are
dropped at the next look. No lock is needed, because every field has one writer, and because `deque.append`, `popleft` and a
copy of its first items are atomic:

    hub writes      _blocks (append), arrived, _released, _opened, ended, _paused, _on_drained
    caller writes   _blocks (popleft), taken, _listener
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

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


class Block(NamedTuple):
    """Whole lines that came together.

    Args:
        lines: as they came.
        parts: how many lines.
        end: bytes; where in the reply they end.
    """

    lines: bytes
    parts: int
    end: int

    def behind(self, offset: int) -> bytes:
        """Return the lines that lie behind `offset`, which is in the block or before it."""
        start = offset - self.end + len(self.lines)
        return self.lines[start:] if start > 0 else self.lines


class Channel:
    """One producer, on the hub; one consumer, anywhere.

    Args:
        max_buffered: bytes; at this fill `is_full` turns true and the producer should pause.
        on_drained: called by the consumer's thread when it looks at a paused channel that has fallen below half of
            `max_buffered`.

    Attributes:
        arrived: bytes put so far.
        taken: bytes of them that the consumer has in its hands. The consumer writes it, behind everything that may fail.
        ended: how it ended, or None. Read it before you look: then nothing can come behind what you see.
    """

    __slots__ = (
        "_blocks",
        "_listener",
        "_max_buffered",
        "_on_drained",
        "_opened",
        "_paused",
        "_released",
        "arrived",
        "ended",
        "taken",
    )

    def __init__(self, max_buffered: int, on_drained: Callable[[], object]) -> None:
        self._max_buffered = max_buffered
        self._on_drained = on_drained
        self._blocks: deque[Block] = deque()
        self.arrived = 0
        self.taken = 0
        self._released = 0
        self._opened = False
        self._paused = False
        self.ended: End | None = None
        self._listener: Callable[[], None] = _nobody

    # The hub's side.

    def open(self) -> None:
        """Tell the caller that the request is on the wire or has been answered."""
        if not self._opened:
            self._opened = True
            self._listener()

    def put(self, lines: bytes, parts: int) -> None:
        """Add a block, visible to `look_arrived` at once and to `look_released` after `release`.

        Args:
            lines: not empty.
            parts: how many lines they are.
        """
        end = self.arrived + len(lines)
        self._blocks.append(Block(lines, parts, end))
        # Behind the block, so that who sees the number finds the block.
        self.arrived = end

    def release(self) -> None:
        """Hand everything that was put to the caller, and wake it."""
        if self._released != self.arrived:
            self._released = self.arrived
            self._listener()

    def end(self, end: End) -> None:
        """Release what is left and say how it ended. The first end counts, later ones change nothing."""
        if self.ended is None:
            self._released = self.arrived
            self._on_drained = (
                _nobody  # which would keep the producer alive as long as the consumer
            )
            # Last, so that a caller who sees the end also sees every block.
            self.ended = end
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
        return self.arrived - self.taken

    @property
    def is_full(self) -> bool:
        """Whether the producer should pause."""
        return self.arrived - self.taken >= self._max_buffered

    # The caller's side.

    def listen(self, listener: Callable[[], None]) -> None:
        """Have the hub call `listener` (on its own thread) when it opens, at each release, and at the end."""
        self._listener = listener

    def unlisten(self) -> None:
        """Stop the calls. One that is under way may still come."""
        self._listener = _nobody

    @property
    def is_open(self) -> bool:
        """Whether the call may return to its caller: `open` was called, or it is all over."""
        return self._opened or self.ended is not None

    @property
    def is_ready(self) -> bool:
        """Whether `look_released` has something, or will never have."""
        return self._released > self.taken or self.ended is not None

    def look_released(self, most: int) -> list[Block]:
        """Return the oldest released blocks that are not taken whole, at most `most`. Never blocks; takes nothing."""
        released = self._released
        return [block for block in self._look(most) if block.end <= released]

    def look_arrived(self) -> list[Block]:
        """Return every block that is not taken whole, released or not. Never blocks; takes nothing."""
        return self._look(None)

    def settle(self) -> None:
        """Drop what was taken, and let a paused producer go on. Each look does so first; does no harm at any time."""
        blocks, taken = self._blocks, self.taken
        while blocks and blocks[0].end <= taken:
            blocks.popleft()
        if self._paused and self.buffered * 2 < self._max_buffered:
            self._on_drained()

    def _look(self, most: int | None) -> list[Block]:
        self.settle()
        blocks = self._blocks
        if most is None:
            return list(blocks)  # one call, into which no other thread comes
        # By number, for an iterator ends in an error when the hub adds a block meanwhile; that is added behind these.
        return [blocks[number] for number in range(min(most, len(blocks)))]
