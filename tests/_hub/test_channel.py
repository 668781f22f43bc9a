"""The channel: any interleaving of its two sides against a plain model, and two real threads that race."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ollama_sync._hub import (
    CANCELLED,
    FINISHED,
    Block,
    Channel,
    End,
    Failed,
    allocate_lock,
    new_waiter,
)
from ollama_sync._hub.native import start_new_thread
from ollama_sync.errors import StreamBroken

FAILED = Failed(StreamBroken("cut short"))


class Model(RuleBasedStateMachine):
    """A list of blocks and some counters: what a channel must be equal to after each step."""

    @initialize(max_buffered=st.integers(1, 60))
    def make(self, max_buffered: int) -> None:
        self.max_buffered = max_buffered
        self.drained = 0
        self.called = 0
        self.channel = Channel(max_buffered, self.on_drained)
        self.blocks: list[bytes] = []
        self.released = 0  # blocks
        self.taken = 0  # bytes
        self.end: End | None = None
        self.opened = False
        self.paused = False
        self.listening = False

    def on_drained(self) -> None:
        self.drained += 1

    def on_news(self) -> None:
        self.called += 1

    def left(self, blocks: list[bytes]) -> bytes:
        return b"".join(blocks)[self.taken :]

    @property
    def size(self) -> int:
        return len(self.left(self.blocks))

    def expect_calls(self, before: int, news: bool) -> None:
        assert self.called - before == (news and self.listening)

    @precondition(lambda self: self.end is None)
    @rule(size=st.integers(1, 30))
    def put(self, size: int) -> None:
        block = b"%d" % len(self.blocks) + b"." * size
        before = self.called
        self.channel.put(block, 1)
        self.blocks.append(block)
        self.expect_calls(before, news=False)

    @rule()
    def release(self) -> None:
        before = self.called
        self.channel.release()
        self.expect_calls(before, news=self.released < len(self.blocks))
        self.released = len(self.blocks)

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
            self.released = len(self.blocks)

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

    def seen(self, blocks: list[Block]) -> bytes:
        """Return what a look saw; whatever it was, it has taken nothing."""
        taken = self.channel.taken
        return b"".join(block.behind(taken) for block in blocks)

    @rule(most=st.integers(1, 5))
    def look_released(self, most: int) -> None:
        drained = self.drained
        found = self.channel.look_released(most)
        whole = self.left(self.blocks[: self.released])
        assert whole.startswith(self.seen(found))
        assert len(found) == most or self.seen(found) == whole
        self.looked(drained)

    @rule(share=st.floats(0, 1))
    def take(self, share: float) -> None:
        """Look at everything that has arrived, and take some of it, also half a block."""
        drained = self.drained
        found = self.seen(self.channel.look_arrived())
        assert found == self.left(self.blocks)
        self.looked(drained)
        self.taken += int(len(found) * share)
        self.channel.taken = self.taken

    @rule()
    def settle(self) -> None:
        drained = self.drained
        self.channel.settle()
        self.looked(drained)

    def looked(self, drained: int) -> None:
        is_due = self.paused and self.size * 2 < self.max_buffered and self.end is None
        assert self.drained - drained == is_due

    @invariant()
    def looks_right(self) -> None:
        assert self.channel.buffered == self.size
        assert self.channel.is_full == (self.size >= self.max_buffered)
        assert self.channel.is_open == (self.opened or self.end is not None)
        is_left = bool(self.left(self.blocks[: self.released]))
        assert self.channel.is_ready == (is_left or self.end is not None)
        assert self.channel.ended is self.end


class TestModel(Model.TestCase):  # type: ignore[name-defined,misc]  # made by the machine
    """Any interleaving keeps order, loses and repeats nothing, and counts bytes right."""

    settings = settings(stateful_step_count=40, deadline=None)


def nothing() -> None:
    """Do nothing when drained."""


def test_taking_ahead_does_not_release_what_comes_later() -> None:
    """What was taken of unreleased blocks is not counted as released afterwards."""
    channel = Channel(100, nothing)
    channel.put(b"1", 1)
    assert [block.lines for block in channel.look_arrived()] == [b"1"]
    channel.taken = 1
    channel.put(b"2", 1)
    assert channel.look_released(9) == []
    assert not channel.is_ready
    channel.release()
    assert [block.lines for block in channel.look_released(9)] == [b"2"]


def test_who_sees_the_end_sees_every_block() -> None:
    """When the listener is called for the end, everything is there to be taken."""
    channel = Channel(100, nothing)
    seen: list[object] = []
    channel.put(b"1", 1)
    channel.listen(lambda: seen.extend([channel.ended, channel.look_released(9)[0].lines]))
    channel.end(FINISHED)
    assert seen == [FINISHED, b"1"]


def test_a_look_takes_nothing() -> None:
    """Whoever looks again, after an interrupt for one, sees the same."""
    channel = Channel(100, nothing)
    channel.put(b"1", 1)
    channel.release()
    assert channel.look_released(9) == channel.look_released(9) == channel.look_arrived()


def test_a_pause_that_came_too_late_is_none() -> None:
    """The caller took everything before it could see the flag: the producer is told at once, or it would wait for ever."""
    channel = Channel(4, nothing)
    channel.put(b"12345", 1)
    assert channel.is_full
    channel.taken = 5
    assert channel.pause() is False


def test_one_block_above_the_limit_is_drained_by_taking_it() -> None:
    """A limit below the size of one block does not stop a stream."""
    drained = []
    channel = Channel(1, lambda: drained.append(1))
    channel.put(b"12345", 1)
    assert channel.pause() is True
    channel.taken = 5
    channel.settle()
    assert drained == [1]


def test_after_its_end_it_holds_nothing_of_its_producer() -> None:
    """A caller may keep a stream for long; what fed it goes."""
    channel = Channel(1, (producer := []).clear)
    references = sys.getrefcount(producer)
    channel.end(FINISHED)
    assert sys.getrefcount(producer) == references - 1


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
            channel.put(b"%d" % number, 1)
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
    taken = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        end = channel.ended
        while blocks := channel.look_arrived() if ahead else channel.look_released(100):
            taken += [int(block.lines) for block in blocks]
            channel.taken = blocks[-1].end
        if end is not None:
            break
        channel.settle()
        if not channel.is_ready:
            waiter.wait(30)
    assert ended.acquire(True, 20)
    assert taken == list(range(total))
    assert channel.buffered == 0
    assert pauses


def test_a_look_may_fall_into_a_put() -> None:
    """The hub may add a block between any two instructions of a look: here it does so each time."""
    channel = Channel(1 << 20, lambda: None)
    for _ in range(3):
        channel.put(b"x\n", 1)
    channel.release()

    def put_more(frame: FrameType, event: str, arg: object) -> object:
        if frame.f_code.co_filename != Channel.put.__code__.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            # In the place of the other thread. What is called here is not traced.
            channel.put(b"y\n", 1)
        return put_more

    before = sys.gettrace()
    sys.settrace(put_more)
    try:
        looks = [channel.look_arrived(), channel.look_released(2), channel.look_released(100)]
    finally:
        sys.settrace(before)
    assert [block.lines for block in looks[1]] == [b"x\n"] * 2
    assert [block.lines for block in looks[2]] == [b"x\n"] * 3
    assert [block.lines for block in looks[0]][:3] == [b"x\n"] * 3
