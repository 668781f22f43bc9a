"""A soak: everything that can go wrong with streams, at once and for long, then a look at what is left of it.

    python tests/soak/soak.py [--minutes 10] [--seed N] [--json FILE]

Threads, greenlets, merges and forked children follow streams of a server in a process of its own, which breaks most of them.
Each stream must end as its fault demands, with its parts in order, none lost and none repeated. Time is cut into rounds, each
with a new server; after each, when all is quiet, memory, descriptors, threads, greenlets and jobs of the hub are counted.
After the first rounds, which warm up, they may not grow. Exits with 1 when anything is wrong, and prints what.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import platform
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import greenlet
from callers import FOLLOW, PATIENCE, Clients, Taken, follow, in_a_child, in_greenlets, merged
from faults import FAULTS, Plan

from ollama_sync import __version__
from ollama_sync._hub import shared_hub

THREADS = 16
# Seconds that what has ended may need to be gone.
SETTLING = 10.0
# By how much the end may exceed what was held after the warm-up. The allocator keeps now more, now less, and caches fill: what
# a leak would add is some ten times as much in ten minutes.
MAY_GROW = {"rss": 8 * 1024 * 1024, "blocks": 10_000}


@dataclass(frozen=True)
class Held:
    """What the process holds when all is quiet: bytes of memory, blocks of Python's allocator, and the rest by number."""

    rss: int
    blocks: int
    descriptors: int
    threads: int
    greenlets: int
    jobs: int


def hold() -> Held:
    """Count it."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Held(
        rss=pages * os.sysconf("SC_PAGESIZE"),
        blocks=sys.getallocatedblocks(),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=len(os.listdir("/proc/self/task")),
        greenlets=sum(isinstance(found, greenlet.greenlet) for found in gc.get_objects()),
        jobs=shared_hub().jobs,
    )


def settled(before: Held | None) -> Held:
    """Look until no more is held, by number, than after the round before; for a bounded time.

    What ended does so behind the callers' backs: jobs of streams that were dropped, and the main greenlet of a thread, which
    greenlet takes away some time after the thread.
    """
    deadline = time.monotonic() + SETTLING
    while True:
        held = hold()
        more = before is not None and any(
            getattr(held, name) > getattr(before, name)
            for name in ("descriptors", "threads", "greenlets")
        )
        if not (held.jobs or more) or time.monotonic() > deadline:
            return held
        time.sleep(0.05)


class Record:
    """What came of the streams. Written by all threads, under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ways: Counter[str] = Counter()
        self.outcomes: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
        self.parts = 0
        self.wrong: list[str] = []

    def add(self, way: str, made: list[Taken]) -> None:
        """Note streams that are over."""
        with self._lock:
            self.ways[way] += max(1, len(made))
            for taken in made:
                self.parts += len(taken.texts)
                self.outcomes[taken.plan.fault][taken.outcome] += 1
                if complaint := taken.complaint():
                    self.wrong.append(f"{way}: {taken.plan}: {complaint}")

    def fail(self, way: str) -> None:
        """Note an error that no caller should see."""
        with self._lock:
            self.wrong.append(f"{way}: {traceback.format_exc()}")


def any_plan(random: Random) -> Plan:
    """Choose a stream; every third is sound."""
    fault = random.choice([*FAULTS] if random.random() < 0.66 else ["none"])
    parts = random.randint(1, 120)
    return Plan(
        fault=fault,
        parts=parts,
        at=random.randrange(parts),
        delay=random.choice([0.0, 0.0, 0.001]),
        size=random.choice([1, 1, 30, 2000]),
    )


Caller = Callable[[list[Plan], Random], list[Taken]]


def callers(url: str, clients: Clients) -> dict[str, Caller]:
    """Give the ways that a thread may choose from."""
    alone = {
        way: lambda plans, random, way=way: [follow(clients, plans[0], way, random)]
        for way in FOLLOW
    }
    return {
        **alone,
        "merged": lambda plans, random: merged(clients, plans, random),
        "in a child": lambda plans, random: in_a_child(url, clients, plans[:2], random),
    }


