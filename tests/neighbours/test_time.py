"""Beside tools that stop or move the time: limits run out as they should, and nothing waits for ever."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import freezegun
import pytest
import time_machine

from ollama_sync import Client, FirstTimeout, Timeout
from ollama_sync.testing import FakeClock, MockOllama, chunk, head, silence

STOPPED: dict[str, Callable[[], Any]] = {
    "freezegun": lambda: freezegun.freeze_time("2031-05-01"),
    "freezegun, ticking": lambda: freezegun.freeze_time("2031-05-01", tick=True),
    "time-machine": lambda: time_machine.travel(dt.datetime(2031, 5, 1, tzinfo=dt.timezone.utc)),
    "time-machine, stopped": lambda: time_machine.travel(0, tick=False),
}


@pytest.mark.parametrize("stop", STOPPED.values(), ids=STOPPED)
def test_a_limit_runs_out(stop: Callable[[], Any], server: MockOllama) -> None:
    """Also where the clock of the test stands still."""
    server.script([silence()])
    client = Client(server.url, timeout=Timeout(first=0.05))
    with stop(), client, pytest.raises(FirstTimeout):
        client.chat("m")


@pytest.mark.parametrize("stop", STOPPED.values(), ids=STOPPED)
def test_poll_comes_back(stop: Callable[[], Any], server: MockOllama) -> None:
    """A look with a limit ends although no second passes."""
    server.script([head(), silence()])
    with stop(), Client(server.url) as client, client.chat("m", stream=True) as stream:
        assert stream.poll(0.05) == []


def test_a_jump_of_the_time_rings_no_clock(server: MockOllama, client: Client) -> None:
    """A test that moves its clock by an hour has not waited for an hour."""
    with freezegun.freeze_time("2031-05-01") as frozen:
        part = {"message": {"content": "a"}, "done": False}
        server.script([head(), chunk(part), chunk({**part, "done": True})])
        stream = client.chat("m", stream=True)
        frozen.tick(3600)
        assert [one.message.content for one in stream] == ["a", "a"]


def test_delays_of_the_mock_add_up_to_what_they_say() -> None:
    """Its sleeps go by the machine's clock, too."""
    with MockOllama(chunks=6, delay=0.01) as server, Client(server.url) as client:
        began = time.perf_counter()
        with freezegun.freeze_time("2031-05-01"):
            client.chat("m")
        assert time.perf_counter() - began < 5


def test_only_the_fake_clock_moves_limits(server: MockOllama) -> None:
    """It does so beside a tool that has stopped the time."""
    server.script([silence()])
    client = Client(server.url, timeout=Timeout(first=600))
    with client, freezegun.freeze_time(), FakeClock() as clock:
        stream = client.chat("m", stream=True)
        clock.advance(601)
        with stream, pytest.raises(FirstTimeout):
            next(stream)
