"""How far a pull, push or create is, on the screen: a bar on a terminal, lines elsewhere.

Runs on the main thread, which alone owns a display; starts no thread. Rich draws the bar, if it is installed.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from ollama_sync.cli._escapes import visible
from ollama_sync.cli._render import size, time_left

if TYPE_CHECKING:
    from ollama_sync import Progress

_LINE_EVERY = 1.0  # seconds
_DRAW_EVERY = 0.1  # seconds
_DIGEST = re.compile(r"(sha256[:-][0-9a-f]{12})[0-9a-f]+")
_BYTES_ARE_DONE = ("verifying", "writing", "done")


class Display(Protocol):
    """Shows how far it is."""

    def show(self, progress: Progress) -> None:
        """Show this, or not if the last was shown just now and it is much the same."""


def open_display() -> AbstractContextManager[Display]:
    """Return a display for standard output: a bar if that is a terminal and rich is installed, else lines."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return Bar()
        except ImportError:
            pass  # rich is an extra, and lines say as much
    return Lines()


class Lines:
    """Prints a line when there is another step, and otherwise one a second at most.

    Args:
        clock: gives seconds, of any clock that does not go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step: object = None
        self._shown = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: lines stay as they are."""

    def show(self, progress: Progress) -> None:
        now = self._clock()
        step = step_of(progress)
        if step != self._step or now - self._shown >= _LINE_EVERY:
            self._step, self._shown = step, now
            said = figures(progress)
            print(f"{status(progress)}{': ' if said else ''}{said}", flush=True)


class Bar:
    """Draws a bar in the last line of the terminal, ten times a second at most.

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self) -> None:
        from rich import progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=None),
            progress.TextColumn("{task.fields[figures]}", markup=False),
            # A thread that redraws would be one more that Ctrl-C meets; the server says something all the time.
            auto_refresh=False,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, figures="")
        self._open = ExitStack()
        self._step: object = None
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
        self._open.close()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        step = step_of(progress)
        self._bar.update(
            self._task,
            description=status(progress),
            figures=figures(progress),
            completed=progress.fraction or 0.0,
            total=None if progress.fraction is None else 1.0,
        )
        if step != self._step or now - self._shown >= _DRAW_EVERY:
            self._step, self._shown = step, now
            self._bar.refresh()


def step_of(progress: Progress) -> tuple[str, str]:
    """Return what is being done, without to what: the phase, and in words the first one of the server."""
    return progress.phase, progress.status.partition(" ")[0]


def status(progress: Progress) -> str:
    """Return the server's words, with digests cut to what tells them apart."""
    return visible(_DIGEST.sub(r"\1", progress.status))


def figures(progress: Progress) -> str:
    """Return what is done, in numbers: share, bytes, speed, time left; "" where there is nothing to count.

    Example:
        >>> from ollama_sync import Progress
        >>> figures(Progress("pulling 0a", "downloading", 4_000_000, 1_000_000, 5e5, 6.0, 0.25, ()))
        '25%, 1.00 MB of 4.00 MB, 500 KB/s, 6s left'
    """
    if not progress.total or progress.phase in _BYTES_ARE_DONE:
        return ""
    if progress.phase == "other" and progress.completed >= progress.total:
        return ""  # the figures are those of work before, as quantizing
    parts = [f"{size(progress.completed)} of {size(progress.total)}"]
    if progress.fraction is not None:
        parts.insert(0, f"{int(100 * progress.fraction)}%")
    if progress.speed:
        parts.append(f"{size(progress.speed)}/s")
    if progress.remaining is not None:
        parts.append(f"{time_left(progress.remaining)} left")
    return ", ".join(parts)
