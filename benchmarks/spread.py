"""`python benchmarks/spread.py`: what it costs to answer a file by one process, and by the workers of a Dask cluster.

Two mock servers with 8 places each; an answer takes 0.1 s on average, by an exponential distribution that is the same each time. The
ideal is that every place is busy all the time. Needs the extra `dask`; takes about a minute.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The package of this checkout, and not one that is installed elsewhere.
sys.path.insert(0, str(Path(__file__).parents[1]))

from ollama_sync import Answerer, Fleet, run_batch
from ollama_sync.dask import DaskFleet
from ollama_sync.testing import MockOllama, Request, Script, pause, reply

PROMPTS = 1600
PLACES = 8
PROCESSES = 2
SECONDS = [random.Random(number).expovariate(10.0) for number in range(PROMPTS)]
IDEAL = sum(SECONDS) / (2 * PLACES)


def answer(request: Request) -> Script:
    """Take as long as the prompt says."""
    done = {"model": "m", "response": "x", "done": True}
    return [pause(SECONDS[int(request.json["prompt"])]), reply(done)]


def count(answerer: Answerer, part: list[dict[str, str]]) -> int:
    """Answer a partition; return how many answers there are."""
    return sum(outcome.ok for outcome in answerer(part))


def by_one(urls: list[str], file: Path) -> int:
    """By one process, which has all places."""
    with Fleet(urls, parallel=PLACES) as fleet:
        return run_batch(file, file.with_name("one"), servers=fleet, model="m").answered


def by_dask(urls: list[str], file: Path) -> int:
    """By a local cluster, without the time that it takes to start."""
    with DaskFleet(urls, f"local:{PROCESSES}", parallel=PLACES) as fleet:
        list(fleet.map("generate", []))
        began = time.perf_counter()
        answered = run_batch(file, file.with_name("dask"), servers=fleet, model="m").answered
        print(f"  without the start of the cluster: {(time.perf_counter() - began) / IDEAL:.2f}")
    return answered


def by_pool(urls: list[str], file: Path) -> int:
    """By a pool of processes, which share the places, and a partition for each."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    answerer = Answerer(urls, "generate", PLACES // PROCESSES, model="m", ordered=False)
    prompts = [{"prompt": row["prompt"]} for row in rows]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        parts = [prompts[start::PROCESSES] for start in range(PROCESSES)]
        return sum(pool.map(partial(count, answerer), parts))


def main() -> None:
    """Measure each way, as times of the ideal."""
    ways: list[tuple[str, Callable[[list[str], Path], int]]] = [
        ("run_batch over a Fleet", by_one),
        ("run_batch over a DaskFleet", by_dask),
        ("Answerer in a pool of processes", by_pool),
    ]
    with (
        MockOllama() as one,
        MockOllama() as two,
        tempfile.TemporaryDirectory() as folder,
    ):
        for server in (one, two):
            server.on("POST", "/api/generate", answer)
        file = Path(folder) / "prompts.jsonl"
        file.write_text(
            "".join(json.dumps({"id": n, "prompt": str(n)}) + "\n" for n in range(PROMPTS))
        )
        print(f"{PROMPTS} prompts, 2 servers of {PLACES} places; the ideal is {IDEAL:.1f} s")
        for name, way in ways:
            began = time.perf_counter()
            answered = way([one.url, two.url], file)
            took = (time.perf_counter() - began) / IDEAL
            print(f"{name}: {took:.2f} of the ideal, {answered} answered", flush=True)


if __name__ == "__main__":
    main()
