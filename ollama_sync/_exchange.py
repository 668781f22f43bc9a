"""One call's life: joins hub, transport, wire and policy.

`start`, `cancel` and what reads may run on any thread; everything else runs on the hub, in the greenlet of the call or
in a callback of the loop. There is one road to each end, `_finish`, and the first to take it decides:

    finished    the body was read to its end
    failed      an error of the tree: refused, cut short, a clock ran out
    cancelled   the caller asked for it, or the hub ends

    hub writes      everything but what `__init__` sets
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ollama_sync._hub import (
    CANCELLED,
    FINISHED,
    Cancelled,
    Channel,
    End,
    Failed,
    Hub,
    HubEvent,
    Killed,
    new_waiter,
)
from ollama_sync._policies import BatchPolicy, Marks, Timeout
from ollama_sync._wire import BadFraming, LineFramer, WholeBody, loads
from ollama_sync.errors import (
    ClosedError,
    ConnectTimeout,
    FirstTimeout,
    HubError,
    IdleTimeout,
    OllamaError,
    StreamBroken,
    TotalTimeout,
    WaitTimeout,
)

if TYPE_CHECKING:
    from ollama_sync._transport import PreparedRequest, Reply, Transport

_TIMEOUTS: dict[str, type[WaitTimeout]] = {
    "connect": ConnectTimeout,
    "first": FirstTimeout,
    "idle": IdleTimeout,
    "total": TotalTimeout,
}

# Bytes; a longer line without its newline is not looked at on the hub, where decoding it would hold up the others.
_LONGEST_LAST_WORD = 1024 * 1024

# Seconds between two calls of `tick`.
_TICK = 0.1

# Bytes that one stream may read before the others have their turn: some thousand parts, well below a millisecond.
_TURN = 131072


@dataclass(frozen=True)
class Settings:
    """How an exchange is to run.

    Args:
        timeout: its clocks, with every default filled in.
        batch: when what has arrived is released.
        max_buffered: bytes that may wait for the caller before reading pauses.
    """

    timeout: Timeout
    batch: BatchPolicy
    max_buffered: int


@dataclass(frozen=True)
class Counts:
    """What has arrived so far. Seconds are of the monotonic clock; None: not yet."""

    parts: int
    bytes: int
    started: float
    first_part: float | None
    last_part: float | None
    longest_gap: float
    ended: float | None
    buffered: int


class Exchange:
    """A request on its way, and the reply that comes back.

    Args:
        hub: where it runs.
        transport: by which it is sent.
        request: of `transport.prepare`.
        framer: cuts the body into what the caller is given.
        settings: how it is to run.
    """

    def __init__(
        self,
        hub: Hub,
        transport: Transport,
        request: PreparedRequest,
        framer: LineFramer | WholeBody,
        settings: Settings,
    ) -> None:
        self.tried = transport.describe(request)
        self.channel = Channel(settings.max_buffered, self._caller_took)
        self._hub = hub
        self._transport = transport
        self._request = request
        self._framer = framer
        self._settings = settings
        self._job: Any = None
        self._drained: Any = None
        # The clocks.
        self._started = time.monotonic()
        self._connected: float | None = None
        self._sent: float | None = None
        self._active: float | None = None
        self._paused = False
        self._clock: Any = None
        self._clock_at = 0.0
        # Batching.
        self._pending = 0
        self._released_at = float("-inf")
        self._release_timer: Any = None
        self._turn = 0
        # Counts.
        self._parts = 0
        self._bytes = 0
        self._first_part: float | None = None
        self._last_part: float | None = None
        self._longest_gap = 0.0
        self._ended: float | None = None

    # Any thread.

    def start(self) -> None:
        """Send, and return when the request is on the wire, or has been answered, or has failed.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it has failed already.
        """
        waiter = new_waiter()
        channel = self.channel
        channel.listen(waiter.wake)
        try:
            self._hub.submit(self._run, on_end=self._over)
            while not channel.is_open:
                waiter.wait(None)
        except BaseException:
            self.cancel()
            raise
        finally:
            channel.unlisten()
        if isinstance(channel.ended, Failed) and not channel.buffered:
            raise channel.ended.error

    def cancel(self) -> None:
        """End it: what had arrived is still delivered. Any thread, also a finalizer; never blocks."""
        self._hub.call_soon(self._abort, CANCELLED)

    def receive(self, tick: Callable[[], object] | None = None) -> bytes:
        """Return the whole reply when it is complete. For an exchange with a `WholeBody`.

        Args:
            tick: called some ten times a second meanwhile, on this thread.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it failed or was cancelled.
        """
        waiter = new_waiter()
        channel = self.channel
        channel.listen(waiter.wake)
        try:
            while channel.ended is None:
                waiter.wait(None if tick is None else _TICK)
                if tick is not None:
                    tick()
        except BaseException:
            self.cancel()
            raise
        finally:
            channel.unlisten()
        if isinstance(channel.ended, Failed):
            raise channel.ended.error
        if isinstance(channel.ended, Cancelled):
            raise ClosedError(f"{self.tried}: the client was closed before the reply was complete")
        return channel.take_released() or b""

    @property
    def counts(self) -> Counts:
        """What has arrived so far. Each number is right, though some may be a moment younger than others."""
        return Counts(
            self._parts,
            self._bytes,
            self._started,
            self._first_part,
            self._last_part,
            self._longest_gap,
            self._ended,
            self.channel.buffered,
        )

    # The hub, told by the transport.

    def connected(self, _sock: object) -> None:
        """Note that there is a connection: the connect clock gives way to the first one."""
        self._connected = time.monotonic()
        self._arm_clock()

    def sent(self) -> None:
        """Note that the request is on the wire: the call returns to its caller."""
        self._sent = time.monotonic()
        self._arm_clock()
        self.channel.open()

    # The hub, in the greenlet of the call.

    def _run(self) -> None:
        if self.channel.ended is not None:  # cancelled before its turn came
            return
        reply = None
        try:
            self._job = self._hub.this_job()
            self._transport.began(self)
            self._arm_clock()
            reply = self._transport.send(self._request, self)
            self.channel.open()
            self._read(reply)
            self._finish(FINISHED)
        except Killed:
            self._finish(CANCELLED)
        except StreamBroken as error:
            self._put_whole_rest()
            self._finish(Failed(error))
        except OllamaError as error:
            self._finish(Failed(error))
        except BaseException as error:  # noqa: BLE001 - it is raised at the caller's, who waits for an end
            bug = HubError(
                f"{self.tried}: {type(error).__name__} in the hub: {error}; please report it"
            )
            bug.__cause__ = error
            self._finish(Failed(bug))
        finally:
            if reply is not None:
                reply.close()
            self._transport.ended(self)

    def _read(self, reply: Reply) -> None:
        try:
            while data := reply.read():
                self._arrived(data)
                self._put(self._framer.feed(data))
                if self.channel.is_full:
                    self._wait_for_caller()
                self._turn += len(data)
                if self._turn >= _TURN:
                    self._turn = 0
                    self._hub.yield_turn()
            self._put(self._framer.close())
        except BadFraming as error:
            raise StreamBroken(f"{self.tried}: {error}") from error

    def _arrived(self, data: bytes) -> None:
        now = time.monotonic()
        first = self._active is None
        self._active = now
        self._bytes += len(data)
        if first:
            self._arm_clock()

    def _put(self, block: bytes) -> None:
        """Hand a block of whole lines on, and release it now or when its time has come."""
        if not block:
            return
        now = time.monotonic()
        parts = block.count(b"\n")
        self._count(parts, now)
        self.channel.put(block)
        self._pending += parts
        due = self._settings.batch.due(self._pending, now - self._released_at)
        if due <= 0:
            self._release()
        elif self._release_timer is None:
            self._release_timer = self._hub.call_later(due, self._release)

    def _count(self, parts: int, now: float) -> None:
        self._parts += parts
        if self._last_part is None:
            self._first_part = now
        else:
            self._longest_gap = max(self._longest_gap, now - self._last_part)
        self._last_part = now

    def _release(self) -> None:
        self._pending = 0
        self._released_at = time.monotonic()
        if self._release_timer is not None:
            self._release_timer.close()
            self._release_timer = None
        self.channel.release()

    def _put_whole_rest(self) -> None:
        """Deliver a last line that lacks only its newline: an error line just before the end looks like that."""
        if isinstance(self._framer, LineFramer):
            rest = self._framer.close()
            if len(rest) <= _LONGEST_LAST_WORD and rest.endswith(b"}\n") and _is_json(rest):
                self._put(rest)

    def _wait_for_caller(self) -> None:
        """Stop reading until the caller has taken half of what is buffered. TCP then slows the server down."""
        self._release()
        self._drained = HubEvent()
        if self.channel.pause():
            self._paused = True
            self._drained.wait()
            self._paused = False
            self._active = time.monotonic()  # our pause is not the server's silence
            self._arm_clock()
            self.channel.resume()

    def _caller_took(self) -> None:
        """Run by the caller's thread when the channel has fallen below half."""
        self._hub.call_soon(self._resume)

    # The hub, in callbacks of the loop.

    def _resume(self) -> None:
        self._drained.set()

    def _arm_clock(self) -> None:
        """Have the loop look at the clocks when the next one may run out.

        A read only notes its time; the timer is set anew where a clock could run out earlier than the timer that stands,
        and otherwise finds out itself, when it rings, that there was activity since.
        """
        expiry = self._settings.timeout.next_expiry(self._marks())
        if expiry is None or self.channel.ended is not None:
            return
        if self._clock is not None:
            if self._clock_at <= expiry.at:
                return
            self._clock.close()
        self._clock_at = expiry.at
        self._clock = self._hub.call_later(max(0.0, expiry.at - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._clock.close()
        self._clock = None
        expiry = self._settings.timeout.next_expiry(self._marks())
        if expiry is not None and expiry.at <= time.monotonic():
            error = _TIMEOUTS[expiry.phase](expiry.phase, expiry.seconds, self.tried)
            self._abort(Failed(error))
        else:
            self._arm_clock()

    def _marks(self) -> Marks:
        return Marks(self._started, self._connected, self._sent, self._active, self._paused)

    def _over(self) -> None:
        """Make sure that the caller learns of an end, should the hub end before `_run` could begin."""
        self._finish(CANCELLED)

    def _abort(self, end: End) -> None:
        """End it from outside its greenlet, whatever that is waiting for."""
        if self.channel.ended is None:
            self._finish(end)
            if self._job is not None:
                self._hub.kill(self._job)

    def _finish(self, end: End) -> None:
        if self.channel.ended is None:
            self._ended = time.monotonic()
            for timer in (self._clock, self._release_timer):
                if timer is not None:
                    timer.close()
            self._clock = self._release_timer = None
            self.channel.end(end)


def _is_json(line: bytes) -> bool:
    """Whether a line was cut behind its end, and not behind a brace within it."""
    try:
        loads(line)
    except ValueError:
        return False
    return True
