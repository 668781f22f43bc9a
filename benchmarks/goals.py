"""The goals for speed, each with its figure; and for the quick form a floor, wide enough for a busy machine of CI.

A goal's figure is a median over the rounds: of ratios within a round where two peers are compared, and else of the
figure itself. Floors are set on ratios only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from peers import OFFICIAL, OFFICIAL_ASYNC, REQUESTS, SOCKET, US
from report import Results, median, median_ratio

Value = Callable[[Results], float | None]


def figure(scenario: str, name: str, peer: str = US) -> Value:
    """Return the median of a figure."""
    return lambda results: median(results, scenario, peer, name)


def ratio(scenario: str, name: str, over: str, under: str) -> Value:
    """Return the median ratio of a figure, one peer's to another's in the same round."""
    return lambda results: median_ratio(results, scenario, name, over, under)


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals.

    Args:
        work: what is done.
        what: the figure.
        official: the same figure of the official client, for the table.
        ours: the figure that is to keep to `bound`.
        bound: the goal.
        at_least: the figure may not be below `bound`; else not above.
        floor: the quick form fails beyond this; None where the figure is no ratio, or wants a quiet machine.
    """

    work: str
    what: str
    official: Value | None
    ours: Value
    bound: float
    at_least: bool = False
    floor: float | None = None

    def keeps(self, value: float, bound: float) -> bool:
        """Whether `value` is on the right side of `bound`."""
        return value >= bound if self.at_least else value <= bound


GOALS = (
    Goal(
        "firehose",
        "CPU per part, official / `tokens()`",
        None,
        ratio("firehose", "cpu_us_per_part", OFFICIAL, US),
        10,
        at_least=True,
        floor=4,
    ),
    Goal(
        "firehose",
        "CPU per part, `tokens()` / bare socket with orjson",
        ratio("firehose", "cpu_us_per_part", OFFICIAL, SOCKET),
        ratio("firehose", "cpu_us_per_part", US, SOCKET),
        1.5,
        floor=4,
    ),
    Goal(
        "1000 chunks, one each 3 ms, caller looks 20 times a second",
        "time / the server's own 3 s",
        figure("20 looks at 333/s", "over_own", OFFICIAL),
        figure("20 looks at 333/s", "over_own"),
        1.02,
        floor=1.2,
    ),
    *(
        Goal(
            "one stream, 10 ms a token",
            f"added latency, {point}, ours / official",
            None,
            ratio("latency", f"{point}_ms", US, OFFICIAL),
            1.0,
            floor=floor,
        )
        for point, floor in (("p50", 3.0), ("p99", None))
    ),
    Goal(
        "200 streams x 100 tokens/s, 200 threads",
        "time / ideal",
        figure("200 by threads", "wall_over_ideal", OFFICIAL),
        figure("200 by threads", "wall_over_ideal"),
        1.05,
    ),
    Goal(
        "200 streams x 100 tokens/s, 200 threads",
        "latency p99, ms",
        figure("200 by threads", "p99_ms", OFFICIAL),
        figure("200 by threads", "p99_ms"),
        15,
    ),
    Goal(
        "1000 streams x 20 tokens/s, 1000 threads",
        "time / ideal",
        figure("1000 by threads", "wall_over_ideal", OFFICIAL),
        figure("1000 by threads", "wall_over_ideal"),
        1.5,
    ),
    *(
        Goal(
            "1000 streams x 20 tokens/s, one caller, `merge`",
            what,
            figure("1000 by one caller", name, OFFICIAL_ASYNC),
            figure("1000 by one caller", name),
            bound,
        )
        for what, name, bound in (
            ("every stream's first token, s", "opened_s", 1.0),
            ("then time / ideal", "run_over_ideal", 1.1),
            ("then latency p99, ms", "settled_p99_ms", 20.0),
            ("errors", "errors", 0.0),
        )
    ),
    Goal(
        "import and a first client",
        "time, ours / official",
        None,
        ratio("import", "first_client_ms", US, OFFICIAL),
        0.6,
        floor=0.9,
    ),
    Goal(
        "50 streams x 30 tokens/s while another thread burns CPU",
        "latency p50, ms",
        figure("burning host", "p50_ms", OFFICIAL),
        figure("burning host", "p50_ms"),
        10,
    ),
    Goal(
        "a stream beside one that pours",
        "latency p99, ms",
        figure("beside a pour", "p99_ms", OFFICIAL),
        figure("beside a pour", "p99_ms"),
        20,
    ),
)

# Ratios that have no goal, and yet may not slip.
FLOORS = (
    Goal(
        "short calls",
        "CPU per call, ours / requests alone",
        None,
        ratio("short calls", "cpu_ms_per_call", US, REQUESTS),
        1.0,
        floor=1.5,
    ),
    *(
        Goal(
            f"50 streams {how}",
            "time / ideal",
            None,
            figure(f"50 {how}", "wall_over_ideal"),
            1.1,
            floor=2,
        )
        for how in ("by threads", "by one caller")
    ),
)


def goal_table(results: Results) -> list[str]:
    """Return the table of goals; a goal whose scenario was not run is left out."""
    found = [
        "| work | figure | official | goal | this SDK | |",
        "|---|---|---|---|---|---|",
    ]
    for goal in GOALS:
        ours = goal.ours(results)
        if ours is None:
            continue
        official = goal.official(results) if goal.official else None
        found.append(
            f"| {goal.work} | {goal.what} | {'' if official is None else f'{official:.2f}'} "
            f"| {'≥' if goal.at_least else '≤'} {goal.bound:g} | {ours:.2f} "
            f"| {'met' if goal.keeps(ours, goal.bound) else '**not met**'} |"
        )
    return found


def broken_floors(results: Results) -> list[str]:
    """Say which ratios are beyond their floors, or could not be measured."""
    broken = []
    for goal in (*GOALS, *FLOORS):
        if goal.floor is None:
            continue
        ours = goal.ours(results)
        if ours is None:
            broken.append(f"not measured: {goal.work}: {goal.what}")
        elif not goal.keeps(ours, goal.floor):
            broken.append(
                f"beyond its floor of {goal.floor:g}: {goal.work}: {goal.what}: {ours:.2f}"
            )
    return broken
