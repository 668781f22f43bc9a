"""The callers of the soak: each way to follow streams, and what came of each stream.

Each caller runs on a thread of the soak's, begins streams, and returns when all of them are over. It keeps no state.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import gevent
from faults import FAULTS, Plan

from ollama_sync import (
    ChatResponse,
    Client,
    OllamaError,
    Stream,
    StreamBroken,
    StreamsFailed,
    Timeout,
    merge,
)

# Seconds in which a caller, or a child, must be through.
PATIENCE = 60.0


@dataclass
class Taken:
    """What a caller got of one stream.

    Args:
        plan: what the server was asked for.
        left: whether the caller left before the end.
    """

    plan: Plan
    left: bool = False
    texts: list[str] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def outcome(self) -> str:
        """Say in one word how it ended."""
        if self.error is not None:
            return type(self.error).__name__
        return "left" if self.left else "whole"

    def complaint(self) -> str | None:
        """Say what is wrong with it; None when it is as it has to be."""
        plan, fault = self.plan, FAULTS[self.plan.fault]
        if self.texts != [plan.text(number) for number in range(len(self.texts))]:
            return f"a part is lost, repeated or out of order: {self.texts}"
        if len(self.texts) > (plan.at if fault.errors else plan.parts):
            return f"{len(self.texts)} parts, which are more than were sent"
        if self.error is None and self.left:
            return None
        if not isinstance(self.error, fault.errors or type(None)):
            return f"it ended with {self.error!r}, and should with {fault.errors}"
        if not self.left and len(self.texts) < fault.arrive(plan):
            return f"{len(self.texts)} parts, of {fault.arrive(plan)}"
        if isinstance(self.error, StreamBroken) and self.texts and not self.left:
            kept = self.error.partial.message.content
            if kept != "".join(self.texts):
                return f"`partial` has {kept!r}, the caller {self.texts}"
        return None


class Clients:
    """What streams are begun with: a client whose clocks run fast, for servers that are to be silent, and one for all else."""

    def __init__(self, url: str) -> None:
        # Streams are paused when nobody looks for a while.
        self._patient = Client(url, timeout=Timeout(20, first=30, idle=30), max_buffered=20_000)
        self._hasty = Client(url, timeout=Timeout(20, first=2, idle=2))

    def begin(self, plan: Plan) -> Stream[ChatResponse]:
        """Ask for a stream."""
        client = self._hasty if plan.fault.startswith("silent") else self._patient
        return client.chat("m", [{"role": "user", "content": plan.prompt()}], stream=True)

    def close(self) -> None:
        """Close both."""
        self._hasty.close()
        self._patient.close()


Follow = Callable[[Stream[ChatResponse], Taken, Random], None]


def _text(part: Any) -> list[str]:
    return [part.message.content] if part.message.content else []


def one_by_one(stream: Stream[ChatResponse], taken: Taken, _: Random) -> None:
    """Part by part."""
    for part in stream:
        taken.texts += _text(part)


def in_batches(stream: Stream[ChatResponse], taken: Taken, _: Random) -> None:
    """List by list."""
    for batch in stream.batches():
        taken.texts += [text for part in batch for text in _text(part)]


def by_tokens(stream: Stream[ChatResponse], taken: Taken, _: Random) -> None:
    """Text only."""
    for tokens in stream.tokens():
        taken.texts += tokens


def slowly(stream: Stream[ChatResponse], taken: Taken, random: Random) -> None:
    """Look now and then, as a user interface."""
    while not stream.done:
        time.sleep(random.uniform(0, 0.05))
        taken.texts += [text for part in stream.poll(0.05) for text in _text(part)]


def and_cancel(stream: Stream[ChatResponse], taken: Taken, random: Random) -> None:
    """Another thread cancels, at any time."""
    taken.left = True
    timer = threading.Timer(random.uniform(0, 0.05), stream.cancel)
    timer.start()
    try:
        one_by_one(stream, taken, random)
    finally:
        timer.join(PATIENCE)


def and_close(stream: Stream[ChatResponse], taken: Taken, random: Random) -> None:
    """Leave after some parts."""
    enough = random.randrange(taken.plan.parts)
    for part in stream:
        taken.texts += _text(part)
        if len(taken.texts) >= enough:
            break
    taken.left = True


def and_drop(stream: Stream[ChatResponse], taken: Taken, _: Random) -> None:
    """Forget it after the first part, without closing it."""
    taken.left = True
    for part in stream:
        taken.texts += _text(part)
        break


FOLLOW: dict[str, Follow] = {
    "one by one": one_by_one,
    "in batches": in_batches,
    "by tokens": by_tokens,
    "slowly": slowly,
    "and cancel": and_cancel,
    "and close": and_close,
    "and drop": and_drop,
}


def follow(clients: Clients, plan: Plan, way: str, random: Random) -> Taken:
    """Begin a stream and follow it to its end, in one of the ways."""
    taken = Taken(plan)
    try:
        stream = clients.begin(plan)
        if way == "and drop":
            FOLLOW[way](stream, taken, random)
        else:
            with stream:
                FOLLOW[way](stream, taken, random)
    except OllamaError as error:
        taken.error = error.with_traceback(None)  # whose frames would keep the stream
    return taken


def merged(clients: Clients, plans: Sequence[Plan], random: Random) -> list[Taken]:
    """Follow all of them together, while some are cancelled."""
    taken: dict[Stream[ChatResponse], Taken] = {}
    refused: list[Taken] = []
    for plan in plans:
        one = Taken(plan)
        try:
            taken[clients.begin(plan)] = one
        except OllamaError as error:
            one.error = error.with_traceback(None)
            refused.append(one)
    try:
        for stream, batch in merge(taken):
            taken[stream].texts += [text for part in batch for text in _text(part)]
            if random.random() < 0.01:
                stream.cancel()
                taken[stream].left = True
    except StreamsFailed as failed:
        assert {*failed.errors} == {s.error for s in taken if s.error}, failed.errors  # noqa: PT017  # no test
    for stream, one in taken.items():
        one.error = stream.error and stream.error.with_traceback(None)
    return [*taken.values(), *refused]


def in_greenlets(clients: Clients, plans: Sequence[Plan], random: Random) -> list[Taken]:
    """Follow each in a greenlet, on the loop of this thread; one of them is killed.

    Always on the same thread: of one that ends, gevent keeps the loop.
    """
    found: list[Taken] = []
    ways = [way for way in FOLLOW if way != "and cancel"]  # whose timer would wait natively

    def one(plan: Plan, way: str) -> None:
        found.append(follow(clients, plan, way, random))

    running = [gevent.spawn(one, plan, random.choice(ways)) for plan in plans]
    gevent.sleep(random.uniform(0, 0.05))
    running[0].kill()
    gevent.joinall(running, timeout=PATIENCE, raise_error=True)
    assert all(greenlet.ready() for greenlet in running), "a greenlet hangs"
    return found


def in_a_child(url: str, clients: Clients, plans: Sequence[Plan], random: Random) -> list[Taken]:
    """Fork while others stream; the child follows the streams, with what its parent had and with clients of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is what is tried
        child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))  # ends it, should it hang
        status = 1
        try:
            own = Clients(url)
            made = [
                follow(used, plan, "one by one", random)
                for plan in plans
                for used in (clients, own)
            ]
            complaints = [(taken.plan, wrong) for taken in made if (wrong := taken.complaint())]
            print(*complaints, sep="\n", end="", file=sys.stderr, flush=True)
            status = 3 if complaints else 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"a forked child ended with status {status}"
    return []
