"""How far a batch is, on the screen: a bar at a terminal, lines elsewhere.

Runs on the main thread, which alone owns a display; starts no thread. Rich draws the bar, if it is installed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from ollama_sync.cli._render import time_left

if TYPE_CHECKING:
    from ollama_sync import Client, Fleet, MapProgress

_LINE_EVERY = 5.0  # seconds
_DRAW_EVERY = 0.1  # seconds


class BatchDisplay(Protocol):
    """Shows how far it is."""

    def show(self, progress: MapProgress, earlier: int, outcome: object) -> None:
        """Show this, or not if the last was shown just now."""


def open_display(asked: Client | Fleet) -> AbstractContextManager[BatchDisplay]:
    """Return a display for standard error: a bar if that is a terminal and rich is installed, else lines.

    Args:
        asked: who is asked, of whose servers it shows how many work.
    """
    servers = _servers_of(asked)
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return Bar(servers)
        except ImportError:
            pass  # rich is an extra, and lines say as much
    return Lines(servers)


class Lines:
    """Prints a line every few seconds.

    Args:
        servers: says how many of them work, or "".
        clock: gives seconds, of any clock that does not go back.
    """

    def __init__(
        self, servers: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._shown = clock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: lines stay as they are."""

    def show(self, progress: MapProgress, earlier: int, _outcome: object) -> None:
        """See `BatchDisplay.show`."""
        now = self._clock()
        if now - self._shown >= _LINE_EVERY:
            self._shown = now
            print(figures(progress, earlier, self._servers()), file=sys.stderr, flush=True)


class Bar:
    """Draws a bar in the last line of the terminal, ten times a second at most.

    Args:
        servers: says how many of them work, or "".

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self, servers: Callable[[], str]) -> None:
        from rich import console, progress

        self._servers = servers
        self._bar = progress.Progress(
            progress.BarColumn(bar_width=None),
            progress.TextColumn("{task.fields[figures]}", markup=False),
            console=console.Console(stderr=True),
            # A thread that redraws would be one more that Ctrl-C meets.
            auto_refresh=False,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, figures="")
        self._open = ExitStack()
        self._shown = 0.0

    def __enter__(self) -> Bar:
        self._open.enter_context(self._bar)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.refresh()
        self._open.close()

    def show(self, progress: MapProgress, earlier: int, _outcome: object) -> None:
        """See `BatchDisplay.show`."""
        total = None if progress.total is None else progress.total + earlier
        self._bar.update(
            self._task,
            completed=progress.done + earlier,
            total=total,
            figures=figures(progress, earlier, self._servers()),
        )
        now = time.monotonic()
        if now - self._shown >= _DRAW_EVERY:
            self._shown = now
            self._bar.refresh()


def figures(progress: MapProgress, earlier: int, servers: str) -> str:
    """Return how far it is, in numbers.

    Example:
        >>> from ollama_sync import MapProgress
        >>> progress = MapProgress(done=100, failed=2, running=8, total=400, tokens=6000, elapsed=20.0)
        >>> figures(progress, 50, "2 of 3 servers")
        '150 of 450, 5.0/s, 300 tokens/s, 1m 00s left, 2 failed, 2 of 3 servers'
    """
    total = "" if progress.total is None else f" of {progress.total + earlier}"
    parts = [f"{progress.done + earlier}{total}", f"{progress.per_second:.1f}/s"]
    if progress.tokens:
        parts.append(f"{progress.tokens_per_second:.0f} tokens/s")
    if progress.seconds_left is not None:
        parts.append(f"{time_left(progress.seconds_left)} left")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return ", ".join([*parts, *([servers] if servers else [])])


def _servers_of(asked: Any) -> Callable[[], str]:
    """Return what says how many servers of a fleet work; of a client, nothing."""
    if not hasattr(asked, "servers"):
        return lambda: ""

    def working() -> str:
        states = asked.servers
        up = sum(not state.is_resting for state in states)
        return f"{len(states)} servers" if up == len(states) else f"{up} of {len(states)} servers"

    return working
