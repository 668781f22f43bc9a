"""The caller's end of a channel: decodes what the hub released, and says once how it ended.

Runs on the caller's thread, whichever that is at the moment; one at a time, which `_busy` sees to. `close`, `error` and
`done` may be used from any other. JSON is decoded here, one call for a whole block, so that the hub never waits for it.

    under _busy      _rest, _ready, _position, _kept, _complete, _fault, _over
    any thread       _closed (set once)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from ollama_sync._call.exchange import Exchange
from ollama_sync._hub import End, Failed, Finished, allocate_lock, new_waiter
from ollama_sync._process import this_process
from ollama_sync._stream.kinds import StreamKind
from ollama_sync._wire import error_line, loads_block
from ollama_sync.errors import (
    ClosedError,
    ConcurrentUseError,
    ForkedError,
    OllamaError,
    StreamBroken,
    WaitTimeout,
)

Part = dict[str, Any]
Pop = Callable[[], bytes | None]

# Parts that are decoded at once when there is no other limit. With more of them alive together, the garbage collector
# starts in their midst, which costs as much again as the decoding.
_PIECE = 100


class Reader:
    """Takes the parts of one exchange, in order, each once.

    Args:
        exchange: started.
        kind: how its parts are understood.
        view: makes the accumulated reply that an error carries into what the caller knows.
    """

    def __init__(self, exchange: Exchange, kind: StreamKind, view: Callable[[Part], Any]) -> None:
        self.exchange = exchange
        self._channel = exchange.channel
        self._kind = kind
        self._view = view
        self._process = this_process()
        self._busy = allocate_lock()
        self._rest = b""  # taken from the channel, not decoded
        self._ready: list[Part] = []  # decoded for `read_one`; handed over up to _position
        self._position = 0
        self._kept: list[bytes] = []  # every block, for the accumulated reply
        self._complete = False  # the last part says that the reply is complete
        self._fault: OllamaError | None = None  # found in what arrived: a bad line, an error line
        self._over = False  # the end, or the error, was handed over
        self._closed = False

    def read(self, limit: int) -> list[Part]:
        """Return the released parts, at most `limit`, waiting for the first; [] at the end.

        Blocks the caller's thread or greenlet.

        Raises:
            OllamaError: how the exchange failed; once, after every part that had arrived.
        """
        return self._wait_for(lambda: self.take(limit))

    def read_texts(self, limit: int) -> list[str]:
        """Return the texts that are not empty of the released parts, of at most `limit` parts; [] at the end.

        As `read`, without making parts.
        """
        return self._wait_for(lambda: self._take_texts(limit))

    def read_one(self) -> Part | None:
        """Return the next released part, waiting for it; None at the end. As `read(1)`, in a fifth of the time.

        Raises:
            OllamaError: as `read`.
        """
        self.acquire()
        try:
            position = self._position
            if position < len(self._ready) and not self._closed:
                self._position = position + 1
                return self._ready[position]
        finally:
            self.release()
        found = self._wait_for(self._take_one)
        return found[0] if found else None

    def poll(self, timeout: float) -> list[Part]:
        """Return all that has arrived, released or not; [] when nothing has, or at the end.

        Args:
            timeout: seconds; how long to wait for the first part.

        Raises:
            OllamaError: as `read`.
        """
        self.acquire()
        try:
            deadline = time.monotonic() + timeout
            while (parts := self._take_all()) is not None:
                left = deadline - time.monotonic()
                if parts or left <= 0:
                    return parts
                self._wait(lambda: self._channel.buffered or self._channel.ended, left)
            return []
        finally:
            self.release()

    def acquire(self) -> None:
        """Become the one consumer.

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
        if self._closed:
            raise ClosedError(f"{self.exchange.tried}: the stream was closed")
        if not self._busy.acquire(False):
            raise ConcurrentUseError(
                f"{self.exchange.tried}: the stream is in use by another consumer; each may have its own stream"
            )

    def release(self) -> None:
        """Stop being the consumer."""
        self._busy.release()
        if self._closed:
            self._drop_if_closed()

    def take(self, limit: int) -> list[Part] | None:
        """Return the released parts, at most `limit`: [] when there are none now, None at the end. For the consumer.

        Raises:
            OllamaError: as `read`.
        """
        return self._take(self._channel.take_released, limit)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called on the hub when there is something to take. For the consumer."""
        self._channel.listen(listener)

    def unlisten(self) -> None:
        """Stop the calls."""
        self._channel.unlisten()

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something to hand over."""
        return self._is_holding or self._fault is not None or self._channel.is_ready

    @property
    def error(self) -> OllamaError | None:
        """How the exchange failed, as soon as that is known; None while it has not."""
        if self._fault is not None:
            return self._fault
        end = self._channel.ended
        if not isinstance(end, Failed):
            return None
        # Behind the terminal part nothing is missing: a reply that is not ended properly there is whole all the same.
        is_whole = self._complete and isinstance(end.error, (StreamBroken, WaitTimeout))
        return None if is_whole else end.error

    @property
    def done(self) -> bool:
        """Whether everything was handed over and nothing will come; an error still to be raised is something."""
        if self._over or self._closed:
            return True
        end = self._channel.ended
        if end is None or self.error is not None or self._channel.buffered or self._is_holding:
            return False
        return self._ended_well or not isinstance(end, Finished)

    @property
    def is_abandonable(self) -> bool:
        """Whether nobody loses anything if it is dropped now: it is over, or its terminal part was handed over."""
        if self._process != this_process():  # a child drops its copy of the parent's
            return True
        return self.done or (self._complete and not self._is_holding)

    def accumulated(self) -> Part:
        """Return one reply folded from every part that was taken, handed over or not; empty when none was."""
        parts, _ = loads_block(b"".join(self._kept))
        # Behind an error line nothing counts.
        return self._kind.accumulate([*takewhile(lambda part: "error" not in part, parts)])

    def close(self) -> None:
        """Cancel, and drop what is left. Any thread, at any time; a consumer that waits is released."""
        self._closed = True
        self.exchange.cancel()
        self._drop_if_closed()

    @property
    def _ended_well(self) -> bool:
        """Whether a clean end, had it come now, would be the end of a whole reply."""
        return self._complete or self._kind.is_terminal is None

    @property
    def _is_holding(self) -> bool:
        """Whether something was taken from the channel and not yet handed over."""
        return self._position < len(self._ready) or bool(self._rest)

    def _wait_for(self, take: Callable[[], list[Any] | None]) -> list[Any]:
        """Become the consumer until `take` gives something, or the end."""
        self.acquire()
        try:
            while True:
                if self.is_ready or self._closed:
                    found = take()
                    if found is None:
                        return []
                    if found:
                        return found
                self._wait(lambda: self.is_ready or self._closed, None)
        finally:
            self.release()

    def _wait(self, is_ready: Callable[[], object], timeout: float | None) -> None:
        """Sleep until the hub calls, at most `timeout` seconds."""
        waiter = new_waiter()
        self.exchange.listen(waiter)
        try:
            # Looked at after `listen`: what the hub did before it could call us is seen here.
            if not is_ready():
                waiter.wait(timeout)
        finally:
            self._channel.unlisten()

    def _take(self, pop: Pop, limit: int) -> list[Part] | None:
        # Read before anything is taken: if it has ended by now, nothing can come behind what `pop` gives.
        end = self._channel.ended
        parts = self._take_waiting(limit)
        lines = self._take_lines(pop, limit - len(parts))
        if lines:
            parts += self._decode(lines)
        return self._hand_over(parts, lines, end)

    def _take_one(self) -> list[Part] | None:
        """As `take`, for the first part; those that were decoded with it stay here."""
        parts = self.take(_PIECE)
        if parts:
            self._ready = parts
            self._position = 1
        return parts

    def _take_all(self) -> list[Part] | None:
        end = self._channel.ended
        parts = self._take_waiting(len(self._ready))
        # Not what comes meanwhile: a stream that pours would hold the caller here.
        left = len(self._rest) + self._channel.buffered
        lines = b""
        while left > 0 and (lines := self._take_lines(self._channel.take_arrived, _PIECE)):
            left -= len(lines)
            parts += self._decode(lines)
        return self._hand_over(parts, lines, end)

    def _take_texts(self, limit: int) -> list[str] | None:
        """As `take`, but of at most `limit` parts the texts that are not empty."""
        assert self._kind.texts is not None
        assert self._kind.lean_texts is not None
        if self._position < len(self._ready):
            return self._kind.texts(self._take_waiting(limit))
        end = self._channel.ended
        lines = self._take_lines(self._channel.take_released, limit)
        texts: list[str] = []
        if lines:
            lean = self._kind.lean_texts(lines)
            if lean is None:
                texts = self._kind.texts(self._decode(lines))
            else:
                texts, self._complete = lean
        return self._hand_over(texts, lines, end)

    def _take_waiting(self, limit: int) -> list[Part]:
        """Take what `read_one` left behind."""
        start = self._position
        self._position = min(start + limit, len(self._ready))
        return self._ready[start : self._position]

    def _take_lines(self, pop: Pop, limit: int) -> bytes:
        """Take whole lines, at most `limit`; b"" when there are none, or a fault hides whatever comes."""
        taken: list[bytes] = []
        while limit and self._fault is None and (block := self._rest or self._pop(pop)):
            pieces = block.split(b"\n", limit)
            self._rest = pieces.pop()
            limit -= len(pieces)
            taken.append(block[: len(block) - len(self._rest)])
        return b"".join(taken)

    def _pop(self, pop: Pop) -> bytes:
        block = pop() or b""
        if block:
            self._kept.append(block)
        return block

    def _decode(self, lines: bytes) -> list[Part]:
        parts, bad = loads_block(lines)
        # Inside a JSON string the quotes would be escaped: so this finds keys, and strings that are just this word.
        if b'"error"' in lines:
            for number, part in enumerate(parts):
                if "error" in part:
                    self._fault = error_line(part)
                    parts, bad = parts[:number], None
                    break
        if bad is not None:
            self._fault = StreamBroken(f"{self.exchange.tried}: {bad}")
            self._fault.__cause__ = bad
        if self._fault is not None:
            self._rest = b""
            self.exchange.cancel()
        if parts:
            is_terminal = self._kind.is_terminal
            self._complete = is_terminal is not None and is_terminal(parts[-1])
        return parts

    def _hand_over(self, found: list[Any], lines: bytes, end: End | None) -> list[Any] | None:
        """Return what was found in `lines`; [] when there may be more, None or the error at the end."""
        if self._closed:
            self._over = True
        elif not (found or self._over) and (self._fault is not None or (end and not lines)):
            self._over = True
            self._raise_what_went_wrong()
        return None if self._over else found

    def _raise_what_went_wrong(self) -> None:
        """Raise the error with which it ended, if it did not end well."""
        error = self.error
        if error is None and isinstance(self._channel.ended, Finished) and not self._ended_well:
            error = self._fault = StreamBroken(
                f"{self.exchange.tried}: the reply ended without its final object; it may be incomplete"
            )
        if isinstance(error, StreamBroken) and error.partial is None:
            error.partial = self._view(self.accumulated()) if self._kept else None
        if error is not None:
            raise error

    def _drop_if_closed(self) -> None:
        # A consumer that is busy just now drops everything itself, for it comes here after it let go.
        if self._closed and self._busy.acquire(False):
            self._over = True
            self._rest = b""
            self._ready = []
            self._position = 0
            self._kept = []
            while self._channel.take_arrived() is not None:
                pass
            self._busy.release()
