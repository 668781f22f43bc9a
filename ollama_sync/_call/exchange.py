"""One call's life: sends the request, has the reply pumped to the caller, and decides how it ends.

`start`, `receive`, `cancel` and `fail` run on any thread; everything else runs on the hub, in the greenlet of the call or
in a callback of the loop. There is one way to each end, `_finish`, and the first to take it decides:

    finished    the reply is whole
    failed      an error of the tree: refused, cut short, an error line, a clock ran out
    cancelled   the caller asked for it, or the hub ends

    any thread writes    is_cancelled (set once)
    hub writes           everything else but what `__init__` sets
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ollama_sync._call.clocks import Clocks
from ollama_sync._call.frames import clear_frames
from ollama_sync._call.pump import Pump
from ollama_sync._call.route import Route
from ollama_sync._call.sender import Sender
from ollama_sync._call.settings import Settings
from ollama_sync._call.turns import Turns
from ollama_sync._hub import (
    CANCELLED,
    FINISHED,
    Cancelled,
    Channel,
    End,
    Failed,
    Hub,
    Killed,
    Waiter,
    new_waiter,
)
from ollama_sync._now import monotonic
from ollama_sync._observe.counters import Counters, Counts
from ollama_sync._wire import LineFramer, WholeBody
from ollama_sync.errors import (
    ClosedError,
    ConnectTimeout,
    ErrorLine,
    FirstTimeout,
    HubError,
    OllamaError,
    StreamBroken,
    WaitTimeout,
)

if TYPE_CHECKING:
    from ollama_sync._observe.observer import CallObserver
    from ollama_sync._transport import Reply

log = logging.getLogger("ollama_sync.call")

# Seconds between two calls of `tick`.
_TICK = 0.1


class Exchange:
    """A request on its way, and the reply that comes back.

    Args:
        hub: where it runs.
        route: by which server it goes.
        framer: cuts the body into what the caller is given.
        settings: how it is to run.
        observer: told what becomes of it.
    """

    def __init__(
        self,
        hub: Hub,
        route: Route,
        framer: LineFramer | WholeBody,
        settings: Settings,
        observer: CallObserver,
    ) -> None:
        self.channel = Channel(settings.max_buffered, self._caller_took)
        self.is_cancelled = False  # by the caller; the hub may not know yet
        self._hub = hub
        self._route = route
        self._observer = observer
        self._job: Any = None
        self._reply: Reply | None = None
        self._is_ending = False
        self._counters = Counters(monotonic())
        self._clocks = Clocks(hub, settings.timeout, route, self._expired)
        self._turns = Turns(hub)
        self._pump = Pump(
            *(hub, self.channel, framer, settings, self._clocks, self._counters),
            *(observer if observer.sees_blocks else None, route),
        )
        self._sender = Sender(hub, route, settings, self._clocks, observer)

    # Any thread.

    @property
    def tried(self) -> str:
        """The request, as errors name it."""
        return self._route.tried

    @property
    def host(self) -> str:
        """The URL of the server that has the call, or had it last."""
        return self._route.host

    @property
    def attempts(self) -> int:
        """How many attempts were made so far."""
        return self._sender.count

    def start(self) -> None:
        """Send, and return when the request is on the wire, or has been answered, or has failed.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it has failed already.
        """
        channel = self.channel
        self._submit(attrgetter("is_open"))
        try:
            if isinstance(channel.ended, Failed) and not channel.buffered:
                raise channel.ended.error
        finally:
            del self, channel  # the error holds this frame, which would hold the error

    def receive(self, tick: Callable[[], object] | None = None) -> bytes:
        """Send, and return the whole reply when it is complete. For an exchange with a `WholeBody`.

        Args:
            tick: called some ten times a second meanwhile, on this thread.

        Blocks the caller's thread or greenlet. If the wait is interrupted, the request is cancelled.

        Raises:
            OllamaError: it failed or was cancelled.
        """
        self._submit(attrgetter("ended"), tick)
        try:
            return self.whole()
        finally:
            del self  # as above

    def launch(self, tell: Callable[[], object]) -> None:
        """Send, and return at once. For an exchange with a `WholeBody`, of which `whole` then returns the reply.

        Args:
            tell: called on the hub when the exchange has ended; it may not block.

        Raises:
            HubError: see `Hub.submit`.
        """
        channel = self.channel

        def tell_end() -> None:
            if channel.ended is not None:
                tell()

        channel.listen(tell_end)
        try:
            self._begin()
        except BaseException as error:
            self._give_up(error)
            raise

    def whole(self) -> bytes:
        """Return the whole reply of an exchange that has ended. The caller's thread; does not block.

        Raises:
            OllamaError: it failed or was cancelled.
        """
        channel = self.channel
        try:
            if isinstance(channel.ended, Failed):
                raise channel.ended.error
            if isinstance(channel.ended, Cancelled):
                raise ClosedError(
                    f"{self.tried}: the client was closed before the reply was complete"
                )
            return b"".join([block.lines for block in channel.look_arrived()])
        finally:
            del self, channel  # as above

    def listen(self, waiter: Waiter) -> None:
        """Have `waiter` woken when there is something to take, until `channel.unlisten`. The caller's thread."""
        self.channel.listen(partial(self._hub.wake, waiter))

    def cancel(self) -> None:
        """End it: what had arrived is still delivered. Any thread, also a finalizer; never blocks."""
        self.is_cancelled = True
        self._hub.call_soon(self._abort, CANCELLED)

    def fail(self, error: OllamaError) -> None:
        """End it by what the caller found wrong with a line. Any thread; never blocks."""
        self._hub.call_soon(self._abort, Failed(error))

    @property
    def counts(self) -> Counts:
        """What has arrived so far. Each number is right, though some may be a moment younger than others."""
        return self._counters.counts(self.channel.buffered)

    def _submit(
        self, is_there: Callable[[Channel], object], tick: Callable[[], object] | None = None
    ) -> None:
        """Have the hub run it, and wait until the channel is there."""
        waiter = new_waiter()
        hub, channel = self._hub, self.channel

        def tell() -> None:
            if is_there(channel):
                hub.wake(waiter)

        channel.listen(tell)
        try:
            self._begin()
            while not is_there(channel):
                waiter.wait(None if tick is None else _TICK)
                if tick is not None:
                    tick()
        except BaseException as error:
            self._give_up(error)
            raise
        finally:
            channel.unlisten()

    def _give_up(self, error: BaseException) -> None:
        """End it, since `error` keeps the caller from waiting."""
        self.is_cancelled = True
        if not self._hub.call_soon(self._abort, CANCELLED):
            # The hub does not run, so nobody else ends it, and nobody is to be woken by it.
            self.channel.unlisten()
            self._finish(Failed(error) if isinstance(error, OllamaError) else CANCELLED)

    def _begin(self) -> None:
        self._observer.began()
        # In a copy of the caller's context, so that traces, log records and hooks belong to whom they should.
        self._hub.submit(copy_context().run, self._run, on_end=self._hub_ended)

    # The hub, told by the transport.

    def connected(self, _sock: object, *, kept: bool) -> None:
        """Note that there is a connection."""
        self._sender.connected(kept=kept)

    def sent(self) -> None:
        """Note that the request is on the wire: the call returns to its caller."""
        self._sender.sent()
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
        if self._is_ending:  # cancelled before its turn came
            return
        end: End | None = None
        try:
            self._job = self._hub.this_job()
            end = self._outcome()
            if isinstance(end, Failed):
                clear_frames(end.error)
            self._finish(end)
        finally:
            try:
                if self._reply is not None:
                    self._reply.close()
            finally:
                self._reply = None
                self._route.leave(self, self.channel.ended)
                del self, end  # an error's traceback leads back to this frame, too

    def _outcome(self) -> End:
        """Send the request and have the reply pumped; return how that ended."""
        try:
            self._clocks.arm()
            self._reply = self._sender.send(self)
            self.channel.open()
            self._pump.read(self._reply)
        except Killed:
            return CANCELLED
        except OllamaError as error:
            return self._end_by(error)
        except BaseException as error:  # noqa: BLE001 - it is raised at the caller's, who waits for an end
            advice = "free some" if isinstance(error, MemoryError) else "please report it"
            bug = HubError(f"{self.tried}: {type(error).__name__} in the hub: {error}; {advice}")
            bug.__cause__ = error
            return Failed(bug)
        return FINISHED

    def _end_by(self, error: OllamaError) -> End:
        """Return the end that `error` makes: behind the final part nothing is missing, and an error line says more."""
        if isinstance(error, ErrorLine):
            return Failed(error)
        if isinstance(error, StreamBroken):
            try:
                self._pump.put_rest()
            except ErrorLine as line:
                return Failed(line)
        if isinstance(error, (StreamBroken, WaitTimeout)) and self._pump.is_complete:
            return FINISHED
        return Failed(error)

    def _caller_took(self) -> None:
        """Run by the caller's thread when the channel has fallen below half."""
        self._hub.call_soon(self._pump.resume)

    # The hub, in callbacks of the loop.

    def _hub_ended(self) -> None:
        """End it if nothing else has: its job is over, or will never begin."""
        self._finish(
            Failed(HubError(f"{self.tried}: the hub's loop has ended; make the call again"))
        )

    def _expired(self, error: WaitTimeout) -> None:
        if isinstance(error, (ConnectTimeout, FirstTimeout)):
            self._hub.call_at_round_end(partial(self._stop_attempt, error))
        else:
            self._abort(self._end_by(error))

    def _stop_attempt(self, error: WaitTimeout) -> None:
        """Have the attempt fail by `error`, which is no end of the call where another may be made."""
        # The head may have come, and nothing behind it: that is the end.
        if (
            not self._sender.stop(self._job, error)
            and isinstance(error, FirstTimeout)
            and not self._clocks.has_begun
        ):
            self._abort(self._end_by(error))

    def _abort(self, end: End) -> None:
        """End it from outside its greenlet, whatever that is waiting for."""
        if self.channel.ended is None:
            job = self._job
            self._finish(end)
            if job is not None:
                self._hub.kill(job)

    def _finish(self, end: End) -> None:
        """Tell everybody of the end, the caller last. The first end counts."""
        if self._is_ending:  # or has ended; a hook that waits lets others come here
            return
        self._is_ending = True
        try:
            self._pump.stop()
            self._clocks.stop()
            now = monotonic()
            self._counters.end(now)
            if isinstance(end, Failed):
                end.error.attempts = self._sender.count
                end.error.elapsed = now - self._counters.started
            # Before the caller learns of it, who may look at the statistics next.
            self._observer.ended(end, self.counts)
        except Exception:
            log.exception("%s: what is told of its end failed; please report it", self.tried)
        finally:
            # Whatever was raised above, the caller learns of the end.
            self._job = None
            self.channel.end(end)
