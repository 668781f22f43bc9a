"""One stream: how much it costs, how late it is, and what a caller gets who looks now and then."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from meter import Figures, Meter, ages, latencies
from peers import (
    HTTPX,
    OFFICIAL,
    OFFICIAL_ASYNC,
    OPENAI,
    PARTS,
    PEERS,
    REQUESTS,
    SOCKET,
    US,
    official_async,
)

from scenarios._scenario import Scenario

# Parts of a firehose: a steady state, for those who need 50 us a part as for those who need one.
POURED = 100_000
POURED_SLOW = 20_000

# The caller that looks 20 times a second, and for how long it is watched at most.
LOOK = 0.05
TOKENS = 1000
WATCHED = 4.0


def firehose(peer: str, port: int) -> Figures:
    """Pour, and count the processor time of the process for each part."""
    count = POURED_SLOW if peer == OPENAI else POURED
    if peer == OFFICIAL_ASYNC:
        return asyncio.run(_firehose_async(port, count))
    chat = PEERS[peer](port)
    for _ in chat("pour:2000"):  # imports, pools, code caches
        pass
    with Meter() as meter:
        seen = sum(map(len, chat(f"pour:{count}")))
    assert count <= seen <= count + 1, seen
    return meter.per_part(count)


async def _firehose_async(port: int, count: int) -> Figures:
    chat = official_async(port)
    async for _ in chat("pour:2000"):
        pass
    seen = 0
    with Meter() as meter:
        async for texts in chat(f"pour:{count}"):
            seen += len(texts)
    assert count <= seen <= count + 1, seen
    return meter.per_part(count)


def looks(rate: int, peer: str, port: int) -> Figures:
    """Take what one `next()` gives, 20 times a second, until 1000 tokens are there or the time is up."""
    stream = PEERS[peer](port)(f"pace:{TOKENS}:{1 / rate}")
    start = time.perf_counter()
    seen = len(next(stream))
    while seen < TOKENS and time.perf_counter() - start < WATCHED:
        time.sleep(LOOK)
        seen += len(next(stream))
    elapsed = time.perf_counter() - start
    return {
        "tokens_per_second": seen / elapsed,
        "share_of_rate": seen / elapsed / rate,
        "seconds_for_1000": elapsed * TOKENS / seen,
        "over_own": elapsed * rate / seen,
    }


def latency(peer: str, port: int) -> Figures:
    """Read one stream of a token each 10 ms, and take each token's age when the caller has it."""
    chat = PEERS[peer](port)
    for _ in chat("pour:100"):
        pass
    seen: list[float] = []
    with Meter() as meter:
        for texts in chat("pace:150:0.01"):
            seen += ages(texts)
    return latencies(seen) | meter.per_part(len(seen))


_LATENCY = {"p50_ms": "p50 ms", "p99_ms": "p99 ms", "max_ms": "max ms"}

SCENARIOS = [
    Scenario(
        "firehose",
        "One stream as fast as the client takes it. Processor time of the whole process (all threads, kernel included) "
        "for each part, and the times that a thread went to sleep. Time outside of the process is the server's.",
        firehose,
        (US, PARTS, OFFICIAL, OFFICIAL_ASYNC, OPENAI, REQUESTS, HTTPX, SOCKET),
        {
            "cpu_us_per_part": "CPU µs per part",
            "wall_us_per_part": "wall µs per part",
            "switches_per_part": "switches per part",
        },
        quick=(US, OFFICIAL, SOCKET),
        paced=False,
    ),
    *(
        Scenario(
            f"20 looks at {rate}/s",
            f"A caller that looks 20 times a second at a model of {rate} tokens/s and takes what one `next()` gives; "
            f"1000 tokens, watched for {WATCHED:.0f} s at most (what is missing is projected).",
            partial(looks, rate),
            (US, OFFICIAL, REQUESTS) if rate == 333 else (US, OFFICIAL),
            {
                "tokens_per_second": "tokens/s",
                "share_of_rate": "share of the model's speed",
                "seconds_for_1000": "s for 1000 tokens",
            },
            quick=(US, OFFICIAL) if rate == 333 else (),
        )
        for rate in (100, 333, 2000)
    ),
    Scenario(
        "latency",
        "One stream of a token each 10 ms: the age of each token when the caller has it.",
        latency,
        (US, PARTS, OFFICIAL, OPENAI, REQUESTS, HTTPX, SOCKET),
        _LATENCY | {"cpu_us_per_part": "CPU µs per part", "switches_per_part": "switches per part"},
        quick=(US, OFFICIAL),
    ),
]
