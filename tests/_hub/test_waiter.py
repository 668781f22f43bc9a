"""How callers sleep: natively and in a greenlet; no wake-up is lost, and a host's loop is not disturbed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent._hub_local import get_hub_if_exists

from ollama_sync._hub import Hub, Waiter, new_waiter
from ollama_sync._hub import waiter as waiter_module
from ollama_sync._hub.waiter import GreenletWaiter, NativeWaiter
from ollama_sync.errors import HubError

Run = Callable[..., Any]

# Seconds; no wait of these tests takes as long unless a wake-up was lost.
LOST = 10.0


def green() -> Waiter:
    """Make a waiter for a thread that runs greenlets."""
    gevent.get_hub()
    return new_waiter()


def woken(waiter: Waiter) -> bool:
    """Wait; say whether a wake-up ended it, and not the time."""
    began = time.monotonic()
    return waiter.wait(LOST) and time.monotonic() - began < LOST / 2


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


KINDS = pytest.mark.parametrize("make", [NativeWaiter, green], ids=["native", "greenlet"])


def test_the_kind_is_seen_from_the_thread(in_thread: Run) -> None:
    """Only a thread whose gevent hub lives needs more than a lock."""

    def look() -> list[type]:
        kinds = [type(new_waiter())]
        gevent.get_hub()
        kinds.append(type(new_waiter()))
        gevent.get_hub().destroy(destroy_loop=True)
        kinds.append(type(new_waiter()))
        return kinds

    assert in_thread(look) == [NativeWaiter, GreenletWaiter, NativeWaiter]


def test_asking_for_a_waiter_makes_no_loop(in_thread: Run) -> None:
    """A program without gevent gets none by calling us."""
    assert in_thread(lambda: (new_waiter(), get_hub_if_exists())[1]) is None


@KINDS
def test_a_wake_before_the_wait_ends_it_at_once(make: Run, hub: Hub, in_thread: Run) -> None:
    """It is not lost, and it counts once, however often it was repeated."""

    def work() -> list[bool]:
        waiter = make()
        hub.call(lambda: [waiter.wake() for _ in range(3)])
        return [woken(waiter), waiter.wait(0.0)]

    assert in_thread(work) == [True, False]


@KINDS
@pytest.mark.parametrize("timeout", [0.01, 0.0, -1.0])
def test_a_wait_ends_by_its_time(make: Run, timeout: float, in_thread: Run) -> None:
    """A time that is over is none."""
    assert in_thread(lambda: make().wait(timeout)) is False


@KINDS
def test_a_wait_is_not_shorter_than_asked_for_without_reason(make: Run, in_thread: Run) -> None:
    """Nobody who waits turns in a circle."""

    def work() -> float:
        waiter = make()
        began = time.monotonic()
        waiter.wait(0.05)
        return time.monotonic() - began

    assert in_thread(work) > 0.04


@KINDS
def test_a_wait_without_limit_looks_up_now_and_then(
    make: Run, in_thread: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back without a reason, and is asked to look again."""
    monkeypatch.setattr(waiter_module, "_LONGEST", 0.01)
    assert in_thread(lambda: make().wait(None)) is False
    assert in_thread(lambda: make().wait(1e9)) is False


