"""`Clocks`: when the loop is asked to call, and what is said then. The test plays the loop, and makes the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from ollama_sync import Client, FirstTimeout, Timeout, WaitTimeout
from ollama_sync._call import clocks as clocks_module
from ollama_sync._call.clocks import Clocks
from ollama_sync._hub import Hub
from ollama_sync.testing import MockOllama, silence


class Loop:
    """Keeps timers, and calls the earliest when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, self.now + seconds, callback))
        return self.timers[-1]

    def call_after_look(self, callback: Callable[[], None]) -> Timer:
        return self.call_later(0.0, callback)

    def step(self) -> None:
        timer = min(self.timers, key=lambda one: one.at)
        self.timers.remove(timer)
        self.now = max(self.now, timer.at)
        timer.callback()


class Timer:
    def __init__(self, loop: Loop, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self._loop = loop

    def close(self) -> None:
        if self in self._loop.timers:
            self._loop.timers.remove(self)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    clocks_module.use_time_of(lambda: loop.now)
    yield loop
    clocks_module.use_time_of(time.monotonic)


@pytest.fixture
def told() -> list[WaitTimeout]:
    return []


@pytest.fixture
def clocks(loop: Loop, told: list[WaitTimeout]) -> Iterator[Clocks]:
    timeout = Timeout(connect=1, first=2, idle=3, total=None)
    clocks = Clocks(cast("Hub", loop), timeout, SimpleNamespace(tried="POST /x"), told.append)
    clocks.arm()
    yield clocks
    clocks.stop()
    assert not loop.timers


def test_sockets_are_served_before_a_clock_tells(
    loop: Loop, clocks: Clocks, told: list[WaitTimeout]
) -> None:
    """A loop that was held up serves its timers first: what came meanwhile is read before a silence is told of."""
    clocks.connected()
    clocks.arrived()
    loop.now += 10  # held up
    loop.step()
    assert not told
    clocks.arrived()  # which the loop serves now
    loop.step()
    assert not told
    loop.step()
    loop.step()
    assert [error.phase for error in told] == ["idle"]


def test_each_clock_gives_way_to_the_next(
    loop: Loop, clocks: Clocks, told: list[WaitTimeout]
) -> None:
    """Connect until there is a connection, first until the first byte, idle from then on."""
    assert [timer.at for timer in loop.timers] == [101]
    loop.now = 100.5
    clocks.connected()
    loop.now = 101.5
    clocks.sent()
    loop.step()  # the timer of connect, which has nothing to tell
    loop.step()
    assert [timer.at for timer in loop.timers] == [103.5]
    loop.now = 103
    clocks.arrived()
    loop.step()
    loop.step()
    assert [timer.at for timer in loop.timers] == [106]
    assert not told


def test_a_clock_that_runs_out_tells_once(
    loop: Loop, clocks: Clocks, told: list[WaitTimeout]
) -> None:
    """Then nothing rings any more."""
    loop.step()
    loop.step()
    assert [error.phase for error in told] == ["connect"]
    assert not loop.timers


def test_a_pause_is_no_silence(loop: Loop, clocks: Clocks, told: list[WaitTimeout]) -> None:
    """While nothing is read no clock runs, and afterwards the idle clock begins anew."""
    clocks.connected()
    clocks.arrived()
    clocks.pause()
    loop.now += 10
    while loop.timers:
        loop.step()
    assert not told
    clocks.resume()
    assert [timer.at for timer in loop.timers] == [113]


def test_a_clock_that_a_test_has_stopped_stops_no_limit(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the place of Python's clock: limits run out, and `poll` comes back."""
    server.script([silence()])
    server.script([silence()])
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    with Client(server.url, timeout=Timeout(first=0.05)) as client, pytest.raises(FirstTimeout):
        client.chat("m")
    with Client(server.url) as client, client.chat("m", stream=True) as stream:
        assert stream.poll(0.05) == []
