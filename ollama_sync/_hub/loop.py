"""The hub: one native thread that turns one gevent loop.

`submit`, `call_soon` and `call` may be called from any thread or greenlet; what they hand in runs on the hub's thread.
The thread starts at the first use; `exits` has what the interpreter's exit does to it.

    any thread writes      _inbox (append)
    under _start_lock      _ready, _closing
    whoever finds the loop dead, once     is_over, and then _inbox (popleft), _jobs
    hub thread writes      _inbox (popleft), _jobs, _rounds, _loop_greenlet, _thread, _wake, _stopped, _started, _start_error
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import gevent.event

from ollama_sync._hub import exits, native
from ollama_sync._hub.jobs import GRACE, Jobs, Killed, OnEnd
from ollama_sync._hub.lifeline import Lifeline
from ollama_sync._hub.rounds import Rounds
from ollama_sync._hub.waiter import Waiter, new_waiter
from ollama_sync._process import this_process
from ollama_sync.errors import ForkedError, HubError

log = logging.getLogger("ollama_sync.hub")

R = TypeVar("R")

# Names that may be looked up at once: a resolver that hangs keeps a thread for each.
_MOST_LOOKUPS = 64


class Hub:
    """A gevent loop in a native thread of its own.

    Args:
        name: what it is for, in messages and reprs.

    Example:
        >>> hub = Hub("example")
        >>> hub.call(lambda: 6 * 7)
        42
        >>> hub.stop()
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process = this_process()
        self._start_lock = native.allocate_lock()
        self._started = False
        self._closing = False
        self._inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._jobs = Jobs(name)
        self.is_over = False
        """Whether the loop has ended by itself. Any thread."""
        self._ready: native.Lock | None = None  # free when the thread has started, or failed to
        self._finished = native.allocate_lock()
        self._finished.acquire()  # until the thread ends
        self._start_error: BaseException | None = None
        self._thread: int | None = None
        self._loop_greenlet: Any = None  # in which callbacks run

    def __repr__(self) -> str:
        states = {"broken": self.is_over, "closed": self._closing, "running": self._started}
        state = next((name for name, holds in states.items() if holds), "not started")
        return f"<Hub {self._name!r}: {state}, {len(self._jobs)} jobs>"

    @property
    def jobs(self) -> int:
        """How many greenlets the hub runs now. Any thread."""
        return len(self._jobs)

    @property
    def waiting(self) -> int:
        """How many callbacks of other threads wait for their turn. Any thread."""
        return len(self._inbox)

    @property
    def thread(self) -> int | None:
        """The identifier of its native thread; None before that runs. Any thread."""
        return self._thread

    def submit(
        self, job: Callable[..., object], *args: Any, on_end: Callable[[], object] | None = None
    ) -> None:
        """Run `job(*args)` in a new greenlet of the hub. Any thread; returns at once.

        If this returns, then `on_end` will be called: after the job, or after the hub has killed it because it ends
        itself, be it before the job could begin. A job that raises is logged; the hub goes on.

        Args:
            job: what to run; it may block cooperatively.
            args: for it.
            on_end: called on the hub's thread when the job is over; it may not block.

        Raises:
            HubError: the hub was stopped, the interpreter is exiting, or no thread can be started.
            ForkedError: the hub belongs to the parent process.
        """
        self._start()
        if self.has_ended() or not self.call_soon(self._spawn, job, args, on_end):
            raise HubError(
                f"{self._name}: stopped, or the interpreter is exiting; nothing was started"
            )

    def has_ended(self) -> bool:
        """Whether the loop has ended by itself, or cannot go on and is ended here. Any thread; a system call."""
        if self._started and not self._closing and not self._lifeline.is_intact():
            self._break(HubError("its file descriptors were closed"))
        return self.is_over

    def call_soon(self, callback: Callable[..., object], *args: Any) -> bool:
        """Run a short `callback(*args)`, which may not block, in the hub's loop. Any thread, also a finalizer.

        Takes no lock and starts nothing.

        Returns:
            False when the hub does not run (any more, or in this process): the callback is dropped.
        """
        if not self._started or self._closing or self._process != this_process():
            return False
        try:
            self._post(callback, args)
        except (ValueError, TypeError):
            # Another thread has stopped the hub since, and the loop is gone: libev says the one, libuv the other.
            return False
        # Whoever found the loop dead may have emptied the inbox before we put this into it.
        if self.is_over:
            self._drop_inbox()
        return True

    def call(self, job: Callable[..., R], *args: Any) -> R:
        """Run `job(*args)` in a new greenlet of the hub and wait for its result.

        Blocks the caller's thread, or only its greenlet where the thread runs a gevent loop.

        Raises:
            HubError: called on the hub's own thread, which would wait for itself; the hub ended first; or as `submit`.
            BaseException: whatever the job raised.
        """
        waiter = new_waiter()
        outcome: list[tuple[bool, Any]] = []

        def run() -> None:
            try:
                outcome.append((True, job(*args)))
            except Killed:
                outcome.append((False, HubError(f"{self._name}: stopped before the job was done")))
            except BaseException as error:  # noqa: BLE001 - it is raised at the caller's
                outcome.append((False, error))

        def ended() -> None:
            if not outcome:
                outcome.append((False, HubError(f"{self._name}: stopped before the job began")))
            waiter.wake()

        self.submit(run, on_end=ended)
        while not outcome:
            waiter.wait(None)
        ok, value = outcome[0]
        if not ok:
            raise value
        result: R = value
        return result

    def in_job(self, callback: Callable[[], object]) -> None:
        """Run a callback that may block: at once in a job, and in a new job when called in the loop. Hub thread only."""
        if gevent.getcurrent() is self._loop_greenlet:
            self._spawn(callback, ())
        else:
            callback()

    def call_at_round_end(self, callback: Callable[[], object]) -> None:
        """Run `callback` when the loop has served everything that is ready now. Hub thread only."""
        self._rounds.call_at_end(callback)

    def call_after_look(self, callback: Callable[[], object]) -> Any:
        """Run `callback` when the loop has looked at every socket and has served what it found. Hub thread only.

        Returns:
            what `close` takes the call back with, until the look.
        """
        return self._rounds.call_after_look(callback)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Run `callback` in the loop after `seconds`. Hub thread only.

        Returns:
            the timer; its `close()` takes the call back.
        """
        return self._rounds.call_later(seconds, callback)

    @property
    def round(self) -> int:
        """Which round of the loop this is: another number after each look at the sockets. Hub thread only.

        libuv does not count, so with it the number stays.
        """
        return self._rounds.number

    def wake(self, waiter: Waiter) -> None:
        """Wake a caller when the loop has served everything that is ready now, just before it waits. Hub thread only."""
        if self.is_over:
            waiter.wake()  # nothing is served any more
        else:
            self._rounds.wake(waiter)

    def yield_turn(self) -> None:
        """Let everything else that is ready, and a caller's thread that wants the interpreter, run first. Hub thread only, in a job."""
        if self._rounds.callers_wait:
            self.yield_to_callers()
        else:
            self._rounds.look()

    def yield_to_callers(self) -> None:
        """Like `yield_turn`, and let go of the interpreter for so long that a caller's thread can take it."""
        self._rounds.yield_to_callers()

    def this_job(self) -> Any:
        """Return the job that runs now, for `kill`. Hub thread only, in a job."""
        return gevent.getcurrent()

    def kill(self, job: Any) -> None:
        """Raise `Killed` in `job` where it waits, in the next round. Hub thread only; a job that has ended stays so."""
        job.kill(block=False)

    def interrupt(self, job: Any) -> None:
        """Raise `Killed` in `job` where it waits, and return when it waits again or has ended.

        Unlike `kill` it cannot come too late, when the job has gone on to something else. Hub thread only, in a callback
        of the loop: a job that called it would never go on.
        """
        job.throw(Killed)

    def stop(self) -> None:
        """Kill the jobs and end the thread. Blocks the native thread for at most about half a second."""
        if self._close():
            self._post(self._spawn, (self._shut_down, ()))
            self._finished.acquire(True, 2 * GRACE)
            exits.has_ended(self)

    # From here on the hub's own business.

    def _start(self) -> None:
        if self._process != this_process():
            raise ForkedError(
                f"{self._name}: belongs to the parent process; make a new one in the child"
            )
        with self._start_lock:
            if self._started or self._closing:
                return
            # Ctrl-C may have interrupted an earlier start: then that thread is waited for.
            ready = self._ready or self._start_thread()
            with ready:
                error, self._start_error = self._start_error, None
            if error is not None:
                self._ready = None
                raise HubError(f"{self._name}: its loop did not start: {error!r}") from error

    def _start_thread(self) -> native.Lock:
        """Return the lock that is free when the thread has started."""
        if not native.are_native:
            raise HubError(
                f"{self._name}: eventlet or another tool has replaced threads; use gevent instead"
            )
        if exits.is_exiting():  # nobody would park the thread
            raise HubError(f"{self._name}: the interpreter is exiting; nothing was started")
        ready = self._ready = native.allocate_lock()
        ready.acquire()
        try:
            native.start_new_thread(native.traced, (self._run, ready))
        except RuntimeError as error:
            self._ready = None
            raise HubError(f"{self._name}: no thread can be started now: {error}") from error
        return ready

    def _run(self, ready: native.Lock) -> None:
        """Turn the loop until `stop`. The whole life of the thread."""
        try:
            hub = gevent.get_hub()
            hub.ollama_sync_hub = True
            hub.threadpool_size = _MOST_LOOKUPS
            self._rounds = Rounds(hub)
            self._lifeline = Lifeline(hub, self._jobs.__len__, lambda: self.is_over)
            self._loop_greenlet = hub
            self._thread = native.get_ident()
            self._stopped = gevent.event.Event()
            self._wake = hub.loop.async_()
            self._wake.start(self._drain)
        except BaseException as error:  # noqa: BLE001 - it is raised by the thread that starts us
            self._start_error = error
            ready.release()
            return
        exits.has_started(self)
        self._started = True
        ready.release()
        try:
            self._stopped.wait()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it has ended the loop
            self._break(error)
            self._finished.release()
            return
        self._jobs.clear()
        self._wake.close()
        files = getattr(hub, "ollama_sync_files", None)  # of the transport, if a file was read
        if files is not None:
            files.kill()
        hub.destroy(destroy_loop=True)
        # Last: who waits for it may end the process, which this thread must not see.
        self._finished.release()

    def _post(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._inbox.append((callback, args))
        self._wake.send()

    def _drain(self) -> None:
        while self._inbox:
            callback, args = self._inbox.popleft()
            try:
                callback(*args)
            except Exception:
                log.exception("%s: a callback failed; this is a bug, please report it", self._name)
                self._drop(callback, args)

    def _spawn(
        self, job: Callable[..., object], args: tuple[Any, ...], on_end: OnEnd | None = None
    ) -> None:
        self._jobs.spawn(job, args, on_end)
        self._lifeline.beat()

    def _close(self) -> bool:
        """Refuse new work; true for the one caller that has a running thread to end."""
        if (
            self._process != this_process()
        ):  # where a thread that is not here may hold `_start_lock`
            return False
        with self._start_lock:
            was_running = self._started and not self._closing
            self._closing = True
        return was_running

    def _shut_down(self) -> None:
        self._jobs.end()
        self._stopped.set()

    def _freeze(self, frozen: native.Lock) -> None:
        self._jobs.end()
        for_ever = native.allocate_lock()
        for_ever.acquire()
        frozen.release()
        for_ever.acquire()

    def park(self) -> None:
        """Cancel everything and stop the thread where it can do no harm. For the exit of the interpreter.

        The thread then waits in a native lock, without the GIL and for good. Blocks for about half a second at most.
        """
        if self._close():
            frozen = native.allocate_lock()
            frozen.acquire()
            self._post(self._spawn, (self._freeze, (frozen,)))
            if frozen.acquire(True, 2 * GRACE):
                # Two bytecodes lie between the release we saw and the lock in which the thread stays: let it get there.
                native.sleep(0.002)

    def _break(self, error: BaseException) -> None:
        """End everything, since the loop does not turn any more. On whatever thread found out; the first counts."""
        with self._start_lock:
            if self.is_over:
                return
            self._closing = self.is_over = True
        # The next loop may get the number of its descriptor: wait until this one does not look at that any more.
        if native.get_ident() != self._thread and self._finished.acquire(True, GRACE):
            self._finished.release()
        exits.has_ended(self)
        log.error(
            "%s: its loop has ended: %r; its calls fail, and the next one starts another loop",
            *(self._name, error),
        )
        self._drop_inbox()
        self._jobs.drop()
        self._rounds.wake_now()

    def _drop_inbox(self) -> None:
        """Tell whoever waits for a job that it will not begin."""
        while self._inbox:
            try:
                callback, args = self._inbox.popleft()
            except IndexError:  # two threads came here, and the other was faster
                return
            self._drop(callback, args)

    def _drop(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if callback == self._spawn:
            self._jobs.tell(*args[2:])
