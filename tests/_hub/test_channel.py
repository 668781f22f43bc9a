"""The channel: any interleaving of its two sides against a plain model, and two real threads that race."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ollama_sync._hub import CANCELLED, FINISHED, Channel, End, Failed, allocate_lock, new_waiter
from ollama_sync._hub.native import start_new_thread
from ollama_sync.errors import StreamBroken

FAILED = Failed(StreamBroken("cut short"))


class Model(RuleBasedStateMachine):
    """Two deques and some counters: what a channel must be equal to after each step."""

    @initialize(max_buffered=st.integers(1, 60))
    def make(self, max_buffered: int) -> None:
        self.max_buffered = max_buffered
        self.drained = 0
        self.called = 0
        self.channel = Channel(max_buffered, self.on_drained)
        self.held: deque[bytes] = deque()  # put, not released
        self.free: deque[bytes] = deque()  # released, not taken
        self.news = False  # something was put since the last release
        self.end: End | None = None
        self.opened = False
        self.paused = False
        self.listening = False
        self.number = 0

    def on_drained(self) -> None:
        self.drained += 1

    def on_news(self) -> None:
        self.called += 1

    @property
    def size(self) -> int:
        return sum(map(len, self.held)) + sum(map(len, self.free))

    def expect_calls(self, before: int, news: bool) -> None:
        assert self.called - before == (news and self.listening)

    @precondition(lambda self: self.end is None)
    @rule(size=st.integers(0, 30))
    def put(self, size: int) -> None:
        self.number += 1
        block = b"%d" % self.number + b"." * size
        before = self.called
        self.channel.put(block)
        self.held.append(block)
        self.news = True
        self.expect_calls(before, news=False)

    @rule()
    def release(self) -> None:
        before = self.called
        self.channel.release()
        self.expect_calls(before, self.news)
        self.news = False
        self.free += self.held
        self.held.clear()

    @rule()
    def open(self) -> None:
        before = self.called
        self.channel.open()
        self.expect_calls(before, news=not self.opened)
        self.opened = True

    @rule(end=st.sampled_from([FINISHED, CANCELLED, FAILED]))
    def finish(self, end: End) -> None:
        before = self.called
        self.channel.end(end)
        self.expect_calls(before, news=self.end is None)
        if self.end is None:
            self.end = end
            self.free += self.held
            self.held.clear()
            self.news = False

    @rule()
    def pause(self) -> None:
        self.paused = self.size >= self.max_buffered
        assert self.channel.pause() == self.paused

    @rule()
    def resume(self) -> None:
        self.channel.resume()
        self.paused = False

    @rule()
    def listen(self) -> None:
        self.channel.listen(self.on_news)
        self.listening = True

    @rule()
    def unlisten(self) -> None:
        self.channel.unlisten()
        self.listening = False

    def took(self, drained: int) -> None:
        assert self.drained - drained == (self.paused and self.size * 2 < self.max_buffered)

    @rule()
    def take_released(self) -> None:
        drained = self.drained
        expected = self.free.popleft() if self.free else None
        assert self.channel.take_released() == expected
        if expected is not None:
            self.took(drained)

    @rule()
    def take_arrived(self) -> None:
        drained = self.drained
        source = self.free or self.held
        expected = source.popleft() if source else None
        assert self.channel.take_arrived() == expected
        if expected is not None:
            self.took(drained)

    @invariant()
    def looks_right(self) -> None:
        assert self.channel.buffered == self.size
        assert self.channel.is_full == (self.size >= self.max_buffered)
        assert self.channel.is_open == (self.opened or self.end is not None)
        assert self.channel.is_ready == (bool(self.free) or self.end is not None)
        assert self.channel.ended is self.end


class TestModel(Model.TestCase):  # type: ignore[name-defined,misc]  # made by the machine
    """Any interleaving keeps order, loses and repeats nothing, and counts bytes right."""

    settings = settings(stateful_step_count=40, deadline=None)


def nothing() -> None:
    """Do nothing when drained."""


def test_polling_ahead_does_not_release_what_comes_later() -> None:
    """What `take_arrived` took of unreleased blocks is not counted as released afterwards."""
    channel = Channel(100, nothing)
    channel.put(b"1")
    assert channel.take_arrived() == b"1"
    channel.put(b"2")
    assert channel.take_released() is None
    assert not channel.is_ready
    channel.release()
    assert channel.take_released() == b"2"


def test_who_sees_the_end_sees_every_block() -> None:
    """When the listener is called for the end, everything is there to be taken."""
    channel = Channel(100, nothing)
    seen: list[object] = []
    channel.put(b"1")
    channel.listen(lambda: seen.extend([channel.ended, channel.take_released()]))
    channel.end(FINISHED)
    assert seen == [FINISHED, b"1"]


def test_a_pause_that_came_too_late_is_none() -> None:
    """The caller took everything before it could see the flag: the producer is told at once, or it would wait for ever."""
    channel = Channel(4, nothing)
    channel.put(b"12345")
    assert channel.is_full
    channel.take_arrived()
    assert channel.pause() is False


def test_one_block_above_the_limit_is_drained_by_taking_it() -> None:
    """A limit below the size of one block does not stop a stream."""
    drained = []
    channel = Channel(1, lambda: drained.append(1))
    channel.put(b"12345")
    assert channel.pause() is True
    assert channel.take_arrived() == b"12345"
    assert drained == [1]


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Have the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("ahead", [False, True], ids=["released", "arrived"])
@pytest.mark.usefixtures("fast_switches")
def test_two_threads_that_race_lose_and_repeat_nothing(ahead: bool) -> None:
    """A native producer that pauses when it is full, and a consumer that sleeps when there is nothing: all in order."""
    total = 30_000
    drained = allocate_lock()
    drained.acquire()
    ended = allocate_lock()
    ended.acquire()
    pauses = []

    def on_drained() -> None:
        # By the consumer; a second call before the producer looked changes nothing.
        if drained.locked():
            drained.release()

    channel = Channel(400, on_drained)
    waiter = new_waiter()
    channel.listen(waiter.wake)

    def produce() -> None:
        for number in range(total):
            channel.put(b"%d" % number)
            if number % 7 == 0:
                channel.release()
            if channel.is_full:
                channel.release()
                if channel.pause():
                    pauses.append(number)
                    while channel.is_full:  # a call left from an earlier pause wakes too early
                        assert drained.acquire(True, 20), "nobody resumed the producer"
                    channel.resume()
        channel.end(FINISHED)
        ended.release()

    start_new_thread(produce, ())
    take = channel.take_arrived if ahead else channel.take_released
    taken = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        end = channel.ended
        while (block := take()) is not None:
            taken.append(int(block))
        if end is not None:
            break
        if not channel.is_ready:
            waiter.wait(30)
    assert ended.acquire(True, 20)
    assert taken == list(range(total))
    assert channel.buffered == 0
    assert pauses
