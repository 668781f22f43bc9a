"""The plots of the page, as small SVG files. The only place that imports matplotlib; measures nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
from peers import OFFICIAL, OFFICIAL_ASYNC, REQUESTS, US
from report import Results, median
from scenarios.many import LOADS

COLOURS = {US: "tab:blue", OFFICIAL: "tab:red", OFFICIAL_ASYNC: "tab:orange", REQUESTS: "tab:green"}


def latency_by_streams(axes: Any, results: Results) -> None:
    """Draw latency against the number of streams, for each way to follow them: p50 solid, p99 dashed."""
    for column, how in zip(axes, ("by threads", "by greenlets", "by one caller"), strict=True):
        for peer in (US, OFFICIAL, OFFICIAL_ASYNC, REQUESTS):
            for point, style in (("p50_ms", "-"), ("p99_ms", "--")):
                values = [
                    (streams, value)
                    for streams in LOADS
                    if (value := median(results, f"{streams} {how}", peer, point)) is not None
                ]
                if values:
                    label = peer if point == "p50_ms" else None
                    column.loglog(
                        *zip(*values, strict=True),
                        style,
                        color=COLOURS[peer],
                        label=label,
                        marker=".",
                    )
        column.set_title(how)
        column.set_xlabel("streams")
        column.legend(fontsize="small")
    axes[0].set_ylabel("latency, ms (solid p50, dashed p99)")


def cpu_per_part(axes: Any, results: Results) -> None:
    """Draw the processor time per part of a firehose."""
    peers = list(results.get("firehose", {}))
    values = [median(results, "firehose", peer, "cpu_us_per_part") or 0.0 for peer in peers]
    bars = axes.barh(peers, values, color=[COLOURS.get(peer, "tab:gray") for peer in peers])
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("CPU per part, µs")


def twenty_looks(axes: Any, results: Results) -> None:
    """Draw what a caller gets that looks 20 times a second, against the model's speed."""
    rates = (100, 333, 2000)
    axes.loglog(rates, rates, color="lightgray", linewidth=6, label="the model")
    for peer in (US, OFFICIAL):
        values = [
            median(results, f"20 looks at {rate}/s", peer, "tokens_per_second") for rate in rates
        ]
        axes.loglog(
            rates,
            [value or float("nan") for value in values],
            color=COLOURS[peer],
            label=peer,
            marker=".",
        )
    axes.set_xlabel("model, tokens/s")
    axes.set_ylabel("caller gets, tokens/s")
    axes.legend(fontsize="small")


PLOTS: dict[str, tuple[str, Callable[[Any, Results], None], int]] = {
    "latency": ("Latency against the number of streams", latency_by_streams, 3),
    "cpu": ("Processor time per part", cpu_per_part, 1),
    "looks": ("A caller that looks 20 times a second", twenty_looks, 1),
}


def draw(folder: Path, results: Results) -> list[tuple[str, Path]]:
    """Write the plots into `folder`; return their titles and files."""
    folder.mkdir(exist_ok=True)
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "ollama_sync", "font.size": 9}
    files = []
    for name, (title, plot, columns) in PLOTS.items():
        figure, axes = plt.subplots(
            1, columns, figsize=(4 * columns + 2, 3.2), sharey=True, layout="constrained"
        )
        plot(axes, results)
        file = folder / f"{name}.svg"
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
        files.append((title, file))
    return files
