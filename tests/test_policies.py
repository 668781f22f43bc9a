"""The values that decide, tested with numbers; batching by a simulation with a clock and a timer of its own."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._policies import (
    ANY_OTHER_CALL,
    DEFAULT,
    STREAMED_ANSWER,
    BatchPolicy,
    Expiry,
    Marks,
    Timeout,
)
from ollama_sync.errors import RequestError

INF = float("inf")


@pytest.mark.parametrize(
    ("pending", "since", "due"),
    [
        (1, INF, 0.0),  # the first part
        (1, 0.004, 0.0),  # exactly one window ago
        (1, 0.0041, 0.0),
        (1, 0.0039, 0.0001),
        (1, 0.0, 0.004),  # just released
        (99, 0.001, 0.003),
        (100, 0.001, 0.0),  # full
        (250, 0.0, 0.0),
    ],
)
def test_when_a_batch_is_due(pending: int, since: float, due: float) -> None:
    """At once when a window has passed or the batch is full; else when the window will have passed."""
    assert BatchPolicy(window=0.004, max_size=100).due(pending, since) == due


def test_without_a_window_each_part_is_due_at_once() -> None:
    """A window of 0 waits for nothing, whatever came just before."""
    assert BatchPolicy(window=0).due(1, 0.0) == 0.0


def test_the_defaults_of_batching() -> None:
    """4 ms and 100 parts."""
    assert BatchPolicy() == BatchPolicy(window=0.004, max_size=100)


Release = tuple[float, list[int]]


def simulate(policy: BatchPolicy, arrivals: list[float]) -> list[Release]:
    """Run the policy as the hub does: a timer for what is not due at once, one at a time; return what was released."""
    releases: list[Release] = []
    pending: list[int] = []
    released_at = -INF
    timer: float | None = None

    def release(now: float) -> None:
        nonlocal released_at, timer
        releases.append((now, list(pending)))
        pending.clear()
        released_at, timer = now, None

    for number, now in enumerate(arrivals):
        if timer is not None and timer <= now:
            release(timer)
        pending.append(number)
        due = policy.due(len(pending), now - released_at)
        if due <= 0:
            release(now)
        elif timer is None:
            timer = now + due
    if timer is not None:
        release(timer)
    return releases


# A policy rounds to a nanosecond.
SLACK = 2e-9


@given(
    window=st.floats(0, 0.1),
    max_size=st.integers(1, 20),
    gaps=st.lists(
        st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 1)), min_size=1, max_size=80
    ),
)
def test_any_arrivals_are_batched_by_the_rules(
    window: float, max_size: int, gaps: list[float]
) -> None:
    """Order kept, nothing lost, the first at once, none waits longer than a window, one release a window unless full."""
    arrivals = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    releases = simulate(BatchPolicy(window, max_size), arrivals)
    assert [number for _, batch in releases for number in batch] == list(range(len(arrivals)))
    assert releases[0] == (arrivals[0], [0])
    for at, batch in releases:
        assert 1 <= len(batch) <= max_size
        assert all(0 <= at - arrivals[number] <= window + SLACK for number in batch)
    for (before, _), (at, batch) in pairwise(releases):
        assert len(batch) == max_size or at - before >= window - SLACK


@given(st.lists(st.floats(0.005, 1), min_size=1, max_size=30))
def test_a_slow_stream_is_never_held(gaps: list[float]) -> None:
    """Parts further apart than a window are each released at the moment they come."""
    arrivals = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    assert simulate(BatchPolicy(0.004), arrivals) == [(at, [n]) for n, at in enumerate(arrivals)]


@given(st.integers(1, 200), st.floats(0, 0.0040))
def test_due_is_never_more_than_the_window(pending: int, since: float) -> None:
    """And never negative."""
    assert 0 <= BatchPolicy(0.004, 100).due(pending, since) <= 0.004


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": -0.001},
        {"window": INF},
        {"window": float("nan")},
        {"window": "1"},
        {"window": None},
        {"window": True},
        {"max_size": 0},
        {"max_size": -1},
        {"max_size": 1.0},
        {"max_size": True},
        {"max_size": None},
    ],
    ids=repr,
)
def test_a_wrong_batch_policy_is_refused(wrong: dict[str, Any]) -> None:
    """The message names the argument, what was given and what is accepted."""
    ((name, value),) = wrong.items()
    with pytest.raises(RequestError) as caught:
        BatchPolicy(**wrong)
    assert str(caught.value).startswith(f"BatchPolicy({name}={value!r}): ")


@pytest.mark.parametrize("wrong", [0, -1, INF, float("nan"), "5", True, False, [1]], ids=repr)
@pytest.mark.parametrize("clock", ["connect", "first", "idle", "total"])
def test_a_wrong_clock_is_refused(clock: str, wrong: Any) -> None:
    """Neither None nor a number above 0: the message names the clock."""
    with pytest.raises(RequestError) as caught:
        Timeout(**{clock: wrong})
    assert str(caught.value).startswith(f"Timeout({clock}={wrong!r}): ")


def test_policies_are_frozen_values() -> None:
    """They can be shared: nobody changes them, equal ones are equal, and they survive pickling and copying."""
    for value in (BatchPolicy(0.01, 5), Timeout(first=3, idle=None)):
        twin = pickle.loads(pickle.dumps(value))
        assert twin == value
        assert hash(twin) == hash(value)
        assert repr(copy.deepcopy(value)) == repr(value)
    with pytest.raises(FrozenInstanceError):
        BatchPolicy().window = 1.0  # type: ignore[misc]  # that is what is tested
    assert pickle.loads(pickle.dumps(Timeout())).total is DEFAULT


def test_what_may_be_given_as_a_timeout() -> None:
    """A Timeout is itself, a number means connect, first and idle, None no limit at all."""
    own = Timeout(first=1)
    assert Timeout.of(own) is own
    assert Timeout.of(30) == Timeout(30, 30, 30, DEFAULT)
    assert Timeout.of(0.5) == Timeout(0.5, 0.5, 0.5, DEFAULT)
    assert Timeout.of(None) == Timeout(None, None, None, None)


@pytest.mark.parametrize("wrong", ["30", True, (1, 2), b"", {}], ids=repr)
def test_anything_else_is_no_timeout(wrong: Any) -> None:
    """The message says what was given."""
    with pytest.raises(RequestError, match=r"^timeout="):
        Timeout.of(wrong)


@pytest.mark.parametrize("wrong", [0, -3, INF, float("nan")])
def test_a_number_that_is_no_time_is_refused(wrong: float) -> None:
    """`timeout=0` would fail every call."""
    with pytest.raises(RequestError, match="seconds above 0"):
        Timeout.of(wrong)


def test_the_defaults_of_the_calls() -> None:
    """10 s to connect everywhere; first 600 and idle 300 for a streamed answer; nothing else anywhere."""
    assert Timeout().or_else(STREAMED_ANSWER) == Timeout(10.0, 600.0, 300.0, None)
    assert Timeout().or_else(ANY_OTHER_CALL) == Timeout(10.0, None, None, None)


def test_an_explicit_value_wins_and_an_explicit_none_removes() -> None:
    """Only what is not given is taken from the defaults."""
    assert Timeout(first=None, idle=5).or_else(STREAMED_ANSWER) == Timeout(10.0, None, 5, None)
    assert Timeout.of(7).or_else(ANY_OTHER_CALL) == Timeout(7, 7, 7, None)
    assert Timeout.of(None).or_else(STREAMED_ANSWER) == Timeout(None, None, None, None)
    assert Timeout(total=9).or_else(STREAMED_ANSWER).total == 9


def test_what_is_not_given_is_shown_as_such() -> None:
    """The repr can be typed in again."""
    assert (
        repr(Timeout(first=1)) == "Timeout(connect=DEFAULT, first=1, idle=DEFAULT, total=DEFAULT)"
    )


ALL = Timeout(connect=10, first=60, idle=30, total=100)


@pytest.mark.parametrize(
    ("timeout", "marks", "expiry"),
    [
        (ALL, Marks(0.0), Expiry(10.0, "connect", 10)),
        (ALL, Marks(5.0), Expiry(15.0, "connect", 10)),
        (ALL, Marks(0.0, 2.0), Expiry(62.0, "first", 60)),
        (ALL, Marks(0.0, 2.0, 3.0), Expiry(63.0, "first", 60)),
        # A clock may stand at 0.
        (ALL, Marks(-5.0, -3.0, 0.0), Expiry(60.0, "first", 60)),
        (ALL, Marks(0.0, 2.0, 3.0, 20.0), Expiry(50.0, "idle", 30)),
        (ALL, Marks(0.0, 2.0, 3.0, 80.0), Expiry(100.0, "total", 100)),
        # A reply that begins before the request is sent whole: the first clock is over.
        (ALL, Marks(0.0, 2.0, None, 4.0), Expiry(34.0, "idle", 30)),
        # Paused for a slow caller: idle stands still, total goes on.
        (ALL, Marks(0.0, 2.0, 3.0, 20.0, paused=True), Expiry(100.0, "total", 100)),
        (Timeout(idle=30, total=None), Marks(0.0, 2.0, 3.0, 20.0, paused=True), None),
        (Timeout(first=60), Marks(0.0, 2.0, 3.0, paused=True), Expiry(63.0, "first", 60)),
        # None, and what is not given, does not run.
        # A further attempt has a connect clock of its own, and a first one; the total one goes on.
        (ALL, Marks(0.0, repeated=50.0), Expiry(60.0, "connect", 10)),
        (ALL, Marks(0.0, repeated=95.0), Expiry(100.0, "total", 100)),
        (ALL, Marks(0.0, 21.0, repeated=20.0), Expiry(81.0, "first", 60)),
        (Timeout.of(None), Marks(0.0), None),
        (Timeout(), Marks(0.0), None),
        (Timeout(), Marks(0.0, 1.0, 2.0, 3.0), None),
        (Timeout(connect=10), Marks(0.0, 1.0), None),
        (Timeout(first=60), Marks(0.0), None),
        (Timeout(total=5), Marks(1.0, 2.0), Expiry(6.0, "total", 5)),
        # Of two that run out together the phase is the more telling.
        (Timeout(connect=5, total=5), Marks(0.0), Expiry(5.0, "connect", 5)),
    ],
)
def test_which_clock_runs_out_next(timeout: Timeout, marks: Marks, expiry: Expiry | None) -> None:
    """One clock of the phase and the total one; the earlier counts."""
    assert timeout.next_expiry(marks) == expiry
