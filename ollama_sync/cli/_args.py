"""What may be written after `ollama-sync`, and what it means.

Runs on the main thread; may not do any of it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from ollama_sync import __version__

_HOST = "where the server is, by the rules of OLLAMA_HOST, which is used when this is left out"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command and its arguments.

    Args:
        argv: the words after the program's name; None takes those of the process.

    Raises:
        SystemExit: 2, wrong arguments, which stderr explains; 0, help or version were asked for, and shown.
    """
    parser = argparse.ArgumentParser(
        prog="ollama-sync",
        description="A blocking SDK for Ollama that keeps up with the model, however seldom the caller looks.",
    )
    parser.add_argument("--version", action="version", version=f"ollama-sync {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    chat = commands.add_parser(
        "chat", help="ask a model one thing, and show the answer as it comes"
    )
    chat.add_argument("model", help="its name, as `ollama list` shows it")
    chat.add_argument("prompt", help="what to ask")
    chat.add_argument("--host", help=_HOST)

    demo = commands.add_parser(
        "demo", help="measure what batches are good for; needs no Ollama, and takes ten seconds"
    )
    demo.add_argument(
        "--host", help="a real server to measure; without it a mock server is started"
    )
    demo.add_argument("--model", default="llama3.2", help="of that server (default: %(default)s)")

    mock = commands.add_parser("mock", help="run a mock of Ollama until Ctrl-C")
    mock.add_argument(
        "--port", type=_port, default=0, help="TCP port (default: a free one, which is printed)"
    )
    mock.add_argument(
        "--chunks", type=_count, default=1000, help="tokens of an answer (default: %(default)s)"
    )
    mock.add_argument(
        "--delay",
        type=_seconds,
        default=0.003,
        help="seconds from one token to the next (default: %(default)s)",
    )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    port = _count(text)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"{text}: a port is at most 65535")
    return port


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number, 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: seconds, 0 or more")
    return seconds
