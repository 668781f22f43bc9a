"""Measures a stretch of work: processor time, wall time, context switches; and sums latencies up."""

from __future__ import annotations

import resource
import time
from types import TracebackType

Figures = dict[str, float]


class Meter:
    """What the whole process spends in a `with` block: every thread, kernel included.

    `cpu` and `wall` are seconds; `switches` counts the times that a thread gave its core away to wait, `preempted` those
    that it lost it.
    """

    def __enter__(self) -> Meter:
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.switches = usage.ru_nvcsw - self._usage.ru_nvcsw
        self.preempted = usage.ru_nivcsw - self._usage.ru_nivcsw

    def per_part(self, parts: int) -> Figures:
        """Return what one part took."""
        parts = max(parts, 1)
        return {
            "cpu_us_per_part": self.cpu / parts * 1e6,
            "wall_us_per_part": self.wall / parts * 1e6,
            "switches_per_part": self.switches / parts,
            "preempted_per_part": self.preempted / parts,
        }


def latencies(seconds: list[float], prefix: str = "") -> Figures:
    """Return median, 99th percentile and maximum in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"{prefix}p50_ms": ordered[len(ordered) // 2] * 1e3,
        f"{prefix}p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
        f"{prefix}max_ms": ordered[-1] * 1e3,
    }


def ages(texts: list[str]) -> list[float]:
    """Return how many seconds ago the server wrote each part: its text says when. The last part of a reply has none."""
    now = time.monotonic()
    return [now - float(text) for text in texts if text]
