"""From figures to medians, ratios, and tables. Measures nothing."""

from __future__ import annotations

import statistics

from meter import Figures
from peers import US
from scenarios import Scenario

# Per peer, the figures of each round; and that per scenario.
Report = dict[str, list[Figures]]
Results = dict[str, Report]


def is_good(figures: Figures) -> bool:
    """Whether a measurement counts: the process did not fail and the server was not late."""
    return not figures.keys() & {"void", "failed"}


def median(results: Results, scenario: str, peer: str, name: str) -> float | None:
    """Return the median of a figure over the rounds; None when there is none."""
    rounds = results.get(scenario, {}).get(peer, [])
    values = [figures[name] for figures in rounds if is_good(figures) and name in figures]
    return statistics.median(values) if values else None


def median_ratio(results: Results, scenario: str, name: str, over: str, under: str) -> float | None:
    """Return the median of one peer's figure over another's in the same round."""
    peers = results.get(scenario, {})
    ratios = [
        one[name] / other[name]
        for one, other in zip(peers.get(over, []), peers.get(under, []), strict=False)
        if is_good(one) and is_good(other) and other.get(name)
    ]
    return statistics.median(ratios) if ratios else None


def number(value: float | None) -> str:
    """Return a figure in as many digits as it is worth."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(scenario: Scenario, report: Report) -> list[str]:
    """Return a scenario's table: medians, and behind the first figure its ratio to this SDK's."""
    results = {scenario.name: report}
    first, *others = scenario.shown
    headings = [scenario.shown[first], "ratio", *(scenario.shown[name] for name in others)]
    lines = [
        f"| {scenario.name} | " + " | ".join(headings) + " |",
        "|---" * (len(headings) + 1) + "|",
    ]
    for peer, rounds in report.items():
        lacking = len(rounds) - sum(map(is_good, rounds))
        cells = [
            number(median(results, scenario.name, peer, first)),
            number(median_ratio(results, scenario.name, first, peer, US)),
            *(number(median(results, scenario.name, peer, name)) for name in others),
        ]
        note = f" ({lacking} of {len(rounds)} rounds void)" if lacking else ""
        lines.append(f"| {peer}{note} | " + " | ".join(cells) + " |")
    return lines


def server_table(results: Results) -> list[str]:
    """Return the proof that the load server was not what was measured: its worst, over peers and rounds."""
    lines = [
        "| scenario | server's share of a core | writes late by, p99 ms | max ms |",
        "|---|---|---|---|",
    ]
    for name, report in results.items():
        rounds = [figures for each in report.values() for figures in each if is_good(figures)]
        if not rounds:
            continue
        worst = [
            number(max(figures[key] for figures in rounds))
            for key in ("server_core_share", "server_late_p99_ms", "server_late_max_ms")
        ]
        lines.append(f"| {name} | " + " | ".join(worst) + " |")
    return lines
