"""An interrupt in the middle of anything that takes parts: none is lost, none comes twice, and the stream stays usable.

CPython looks for signals, and for exceptions thrown into a thread, when a Python function begins and behind a call of a C
function. Here an exception is raised at each such place in turn, by the profiler, which is called at the same places.
What is interrupted behind the package's outermost frame is the caller's: no library can keep what it has returned.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

import ollama_sync
from ollama_sync import Client, Stream, merge
from ollama_sync.testing import MockOllama, chunk, end, head, line

HOME = os.path.dirname(ollama_sync.__file__)
PARTS = 250
FINAL = {"response": "", "done": True}

# Where a signal is looked for; what else the profiler sees is not such a place.
PLACES = ("call", "c_return", "c_exception")


class Interrupt(KeyboardInterrupt):
    """What a signal handler raises. In a callback of gevent's loop, too: there only such a one is passed on to the caller."""


Take = Callable[[Stream[Any]], Any]


def next_part(stream: Stream[Any]) -> Any:
    return next(stream, None)


def poll(stream: Stream[Any]) -> Any:
    return None if stream.done else stream.poll(1)


def from_iterator(make: Callable[[Stream[Any]], Iterator[Any]]) -> Take:
    """Return what takes from one iterator, made at the first call; again, if that was interrupted."""
    made: list[Iterator[Any]] = []

    def take(stream: Stream[Any]) -> Any:
        if not made:
            made.append(make(stream))
        return next(made[0], None)

    return take


WAYS: dict[str, Callable[[], Take]] = {
    "next": lambda: next_part,
    "poll": lambda: poll,
    "batches": lambda: from_iterator(lambda stream: stream.batches()),
    "tokens": lambda: from_iterator(lambda stream: stream.tokens()),
    "merge": lambda: from_iterator(lambda stream: merge([stream])),
}


def texts_of(taken: Any) -> list[str]:
    """Return the texts of whatever one of the ways gave."""
    if isinstance(taken, tuple):
        taken = taken[1]
    items = taken if isinstance(taken, list) else [taken]
    return [item if isinstance(item, str) else item.response for item in items]


def interrupt_at(place: int) -> Callable[[FrameType, str, object], None]:
    """Return a profiler that raises at one place within the package: at that of this number."""
    left = [place]

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event in PLACES and frame.f_code.co_filename.startswith(HOME):
            left[0] -= 1
            if left[0] == 0:
                sys.setprofile(None)
                raise Interrupt

    return profile


def read(stream: Stream[Any], take: Take, place: int) -> tuple[list[str], int]:
    """Read a stream to its end, interrupted once, at a place; return the texts, and whether it came to that."""
    taken: list[Any] = []
    interrupts = 0
    sys.setprofile(interrupt_at(place))
    try:
        while True:
            try:
                found = take(stream)
            except Interrupt:
                interrupts += 1
                continue
            if found is None:
                break
            taken.append(found)
    finally:
        sys.setprofile(None)
    return [text for found in taken for text in texts_of(found) if text], interrupts


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_interrupted_anywhere_loses_and_repeats_nothing(
    way: str, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """At each place of the package where an interrupt can come, in the whole course of a stream of several batches."""
    body = b"".join(line({"response": f"{number} ", "done": False}) for number in range(PARTS))
    whole = [f"{number} " for number in range(PARTS)]
    with MockOllama() as server, Client(server.url) as client:
        place, step = 1, 1
        while True:
            steps = [head(), chunk(body), chunk(FINAL), end()]
            server.script(steps, path="/api/generate")
            stream = client.generate("m", "hi", stream=True)
            eventually(lambda stream=stream: stream.stats.parts == PARTS + 1)
            texts, interrupts = read(stream, WAYS[way](), place)
            assert texts == whole, f"{way}, place {place}"
            assert stream.done
            if not interrupts:
                break
            # Each place of the first steps, then, where the steps are repeated, some of them.
            place += step
            step = 1 if place < 120 else 7
    assert place > 60


def test_result_goes_on_after_an_interrupt() -> None:
    """What was read before it is in the reply."""
    with MockOllama(chunks=300, delay=0) as server, Client(server.url) as client:
        place = 1
        while True:
            stream = client.generate("m", "hi", stream=True)
            sys.setprofile(interrupt_at(place))
            try:
                reply = stream.result()
                interrupted = False
            except Interrupt:
                interrupted = True
            finally:
                sys.setprofile(None)
            if interrupted:
                reply = stream.result()
            assert len(reply.response or "") == 300
            if not interrupted:
                break
            place += 11
    assert place > 100
