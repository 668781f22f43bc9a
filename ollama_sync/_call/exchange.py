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
from functools import partial
from typing import TYPE_CHECKING, Any

from ollama_sync._call.clocks import Clocks
from ollama_sync._call.retries import Attempts, Retry
from ollama_sync._call.turns import Turns
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
    Waiter,
    new_waiter,
)
from ollama_sync._observe.counters import Counts, Tally
from ollama_sync._policies import BatchPolicy, Timeout
from ollama_sync._wire import BadFraming, LineFramer, WholeBody, loads
from ollama_sync.errors import (
    ClosedError,
    ConnectError,
    ConnectTimeout,
    HubError,
    OllamaError,
    ResponseError,
    StreamBroken,
    WaitTimeout,
)

if TYPE_CHECKING:
    from ollama_sync._observe.observer import Watch
    from ollama_sync._transport import PreparedRequest, Reply, Transport

# Bytes; a longer line without its newline is not looked at on the hub, where decoding it would hold up the others.
_LONGEST_LAST_WORD = 1024 * 1024

# Seconds between two calls of `tick`.
_TICK = 0.1


@dataclass(frozen=True)
class Settings:
    """How an exchange is to run.

    Args:
        timeout: its clocks, with every default filled in.
        batch: when what has arrived is released.
        max_buffered: bytes that may wait for the caller before reading pauses.
        retries: how often it may be tried again, and when.
        safe: whether it may be tried again when the server had begun to work on it.
    """

    timeout: Timeout
    batch: BatchPolicy
    max_buffered: int
    retries: Retry
    safe: bool


