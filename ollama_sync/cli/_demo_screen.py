"""How the demonstration looks: two live panels at a terminal, a line a second elsewhere.

Runs on the main thread, which alone owns a screen; starts no thread. Rich draws the panels, if it is installed.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from ollama_sync.cli._escapes import visible

if TYPE_CHECKING:
    from ollama_sync.cli._demo import Seen

    Shown = Sequence[tuple[str, str, Seen]]

_LINE_EVERY = 1.0  # seconds
_HEIGHT = 7  # lines of text in a panel
_BESIDE = 72  # columns from which on the panels stand side by side


class Screen(Protocol):
    """Shows what the callers have got: of each its name, its code and what it has seen."""

    def draw(self, callers: Shown) -> None:
        """Show this, or not if the last was shown just now."""


def open_screen(tokens: int) -> AbstractContextManager[Screen]:
    """Return a screen on standard output: panels if that is a terminal and rich is installed, else lines.

    Args:
        tokens: how many make a full bar.
    """
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        try:
            return Panels(tokens)
        except ImportError:
            pass  # rich is an extra, and lines say as much
    return nullcontext(Lines())


class Lines:
    """Prints a line a second."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def draw(self, callers: Shown) -> None:
        now = time.monotonic()
        if now - self._shown >= _LINE_EVERY:
            self._shown = now
            said = (f"{code}: {figures(seen)}" for _, code, seen in callers)
            print("; ".join(said), flush=True)


class Panels:
    """Draws a panel for each caller: the end of its text, a bar, how many tokens and how fast.

    Args:
        tokens: how many make a full bar.

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self, tokens: int) -> None:
        from rich.live import Live

        self._tokens = tokens
        # A thread that redraws would be one more that Ctrl-C meets.
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Panels:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def draw(self, callers: Shown) -> None:
        from rich.console import Group
        from rich.table import Table

        columns = self._live.console.width
        if columns < _BESIDE:
            shown: Any = Group(*(self._panel(*caller, columns) for caller in callers))
        else:
            shown = Table.grid(expand=True)
            for _ in callers:
                shown.add_column(ratio=1)
            shown.add_row(*(self._panel(*caller, columns // len(callers)) for caller in callers))
        self._live.update(shown, refresh=True)

    def _panel(self, name: str, code: str, seen: Seen, columns: int) -> Any:
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        text = last_lines(visible(seen.text), columns - 4, _HEIGHT)
        bar = ProgressBar(total=self._tokens, completed=seen.tokens)
        body = Table.grid(expand=True)
        for row in (Text(text), bar, Text(figures(seen), style="bold")):
            body.add_row(row)
        return Panel(body, title=Text(name), subtitle=Text(code))


def last_lines(text: str, columns: int, height: int) -> str:
    r"""Return the end of a text as lines of a terminal, always as many.

    Example:
        >>> last_lines("one two three", 8, 3)
        '\none two\nthree'
    """
    lines = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, columns) or [""]
    ]
    return "\n".join([*[""] * (height - len(lines)), *lines[-height:]])


def figures(seen: Seen) -> str:
    """Return how many tokens there are, and how many come in a second."""
    rate = "" if seen.rate is None else f", {seen.rate:.1f} tokens/s"
    return f"{seen.tokens} tokens{rate}"
