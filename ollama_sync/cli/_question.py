"""What is asked: the prompt of the command line, what is piped in, and images.

Runs on the main thread; blocks while it reads standard input.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from ollama_sync.cli._streams import read_stdin, read_stdin_bytes
from ollama_sync.errors import RequestError


class Question(NamedTuple):
    """One question.

    Args:
        text: the prompt.
        images: each as the bytes of its file.
    """

    text: str
    images: list[bytes]


def question_of(args: argparse.Namespace) -> Question | None:
    """Return what is asked by the words and by standard input, or None where neither asks anything.

    The words come first, and then what is piped in; a word that is "-" gives it a place of its own, and `--image -` makes it
    an image.

    Args:
        args: of `chat` or `generate`.

    Raises:
        RequestError: standard input is no text, or is wanted twice.
        OSError: an image cannot be read.
    """
    places = args.images.count("-") + args.prompt.count("-")
    if places > 1:
        raise RequestError("standard input can be read once: one - is enough")
    if "-" in args.prompt:
        text = _around(args.prompt)
    else:
        piped = "" if "-" in args.images or not _is_piped() else _piped()
        text = _paragraphs(" ".join(args.prompt), piped)
    return Question(text, images_of(args)) if text else None


def images_of(args: argparse.Namespace) -> list[bytes]:
    """Return the images alone: the first question may still have to be typed.

    Raises:
        OSError: one cannot be read.
    """
    return [_image(path) for path in args.images]


def _around(words: list[str]) -> str:
    place = words.index("-")
    return _paragraphs(" ".join(words[:place]), _piped(), " ".join(words[place + 1 :]))


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))


def _piped() -> str:
    return read_stdin().removesuffix("\n")


def _is_piped() -> bool:
    """Return whether there is something to read but a person who types."""
    stdin = sys.stdin
    # None: closed by the shell, `<&-`. Not readable: what a test runner puts in its place.
    return stdin is not None and not stdin.closed and stdin.readable() and not stdin.isatty()


def _image(path: str) -> bytes:
    return read_stdin_bytes() if path == "-" else Path(path).read_bytes()
