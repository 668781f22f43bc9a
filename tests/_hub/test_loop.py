"""The hub: its thread, what it runs, how it ends, and what a fork and the interpreter's exit leave of it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.event import Event

from ollama_sync._hub import Hub, Killed, native, shared_hub
from ollama_sync._hub.rounds import _MOST_TO_WAKE
from ollama_sync.errors import ForkedError, HubError

Run = Callable[..., Any]
Eventually = Callable[[Callable[[], object]], None]


def boom(error: BaseException) -> None:
    """Raise it."""
    raise error


# What it runs.


def test_a_job_runs_on_one_native_thread_of_the_hub(hub: Hub) -> None:
    """Not on the caller's, also when the process is patched; and on the same one each time."""
    threads = {hub.call(native.get_ident) for _ in range(5)}
    assert len(threads) == 1
    assert native.get_ident() not in threads
    assert threads <= set(sys._current_frames())


def test_the_thread_starts_with_the_first_use(hub: Hub) -> None:
    """A hub that nobody uses costs nothing."""
    before = set(sys._current_frames())
    assert hub.call_soon(int) is False
    assert repr(hub) == "<Hub 'test': not started, 0 jobs>"
    assert set(sys._current_frames()) == before
    hub.call(int)
    assert len(set(sys._current_frames()) - before) == 1
    assert repr(hub) == "<Hub 'test': running, 0 jobs>"


def test_many_threads_that_start_it_start_it_once(hub: Hub, eventually: Eventually) -> None:
    """Also at the same moment."""
    before = set(sys._current_frames())
    threads: set[int] = set()
    done: list[int] = []

    def use() -> None:
        threads.add(hub.call(native.get_ident))
        done.append(1)

    for _ in range(20):
        native.start_new_thread(use, ())
    eventually(lambda: len(done) == 20)
    assert len(threads) == 1
    eventually(lambda: set(sys._current_frames()) - before == threads)


def test_call_returns_what_the_job_returns(hub: Hub) -> None:
    """With the arguments it was given; falsy results too."""
    assert hub.call(lambda a, b: a * b, 6, 7) == 42
    assert hub.call(lambda: None) is None


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_call_raises_what_the_job_raises(error: BaseException, hub: Hub) -> None:
    """The very object; and the hub goes on."""
    with pytest.raises(type(error)) as caught:
        hub.call(boom, error)
    assert caught.value is error
    assert hub.call(lambda: "on") == "on"


def test_jobs_run_side_by_side(hub: Hub) -> None:
    """Each in a greenlet of its own: one that waits is resumed by one that came later."""
    opened = hub.call(Event)
    order: list[str] = []

    def first() -> None:
        order.append("waits")
        opened.wait()
        order.append("goes on")

    def second() -> None:
        order.append("opens")
        opened.set()

    hub.submit(first)
    hub.submit(second)
    hub.call(opened.wait)
    hub.call(gevent.idle)
    assert order == ["waits", "opens", "goes on"]


def test_what_is_handed_in_runs_in_order(hub: Hub) -> None:
    """Callbacks of one thread run as they were given."""
    seen: list[int] = []
    hub.call(int)
    assert all(hub.call_soon(seen.append, number) for number in range(500))
    hub.call(int)
    assert seen == list(range(500))


