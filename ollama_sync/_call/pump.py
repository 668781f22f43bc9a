"""Reads one reply: cuts it into blocks of lines, releases them as the policy says, and stops while the caller is slow.

Two kinds of lines tell how a stream ends, and both are found here: the final part, and an error line. Nothing else is
decoded on the hub.

Runs on the hub, in the greenlet of the call, but for `release` and `resume`, which the loop calls as well. The hub writes
everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama_sync._call.clocks import Clocks, Named
from ollama_sync._call.settings import Settings
from ollama_sync._hub import Channel, Hub, HubEvent
from ollama_sync._now import monotonic
from ollama_sync._observe.counters import Counters
from ollama_sync._wire import BadFraming, LineFramer, WholeBody, error_line, loads, said
from ollama_sync.errors import OllamaError, StreamBroken

if TYPE_CHECKING:
    from ollama_sync._observe.observer import CallObserver
    from ollama_sync._transport import Reply

# Bytes; decoding a longer line here would hold up every other stream.
_LONGEST_DECODED = 1024 * 1024

# Bytes of one read.
_STREAM_READ = 64 * 1024
_WHOLE_READ = 1024 * 1024

# Bytes of a longer error line that the error shows.
_EXCERPT = 120


class Pump:
    """Moves one reply from the transport to the channel.

    Args:
        hub: where it runs.
        channel: to the caller.
        framer: cuts the body into what the caller is given.
        settings: of the call.
        clocks: of the call; the idle one stands still while the caller is slow.
        counters: of the call.
        observer: who is told of each block; None when nobody looks.
        route: names the request in errors.
    """

    def __init__(
        self,
        hub: Hub,
        channel: Channel,
        framer: LineFramer | WholeBody,
        settings: Settings,
        clocks: Clocks,
        counters: Counters,
        observer: CallObserver | None,
        route: Named,
    ) -> None:
        self._hub = hub
        self._channel = channel
        self._framer = framer
        self._is_stream = isinstance(framer, LineFramer)
        # Of a stream no more than one read may come on top of what may wait for the caller.
        self._most_read = _STREAM_READ if self._is_stream else _WHOLE_READ
        self._policy = settings.batch
        self._is_final = settings.is_final
        self._clocks = clocks
        self._counters = counters
        self._observer = observer
        self._route = route
        self._pending = 0
        self._released_at = float("-inf")
        self._timer: Any = None
        self._drained: HubEvent | None = None
        self._last_block = b""

    def read(self, reply: Reply) -> None:
        """Read the reply to its end. What came last is released by the end of the channel.

        Raises:
            StreamBroken: its framing is wrong, or its final part is missing.
            ResponseError: a line of the stream reports an error; what came before it has been put.
            OllamaError: as `reply.read`.
        """
        try:
            while data := reply.read(self._most_read):
                self._clocks.arrived()
                self._counters.add_bytes(len(data))
                if parts := self._put(self._framer.feed(data)):
                    self._schedule(parts)
                if self._channel.is_full:
                    self._wait_for_caller()
            self._put(self._framer.close())
        except BadFraming as error:
            raise StreamBroken(f"{self._route.tried}: {error}") from error
        if self._is_final is not None and not self.is_complete:
            raise StreamBroken(
                f"{self._route.tried}: the reply ended without its final object; it may be incomplete"
            )

    def put_rest(self) -> None:
        """Put a last line that lacks only its newline, as an error line does just before the end.

        Raises:
            ResponseError: as `read`.
        """
        if self._is_stream:
            rest = self._framer.close()
            if rest.endswith(b"}\n") and _decoded(rest) is not None:
                self._put(rest)

    @property
    def is_complete(self) -> bool:
        """Whether the final part has come: nothing is missing behind it, however the connection ends."""
        if self._is_final is None or not self._last_block:
            return False
        last = self._last_block[self._last_block.rfind(b"\n", 0, -1) + 1 :]
        # A line too long to be decoded here may be the final part, with its context. The caller sees what it is.
        part = _decoded(last)
        return len(last) > _LONGEST_DECODED if part is None else self._is_final(part)

    def release(self) -> None:
        """Hand what was put to the caller, now."""
        self._pending = 0
        self._released_at = monotonic()
        self._drop_timer()
        self._channel.release()
        if self._observer is not None:
            self._observer.released()

    def resume(self) -> None:
        """Go on after a pause: the caller has taken enough."""
        if self._drained is not None:
            self._drained.set()

    def stop(self) -> None:
        """Release nothing any more: the end of the channel does."""
        self._drop_timer()

    def _put(self, block: bytes) -> int:
        """Put a block of whole lines, up to an error line. Return how many lines."""
        # It may have been aborted since: what is read in the same round of the loop, before the kill, is too late.
        if not block or self._channel.ended is not None:
            return 0
        error = None
        # Inside a JSON string the quotes would be escaped: so this finds keys, and strings that are just this word.
        if self._is_stream and b'"error"' in block:
            block, error = _until_error(block)
        # The one place where lines are counted.
        parts = block.count(b"\n")
        if block:
            self._last_block = block
            self._counters.add_parts(parts, monotonic())
            self._channel.put(block, parts)
            if self._observer is not None:
                self._observer.put(block, parts)
        if error is not None:
            raise error
        return parts

    def _schedule(self, parts: int) -> None:
        """Release what was put, now or when its time has come."""
        self._pending += parts
        due = self._policy.due(self._pending, monotonic() - self._released_at)
        if due <= 0:
            self.release()
        elif self._timer is None:
            self._timer = self._hub.call_later(due, self.release)

    def _wait_for_caller(self) -> None:
        """Stop reading until the caller has taken half of what is buffered. TCP then slows the server down."""
        self.release()
        self._drained = HubEvent()
        if self._channel.pause():
            self._clocks.pause()
            self._drained.wait()
            self._clocks.resume()
            self._channel.resume()

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None


def _until_error(block: bytes) -> tuple[bytes, OllamaError | None]:
    """Return the lines before the first error line, and what that one reports; all of them and None without one."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start) + 1
        line = block[start:end]
        if b'"error"' in line and (error := _error_of(line)) is not None:
            return block[:start], error
        start = end
    return block, None


def _error_of(line: bytes) -> OllamaError | None:
    """Return what an error line reports; None of any other. A long one is told by its beginning."""
    if len(line) > _LONGEST_DECODED:
        return (
            error_line({"error": line[:_EXCERPT].decode(errors="replace") + "…"})
            if line.startswith(b'{"error"')
            else None
        )
    part = _decoded(line)
    return None if part is None or not said(part.get("error")) else error_line(part)


def _decoded(line: bytes) -> dict[str, Any] | None:
    """Return the object of one line; None where it is none, or too long to be decoded on the hub."""
    if len(line) > _LONGEST_DECODED:
        return None
    try:
        part = loads(line)
    except ValueError:
        return None
    return part if isinstance(part, dict) else None
