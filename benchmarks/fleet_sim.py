"""`python benchmarks/fleet_sim.py`: how a fleet of 1 to 1000 servers does, in a model; prints the tables of docs/scaling.md.

The policy is the real one, the servers and a million prompts are simulated, with no network: see `fleet_model`. The same seed gives the
same tables on every machine; what a choice takes, in the last line, is measured. Runs in as many processes as there are processors, in
less than two minutes on two.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from fleet_model import (
    MODELS,
    PLACES,
    Result,
    Simulation,
    choose,
    percentile,
    prompts_of_a_file,
    prompts_of_people,
    work_of,
)

# Of what the servers could do if nothing were cached.
LOAD = 0.6
NAMES = {
    "fleet": "`Fleet`",
    "affinity": "`Fleet`, with `affinity`",
    "random": "at random",
    "round-robin": "in turn",
}
# Servers: prompts. A million in all.
FILE = {1: 5_000, 10: 45_000, 100: 250_000, 1000: 400_000}
PEOPLE = {1: 5_000, 10: 45_000, 100: 150_000, 1000: 100_000}


class Run(NamedTuple):
    """One line of a table."""

    kind: str
    size: int
    prompts: int
    chooser: str
    seed: int


class Ran(NamedTuple):
    """What came of it, and the seconds that every place busy all the time would have taken, without failures and loads."""

    result: Result
    ideal: float


def ran(run: Run) -> Ran:
    """Simulate one line."""
    chance = random.Random(f"{run.seed} {run.kind} {run.size}")
    simulation = Simulation(run.size, run.chooser, run.seed)
    if run.kind == "file":
        prompts = prompts_of_a_file(run.prompts, chance)
    else:
        prompts = prompts_of_people(run.prompts, simulation.servers, LOAD, chance)
    rate = PLACES * sum(server.speed for server in simulation.servers)
    return Ran(simulation.run(prompts), sum(map(work_of, prompts)) / rate)


def planned(share: float, seed: int) -> list[Run]:
    """List all lines, in the order of the tables."""
    return [
        Run(kind, size, max(10, int(count * share)), chooser, seed)
        for kind, counts, choosers in (
            ("file", FILE, ("fleet", "random", "round-robin")),
            ("people", PEOPLE, ("affinity", "fleet", "random", "round-robin")),
        )
        for size, count in counts.items()
        for chooser in choosers
    ]


def lines(runs: Iterable[tuple[Run, Ran]]) -> Iterable[str]:
    """Write the tables."""
    heads = {
        "file": "| servers | prompts | goes | time, ideal = 1 | all but 1 % | loads | made anew |",
        "people": "| servers | prompts | goes | first token, median | p99 | from the cache | loads | made anew |",
    }
    for kind, group in itertools.groupby(runs, key=lambda pair: pair[0].kind):
        yield heads[kind]
        yield "|---:|---:|---|" + "---:|" * (heads[kind].count("|") - 4)
        for run, (result, ideal) in group:
            start = f"| {run.size} | {result.done:,} | {NAMES[run.chooser]} |"
            rest = f" {result.loads:,} | {result.broken:,} |"
            if kind == "file":
                late = percentile(result.ends, 0.99)
                yield f"{start} {result.ends[-1] / ideal:.2f} | {late / ideal:.2f} |{rest}"
            else:
                median, slow = (percentile(result.firsts, share) for share in (0.5, 0.99))
                yield f"{start} {median:.2f} s | {slow:.1f} s | {result.cached:.0%} |{rest}"
        yield ""


def choices() -> str:
    """Measure what a choice takes on this machine, when one of the servers has a free place."""
    told = []
    for size in FILE:
        servers = Simulation(size, "fleet", 0).servers
        for server in servers[:-1]:
            server.running = server.places
        for affinity in (None, "conversation"):
            count = 20_000 // size + 20
            began = time.perf_counter()
            for _ in range(count):
                choose(servers, MODELS[0], affinity)
            told.append(f"{(time.perf_counter() - began) / count * 1e6:.0f}")
    return f"A choice among {', '.join(map(str, FILE))} servers, without and with affinity: {', '.join(told)} µs."


def main() -> None:
    """Run everything, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the million prompts")
    asked = parser.parse_args()
    runs = planned(asked.share, asked.seed)
    # The longest first, so that no processor is left with it at the end.
    order = sorted(
        runs, key=lambda run: -run.size * run.prompts * (run.chooser in ("fleet", "affinity"))
    )
    with ProcessPoolExecutor() as processes:
        results = dict(zip(order, processes.map(ran, order), strict=True))
    print("\n".join(lines((run, results[run]) for run in runs)))
    print(choices())


if __name__ == "__main__":
    main()
