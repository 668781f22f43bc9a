"""The commands: each does its work and returns an exit code.

Runs on the main thread, where Ctrl-C arrives. Answers and figures go to stdout, logs and errors to stderr.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ollama_sync.cli._render import one_line
from ollama_sync.errors import OllamaError, RequestError

_FAILED, _WRONG_ARGUMENTS, _INTERRUPTED = 1, 2, 130


def run(args: argparse.Namespace) -> int:
    """Run the command that `args` names, and return its exit code. What went wrong is one line on stderr.

    Args:
        args: of `parse`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A model may say what the terminal's encoding does not have.
        sys.stdout.reconfigure(errors="replace")
    try:
        return _COMMANDS[args.command](args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except RequestError as error:
        return _complain(error, _WRONG_ARGUMENTS)
    except BrokenPipeError:
        # Who read our output has left, as `head` does. The interpreter must not find that out once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (OllamaError, OSError) as error:
        return _complain(error, _FAILED)


def _complain(error: Exception, code: int) -> int:
    print(f"ollama-sync: {one_line(str(error))}", file=sys.stderr)
    return code


def _chat(args: argparse.Namespace) -> int:
    from ollama_sync import Client

    messages = [{"role": "user", "content": args.prompt}]
    # Leaving the two blocks, by Ctrl-C too, closes the connection: the server stops generating.
    with Client(args.host) as client, client.chat(args.model, messages, stream=True) as stream:
        for tokens in stream.tokens():
            print("".join(tokens), end="", flush=True)
    print()
    return 0


def _demo(args: argparse.Namespace) -> int:
    from ollama_sync.cli._demo import demonstrate
    from ollama_sync.testing import MockOllama

    if args.host is not None:
        demonstrate(args.host, args.model)
    else:
        with MockOllama() as server:
            print("No --host was given, so this is a mock server: 1000 tokens, one every 3 ms.")
            demonstrate(server.url, args.model)
    return 0


def _mock(args: argparse.Namespace) -> int:
    from ollama_sync.testing import MockOllama

    server = MockOllama(port=args.port, chunks=args.chunks, delay=args.delay)
    with _log_to_stderr(), server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # it is how one stops it
    return 0


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


_COMMANDS = {"chat": _chat, "demo": _demo, "mock": _mock}
