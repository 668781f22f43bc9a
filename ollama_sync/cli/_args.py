"""What may be written after `ollama-sync`, and what it means.

Runs on the main thread; may not do any of it. Only the command that was asked for declares its arguments, so that a command
with many of them makes no other slower.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn

from ollama_sync import __version__
from ollama_sync.cli._escapes import visible
from ollama_sync.cli._registry import COMMANDS, all_words, command_named

_PROGRAM = "ollama-sync"


class Parser(argparse.ArgumentParser):
    """Reads words as argparse does, but for three things.

    Options are not abbreviated, the value of an option may begin with a dash (`--keep-alive -5m`), and the message about a
    mistyped word names the nearest one.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def read(self, words: Sequence[str], into: argparse.Namespace) -> argparse.Namespace:
        """Return what the words mean, added to `into`. Options may stand between the other words.

        Raises:
            SystemExit: 2, they are wrong, and stderr has said why; 0, help or a version was asked for, and shown.
        """
        # Before Python 3.12.8 the plain way gives an optional word up as soon as an option stands before it.
        return self._all_known(*self.parse_known_intermixed_args(self._with_values(words), into))

    def read_first(self, words: Sequence[str], into: argparse.Namespace) -> argparse.Namespace:
        """Return what the words up to the command mean, added to `into`, with the command and all that follows it.

        Raises:
            SystemExit: as `read`.
        """
        return self._all_known(*self.parse_known_args(self._with_values(words), into))

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and leave with 2. A word of the user's is shown without what would move the cursor."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {visible(message)}\n")

    def _all_known(self, args: argparse.Namespace, strange: list[str]) -> argparse.Namespace:
        if strange:
            self.error(f"no such argument: {' '.join(strange)}{self._remedy(strange[0])}")
        return args

    def _with_values(self, words: Sequence[str]) -> list[str]:
        """Tie each value that begins with a dash to its option by "=": argparse would take it for an option."""
        # Private to argparse, but as old as it is; the public way is to read its help.
        options = self._option_string_actions
        tied: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                return [*tied, word, *rest]
            last = options.get(tied[-1]) if tied else None
            takes_one = last is not None and last.nargs is None
            if takes_one and word.startswith("-") and word != "-" and word not in options:
                tied[-1] += f"={word}" if tied[-1].startswith("--") else word
            else:
                tied.append(word)
        return tied

    def _remedy(self, word: str) -> str:
        name = word.partition("=")[0]
        near = near_to(name, self._option_string_actions)
        if near:
            return near
        return "; a text that begins with a dash goes behind --" if word.startswith("-") else ""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command and its arguments.

    Args:
        argv: the words after the program's name; None takes those of the process.

    Raises:
        SystemExit: 2, wrong arguments, which stderr explains; 0, help or version were asked for, and shown.
    """
    root = _root()
    args = root.read_first(sys.argv[1:] if argv is None else argv, argparse.Namespace())
    word, *words = args.words
    name = command_named(word)
    if name is None:
        root.error(f"no such command: {word}{near_to(word, all_words())}")
    del args.words
    parser = Parser(prog=f"{_PROGRAM} {name}", description=_sentence(COMMANDS[name].help))
    declare(parser, name)
    args = parser.read(words, args)
    hosts = args.hosts or []
    if len(hosts) > 1 and not COMMANDS[name].many_hosts:
        parser.error("--host was given more than once")
    args.command, args.host = name, hosts[-1] if hosts else None
    return args


def of_all_commands() -> Parser:
    """Return a parser that knows every command whole, for a shell that asks what can follow."""
    parser = Parser(prog=_PROGRAM)
    _add_common(parser, default=None)
    commands = parser.add_subparsers()
    for name, row in COMMANDS.items():
        declare(commands.add_parser(name, aliases=row.aliases, help=row.help), name)
    return parser


def declare(parser: argparse.ArgumentParser, name: str) -> None:
    """Give a parser the arguments of a command, and those of every command."""
    declare_it: Callable[[argparse.ArgumentParser], None] | None = getattr(
        module_of(name), f"declare_{name}", None
    )
    if declare_it is not None:
        declare_it(parser)
    _add_common(parser, default=argparse.SUPPRESS)  # what stands before the command is kept


def module_of(name: str) -> ModuleType:
    """Return the module that a command's functions are in."""
    return importlib.import_module(f"ollama_sync.cli.{COMMANDS[name].module}")


def near_to(word: str, known: Sequence[str] | Any) -> str:
    """Return a question that names what a mistyped word is nearest to, or "".

    Example:
        >>> near_to("lst", ["list", "show"])
        '; did you mean list?'
    """
    import difflib  # for a mistake only

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _root() -> Parser:
    width = max(map(len, COMMANDS))
    lines = [
        f"  {name.ljust(width)}  {row.help}"
        + (f" (also {', '.join(row.aliases)})" if row.aliases else "")
        for name, row in COMMANDS.items()
    ]
    parser = Parser(
        prog=_PROGRAM,
        usage="%(prog)s [--host HOST] [--json] COMMAND ...",
        description="Ollama's API as commands. Results go to standard output, errors to standard error.",
        epilog="\n".join(
            [
                "commands:",
                *lines,
                "",
                "Each has a --help of its own. Options of every command may stand before it, too.",
                "Exit codes: 0 done, 1 the server or the connection failed, 2 wrong arguments, 130 Ctrl-C.",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ollama-sync {__version__}")
    _add_common(parser, default=None)
    # The command and all that follows it: the last of argparse's kinds of positionals, which takes options as well.
    parser.add_argument(
        "words", nargs=argparse.PARSER, metavar="COMMAND", help="what to do, and its arguments"
    )
    return parser


def _add_common(parser: argparse.ArgumentParser, default: Any) -> None:
    parser.add_argument(
        "--host",
        dest="hosts",
        metavar="HOST",
        action="append",
        default=default,
        help="where the server is, by the rules of OLLAMA_HOST, which is used when this is left out",
    )
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        default=default or False,
        help="print the server's replies as JSON, one a line; of a stream each part",
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