def test_the_jobs_are_counted(hub: Hub, eventually: Eventually) -> None:
    """A job counts from its start to its end, however it ends."""
    opened = hub.call(Event)
    for _ in range(3):
        hub.submit(opened.wait)
    hub.call(int)
    assert hub.jobs == 3
    hub.call_soon(opened.set)
    eventually(lambda: hub.jobs == 0)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_job_that_fails_is_logged_and_survived(
    error: BaseException, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises, SystemExit too."""
    hub.submit(boom, error)
    assert hub.call(lambda: "on") == "on"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("ollama_sync.hub", logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_callback_that_fails_is_logged_and_survived(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """And the callbacks behind it run."""
    seen: list[int] = []
    hub.call(int)
    hub.call_soon(boom, ValueError("x"))
    hub.call_soon(seen.append, 1)
    hub.call(int)
    assert seen == [1]
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("x",)]  # type: ignore[union-attr]  # it was raised


def test_the_end_of_a_job_is_told(hub: Hub, eventually: Eventually) -> None:
    """After the job, whether it returned, failed or was killed, on the hub's thread."""
    ends: list[object] = []
    thread = hub.call(native.get_ident)

    def ended() -> None:
        ends.append(native.get_ident())

    hub.submit(ends.append, "job", on_end=ended)
    eventually(lambda: len(ends) == 2)
    assert ends == ["job", thread]


def test_a_job_killed_before_it_began_is_told_too(hub: Hub) -> None:
    """Nobody waits for ever for a job that never ran."""
    told: list[str] = []

    def both() -> None:
        hub._spawn(told.append, ("ran",), lambda: told.append("ended"))
        (job,) = hub._jobs.others()
        hub.kill(job)
        job.join()

    hub.call(both)
    hub.call(gevent.idle)
    assert told == ["ended"]


def test_a_call_killed_before_it_began_says_so(hub: Hub) -> None:
    """The caller is woken by an error, not left."""
    hub.call(int)
    spawn = hub._spawn

    def spawn_and_kill(*args: Any) -> None:
        before = set(hub._jobs._running)
        spawn(*args)
        for job in hub._jobs._running.keys() - before:
            hub.kill(job)

    hub._spawn = spawn_and_kill  # type: ignore[method-assign]  # to kill between spawn and start
    with pytest.raises(HubError, match="before the job began"):
        hub.call(int)
    hub._spawn = spawn  # type: ignore[method-assign]  # the real one again


def test_a_call_from_the_hub_is_refused(hub: Hub) -> None:
    """It would wait for itself."""
    with pytest.raises(HubError, match="cannot wait for itself"):
        hub.call(lambda: hub.call(int))


def test_a_waiting_call_blocks_its_greenlet_only(hub: Hub, in_thread: Run) -> None:
    """In a thread that runs greenlets the others go on, and one of them ends the call."""

    def work() -> str:
        opened = hub.call(Event)
        gevent.spawn(lambda: hub.call_soon(opened.set))
        return "ended" if hub.call(opened.wait, 10) else "blocked"

    assert in_thread(work) == "ended"


# The tools of its jobs.


def test_a_killed_job_sees_killed_where_it_waits(
    hub: Hub, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """And can clean up; that it was killed is no failure to be logged."""
    seen: list[object] = []

    def job() -> None:
        seen.append(hub.this_job())
        try:
            Event().wait()
        except Killed:
            seen.append("cleaned")
            raise

    hub.submit(job)
    hub.call(int)
    hub.call_soon(lambda: hub.kill(seen[0]))
    eventually(lambda: hub.jobs == 0)
    hub.call(hub.kill, seen[0])  # one that has ended stays so
    assert seen[1:] == ["cleaned"]
    assert not caplog.records


def test_an_interrupted_job_may_go_on(hub: Hub) -> None:
    """It is told where it waits, before `interrupt` returns; what it makes of it is its own affair."""
    told: list[str] = []
    done = Event()

    def interrupt(job: Any) -> None:
        hub.interrupt(job)
        told.append("returned")
        done.set()

    def wait() -> None:
        hub.call_at_round_end(partial(interrupt, hub.this_job()))
        try:
            Event().wait()
        except Killed:
            told.append("interrupted")
        done.wait()

    hub.call(wait)
    assert told == ["interrupted", "returned"]


def test_a_timer_rings_once_unless_it_is_closed(hub: Hub) -> None:
    """`call_later` runs its callback on the loop; `close` takes it back."""
    rung: list[str] = []

    def job() -> None:
        hub.call_later(0.001, lambda: rung.append("first"))
        hub.call_later(0.001, lambda: rung.append("closed")).close()
        done = Event()
        hub.call_later(0.005, done.set)
        done.wait()

    hub.call(job)
    assert rung == ["first"]


def test_the_end_of_a_round_comes_after_what_is_ready(hub: Hub) -> None:
    """So that many pieces of news are told by one wake-up."""
    order: list[str] = []

    def job() -> None:
        hub.call_at_round_end(lambda: order.append("end"))
        order.append("news")
        gevent.idle()

    hub.call(job)
    assert order == ["news", "end"]


class _Sleeper:
    """A waiter that notes when it is woken."""

    def __init__(self, name: str, order: list[str]) -> None:
        self._name = name
        self._order = order

    def wait(self, timeout: float | None) -> bool:
        raise NotImplementedError

    def wake(self) -> None:
        self._order.append(self._name)

    @property
    def is_woken(self) -> bool:
        return True  # and its caller has not run since


def test_callers_are_woken_when_the_hub_has_done_the_rest(hub: Hub) -> None:
    """Not before: a thread that is woken while the hub goes on only waits anew, for the interpreter's lock."""
    order: list[str] = []

    def job() -> None:
        for name in ("first", "second"):
            hub.wake(_Sleeper(name, order))
            order.append(f"after {name}")
        gevent.idle()

    hub.call(job)
    assert order == ["after first", "after second", "first", "second"]


def test_many_callers_do_not_wait_for_the_end_of_a_long_round(hub: Hub) -> None:
    """From some number on those that are to be woken are, and none of them twice."""
    order: list[str] = []

    def job() -> list[str]:
        for number in range(_MOST_TO_WAKE + 1):
            hub.wake(_Sleeper(str(number), order))
        woken = list(order)
        gevent.idle()
        return woken

    names = [str(number) for number in range(_MOST_TO_WAKE + 1)]
    assert hub.call(job) == names[:-1]
    assert order == names


def test_who_is_to_be_woken_is_woken_although_the_hub_ends() -> None:
    """The last that a hub does for its callers."""
    hub = Hub("test")
    order: list[str] = []
    begun = Event()

    def job() -> None:
        try:
            begun.set()
            Event().wait()
        finally:
            hub.wake(_Sleeper("caller", order))

    hub.submit(job)
    hub.call(begun.wait)
    hub.stop()
    assert order == ["caller"]


def test_yielding_lets_a_socket_have_its_turn(hub: Hub) -> None:
    """A job that pours and yields does not keep another from its ready socket."""
    import gevent.socket

    turns = 0

    def pour() -> int:
        nonlocal turns
        left, right = gevent.socket.socketpair()
        with left, right:
            reader = gevent.spawn(right.recv, 1)
            gevent.idle()
            left.send(b"x")
            while not reader.ready():
                turns += 1
                hub.yield_turn()
        return turns

    assert hub.call(pour) <= 3


def test_a_turn_is_long_only_for_a_caller(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no caller's thread wants the interpreter, giving way is a look at the sockets without a wait."""
    long: list[str] = []
    monkeypatch.setattr(hub, "yield_to_callers", lambda: long.append("to a caller"))

    def alone() -> int:
        before = hub.round
        for _ in range(100):
            hub.yield_turn()
        return hub.round - before

    rounds = hub.call(alone)
    assert long == []
    assert rounds == (0 if gevent.config.loop.__module__.startswith("gevent.libuv") else 100)

    def beside_a_caller() -> None:
        hub.wake(_Sleeper("caller", []))
        hub.yield_turn()  # it has not been woken yet
        hub.call_at_round_end(lambda: None)
        gevent.sleep(0)
        hub.yield_turn()  # it has, and has not run since

    hub.call(beside_a_caller)
    assert long == ["to a caller"] * 2


# How it ends.


def test_stop_kills_the_jobs_and_ends_the_thread(hub: Hub, eventually: Eventually) -> None:
    """Each job may clean up; afterwards nothing is accepted."""
    before = set(sys._current_frames())
    cleaned: list[int] = []

    def job(number: int) -> None:
        try:
            Event().wait()
        finally:
            gevent.sleep(0)
            cleaned.append(number)

    for number in range(20):
        hub.submit(job, number)
    hub.call(int)
    hub.stop()
    assert sorted(cleaned) == list(range(20))
    assert (hub.jobs, repr(hub)) == (0, "<Hub 'test': closed, 0 jobs>")
    assert hub.call_soon(cleaned.append, 99) is False
    with pytest.raises(HubError, match="stopped"):
        hub.submit(int)
    with pytest.raises(HubError, match="stopped"):
        hub.call(int)
    eventually(lambda: set(sys._current_frames()) <= before)
    assert 99 not in cleaned


def test_stop_may_be_called_twice_and_before_the_start(hub: Hub) -> None:
    """A hub that was stopped before it started never starts."""
    hub.stop()
    hub.stop()
    with pytest.raises(HubError):
        hub.call(int)


def test_stop_does_not_wait_for_ever_for_a_job_that_resists(hub: Hub) -> None:
    """The thread ends all the same."""

    def resist() -> None:
        while True:
            try:
                Event().wait()
            except Killed:  # noqa: PERF203 - that is what is tested
                continue

    hub.submit(resist)
    hub.call(int)
    began = time.monotonic()
    hub.stop()
    assert 0.4 < time.monotonic() - began < 10


def test_who_waits_for_a_job_when_the_hub_stops_is_told(
    hub: Hub, in_thread: Run, eventually: Eventually
) -> None:
    """By an error of the tree: Killed would end the caller's own greenlet without a word."""

    def work() -> None:
        native.start_new_thread(lambda: (eventually(lambda: hub.jobs == 1), hub.stop()), ())
        hub.call(Event().wait)

    with pytest.raises(HubError, match="stopped before the job was done"):
        in_thread(work)


def test_a_callback_that_meets_the_stop_is_dropped(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread stops the hub between the look and the post: `call_soon` says false and raises nothing."""
    hub.call(int)
    real = os.getpid

    def stop_then_look() -> int:
        monkeypatch.setattr(os, "getpid", real)
        hub.stop()
        return real()

    monkeypatch.setattr(os, "getpid", stop_then_look)
    assert hub.call_soon(int) is False


# How it starts when something goes wrong.


def test_no_thread_is_an_error_that_passes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """When none can be started the error says so; once there can be, the hub works."""
    with monkeypatch.context() as patch:
        patch.setattr(
            native, "start_new_thread", lambda *_: boom(RuntimeError("can't start new thread"))
        )
        for _ in range(2):
            with pytest.raises(HubError, match="can't start new thread"):
                hub.submit(int)
    assert hub.call(lambda: "on") == "on"


def test_a_loop_that_does_not_start_is_an_error_that_passes(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Say for want of descriptors: each use says so, none hangs, and later the hub works."""
    with monkeypatch.context() as patch:
        patch.setattr(gevent, "get_hub", lambda: boom(OSError(24, "Too many open files")))
        for _ in range(2):
            with pytest.raises(HubError, match="Too many open files") as caught:
                hub.submit(int)
            assert isinstance(caught.value.__cause__, OSError)
    assert hub.call(lambda: "on") == "on"


def test_a_start_interrupted_by_ctrl_c_does_no_harm(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has been started when KeyboardInterrupt comes: the next use finds it, and starts no other."""
    before = set(sys._current_frames())
    start = native.start_new_thread

    def interrupted(*args: Any) -> int:
        start(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(native, "start_new_thread", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hub.submit(int)
    assert hub.call(lambda: "on") == "on"
    assert len(set(sys._current_frames()) - before) == 1


def test_tracing_sees_the_thread(hub: Hub) -> None:
    """Debuggers and coverage that ask `threading` for new threads get this one too."""
    traced: set[int] = set()
    profiled: set[int] = set()

    def trace(*_: object) -> None:
        traced.add(native.get_ident())

    def profile(*_: object) -> None:
        profiled.add(native.get_ident())

    before = threading.gettrace(), threading.getprofile()
    threading.settrace(trace)
    threading.setprofile(profile)
    try:
        thread = hub.call(native.get_ident)
    finally:
        threading.settrace(before[0])  # type: ignore[arg-type]  # None is accepted
        threading.setprofile(before[1])
    assert thread in traced
    assert thread in profiled


def test_there_is_one_shared_hub() -> None:
    """Every caller gets the same."""
    assert shared_hub() is shared_hub()


def test_a_hub_of_another_process_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fork leaves of it accepts nothing, whether it had started or not, and its stop stops nothing."""
    hub.call(int)
    other = Hub("not started")
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert hub.call_soon(int) is False
        for one in (hub, other):
            one.stop()
            with pytest.raises(ForkedError, match="make a new one in the child"):
                one.submit(int)
            with pytest.raises(ForkedError):
                one.call(int)
    assert hub.call(lambda: "on") == "on"


# In processes of their own.


def test_importing_starts_nothing(in_process: Callable[[str], str]) -> None:
    """No thread at the import, at the first client, or at the first look at the shared hub."""
    program = """
import os
import ollama_sync
from ollama_sync._hub import shared_hub
client = ollama_sync.Client("http://127.0.0.1:9")
hub = shared_hub()
print(len(os.listdir("/proc/self/task")))
client.close()
"""
    assert in_process(program) == "1\n"


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
from ollama_sync._hub import Hub, shared_hub
from ollama_sync.errors import ForkedError
from gevent.event import Event

old, spare = shared_hub(), Hub("spare")
old.call(int)
for _ in range(5):
    old.submit(Event().wait)
%s
child = os.fork()
if child == 0:
    new = shared_hub()
    assert new is not old
    assert new.call(lambda: 6 * 7) == 42
    assert not old.call_soon(int)
    for gone in (old, spare):
        for use in (gone.submit, gone.call):
            try:
                use(int)
            except ForkedError:
                pass
            else:
                raise AssertionError(use)
        gone.stop()
    del old, gone, use
    import gc
    gc.collect()
    sys.stdout.write("child\\n")
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert old.call(lambda: "parent") == "parent"
assert old.jobs == 5
print("parent")
"""


def test_a_forked_child_gets_its_own_hub(in_process: Callable[[str], str]) -> None:
    """It works, and exits; the parent's is refused there, and goes on in the parent."""
    assert in_process(FORK % "") == "child\nparent\n"


def test_a_child_forked_without_pythons_hooks_gets_its_own_hub(
    in_process: Callable[[str], str],
) -> None:
    """So does a worker of uWSGI, which calls the system's `fork` itself."""
    # With the hub at rest: if it were just asking for the GIL, its state would be copied, and there is no hook to repair it.
    program = (FORK % "import ctypes; old.call(int)").replace(
        "os.fork()", "ctypes.PyDLL(None).fork()"
    )
    # Python does not know that it is another process: a normal end would wait for threads that are not there.
    assert in_process(program.replace("sys.exit(0)", "sys.stdout.flush(); os._exit(0)")) == (
        "child\nparent\n"
    )


def test_a_lock_held_at_the_fork_does_no_harm(in_process: Callable[[str], str]) -> None:
    """Another thread was just starting a hub: in the child nobody will ever release its locks."""
    program = FORK % "old._start_lock.acquire(); spare._start_lock.acquire()"
    program = program.replace("_, status", "old._start_lock.release()\n_, status")
    assert in_process(program) == "child\nparent\n"


EXIT = """
import atexit
from ollama_sync._hub import shared_hub
import gevent
from gevent.event import Event

cleaned = []
def job():
    try:
        Event().wait()
    finally:
        gevent.sleep(0)
        cleaned.append(1)

hub = shared_hub()
for _ in range(50):
    hub.submit(job)
hub.call(int)
assert hub.jobs >= 50
print("open")
"""


def test_exit_with_open_jobs_is_clean_and_quick(in_process: Callable[[str], str]) -> None:
    """Time and again: status 0, no word on the standard error, no waiting for the jobs."""
    for _ in range(3):
        began = time.monotonic()
        assert in_process(EXIT) == "open\n"
        assert time.monotonic() - began < 15


def test_exit_lets_the_jobs_clean_up(in_process: Callable[[str], str]) -> None:
    """They are killed before the interpreter goes, while everything still works."""
    # Handlers run in the reverse order: this one after the hub's.
    head = "import atexit; atexit.register(lambda: print(len(cleaned)))\n"
    assert in_process(head + EXIT) == "open\n50\n"


def test_exit_does_not_wait_for_ever_for_a_job_that_blocks(
    in_process: Callable[[str], str],
) -> None:
    """A job that resists, or one that blocks the whole thread, delays the exit by a second at most."""
    resist = """
from ollama_sync._hub import shared_hub
from ollama_sync._hub.native import sleep
def job():
    while True:
        try:
            shared_hub().yield_turn()
        except BaseException:
            pass
shared_hub().submit(job)
shared_hub().call(int)
"""
    block = "shared_hub().submit(sleep, 20)\n"
    for program in (resist, resist + block):
        began = time.monotonic()
        in_process(program)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("used", [True, False], ids=["used before", "never used"])
def test_after_the_shutdown_of_the_hub_it_is_refused(
    used: bool, in_process: Callable[[str], str]
) -> None:
    """A late atexit handler gets HubError, not a hang, and no thread is started that nobody would park."""
    program = f"""
import atexit, os
def late():
    from ollama_sync._hub import Hub, shared_hub
    from ollama_sync.errors import HubError
    for hub in (shared_hub(), Hub("new")):
        for use in (hub.submit, hub.call):
            try:
                use(int)
            except HubError as error:
                print("exiting" in str(error))
        print(hub.call_soon(int))
        hub.stop()
atexit.register(late)
from ollama_sync._hub import shared_hub
if {used}:
    shared_hub().call(int)
"""
    assert in_process(program) == "True\nTrue\nFalse\n" * 2


def test_use_while_modules_are_torn_down_does_not_hang(in_process: Callable[[str], str]) -> None:
    """A finalizer that runs after all handlers gets an error too."""
    program = """
from ollama_sync._hub import shared_hub
from ollama_sync.errors import OllamaError
import os
class Last:
    def __del__(self, hub=shared_hub(), error=OllamaError, write=os.write):
        try:
            hub.submit(int)
        except error:
            write(1, b"refused\\n")
last = Last()
"""
    assert in_process(program) == "refused\n"