def work(ways: dict[str, Caller], record: Record, random: Random, until: float) -> None:
    """Follow streams in one way after the other, until it is time. Each thread of the soak."""
    while time.monotonic() < until and not record.wrong:
        way = random.choice([*ways])
        plans = [any_plan(random) for _ in range(random.randint(2, 12))]
        try:
            record.add(way, ways[way](plans, random))
        except BaseException:
            record.fail(way)


@contextmanager
def server() -> Iterator[str]:
    """Run a server; give its URL."""
    command = [sys.executable, str(Path(__file__).with_name("server.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate(timeout=PATIENCE)


def run_round(record: Record, seed: str, seconds: float) -> None:
    """Let the threads work for a while, greenlets on this one, and wait until all of it is over."""
    with server() as url:
        clients = Clients(url)
        until = time.monotonic() + seconds
        ways = callers(url, clients)
        threads = [
            threading.Thread(target=work, args=(ways, record, Random(f"{seed}/{number}"), until))
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        greenlets = {"in greenlets": lambda plans, random: in_greenlets(clients, plans, random)}
        work(greenlets, record, Random(seed), until)
        for thread in threads:
            thread.join()
        clients.close()


def grown(rounds: list[Held]) -> list[str]:
    """Say what the process holds more of at the end than after the warm-up, which is a third of the rounds."""
    warm, last = rounds[len(rounds) // 3], rounds[-1]
    return [
        f"{name} grew from {before} to {after}"
        for (name, before), after in zip(asdict(warm).items(), asdict(last).values(), strict=True)
        if after > before + MAY_GROW.get(name, 0)
    ]


def report(record: Record, rounds: list[Held]) -> str:
    """Return the tables: streams by fault and by way, and what was held after each round."""
    lines = [f"{'fault':24}{'streams':>9}  outcomes"]
    for fault, outcomes in record.outcomes.items():
        each = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
        lines.append(f"{fault:24}{outcomes.total():>9}  {each}")
    lines += ["", ", ".join(f"{way} {count}" for way, count in record.ways.most_common())]
    lines += [
        "",
        f"round     MiB{'blocks':>9}{'descriptors':>13}{'threads':>9}{'greenlets':>11}{'jobs':>6}",
    ]
    step = max(1, len(rounds) // 12)
    for number, held in [*enumerate(rounds)][::-step][::-1]:
        lines.append(
            f"{number:>5}{held.rss / 1024 / 1024:>8.1f}{held.blocks:>9}{held.descriptors:>13}"
            f"{held.threads:>9}{held.greenlets:>11}{held.jobs:>6}"
        )
    return "\n".join(lines)


def result(record: Record, rounds: list[Held], seconds: float, seed: int) -> dict[str, Any]:
    """Return everything, for a file."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "seed": seed,
        "seconds": round(seconds, 1),
        "streams": sum(outcomes.total() for outcomes in record.outcomes.values()),
        "parts": record.parts,
        "ways": record.ways,
        "outcomes": record.outcomes,
        "rounds": [asdict(held) for held in rounds],
        "wrong": record.wrong,
    }


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    warnings.simplefilter("ignore", ResourceWarning)  # streams are dropped on purpose
    record, rounds = Record(), list[Held]()
    began = time.monotonic()
    seconds = options.minutes * 60
    each = min(15.0, seconds / 6)
    while time.monotonic() - began < seconds and not record.wrong:
        faulthandler.dump_traceback_later(each + 3 * PATIENCE, exit=True)  # a hang
        run_round(record, f"{options.seed}/{len(rounds)}", each)
        rounds.append(settled(rounds[-1] if rounds else None))
    faulthandler.cancel_dump_traceback_later()
    if not record.wrong:
        record.wrong += grown(rounds)
    found = result(record, rounds, time.monotonic() - began, options.seed)
    print(report(record, rounds))
    print(f"\n{found['streams']} streams, {found['parts']} parts, {found['seconds']} s")
    print(*record.wrong or ["nothing wrong"], sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if record.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
