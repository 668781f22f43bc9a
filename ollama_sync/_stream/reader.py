"""The caller's end of a channel: finds what comes next, decodes it, and says once how the stream ended.

A look changes nothing: it returns what it found, and where the stream stands behind it. Whoever hands that to the user
commits it, by assignments with no call behind them, because CPython looks for signals (and for exceptions thrown into a
thread) behind calls and at jumps backwards. So an interrupt comes either before the commit, and the next look finds the
same again, or when the user has it.

Runs on the caller's thread, whichever that is at the moment; one at a time, which `ownership` sees to. `close`, `error`
and `done` may be used from any other. JSON is decoded here, one call for many lines, so that the hub never waits for it.

    the consumer     at, and channel.taken
    any thread       closed (set once); position, which `close` changes under a consumer that then does not commit
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ollama_sync._call.exchange import Exchange
from ollama_sync._hub import Block, End, Failed, current_greenlet, new_waiter
from ollama_sync._process import this_process
from ollama_sync._stream.kept import Kept, Part
from ollama_sync._stream.kinds import StreamKind
from ollama_sync._stream.ownership import Ownership
from ollama_sync._wire import BadLine, loads_block
from ollama_sync.errors import (
    ClosedError,
    ConcurrentUseError,
    ForkedError,
    OllamaError,
    StreamBroken,
)

# Parts that are decoded together for `look_ahead`, and for `look_all` at a time: decoding more at once triggers a garbage
# collection, which costs as much again as the decoding.
_PIECE = 100


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream has been handed over.

    Args:
        taken: bytes of the reply that were decoded.
        parts: the latest of them, which are handed over one by one.
        kept: all of them, for the accumulated reply.
        fault: what is wrong with the line that comes next; nothing behind it counts.
        is_over: whether the end, or the error, was handed over.
    """

    taken: int = 0
    parts: list[Part] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    fault: StreamBroken | None = None
    is_over: bool = False


class Found(NamedTuple):
    """What a look found.

    Args:
        items: parts or texts; may be empty although the position moves on.
        before: the position it is true for, with `before_at`.
        before_at: see there.
        after: the position when the items have been handed over, with `at`.
        at: how many of `after.parts` have been.
        error: to be raised instead of items.
        is_end: whether there is nothing more: no items, but for those that `with_end` gave the end to.
    """

    items: list[Any]
    before: Position
    before_at: int
    after: Position
    at: int
    error: OllamaError | None = None
    is_end: bool = False

    @property
    def is_news(self) -> bool:
        """Whether there is something to commit."""
        return self.is_end or bool(self.items) or self.after is not self.before


Look = Callable[[], Found]


