"""`Ownership`: one consumer at a time, and an interrupt does not lock it."""

from __future__ import annotations

import threading

import greenlet

from ollama_sync._stream.ownership import Ownership


def test_a_second_consumer_is_refused_until_the_first_gives_back() -> None:
    """Whoever has it is the only one."""
    ownership = Ownership()
    one, two = object(), object()
    assert ownership.acquire(one)
    assert not ownership.acquire(two)
    ownership.owners = {}
    assert ownership.acquire(two)


def test_an_owner_finds_its_own() -> None:
    """A consumer that was interrupted before it could give back gets in again."""
    ownership = Ownership()
    one = object()
    assert ownership.acquire(one)
    assert ownership.acquire(one)


def test_what_a_dead_greenlet_left_is_free() -> None:
    """A greenlet that ended without giving back does not lock others out."""
    ownership = Ownership()
    gone = greenlet.greenlet(lambda: ownership.acquire(gone))
    assert gone.switch()
    assert gone.dead
    assert ownership.acquire(object())


def test_of_many_threads_one_gets_it() -> None:
    """However they race."""
    for _ in range(50):
        ownership, got, start = Ownership(), [], threading.Barrier(4)

        def race(
            ownership: Ownership = ownership,
            got: list[bool] = got,
            start: threading.Barrier = start,
        ) -> None:
            start.wait(10)
            got.append(ownership.acquire(object()))

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(got) == [False, False, False, True]
