"""The command line, `ollama-sync`: Ollama's API as commands, a demonstration, and the mock server.

Runs on the main thread, and stands where a user stands: it may use the public surface only. Each command imports what it
needs when it runs, so that `--version` and `--help` come at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ollama_sync.cli import _args, _commands, _completion

if TYPE_CHECKING:
    from ollama_sync import Client

__all__ = ["main"]


def main(argv: Sequence[str] | None = None, client: Client | None = None) -> int:
    """Run one command. Blocks until it has ended.

    Args:
        argv: the words after the program's name; None takes those of the process.
        client: who is asked where no `--host` is given, and is left open; None makes one for the command.

    Returns:
        the exit code: 0 done, 1 it failed, with one line on stderr that says why, 2 wrong arguments, 130 Ctrl-C.

    Example:
        >>> main(["--version"])
        ollama-sync ...
        0
    """
    try:
        if _completion.is_asked():
            _completion.answer(_args.of_all_commands())
        args = _args.parse(argv)
    except SystemExit as leaving:  # argparse has said what is wrong, or has shown the help
        return leaving.code if isinstance(leaving.code, int) else 0
    return _commands.run(args, client)
