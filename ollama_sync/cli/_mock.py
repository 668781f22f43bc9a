"""The command `mock`: a mock of Ollama, for people's first tries.

Runs on the main thread; the server has a thread of its own.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ollama_sync.cli import _values


def declare_mock(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mock`."""
    parser.add_argument(
        "--port",
        type=_values.port,
        default=0,
        help="TCP port (default: a free one, which is printed)",
    )
    parser.add_argument(
        "--chunks",
        type=_values.count,
        default=1000,
        help="tokens of an answer (default: %(default)s)",
    )
    parser.add_argument(
        "--delay",
        type=_values.seconds,
        default=0.003,
        help="seconds from one token to the next (default: %(default)s)",
    )


def run_mock(args: argparse.Namespace) -> None:
    """Print the URL of a mock server, and serve until Ctrl-C."""
    from ollama_sync.testing import MockOllama

    server = MockOllama(port=args.port, chunks=args.chunks, delay=args.delay)
    with _log_to_stderr(), server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # it is how one stops it


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show the log of the mock server: how long each chunk took to make and to encode, and when it was ready."""
    log = logging.getLogger("ollama_sync.testing")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
