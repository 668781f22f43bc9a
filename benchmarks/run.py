"""Measures this SDK beside its peers: `python benchmarks/run.py [--rounds N] [--json FILE]`.

Shared machines drift, so no absolute time counts: in each round every peer is measured once, one after the other, each in
a process of its own against one load server in another, and what is reported is the median over the rounds of the
*ratio* to this SDK within the same round.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers import SCENARIOS

HERE = Path(__file__).parent
US = "ollama_sync"

Rounds = dict[str, list[dict[str, float]]]


@contextmanager
def load_server() -> Iterator[int]:
    """Run the load server; give its port."""
    command = [sys.executable, str(HERE / "load_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def measure(scenario: str, peer: str, port: int) -> dict[str, float]:
    """Measure one peer once, in a process of its own."""
    command = [sys.executable, str(HERE / "peers.py"), scenario, peer, str(port)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run(scenario: str, rounds: int, port: int) -> Rounds:
    """Measure every peer of a scenario once per round, in turn."""
    _, peers = SCENARIOS[scenario]
    results: Rounds = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            results[peer].append(measure(scenario, peer, port))
    return results


def table(scenario: str, results: Rounds) -> list[str]:
    """Return the lines of a Markdown table: medians, and the median of the ratios to this SDK."""
    figures = list(next(iter(results.values()))[0])
    lines = [
        f"| {scenario} | " + " | ".join(f"{name} | ratio" for name in figures) + " |",
        "|---|" + "---|---|" * len(figures),
    ]
    for peer, rounds in results.items():
        cells = []
        for name in figures:
            ratios = [
                mine[name] / ours[name] for mine, ours in zip(rounds, results[US], strict=True)
            ]
            cells.append(
                f"{statistics.median(one[name] for one in rounds):.2f} | {statistics.median(ratios):.2f}"
            )
        lines.append(f"| {peer} | " + " | ".join(cells) + " |")
    return lines


def environment() -> dict[str, str]:
    """Return what was measured on what."""
    packages = (
        "ollama-sync",
        "gevent",
        "requests",
        "urllib3",
        "ujson",
        "ollama",
        "httpx",
        "orjson",
    )
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: importlib.metadata.version(name) for name in packages},
    }


def main() -> None:
    """Measure, and print tables; with --json also write every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    everything: dict[str, object] = {"environment": environment()}
    print(", ".join(f"{name} {value}" for name, value in environment().items()), end="\n\n")
    with load_server() as port:
        for scenario in SCENARIOS:
            results = run(scenario, options.rounds, port)
            everything[scenario] = results
            print("\n".join(table(scenario, results)), end="\n\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
