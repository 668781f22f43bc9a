"""Runs a command, and says how it ended: its exit code, and what is said of its failure.

Runs on the main thread, where Ctrl-C arrives. Answers and figures go to stdout, logs, warnings and errors to stderr.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

from ollama_sync.cli._args import module_of
from ollama_sync.cli._registry import COMMANDS
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
    if sys.stdout is None:  # how Python starts where the shell said `>&-`
        complain("standard output is closed, so there is nowhere to write to")
        return _FAILED
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A model may say what the terminal's encoding does not have.
        sys.stdout.reconfigure(errors="replace")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _ended(args, client)


def _ended(args: argparse.Namespace, client: Client | None) -> int:
    try:
        _run(args, client)
        sys.stdout.flush()  # here a reader that has left can still be met quietly
    except KeyboardInterrupt:
        return _INTERRUPTED
    except RequestError as error:
        complain(str(error))
        return _WRONG_ARGUMENTS
    except BrokenPipeError:
        _give_up_stdout()  # whoever read our output has left, as `head` does
        return _FAILED
    except (OllamaError, OSError) as error:
        complain(str(error))
        try:
            sys.stdout.flush()
        except OSError:  # the disk is full, say, and the complaint was about that
            _give_up_stdout()
        return _FAILED
    return _DONE


def _run(args: argparse.Namespace, client: Client | None) -> None:
    command = getattr(module_of(args.command), f"run_{args.command}")
    if not COMMANDS[args.command].asks_server:
        command(args)
    elif client is not None and args.host is None:
        command(client, args)
    elif len(args.hosts or ()) > 1:
        from ollama_sync import Fleet

        # How many at a time is an argument of those commands for which it matters.
        with Fleet(args.hosts, parallel=getattr(args, "parallel", None) or 4) as own:
            command(own, args)
    else:
        from ollama_sync import Client

        with Client(args.host) as own_client:
            command(own_client, args)


def _give_up_stdout() -> None:
    """Have what is still unwritten go nowhere: the interpreter must not find out once more, at its end, that it cannot."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say what a warning says. Where in which package it was given is for programmers, and not shown."""
    del category, filename, lineno, file, line
    complain(f"warning: {message}")
