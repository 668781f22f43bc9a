"""Writes the page of the documentation from the figures. Measures nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goals import goal_table
from plots import draw
from report import server_table, table
from scenarios import SCENARIOS

_OPENING = """\
# Benchmarks

Written by `tox -e bench -- --json docs/benchmarks.json --page docs/benchmarks.md`, with every figure of every round in
`benchmarks.json`. Do not edit it: what is said here stands in `benchmarks/`.

## How it is measured

- Each measurement is a process of its own, against one load server in another. In each round every peer is measured once, one
  after the other; tables show the median over the rounds, and *ratio* is the median of the ratios to this SDK within a round.
  On a shared machine only the ratios mean something.
- CPU is that of the whole process: every thread, kernel included. *Switches* are the times that a thread went to sleep.
- A latency is the age of a token when the caller has it in its hands: the server writes the time into the token. The clock is
  the same for both processes.
- The server keeps a schedule and notes how late each write was. Where one in a hundred was more than 5 ms late the
  measurement is void and made again. The last table shows the worst of all rounds.
- Nothing is pinned to a core: a client may use all of them. The server asks for a higher priority (nice -10), where it may
  have one, so that its schedule holds: it stands for a machine of its own. No peer gets one.
- The official client and httpx get a pool without limit. With the default one, the 101st stream waits for another to end.
"""

_SERVER = """\
## The load server was not what was measured

The worst over all peers and rounds. Pouring, it waits for the client: a share of 1 would mean that the client waits for it.
"""


def write_page(path: Path, everything: Any) -> None:
    """Write the page, and its plots into a folder beside it."""
    results = everything["results"]
    environment = "\n".join(
        f"| {name} | {value} |" for name, value in everything["environment"].items()
    )
    pieces = [
        _OPENING,
        f"| measured on | |\n|---|---|\n{environment}\n",
        "## Goals\n",
        "\n".join(goal_table(results)) + "\n",
    ]
    for title, file in draw(path.with_suffix(""), results):
        pieces.append(f"![{title}]({file.relative_to(path.parent).as_posix()})\n")
    pieces.append("## Scenarios\n")
    for name, report in results.items():
        scenario = SCENARIOS[name]
        pieces += [f"### {name}\n", scenario.what + "\n", "\n".join(table(scenario, report)) + "\n"]
    pieces += [_SERVER, "\n".join(server_table(results)) + "\n"]
    path.write_text("\n".join(pieces), encoding="utf-8")
