"""Streams beside something that is in their way: a host that burns CPU, a stream that pours, a thousand connects."""

from __future__ import annotations

import threading
import time
from functools import partial

from meter import Figures, Meter, ages, latencies
from peers import OFFICIAL, PEERS, REQUESTS, US, Chat, ours

from scenarios._scenario import Scenario
from scenarios.many import Watch, follow_with_merge, start_threads

US_MERGE = "ollama_sync, merge"

ALONE = 1.0
CONNECTS = 1000
OPENERS = 100


class Burner(threading.Thread):
    """A host's own work: a loop of pure Python. It alone writes `turns`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.turns = 0

    def run(self) -> None:
        """Burn until the process ends."""
        value = 0
        while True:
            for number in range(1000):
                value = (value * 31 + number) % 65521
            self.turns += 1

    def speed(self, before: int, seconds: float) -> float:
        """Return turns per second since `before` was read."""
        return (self.turns - before) / seconds


def burning_host(peer: str, port: int) -> Figures:
    """Follow 50 streams of 30 tokens/s while another thread burns CPU; compare its speed with its speed alone."""
    watch = Watch(50, 60, 1 / 30)
    client = ours(port) if peer == US_MERGE else None
    chat = PEERS[US if client else peer](port)
    for _ in chat("pour:100"):
        pass
    burner = Burner()
    burner.start()
    before = burner.turns
    time.sleep(ALONE)
    alone = burner.speed(before, ALONE)
    follow = partial(follow_with_merge, client, watch) if client else start_threads(chat, watch)
    watch.start = time.monotonic()
    with Meter() as meter:
        before = burner.turns
        follow()
        turns = burner.turns
    return watch.figures(meter) | {"host_speed_kept": (turns - before) / meter.wall / alone}


def _follow(chat: Chat) -> list[float]:
    return [age for texts in chat("pace:150:0.01") for age in ages(texts)]


def _beside(chat: Chat, neighbour: threading.Thread) -> Figures:
    """Follow one stream of a token each 10 ms, alone and then beside a neighbour."""
    figures = latencies(_follow(chat), "alone_")
    neighbour.start()
    figures |= latencies(_follow(chat))
    figures["added_p99_ms"] = figures["p99_ms"] - figures["alone_p99_ms"]
    return figures


def pouring_neighbour(peer: str, port: int) -> Figures:
    """Follow a stream beside one that pours, read by another thread of the same process as fast as it can."""
    chat = PEERS[peer](port)
    poured = 0

    def pour() -> None:
        nonlocal poured
        for texts in chat("pour:100000000"):
            poured += len(texts)

    return _beside(chat, threading.Thread(target=pour, daemon=True)) | {"poured": poured}


def connecting_neighbours(peer: str, port: int) -> Figures:
    """Follow a stream while 100 threads open ten more each, at once, and hold them."""
    chat = PEERS[peer](port)
    held: list[object] = []
    took = 0.0

    def open_some() -> None:
        for _ in range(CONNECTS // OPENERS):
            stream = chat("hold")
            next(stream)
            held.append(stream)

    def open_all() -> None:
        nonlocal took
        start = time.perf_counter()
        openers = [threading.Thread(target=open_some, daemon=True) for _ in range(OPENERS)]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
        took = time.perf_counter() - start

    opening = threading.Thread(target=open_all, daemon=True)
    figures = _beside(chat, opening)
    opening.join()
    assert len(held) == CONNECTS
    return figures | {"opened_s": took}


_BESIDE = {
    "alone_p99_ms": "alone: p99 ms",
    "p50_ms": "beside: p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "added_p99_ms": "added p99 ms",
}

SCENARIOS = [
    Scenario(
        "burning host",
        "50 streams of 30 tokens/s for 2 s while another thread of the process runs a loop of pure Python; and how much "
        "of its speed alone that loop keeps.",
        burning_host,
        (US, US_MERGE, OFFICIAL, REQUESTS),
        {
            "p50_ms": "p50 ms",
            "p99_ms": "p99 ms",
            "max_ms": "max ms",
            "settled_p50_ms": "settled: p50 ms",
            "settled_p99_ms": "p99 ms",
            "host_speed_kept": "host's speed kept",
            "wall_over_ideal": "time / ideal",
        },
    ),
    Scenario(
        "beside a pour",
        "A stream of a token each 10 ms, alone and then beside one that pours, read by another thread.",
        pouring_neighbour,
        (US, OFFICIAL, REQUESTS),
        _BESIDE | {"poured": "parts poured meanwhile"},
        quick=(US,),
    ),
    Scenario(
        "beside 1000 connects",
        f"A stream of a token each 10 ms, alone and then while {OPENERS} threads open {CONNECTS} streams and hold them.",
        connecting_neighbours,
        (US, OFFICIAL, REQUESTS),
        _BESIDE | {"opened_s": "1000 opened in s"},
    ),
]
