"""Where the text of an answer goes: to the screen as it comes, rendered as Markdown, or only its first block of code.

Runs on the main thread, which alone owns an output; starts no thread.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import Protocol

from ollama_sync.cli._escapes import for_stdout, visible
from ollama_sync.errors import RequestError

_DIM, _PLAIN = "\033[2m", "\033[0m"
_DRAW_EVERY = 0.1  # seconds
_BLOCK = re.compile(
    r"^(?P<fence>```+|~~~+)[^\n]*\n(?P<code>.*?)(?:^(?P=fence)[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)


class Output(Protocol):
    """Takes the text of one answer, piece by piece."""

    def say(self, text: str) -> None:
        """Take the next piece of the answer."""

    def think(self, text: str) -> None:
        """Take the next piece of what the model thinks before it answers."""

    def flush(self) -> None:
        """Show what was taken. Called once for each batch."""

    def finish(self) -> None:
        """Show the end: the answer is complete."""

    def close(self) -> None:
        """Leave the terminal as it was. Called last, after a failure too."""


def output_for(args: argparse.Namespace) -> Output:
    """Return the output that the options ask for.

    Raises:
        RequestError: rich is needed and not installed.
    """
    if args.extract:
        return Extracted()
    if args.markdown and sys.stdout.isatty():
        return Rendered()
    return Written()


class Written:
    """Writes the text as it comes. What the model thinks is for terminals only, and dim."""

    def __init__(self) -> None:
        self._shows_thinking = sys.stdout.isatty()
        self._is_thinking = False

    def say(self, text: str) -> None:
        self.close()
        sys.stdout.write(for_stdout(text))

    def think(self, text: str) -> None:
        if not self._shows_thinking:
            return
        if not self._is_thinking:
            self._is_thinking = True
            sys.stdout.write(_DIM)
        sys.stdout.write(for_stdout(text))

    def flush(self) -> None:
        sys.stdout.flush()

    def finish(self) -> None:
        self.close()
        print(flush=True)

    def close(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            sys.stdout.write(f"{_PLAIN}\n\n")


class Extracted:
    """Keeps the text to itself, and writes its first block of code in the end; all of it where there is none."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def say(self, text: str) -> None:
        self._pieces.append(text)

    def think(self, text: str) -> None:
        """Drop it: it is no code."""

    def flush(self) -> None:
        """Show nothing yet."""

    def finish(self) -> None:
        print(for_stdout(code_in("".join(self._pieces))), flush=True)

    def close(self) -> None:
        """Do nothing: of an answer that failed nothing is written."""


class Rendered:
    """Draws the text as Markdown, ten times a second at most.

    Raises:
        RequestError: rich is not installed.
    """

    def __init__(self) -> None:
        try:
            from rich.live import Live
            from rich.markdown import Markdown
        except ImportError as error:
            raise RequestError(
                "--markdown needs the package rich: pip install 'ollama-sync[cli]'"
            ) from error
        self._markdown = Markdown
        # A thread that redraws would be one more that Ctrl-C meets.
        self._live = Live(auto_refresh=False)
        self._live.start()
        self._text = ""
        self._drawn = 0.0

    def say(self, text: str) -> None:
        self._text += visible(text)

    def think(self, text: str) -> None:
        """Drop it: it is no part of the page."""

    def flush(self) -> None:
        now = time.monotonic()
        if now - self._drawn >= _DRAW_EVERY:
            self._drawn = now
            self._draw()

    def finish(self) -> None:
        self._draw()

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> None:
        self._live.update(self._markdown(self._text), refresh=True)


def code_in(text: str) -> str:
    r"""Return the first fenced block of code in a Markdown text, or all of the text where it has none.

    Example:
        >>> code_in("Like this:\n```python\nprint(1)\n```\nDone.")
        'print(1)'
    """
    found = _BLOCK.search(text)
    return found["code"].removesuffix("\n") if found else text
