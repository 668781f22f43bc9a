"""What was taken of a stream, kept for the reply that it adds up to: `result()`, `partial()` and an error's `.partial`.

Immutable, so that a reader can take it on by one assignment. Pure; runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ollama_sync._wire import BadLine, loads_block

Part = dict[str, Any]
Accumulate = Callable[[Sequence[Part]], Part]

MAX_RAW = 16 * 1024 * 1024
"""Bytes of lines that are kept as they came. More are folded into one reply, which grows by its text alone."""

# Bytes of lines that are decoded together; the objects take some four times as much.
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """Lines as they came, newest first, behind the reply that those before them were folded into.

    Args:
        lines: the newest.
        before: what was kept before them.
        raw: bytes of all lines that are not folded.
        folded: the reply of the lines that are; empty where there are none.
    """

    lines: bytes = b""
    before: Kept | None = None
    raw: int = 0
    folded: Part = field(default_factory=dict)

    def add(self, lines: bytes, accumulate: Accumulate) -> Kept:
        """Return what is kept when `lines` are added."""
        kept = Kept(lines, self, self.raw + len(lines), self.folded)
        return kept.fold(accumulate)[0] if kept.raw > MAX_RAW else kept

    def fold(self, accumulate: Accumulate) -> tuple[Kept, BadLine | None]:
        """Return the same as one reply, up to the first line that is no object, and what is wrong with that one."""
        if not self.raw:
            return self, None
        replies = [self.folded] if self.folded else []
        bad = None
        for piece in self._pieces():
            parts, bad = loads_block(piece)
            if parts:
                replies.append(accumulate(parts))
            if bad is not None:
                break
        return Kept(folded=accumulate(replies)), bad

    def parts_since(self, earlier: Kept) -> list[Part] | None:
        """Return the parts that were added to `earlier`; None where it has been folded since."""
        newer: list[bytes] = []
        for kept in self._newest_first():
            if kept is earlier:
                return loads_block(b"".join(reversed(newer)))[0]
            newer.append(kept.lines)
        return None

    @property
    def last_line(self) -> bytes:
        """The newest line; b"" when there is none, or it was folded."""
        return self.lines[self.lines.rfind(b"\n", 0, -1) + 1 :]

    def _pieces(self) -> Iterator[bytes]:
        """Yield the lines in order, so many at a time that what is decoded of them stays small."""
        piece: list[bytes] = []
        size = 0
        for lines in reversed([kept.lines for kept in self._newest_first()]):
            piece.append(lines)
            size += len(lines)
            if size >= _PIECE:
                yield b"".join(piece)
                piece, size = [], 0
        if piece:
            yield b"".join(piece)

    def _newest_first(self) -> Iterator[Kept]:
        kept: Kept | None = self
        while kept is not None:
            yield kept
            kept = kept.before