def test_the_main_thread_looks_up_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that comes just before the thread sleeps is not seen by the lock: the main thread must wake for it."""
    assert waiter_module._LONGEST_IN_MAIN <= 1.0
    monkeypatch.setattr(waiter_module, "_LONGEST_IN_MAIN", 0.01)
    assert waiter_module.NativeWaiter().wait(None) is False


@KINDS
@pytest.mark.usefixtures("fast_switches")
def test_each_of_many_rounds_is_woken(make: Run, hub: Hub, in_thread: Run) -> None:
    """The caller asks, sleeps, and is woken by the hub: no round is lost."""

    def work() -> float:
        waiter = make()
        longest = 0.0
        answered = [0]

        def answer() -> None:
            answered[0] += 1
            waiter.wake()

        hub.call(int)
        for asked in range(1, 3001):
            hub.call_soon(answer)
            while answered[0] < asked:
                began = time.monotonic()
                waiter.wait(LOST)
                longest = max(longest, time.monotonic() - began)
        return longest

    assert in_thread(work) < LOST / 2


@KINDS
@pytest.mark.usefixtures("fast_switches")
def test_no_wake_up_of_a_busy_hub_is_lost(make: Run, hub: Hub, in_thread: Run) -> None:
    """The hub goes on while the caller falls asleep, wakes and looks: whatever the moment, the last one is seen."""

    def work() -> float:
        waiter = make()
        longest = 0.0
        produced = [0]

        def produce() -> None:
            while produced[0] < 3000:
                produced[0] += 1
                waiter.wake()
                if produced[0] % 3 == 0:
                    gevent.sleep(0)

        hub.submit(produce)
        seen = 0
        while seen < 3000:
            if produced[0] == seen:
                began = time.monotonic()
                waiter.wait(LOST)
                longest = max(longest, time.monotonic() - began)
            seen = produced[0]
        return longest

    assert in_thread(work) < LOST / 2


def test_a_caller_that_is_up_at_once_misses_no_later_wake() -> None:
    """It may have woken, and lain down again, before the hub comes back from releasing the lock."""
    waiter = NativeWaiter()
    lock = waiter._lock
    waits = []

    class Quick:
        acquire = lock.acquire

        def release(self) -> None:
            lock.release()
            waits.append(waiter.wait(0.0))

    waiter._lock = Quick()  # type: ignore[assignment]  # all that the waiter uses of a lock
    waiter.wake()
    waiter.wake()
    assert waits == [True, True]


def test_other_greenlets_go_on_meanwhile(hub: Hub, in_thread: Run) -> None:
    """The wait is ended by a greenlet of the same thread, which a blocked thread would never run."""

    def work() -> tuple[bool, int]:
        waiter = green()
        ticks = []

        def tick() -> None:
            for n in range(5):
                gevent.sleep(0.001)
                ticks.append(n)
            hub.call(waiter.wake)

        ticker = gevent.spawn(tick)
        prompt = woken(waiter)
        ticker.join()
        return prompt, len(ticks)

    assert in_thread(work) == (True, 5)


def test_many_greenlets_of_a_thread_sleep_at_once(hub: Hub, in_thread: Run) -> None:
    """Each is woken by its own waiter, though all share one mailbox."""

    def work() -> list[int]:
        order: list[int] = []
        waiters: list[Waiter] = []

        def sleeper(number: int) -> None:
            waiter = new_waiter()
            waiters.append(waiter)
            assert woken(waiter)
            order.append(number)

        greenlets = [gevent.spawn(sleeper, number) for number in range(50)]
        gevent.idle()
        hub.call(lambda: [waiter.wake() for waiter in reversed(waiters)])
        gevent.joinall(greenlets, raise_error=True)
        return order

    assert in_thread(work) == list(reversed(range(50)))


@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_an_interrupted_wait_leaves_the_waiter_usable(how: str, hub: Hub, in_thread: Run) -> None:
    """gevent.Timeout and kill end a wait as they end any; a wake that comes later finds nobody, and is kept."""

    def work() -> list[bool]:
        waiter = green()

        def sleeper() -> None:
            with gevent.Timeout(0.01 if how == "timeout" else None, False):
                waiter.wait(None)
                raise AssertionError("it was not interrupted")

        greenlet = gevent.spawn(sleeper)
        gevent.idle()
        if how == "kill":
            greenlet.kill()
        greenlet.get(timeout=LOST)
        hub.call(waiter.wake)
        gevent.sleep(0.001)  # the wake-up is delivered to nobody
        return [woken(waiter), waiter.wait(0.0)]

    assert in_thread(work) == [True, False]


def test_the_mailbox_does_not_keep_a_loop_alive(hub: Hub, in_thread: Run) -> None:
    """A program that ends by `gevent.wait()` still ends."""

    def work() -> bool:
        waiter = green()
        hub.call(waiter.wake)
        assert woken(waiter)
        return bool(gevent.wait(timeout=LOST))

    assert in_thread(work) is True


def test_a_sleeping_greenlet_keeps_its_loop_alive(hub: Hub, in_thread: Run) -> None:
    """With nothing else to wait for, the host's loop does not end by LoopExit."""

    def work() -> bool:
        waiter = green()
        hub.call_soon(lambda: hub.call_later(0.02, waiter.wake))
        return woken(waiter)

    hub.call(int)
    assert in_thread(work) is True


