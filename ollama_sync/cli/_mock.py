"""The command `mock`: a mock of Ollama, for people's first tries.

Runs on the main thread; the server has a thread of its own.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ollama_sync.cli import _values

if TYPE_CHECKING:
    from ollama_sync.testing import MockOllama


_MODELS = ("llama3.2", "all-minilm")  # what the pages and the examples ask for
_A_TOKEN = 0.02  # seconds: a small model on a good machine
_A_FAKE_CHUNK = 0.003
_SLOW, _SLOW_LOAD = 0.2, 5.0  # seconds a token, and to load a model
_CHUNKS = 1000


def declare_mock(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mock`."""
    parser.description = (
        "Run a mock of Ollama until Ctrl-C. It says a text, follows format= and num_predict, calls tools, and lists, pulls and "
        "deletes models in memory. No model runs."
    )
    parser.add_argument(
        "--port",
        type=_values.port,
        default=0,
        help="TCP port (default: a free one, which is printed)",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help=f"a model that exists, may be given again; others get 404 until they are pulled (default: {', '.join(_MODELS)})",
    )
    parser.add_argument(
        "--script",
        metavar="FILE",
        help="what to answer, a line of JSON each: a text, or an object with text, tool_calls, error, status and others",
    )
    parser.add_argument(
        "--delay",
        type=_values.seconds,
        help=f"seconds from one token to the next (default: {_A_TOKEN}; {_A_FAKE_CHUNK} with --fake-stream)",
    )
    parser.add_argument(
        "--slow",
        action="store_true",
        help=f"as a big model on a small machine: {_SLOW_LOAD:g} s to load, {_SLOW} s a token",
    )
    parser.add_argument(
        "--fail",
        type=_values.share,
        default=0.0,
        metavar="RATE",
        help="the share of answers that fail, from 0 to 1: refused, cut off and broken in the middle, in turn",
    )
    parser.add_argument(
        "--fake-stream",
        action="store_true",
        help="say the letter A over and over, for every model, in place of a text",
    )
    parser.add_argument(
        "--chunks",
        type=_values.count,
        help=f"how often it says A (default: {_CHUNKS}); implies --fake-stream",
    )


def run_mock(args: argparse.Namespace) -> None:
    """Print the URL of a mock server, and serve until Ctrl-C."""
    from ollama_sync.testing import answers_from

    server = _server(args)
    if args.script is not None:
        said = answers_from(args.script)
        for path in ("/api/chat", "/api/generate"):
            server.on("POST", path, said)
    with _log_to_stderr(), server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # it is how one stops it


def _server(args: argparse.Namespace) -> MockOllama:
    """Return the server that the options describe."""
    from ollama_sync.testing import SAMPLE_TEXT, MockOllama

    is_fake = args.fake_stream or args.chunks is not None
    usual = _SLOW if args.slow else _A_FAKE_CHUNK if is_fake else _A_TOKEN
    return MockOllama(
        port=args.port,
        chunks=_CHUNKS if args.chunks is None else args.chunks,
        delay=usual if args.delay is None else args.delay,
        text=None if is_fake else SAMPLE_TEXT,
        models=args.model or (None if is_fake else _MODELS),
        load=_SLOW_LOAD if args.slow else 0.0,
        fail=args.fail,
    )


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