class Exchange:
    """A request on its way, and the reply that comes back.

    Args:
        hub: where it runs.
        transport: by which it is sent.
        request: of `transport.prepare`.
        framer: cuts the body into what the caller is given.
        settings: how it is to run.
        watch: told what becomes of it, if anybody looks.
    """

    def __init__(
        self,
        hub: Hub,
        transport: Transport,
        request: PreparedRequest,
        framer: LineFramer | WholeBody,
        settings: Settings,
        watch: Watch | None = None,
    ) -> None:
        self.tried = transport.describe(request)
        self.channel = Channel(settings.max_buffered, self._caller_took)
        self._hub = hub
        self._transport = transport
        self._request = request
        self._framer = framer
        self._settings = settings
        self._watch = watch
        # For what comes with each block, which as a rule nobody looks at.
        self._onlooker = watch if watch is not None and watch.is_on else None
        self._job: Any = None
        self._drained: Any = None
        self._clocks = Clocks(hub, settings.timeout, self.tried, self._expired)
        # Sending.
        self._attempts = Attempts(settings.retries, str(request.method), safe=settings.safe)
        self._is_connecting = False
        self._connected_late: ConnectTimeout | None = None
        self._tally = Tally(time.monotonic())
        # Batching.
        self._pending = 0
        self._released_at = float("-inf")
        self._release_timer: Any = None
        self._turns = Turns(hub)

    # Any thread.

    def start(self) -> None:
        """Send, and return when the request is on the wire, or has been answered, or has failed.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it has failed already.
        """
        waiter = new_waiter()
        channel = self.channel
        self.listen(waiter)
        try:
            if self._watch is not None:
                self._watch.began()
            # The caller learns of an end also if the hub ends before `_run` can begin.
            self._hub.submit(self._run, on_end=partial(self._finish, CANCELLED))
            while not channel.is_open:
                waiter.wait(None)
        except BaseException as error:
            if not self._hub.call_soon(self._abort, CANCELLED):
                # The hub does not run, so nobody else ends it, and nobody is to be woken by it.
                channel.unlisten()
                self._finish(Failed(error) if isinstance(error, OllamaError) else CANCELLED)
            raise
        finally:
            channel.unlisten()
        if isinstance(channel.ended, Failed) and not channel.buffered:
            raise channel.ended.error

    def listen(self, waiter: Waiter) -> None:
        """Have `waiter` woken when there is something to take, until `channel.unlisten`. The caller's thread."""
        self.channel.listen(partial(self._hub.wake, waiter))

    def cancel(self) -> None:
        """End it: what had arrived is still delivered. Any thread, also a finalizer; never blocks."""
        self._hub.call_soon(self._abort, CANCELLED)

    def receive(self, tick: Callable[[], object] | None = None) -> bytes:
        """Send, and return the whole reply when it is complete. For an exchange with a `WholeBody`.

        Args:
            tick: called some ten times a second meanwhile, on this thread.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it failed or was cancelled.
        """
        waiter = new_waiter()
        channel = self.channel
        try:
            self.start()
            self.listen(waiter)
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
        return self._tally.counts(self.channel.buffered)

    # The hub, told by the transport.

    def connected(self, _sock: object, *, kept: bool) -> None:
        """Note that there is a connection: the connect clock gives way to the first one."""
        self._is_connecting = False
        self._attempts.connected(kept=kept)
        self._clocks.connected()
        if self._watch is not None:
            self._watch.connected(kept=kept)

    def sent(self) -> None:
        """Note that the request is on the wire: the call returns to its caller."""
        self._attempts.sent()
        self._clocks.sent()
        self.channel.open()

    def received(self, size: int) -> None:
        """Count what came over the wire, and let the others have their turn when it is much."""
        if self._turns.is_over(size):
            if self.channel.is_ready:
                self._hub.yield_to_callers()
            else:
                self._hub.yield_turn()

    # The hub, in the greenlet of the call.

    def _run(self) -> None:
        if self.channel.ended is not None:  # cancelled before its turn came
            return
        reply = None
        try:
            self._job = self._hub.this_job()
            self._transport.began(self)
            self._clocks.arm()
            reply = self._send()
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
            try:
                if reply is not None:
                    reply.close()
            finally:
                self._transport.ended(self)

    def _send(self) -> Reply:
        """Send, and send again as long as that may help and can do no harm."""
        while True:
            try:
                return self._attempt()
            except (ConnectError, ConnectTimeout, ResponseError) as error:
                wait = self._attempts.after(error, self._clocks.left())
                if wait is None:
                    raise
                self._retrying(error, wait)
            # Out here, so that the next error is not told as one that came while this one was handled. No wait lets the others
            # have their turn, too: a refused connection may not have waited for anything.
            HubEvent().wait(wait)

    def _attempt(self) -> Reply:
        self._is_connecting = True
        try:
            return self._transport.send(self._request, self)
        except Killed:
            if self._connected_late is None:
                raise
        finally:
            self._is_connecting = False
        late, self._connected_late = self._connected_late, None
        raise late

    def _retrying(self, error: OllamaError, wait: float) -> None:
        """Note that an attempt has failed by `error`, and that another begins in `wait` seconds."""
        self._clocks.repeat(wait)
        if self._watch is not None:
            self._watch.retrying(self._attempts.count - 1, error, wait)

    def _read(self, reply: Reply) -> None:
        try:
            while data := reply.read():
                self._clocks.arrived()
                self._tally.add_bytes(len(data))
                self._put(self._framer.feed(data))
                if self.channel.is_full:
                    self._wait_for_caller()
            self._put(self._framer.close())
        except BadFraming as error:
            raise StreamBroken(f"{self.tried}: {error}") from error

    def _put(self, block: bytes) -> None:
        """Hand a block of whole lines on, and release it now or when its time has come."""
        # It may have been aborted since: what is read in the same round of the loop, before the kill, is too late.
        if not block or self.channel.ended is not None:
            return
        now = time.monotonic()
        parts = block.count(b"\n")
        self._tally.add_parts(parts, now)
        self.channel.put(block)
        if self._onlooker is not None:
            self._onlooker.put(block, parts)
        self._pending += parts
        due = self._settings.batch.due(self._pending, now - self._released_at)
        if due <= 0:
            self._release()
        elif self._release_timer is None:
            self._release_timer = self._hub.call_later(due, self._release)

    def _release(self) -> None:
        self._pending = 0
        self._released_at = time.monotonic()
        if self._release_timer is not None:
            self._release_timer.close()
            self._release_timer = None
        self.channel.release()
        if self._onlooker is not None:
            self._onlooker.released()

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
            self._clocks.pause()
            self._drained.wait()
            self._clocks.resume()
            self.channel.resume()

    def _caller_took(self) -> None:
        """Run by the caller's thread when the channel has fallen below half."""
        self._hub.call_soon(self._resume)

    # The hub, in callbacks of the loop.

    def _resume(self) -> None:
        self._drained.set()

    def _expired(self, error: WaitTimeout) -> None:
        if isinstance(error, ConnectTimeout):
            self._hub.call_at_round_end(partial(self._stop_connecting, error))
        else:
            self._abort(Failed(error))

    def _stop_connecting(self, error: ConnectTimeout) -> None:
        """Have the attempt fail by `error`, unless it has been connected, or has ended, in the same round of the loop."""
        if self._is_connecting:
            self._connected_late = error
            self._hub.interrupt(self._job)

    def _abort(self, end: End) -> None:
        """End it from outside its greenlet, whatever that is waiting for."""
        if self.channel.ended is None:
            self._finish(end)
            if self._job is not None:
                self._hub.kill(self._job)

    def _finish(self, end: End) -> None:
        if self.channel.ended is None:
            now = time.monotonic()
            self._tally.end(now)
            self._clocks.stop()
            if isinstance(end, Failed):
                end.error.attempts = self._attempts.count
                end.error.elapsed = now - self._tally.started
            if self._release_timer is not None:
                self._release_timer.close()
                self._release_timer = None
            if self._watch is not None:
                # Before the caller learns of it, who may look at the statistics next.
                self._watch.ended(end, self.counts)
            self.channel.end(end)


def _is_json(line: bytes) -> bool:
    """Whether a line was cut behind its end, and not behind a brace within it."""
    try:
        loads(line)
    except ValueError:
        return False
    return True