def test_two_that_wake_each_other_do_not_starve_the_loop(in_thread: Run) -> None:
    """What the woken do may wake others: between, the loop serves everything else."""

    def work() -> int:
        left, right = green(), green()
        stopped = []
        rounds = [0]

        def play(own: Waiter, other: Waiter) -> None:
            while not stopped and rounds[0] < 200_000:
                rounds[0] += 1
                other.wake()
                own.wait(LOST)

        players = [gevent.spawn(play, left, right), gevent.spawn(play, right, left)]
        gevent.sleep(0.01)
        stopped.append(True)
        left.wake()
        right.wake()
        gevent.joinall(players)
        return rounds[0]

    assert 2 < in_thread(work) < 200_000


def test_a_wake_after_the_end_of_the_loop_is_harmless(hub: Hub, in_thread: Run) -> None:
    """The thread that waited is gone; the hub does not stumble over it."""

    def leave() -> Waiter:
        return green()

    waiter = in_thread(leave)
    hub.call(waiter.wake)


def test_a_wake_after_a_loop_was_destroyed_is_harmless(in_thread: Run) -> None:
    """Between the look at a loop and its bell it may go: an error would reach the callers that are woken behind this one."""

    class Destroyed:
        def send(self) -> None:
            raise ValueError("operation on destroyed loop")

    def work() -> None:
        waiter = green()
        waiter._mailbox._watcher = Destroyed()
        waiter.wake()

    in_thread(work)


def test_a_thread_may_get_a_new_loop(hub: Hub, in_thread: Run) -> None:
    """The mailbox belongs to the loop, not to the thread."""

    def work() -> list[bool]:
        prompt = []
        for _ in range(2):
            waiter = green()
            assert waiter._mailbox is green()._mailbox
            hub.call(waiter.wake)
            prompt.append(woken(waiter))
            gevent.get_hub().destroy(destroy_loop=True)
        return prompt

    assert in_thread(work) == [True, True]


def test_a_callback_of_a_loop_cannot_wait(in_thread: Run) -> None:
    """It would wait for itself; the error says what to do instead."""

    def work() -> str:
        said = []

        def callback() -> None:
            try:
                new_waiter()
            except HubError as error:
                said.append(str(error))

        gevent.get_hub().loop.run_callback(callback)
        gevent.sleep(0.001)
        return "".join(said)

    assert "spawn a greenlet" in in_thread(work)


def test_a_hub_thread_cannot_wait(hub: Hub) -> None:
    """Neither in a job nor in a callback."""
    with pytest.raises(HubError, match="a hub thread cannot wait for itself"):
        hub.call(new_waiter)


CTRL_C = """
import os, signal, sys, threading, time
from gevent.monkey import get_original
from ollama_sync._hub import new_waiter

# A shell that starts the tests in the background has SIGINT ignored, and this process has inherited that.
signal.signal(signal.SIGINT, signal.default_int_handler)
me = get_original("_thread", "get_ident")()
waiter = new_waiter()
if sys.argv[-1] == "greenlet":
    import gevent
    gevent.get_hub().exception_stream = None  # gevent prints what it passes on
    waiter = new_waiter()

def interrupt():
    # When it sleeps, the innermost frame of the main thread is the wait itself, or the loop.
    while sys._current_frames()[me].f_code.co_name not in ("wait", "run"):
        get_original("time", "sleep")(0.001)
    os.kill(os.getpid(), signal.SIGINT)

get_original("_thread", "start_new_thread")(interrupt, ())
try:
    waiter.wait(30)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("kind", ["as it is", "greenlet"])
def test_ctrl_c_interrupts_a_wait(kind: str, in_process: Callable[[str], str]) -> None:
    """KeyboardInterrupt comes out of `wait` promptly, in a thread and in a greenlet."""
    began = time.monotonic()
    assert in_process(f"import sys; sys.argv = [{kind!r}]" + CTRL_C) == "interrupted\n"
    assert time.monotonic() - began < 20