class PartReader:
    """Finds the parts of one exchange, in order.

    Args:
        exchange: started.
        kind: how its parts are understood.
        view: makes the accumulated reply that an error carries into what the caller knows.
    """

    def __init__(self, exchange: Exchange, kind: StreamKind, view: Callable[[Part], Any]) -> None:
        self.exchange = exchange
        self.channel = exchange.channel
        self.ownership = Ownership()
        self.position = Position()
        self.at = 0
        self.closed = False
        self._kind = kind
        self._view = view
        self._process = this_process()
        self._text: tuple[Kept, str] = (self.position.kept, "")

    def acquire(self, who: object = None) -> None:
        """Become the one consumer; given back by `ownership.owners = {}`.

        Args:
            who: what holds the stream for longer than one call; else it is the greenlet that runs.

        Raises:
            ConcurrentUseError: there is one.
            ClosedError: the stream was closed.
            ForkedError: the stream belongs to the parent process.
        """
        if self._process != this_process():
            raise ForkedError(
                f"{self.exchange.tried}: this stream belongs to the parent process, whose hub does not run "
                "in a forked child; make the call in the child"
            )
        if self.closed:
            raise ClosedError(f"{self.exchange.tried}: the stream was closed")
        if not self.ownership.acquire(current_greenlet() if who is None else who):
            raise ConcurrentUseError(
                f"{self.exchange.tried}: the stream is in use by another consumer; each may have its own stream"
            )

    # For the consumer.

    def wait_for(self, look: Look) -> Found:
        """Return what `look` finds, when it is more than nothing. Blocks the caller's thread or greenlet."""
        while True:
            if self.is_ready:
                found = look()
                if found.is_news:
                    return found
            self.wait(lambda: self.is_ready, None)

    def wait(self, is_there: Callable[[], object], timeout: float | None) -> None:
        """Sleep until the hub calls, at most `timeout` seconds."""
        self.channel.settle()
        waiter = new_waiter()
        self.exchange.listen(waiter)
        try:
            # Looked at after `listen`: what the hub did before it could call us is seen here.
            if not is_there():
                waiter.wait(timeout)
        finally:
            self.channel.unlisten()

    def look(self, limit: int) -> Found:
        """Find the released parts, at most `limit`."""
        # Read before anything is looked at: if it has ended by now, nothing can come behind what is found.
        end = self.channel.ended
        return self._found(self.channel.look_released(limit), limit, end)

    def look_ahead(self) -> Found:
        """Decode the next released parts, to be handed over one by one: they are `position.parts` then."""
        found = self.look(_PIECE)
        return found._replace(after=replace(found.after, parts=found.items), at=0)

    def look_all(self) -> Found:
        """Find every part that has arrived, released or not."""
        end = self.channel.ended
        blocks = self.channel.look_arrived()
        return self._found(blocks, sum(block.parts for block in blocks) + _PIECE, end)

    def look_texts(self, limit: int) -> Found:
        """Find the texts that are not empty of the released parts, of at most `limit` parts. As `look`, without parts."""
        position, at = self.position, self.at
        assert self._kind.texts is not None
        if at < len(position.parts) and not self.closed:
            texts = self._kind.texts(position.parts[at : at + limit])
            return Found(texts, position, at, position, min(at + limit, len(position.parts)))
        end = self.channel.ended
        lines, taken = _cut(self.channel.look_released(limit), position.taken, limit)
        if not lines or self.closed or position.fault is not None:
            return self._nothing(position, at, end)
        lean = self._kind.texts_of_lines(lines)
        if lean is None:
            found = self._found(self.channel.look_released(limit), limit, end)
            return found._replace(items=self._kind.texts(found.items))
        return Found(lean, position, at, self._after(lines, taken), 0)

    def look_raw(self) -> Found:
        """Find the released lines, and decode them all together at the end: for who wants nothing but the whole reply."""
        position, at = self.position, self.at
        end = self.channel.ended
        lines, taken = _cut(self.channel.look_released(_PIECE), position.taken, None)
        if lines and not self.closed and position.fault is None:
            return Found([lines], position, at, self._after(lines, taken), 0)
        found = self._nothing(position, at, end)
        if not found.is_end or position.is_over or self.closed or position.fault is not None:
            return found
        kept, bad = position.kept.fold(self._kind.accumulate)
        fault = None if bad is None else self._broken(bad)
        after = replace(found.after, kept=kept, fault=fault)
        return found._replace(after=after, error=self._with_partial(after, found.error))

    def with_end(self, found: Found) -> Found:
        """Return what was found, together with the end, or the error, if nothing will come between the two."""
        # In this order: behind the end nothing arrives.
        end = self.channel.ended
        is_last = (
            end is not None
            and found.after.taken >= self.channel.arrived
            and found.at >= len(found.after.parts)
        )
        if not is_last:
            return found
        error = self._with_partial(found.after, _error_of(end))
        return found._replace(after=replace(found.after, is_over=True), error=error, is_end=True)

    # Any thread.

    @property
    def is_ready(self) -> bool:
        """Whether a look has something to hand over."""
        return (
            self.channel.is_ready
            or self.at < len(self.position.parts)
            or self.position.fault is not None
            or self.closed
        )

    @property
    def has_arrived(self) -> bool:
        """Whether `look_all` has something to hand over."""
        return self.is_ready or self.channel.buffered > 0

    @property
    def error(self) -> OllamaError | None:
        """How the exchange failed, as soon as that is known; None while it has not."""
        return self.position.fault or _error_of(self.channel.ended)

    @property
    def done(self) -> bool:
        """Whether everything was handed over and nothing will come; an error still to be raised is something."""
        if self.position.is_over or self.closed:
            return True
        return self.channel.ended is not None and self.error is None and not self._is_holding

    @property
    def is_abandonable(self) -> bool:
        """Whether nobody loses anything if it is dropped now: it is over, or its final part was handed over."""
        if self._process != this_process():  # a child drops its copy of the parent's
            return True
        if self.done:
            return True
        last, _ = loads_block(self.position.kept.last_line)
        is_final = self._kind.is_final
        return bool(is_final and last and not self._is_holding and is_final(last[-1]))

    def accumulated(self) -> Part:
        """Return one reply folded from every part that was decoded, handed over or not; empty when none was."""
        return self.position.kept.fold(self._kind.accumulate)[0].folded

    def text_so_far(self) -> str:
        """Return the text of every part that was decoded. Each part is decoded once more, however often this is called."""
        kept, (earlier, text) = self.position.kept, self._text
        newer = kept.parts_since(earlier)
        if newer is None:
            text = self._kind.text_of(self.accumulated())
        elif self._kind.texts is not None:
            text += "".join(self._kind.texts(newer))
        self._text = (kept, text)
        return text

    def close(self) -> None:
        """Cancel, and drop what is left. Any thread, at any time; a consumer that waits is released."""
        self.closed = True
        self.exchange.cancel()
        # A consumer that has found something just now does not commit it, for the position has changed.
        self.position = Position(self.channel.arrived, is_over=True)
        self.at = 0
        self.channel.taken = self.channel.arrived
        # Blocks are dropped by the consumer only: by one that is busy at its next look.
        if self.ownership.acquire(self):
            self.channel.settle()
            self.ownership.owners = {}

    @property
    def _is_holding(self) -> bool:
        """Whether something is left that was not handed over."""
        return self.at < len(self.position.parts) or self.channel.buffered > 0

    def _found(self, blocks: list[Block], limit: int, end: End | None) -> Found:
        position, at = self.position, self.at
        if self.closed:
            return self._nothing(position, at, end)
        parts = position.parts[at : at + limit]
        if at + limit < len(position.parts):
            return Found(parts, position, at, position, at + limit)
        lines, taken = b"", position.taken
        if position.fault is None:
            lines, taken = _cut(blocks, position.taken, limit - len(parts))
        if not lines:
            if parts:
                return Found(parts, position, at, replace(position, parts=[]), 0)
            return self._nothing(position, at, end)
        decoded, bad = loads_block(lines) if limit <= _PIECE else _decode_long(lines)
        after = self._after(lines, taken)
        if bad is not None:
            after = replace(after, fault=self._broken(bad))
            assert after.fault is not None
            self.exchange.fail(after.fault)
        return Found(parts + decoded, position, at, after, 0)

    def _after(self, lines: bytes, taken: int) -> Position:
        return Position(taken, [], self.position.kept.add(lines, self._kind.accumulate))

    def _nothing(self, position: Position, at: int, end: End | None) -> Found:
        """Return the end, if it is one, or that there is nothing now."""
        if self.closed:
            self.channel.taken = self.channel.arrived
            self.channel.settle()
            after = Position(self.channel.arrived, is_over=True)
            return Found([], position, at, after, 0, is_end=True)
        if position.is_over:
            return Found([], position, at, position, at, is_end=True)
        if position.fault is None and (end is None or position.taken < self.channel.arrived):
            return Found([], position, at, position, at)
        error = self._with_partial(position, _error_of(end))
        return Found([], position, at, replace(position, is_over=True), at, error, is_end=True)

    def _with_partial(self, position: Position, error: OllamaError | None) -> OllamaError | None:
        """Return what went wrong; a stream that broke carries what had arrived."""
        error = position.fault or error
        if isinstance(error, StreamBroken) and error.partial is None:
            reply = position.kept.fold(self._kind.accumulate)[0].folded
            error.partial = self._view(reply) if reply else None
        return error

    def _broken(self, bad: BadLine) -> StreamBroken:
        error = StreamBroken(f"{self.exchange.tried}: {bad}")
        error.__cause__ = bad
        return error


