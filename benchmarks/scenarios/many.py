"""Many streams at once: by threads, by greenlets of a patched process, and by one caller.

Each stream is one chat of its own. A measurement is stopped at four times the ideal time: what had not come by then counts
as not seen. Latency is the age of a token when its caller has it, from the first token on; *settled* counts only those
tokens that were written when every stream had had its first.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from meter import Figures, Meter, latencies
from peers import (
    MESSAGES,
    OFFICIAL,
    OFFICIAL_ASYNC,
    PEERS,
    REQUESTS,
    US,
    Chat,
    official_async,
    ours,
)

from scenarios._scenario import Scenario

# Streams: tokens of each, seconds between two. 200 and 1000 are 3 s of work at 20,000 tokens/s.
LOADS = {
    1: (100, 0.01),
    10: (100, 0.01),
    50: (100, 0.01),
    200: (300, 0.01),
    1000: (60, 0.05),
}

# A measurement ends at this many times the ideal.
PATIENCE = 4


class Watch:
    """What came of one measurement's streams. Each list of `seen` has one writer, the stream's caller."""

    def __init__(self, streams: int, count: int, interval: float) -> None:
        self.streams, self.count, self.interval = streams, count, interval
        # For each stream, when each part was written by the server and when its caller had it; one clock for both.
        self.seen: list[list[tuple[float, float]]] = [[] for _ in range(streams)]
        self.errors: list[str] = []
        self.start = time.monotonic()

    @property
    def model(self) -> str:
        """What to ask the server for."""
        return f"pace:{self.count}:{self.interval}"

    @property
    def ideal(self) -> float:
        """Seconds that one stream takes."""
        return self.count * self.interval

    @property
    def deadline(self) -> float:
        """When the measurement is stopped."""
        return self.start + PATIENCE * self.ideal

    def see(self, number: int, texts: list[str]) -> None:
        """Note what stream `number` gave."""
        now = time.monotonic()
        self.seen[number] += [(float(text), now) for text in texts if text]

    def figures(self, meter: Meter) -> Figures:
        """Sum up: all parts, and under `settled_` those written when every stream had had its first, one of `count`."""
        parts = [part for mine in self.seen for part in mine]
        opened = max((mine[0][1] for mine in self.seen if mine), default=self.start)
        settled = [had - written for written, had in parts if written > opened]
        return {
            "wall_over_ideal": meter.wall / self.ideal,
            "opened_s": opened - self.start,
            "run_over_ideal": (meter.wall - opened + self.start) / (self.ideal - self.interval),
            "seen_share": len(parts) / (self.streams * self.count),
            "errors": len(self.errors),
            **latencies([had - written for written, had in parts]),
            **latencies(settled, "settled_"),
            **meter.per_part(len(parts)),
        }


def start_threads(chat: Chat, watch: Watch) -> Callable[[], None]:
    """Start a thread (in a patched process: a greenlet) for each stream; return what lets all go at once and waits."""
    gate = threading.Barrier(watch.streams + 1)

    def follow(number: int) -> None:
        gate.wait()
        try:
            for texts in chat(watch.model):
                watch.see(number, texts)
        except Exception as error:
            watch.errors.append(repr(error))

    threads = [
        threading.Thread(target=follow, args=(number,), daemon=True)
        for number in range(watch.streams)
    ]
    for thread in threads:
        thread.start()

    def go() -> None:
        watch.start = time.monotonic()
        gate.wait()
        for thread in threads:
            thread.join(max(0.0, watch.deadline - time.monotonic()))

    return go


def by_threads(streams: int, peer: str, port: int) -> Figures:
    """Follow each stream with a thread of its own."""
    chat = _warm(PEERS[peer](port))
    watch = Watch(streams, *LOADS[streams])
    follow = start_threads(chat, watch)
    with Meter() as meter:
        follow()
    return watch.figures(meter)


def by_one_caller(streams: int, peer: str, port: int) -> Figures:
    """Follow all streams from one thread: this SDK by `merge`, the official client by asyncio."""
    watch = Watch(streams, *LOADS[streams])
    if peer == OFFICIAL_ASYNC:
        return asyncio.run(_by_tasks(official_async(port), watch))
    client = ours(port)
    for _ in client.chat("pour:100", MESSAGES, stream=True).tokens():
        pass
    watch.start = time.monotonic()
    with Meter() as meter:
        follow_with_merge(client, watch)
    return watch.figures(meter)


def follow_with_merge(client: object, watch: Watch) -> None:
    """Open every stream, one after the other, and follow them together."""
    import ollama_sync

    assert isinstance(client, ollama_sync.Client)
    numbers = {
        client.chat(watch.model, MESSAGES, stream=True): number for number in range(watch.streams)
    }
    try:
        for stream, batch in ollama_sync.merge(numbers):
            watch.see(numbers[stream], [part["message"]["content"] for part in batch])
            if time.monotonic() > watch.deadline:
                break
    except ollama_sync.OllamaError as error:
        watch.errors.append(repr(error))


async def _by_tasks(chat: Callable[[str], AsyncIterator[list[str]]], watch: Watch) -> Figures:
    async for _ in chat("pour:100"):
        pass

    async def follow(number: int) -> None:
        try:
            async for texts in chat(watch.model):
                watch.see(number, texts)
        except Exception as error:
            watch.errors.append(repr(error))

    watch.start = time.monotonic()
    with Meter() as meter:
        tasks = [asyncio.create_task(follow(number)) for number in range(watch.streams)]
        await asyncio.wait(tasks, timeout=PATIENCE * watch.ideal)
    return watch.figures(meter)


def _warm(chat: Chat) -> Chat:
    for _ in chat("pour:100"):
        pass
    return chat


_SHOWN = {
    "wall_over_ideal": "time / ideal",
    "opened_s": "all open after s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "settled_p99_ms": "settled: p99 ms",
    "cpu_us_per_part": "CPU µs per part",
    "switches_per_part": "switches per part",
    "seen_share": "seen",
    "errors": "errors",
}


def _how(streams: int) -> str:
    count, interval = LOADS[streams]
    return f"{streams} streams of {1 / interval:.0f} tokens/s for {count * interval:.0f} s"


SCENARIOS = [
    scenario
    for streams in LOADS
    for scenario in (
        Scenario(
            f"{streams} by threads",
            f"{_how(streams)}, each followed by a thread of its own; all begin at once.",
            partial(by_threads, streams),
            (US, OFFICIAL) if streams == 1000 else (US, OFFICIAL, REQUESTS),
            _SHOWN,
            quick=(US,) if streams == 50 else (),
        ),
        Scenario(
            f"{streams} by greenlets",
            f"{_how(streams)}, each followed by a greenlet of a process that is patched by gevent.",
            partial(by_threads, streams),
            (US,) if streams == 1000 else (US, REQUESTS),
            _SHOWN,
            patched=True,
        ),
        Scenario(
            f"{streams} by one caller",
            f"{_how(streams)}, followed by one thread: `merge`, opened one after the other, beside the official "
            "asynchronous client, one task for each.",
            partial(by_one_caller, streams),
            (US, OFFICIAL_ASYNC),
            _SHOWN | {"run_over_ideal": "time once open / ideal"},
            quick=(US,) if streams == 50 else (),
        ),
    )
]
