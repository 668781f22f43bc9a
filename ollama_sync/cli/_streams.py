"""The three standard streams: whole texts in, replies out, one line of complaint.

Runs on the main thread; blocks while it reads standard input.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ollama_sync.cli._escapes import for_stdout, visible
from ollama_sync.cli._render import json_line, one_line
from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from ollama_sync import View


def read_text(given: str) -> str:
    """Return a text as given, or when that is "-" all of standard input, without the last line end.

    Raises:
        RequestError: standard input is no text.
    """
    return read_stdin().removesuffix("\n") if given == "-" else given


def read_file(path: str) -> str:
    """Return what a file of UTF-8 holds, or when the path is "-" standard input.

    Raises:
        OSError: it cannot be read.
        RequestError: it is no text.
    """
    if path == "-":
        return read_stdin()
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not text in UTF-8: {error}") from error


def read_stdin() -> str:
    """Return all of standard input.

    Raises:
        RequestError: it is no text, or closed.
    """
    stdin = _open_stdin()
    try:
        return stdin.read()
    except UnicodeDecodeError as error:
        raise RequestError(f"standard input: not text in {stdin.encoding}: {error}") from error


def read_stdin_bytes() -> bytes:
    """Return all of standard input, which need not be text.

    Raises:
        RequestError: it is closed.
    """
    return _open_stdin().buffer.read()


def _open_stdin() -> TextIO:
    if sys.stdin is None:  # how Python starts where the shell said `<&-`
        raise RequestError("standard input is closed, so there is nothing to read")
    return sys.stdin


def has_typist() -> bool:
    """Return whether standard input is a terminal, at which somebody can type."""
    return sys.stdin is not None and sys.stdin.isatty()


def show(text: str) -> None:
    """Print a text that a server or a file may have written. At a terminal, what it would obey is made visible."""
    print(for_stdout(text))


def width() -> int | None:
    """Return the columns of the terminal that stdout is, or None where it is none: tables are as wide as they are, then."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_json(view: View) -> None:
    """Print a reply as one line of JSON. Whoever reads a pipe gets it at once."""
    print(for_stdout(json_line(view, sys.stdout.encoding)), flush=True)


def complain(text: str) -> None:
    """Print one line on stderr, whatever the text is."""
    print(f"ollama-sync: {visible(one_line(text))}", file=sys.stderr)
