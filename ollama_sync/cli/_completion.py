"""Shell completion: the script that a shell loads, and what is offered behind a word.

Argcomplete does it: the script runs `ollama-sync` with a variable of the environment set, and the parser of all commands
answers. Nothing of it is imported otherwise. Runs on the main thread.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

SHELLS = ("bash", "zsh", "fish")
_ASKED = "_ARGCOMPLETE"
_PATIENCE = 2.0  # seconds: a shell that waits for a server that is not there is no help


def declare_completion(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `completion`."""
    parser.add_argument("shell", choices=SHELLS, help="whose")
    parser.epilog = (
        'bash, zsh: eval "$(ollama-sync completion bash)" in its start file; fish: ollama-sync'
        " completion fish > ~/.config/fish/completions/ollama-sync.fish"
    )


def run_completion(args: argparse.Namespace) -> None:
    """Print the script.

    Raises:
        RequestError: argcomplete is not installed.
    """
    print(_argcomplete().shellcode(["ollama-sync"], shell=args.shell))


def is_asked() -> bool:
    """Return whether a shell runs this process to learn what can follow."""
    return _ASKED in os.environ


def answer(parser: argparse.ArgumentParser) -> None:
    """Tell the shell what can follow, and end the process.

    Args:
        parser: of all commands.
    """
    _argcomplete().autocomplete(parser)


def add_model(
    parser: argparse.ArgumentParser, name: str = "model", *, nargs: str | None = None
) -> None:
    """Add an argument that is a model of the server, whose names are offered."""
    action = parser.add_argument(
        name,
        nargs=nargs,
        metavar=name.removesuffix("s"),
        help="its name, as `ollama-sync list` shows it",
    )
    action.completer = _models  # type: ignore[attr-defined]  # where argcomplete looks


def _models(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from ollama_sync import Client, OllamaError, Timeout

    host = (getattr(parsed_args, "hosts", None) or [None])[-1]
    try:
        with Client(host, timeout=Timeout(connect=_PATIENCE, total=_PATIENCE)) as client:
            names = [model.model or "" for model in client.list().models]
    except OllamaError:
        return []  # there is nobody to ask; an error in the midst of a line helps nobody
    return [name for name in names if name.startswith(prefix)]


def _argcomplete() -> Any:
    try:
        import argcomplete
    except ImportError as error:
        from ollama_sync.errors import RequestError

        raise RequestError(
            "completion needs the package argcomplete: pip install 'ollama-sync[cli]'"
        ) from error
    return argcomplete
