"""Measures this SDK beside its peers: `python benchmarks/run.py`, or `tox -e bench`.

    --quick                     a part of it in under two minutes; exits with 1 when a ratio falls below its floor
    --only NAME ...             some scenarios
    --json FILE                 every figure of every round
    --page FILE                 the page, with its plots in a folder of the same name
    --from FILE                 measures nothing: makes the page of figures that --json wrote

Shared machines drift, so ratios count: in each round every peer is measured once, one after the other, each in a process
of its own against one load server in another. No process is pinned to a core. The server asks for a higher priority, where
it may have one, so that its schedule holds: it stands for a machine of its own.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from goals import broken_floors, goal_table
from meter import Figures
from page import write_page
from report import Report, table
from scenarios import SCENARIOS, Scenario

import ollama_sync

HERE = Path(__file__).resolve().parent

# Seconds; no measurement takes a quarter of it.
LONGEST = 120


class Patience(NamedTuple):
    """When a result does not count.

    Args:
        late: milliseconds; a result is void when one in a hundred of the server's writes was later.
        tries: so often a measurement is made at most, when it is void or fails.
    """

    late: float
    tries: int


FULL = Patience(late=5.0, tries=3)
# The floors are wide, and CI's machines busy.
QUICK = Patience(late=50.0, tries=3)

PACKAGES = [
    "gevent",
    "greenlet",
    "requests",
    "urllib3",
    "ujson",
    "ollama",
    "httpx",
    "openai",
    "orjson",
    "pydantic",
]


@contextmanager
def load_server() -> Iterator[int]:
    """Run the load server; give its port."""
    command = [sys.executable, "load_server.py"]
    with subprocess.Popen(
        command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def ask_server(port: int) -> Figures:
    """Return the server's record since it was last asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/report")
    record: Figures = json.loads(connection.getresponse().read())
    connection.close()
    return record


def measure_once(scenario: Scenario, peer: str, port: int, patience: Patience) -> Figures:
    """Measure one peer once, in a process of its own; void when the server was late."""
    command = [sys.executable, *["-m", "gevent.monkey"] * scenario.patched, "measure.py"]
    ask_server(port)
    try:
        done = subprocess.run(
            [*command, scenario.name, peer, str(port)],
            cwd=HERE,
            check=True,
            capture_output=True,
            timeout=LONGEST,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(error, (error.stderr or b"").decode()[-2000:], file=sys.stderr)
        return {"failed": 1.0}
    server = {f"server_{name}": value for name, value in ask_server(port).items()}
    server["server_accepted"] -= 1  # the question itself
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    late = scenario.paced and server["server_late_p99_ms"] > patience.late
    return figures | server | ({"void": 1.0} if late else {})


def measure(scenario: Scenario, peer: str, port: int, patience: Patience) -> Figures:
    """Measure one peer, again when the server was late or the process failed."""
    for number in range(patience.tries):
        figures = measure_once(scenario, peer, port, patience)
        if not figures.keys() & {"void", "failed"}:
            break
        why = (
            f"server late by {figures['server_late_p99_ms']:.1f} ms"
            if "void" in figures
            else "failed"
        )
        print(
            f"{scenario.name}, {peer}, try {number + 1} of {patience.tries}: {why}", file=sys.stderr
        )
    return figures


def run(
    scenario: Scenario, peers: tuple[str, ...], rounds: int, port: int, patience: Patience
) -> Report:
    """Measure every peer of a scenario once per round, in turn."""
    results: Report = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            results[peer].append(measure(scenario, peer, port, patience))
    return results


def environment(rounds: int) -> dict[str, str]:
    """Return what was measured on what, and when."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "rounds": str(rounds),
        "machine": f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "ollama_sync": ollama_sync.__version__,
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def main() -> int:
    """Measure, print tables, write files; return 1 when the quick form finds a ratio below its floor."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument(
        "--only", nargs="+", choices=SCENARIOS, metavar="NAME", default=list(SCENARIOS)
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--from", type=Path, dest="source")
    options = parser.parse_args()
    patience = QUICK if options.quick else FULL
    rounds = options.rounds or (3 if options.quick else 5)
    if options.source:
        everything = json.loads(options.source.read_text())
    else:
        everything = {"environment": environment(rounds), "results": {}}
        with load_server() as port:
            for name in options.only:
                scenario = SCENARIOS[name]
                if peers := scenario.quick if options.quick else scenario.peers:
                    results = everything["results"][name] = run(
                        scenario, peers, rounds, port, patience
                    )
                    print("\n".join(table(scenario, results)), end="\n\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    if options.page:
        write_page(options.page, everything)
    print("\n".join(goal_table(everything["results"])))
    if not options.quick:
        return 0
    broken = broken_floors(everything["results"])
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
