"""The commands by name, and how each ends: its exit code, and what is said of its failure.

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
from typing import TYPE_CHECKING

from ollama_sync.cli import _answers, _models, _transfers
from ollama_sync.cli._streams import complain
from ollama_sync.errors import OllamaError, RequestError

if TYPE_CHECKING:
    from ollama_sync import Client

_DONE, _FAILED, _WRONG_ARGUMENTS, _INTERRUPTED = 0, 1, 2, 130


def run(args: argparse.Namespace, client: Client | None = None) -> int:
    """Run the command that `args` names, and return its exit code. What went wrong is one line on stderr.

    Args:
        args: of `parse`.
        client: of `main`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A model may say what the terminal's encoding does not have.
        sys.stdout.reconfigure(errors="replace")
    try:
        _run(args, client)
        sys.stdout.flush()  # here a reader that has left can still be met quietly
    except KeyboardInterrupt:
        return _INTERRUPTED
    except RequestError as error:
        complain(str(error))
        return _WRONG_ARGUMENTS
    except BrokenPipeError:
        # Who read our output has left, as `head` does. The interpreter must not find that out once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (OllamaError, OSError) as error:
        complain(str(error))
        return _FAILED
    return _DONE


def _run(args: argparse.Namespace, client: Client | None) -> None:
    if args.command in _WITHOUT_CLIENT:
        _WITHOUT_CLIENT[args.command](args)
    elif client is not None and args.host is None:
        _WITH_CLIENT[args.command](client, args)
    else:
        from ollama_sync import Client

        with Client(args.host) as own:
            _WITH_CLIENT[args.command](own, args)


def _demo(args: argparse.Namespace) -> None:
    from ollama_sync.cli._demo import demonstrate
    from ollama_sync.testing import MockOllama

    if args.host is not None:
        demonstrate(args.host, args.model)
    else:
        with MockOllama() as server:
            print("No --host was given, so this is a mock server: 1000 tokens, one every 3 ms.")
            demonstrate(server.url, args.model)


def _mock(args: argparse.Namespace) -> None:
    from ollama_sync.testing import MockOllama

    server = MockOllama(port=args.port, chunks=args.chunks, delay=args.delay)
    with _log_to_stderr(), server:
        print(server.url, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # it is how one stops it


def _chat(client: Client, args: argparse.Namespace) -> None:
    if args.prompt is None:
        from ollama_sync.cli._interactive import Conversation

        Conversation(client, args).run()
    else:
        _answers.chat(client, args)


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


_WITHOUT_CLIENT = {"demo": _demo, "mock": _mock}
_WITH_CLIENT = {
    "chat": _chat,
    "copy": _models.copy,
    "create": _transfers.create,
    "delete": _models.delete,
    "embed": _models.embed,
    "generate": _answers.generate,
    "list": _models.list_models,
    "ps": _models.ps,
    "pull": _transfers.pull,
    "push": _transfers.push,
    "show": _models.show,
    "version": _models.version,
}
