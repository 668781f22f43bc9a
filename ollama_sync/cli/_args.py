"""What may be written after `ollama-sync`, and what it means.

Runs on the main thread; may not do any of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Protocol

from ollama_sync import __version__
from ollama_sync.cli import _values

_MODEL = "its name, as `ollama-sync list` shows it"
_PROMPT = "what to ask; - reads it from standard input"


class _Commands(Protocol):
    """What `add_subparsers` returns, whose own type is private to argparse."""

    def add_parser(self, name: str, **settings: Any) -> argparse.ArgumentParser:
        """Add a command."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command and its arguments.

    Args:
        argv: the words after the program's name; None takes those of the process.

    Raises:
        SystemExit: 2, wrong arguments, which stderr explains; 0, help or version were asked for, and shown.
    """
    parser = argparse.ArgumentParser(
        prog="ollama-sync",
        description="Ollama's API as commands. Results go to standard output, errors to standard error.",
        epilog="Exit codes: 0 done, 1 the server or the connection failed, 2 wrong arguments, 130 Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=f"ollama-sync {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    server = _of_every_call()
    _add_answers(commands, server)
    _add_models(commands, server)
    _add_transfers(commands, server)
    _add_tools(commands)
    return parser.parse_args(argv)


def _of_every_call() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--host",
        help="where the server is, by the rules of OLLAMA_HOST, which is used when this is left out",
    )
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        help="print the server's replies as JSON, one a line; of a stream each part",
    )
    return parser


def _add_answers(commands: _Commands, server: argparse.ArgumentParser) -> None:
    answers = argparse.ArgumentParser(add_help=False)
    answers.add_argument("--system", help="the system prompt")
    answers.add_argument(
        "--option",
        dest="options",
        metavar="NAME=VALUE",
        type=_values.option,
        action="append",
        default=[],
        help="of the model, as temperature=0.2; may come again",
    )
    answers.add_argument(
        "--think",
        metavar="LEVEL",
        type=_values.thought,
        help="true, false, or a level as high: whether the model thinks first",
    )
    answers.add_argument(
        "--format",
        metavar="FORMAT",
        type=_values.answer_format,
        help="json, or a JSON schema that the answer is to keep to",
    )
    answers.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=_values.keep_alive,
        help="how long the model stays loaded: seconds, or as 5m; -1 is for ever",
    )
    chat = commands.add_parser(
        "chat", parents=[server, answers], help="ask a model; without a prompt, talk with it"
    )
    chat.add_argument("model", help=_MODEL)
    chat.add_argument("prompt", nargs="?", help=f"{_PROMPT}; left out, it is a conversation")

    generate = commands.add_parser(
        "generate", parents=[server, answers], help="have a model complete a prompt"
    )
    generate.add_argument("model", help=_MODEL)
    generate.add_argument("prompt", help=_PROMPT)

    embed = commands.add_parser(
        "embed", parents=[server], help="turn texts into vectors, each a line"
    )
    embed.add_argument("model", help=_MODEL)
    embed.add_argument(
        "texts", nargs="+", metavar="text", help="to embed; - reads one from standard input"
    )
    embed.add_argument(
        "--dimensions", type=_values.count, help="length of the vectors, if shorter than its own"
    )


def _add_models(commands: _Commands, server: argparse.ArgumentParser) -> None:
    commands.add_parser("list", parents=[server], help="the models that the server has")
    commands.add_parser("ps", parents=[server], help="the models that are loaded")
    show = commands.add_parser("show", parents=[server], help="what is known of a model")
    show.add_argument("model", help=_MODEL)
    show.add_argument("--verbose", action="store_true", help="also metadata and tensors")
    only = show.add_mutually_exclusive_group()
    for name in ("license", "modelfile", "parameters", "system", "template"):
        only.add_argument(
            f"--{name}", dest="only", action="store_const", const=name, help=f"only its {name}"
        )
    copy = commands.add_parser("copy", parents=[server], help="give a model a second name")
    copy.add_argument("source", help=_MODEL)
    copy.add_argument("destination", help="the name that it gets as well")
    delete = commands.add_parser("delete", parents=[server], help="delete models")
    delete.add_argument("models", nargs="+", metavar="model", help=_MODEL)
    commands.add_parser("version", parents=[server], help="the version of the server")


def _add_transfers(commands: _Commands, server: argparse.ArgumentParser) -> None:
    for name, what in (
        ("pull", "have the server download a model"),
        ("push", "have the server upload a model"),
    ):
        transfer = commands.add_parser(name, parents=[server], help=what)
        transfer.add_argument("model", help="its name")
        transfer.add_argument(
            "--insecure", action="store_true", help="allow a registry without TLS"
        )
    create = commands.add_parser("create", parents=[server], help="make a model by a Modelfile")
    create.add_argument("model", help="the name of the new model")
    create.add_argument(
        "-f",
        "--file",
        default="Modelfile",
        help="the Modelfile; - reads it from standard input (default: ./%(default)s)",
    )
    create.add_argument("-q", "--quantize", metavar="LEVEL", help="to what, as q4_K_M")


def _add_tools(commands: _Commands) -> None:
    demo = commands.add_parser(
        "demo", help="measure what batches are good for; needs no Ollama, and takes ten seconds"
    )
    demo.add_argument(
        "--host", help="a real server to measure; without it a mock server is started"
    )
    demo.add_argument("--model", default="llama3.2", help="of that server (default: %(default)s)")

    mock = commands.add_parser("mock", help="run a mock of Ollama until Ctrl-C")
    mock.add_argument(
        "--port",
        type=_values.port,
        default=0,
        help="TCP port (default: a free one, which is printed)",
    )
    mock.add_argument(
        "--chunks",
        type=_values.count,
        default=1000,
        help="tokens of an answer (default: %(default)s)",
    )
    mock.add_argument(
        "--delay",
        type=_values.seconds,
        default=0.003,
        help="seconds from one token to the next (default: %(default)s)",
    )