def let_signals_in() -> None:
    """Do nothing, just before a commit. The call is what matters.

    At the call before, the thread may have given the interpreter's lock away, and got it back some milliseconds later
    without a look at the signals that came meanwhile. They are seen here, rather than when the user has what is committed.
    """


def _error_of(end: End | None) -> OllamaError | None:
    return end.error if isinstance(end, Failed) else None


def _cut(blocks: list[Block], taken: int, limit: int | None) -> tuple[bytes, int]:
    """Return the lines behind `taken`, at most `limit`, and where they end."""
    found: list[bytes] = []
    for block in blocks:
        lines = block.behind(taken)
        if limit is not None and block.parts > limit:
            pieces = lines.split(b"\n", limit)
            lines = lines[: len(lines) - len(pieces[-1])]
            limit -= len(pieces) - 1
        elif limit is not None:
            limit -= block.parts
        found.append(lines)
        taken += len(lines)
        if limit == 0:
            break
    return b"".join(found), taken


def _decode_long(lines: bytes) -> tuple[list[Part], BadLine | None]:
    """Decode whole lines, so many at once as the garbage collector bears."""
    parts: list[Part] = []
    single = lines.split(b"\n")
    for start in range(0, len(single) - 1, _PIECE):
        piece = b"\n".join([*single[start : start + _PIECE], b""])
        decoded, bad = loads_block(piece)
        parts += decoded
        if bad is not None:
            return parts, bad
    return parts, None
