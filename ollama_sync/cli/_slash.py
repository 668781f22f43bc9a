"""What begins with a slash in a conversation: the commands of the conversation itself.

Runs on the main thread.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from typing import NamedTuple

from ollama_sync.cli import _values
from ollama_sync.cli._args import near_to
from ollama_sync.cli._streams import show, width
from ollama_sync.cli._tables import show_page
from ollama_sync.cli._talk import Talk
from ollama_sync.errors import RequestError

_PARTS = ("license", "modelfile", "parameters", "system", "template")


class Slash(NamedTuple):
    """One command.

    Args:
        run: does it, with what is written behind its name.
        usage: what that is.
        help: what it does.
    """

    run: Callable[[Talk, str], None]
    usage: str
    help: str


def run(talk: Talk, line: str) -> None:
    """Do what a line that begins with a slash says.

    Raises:
        RequestError: there is no such command, or what is behind it is wrong.
        OllamaError: the server refuses it.
    """
    word, _, rest = line.strip().partition(" ")
    command = COMMANDS.get("/help" if word == "/?" else word)
    if command is None:
        near = near_to(word, [*COMMANDS, "/bye"])
        raise RequestError(
            f'no such command: {word}{near or "; /? lists them"} (a question that begins with / goes between """)'
        )
    command.run(talk, rest.strip())


def _set(talk: Talk, rest: str) -> None:
    name, _, value = rest.partition(" ")
    if not name:
        _show_settings(talk.args)
        return
    setter = _SETTERS.get(name)
    if setter is None:
        known = ", ".join(_SETTERS)
        raise RequestError(f"/set {name}: no such setting{near_to(name, _SETTERS)} ({known})")
    try:
        setter(talk.args, value.strip())
    except argparse.ArgumentTypeError as error:
        raise RequestError(f"/set {name} {error}") from error


def _show_settings(args: argparse.Namespace) -> None:
    settings = {
        "system": args.system,
        **{f"parameter {name}": value for name, value in dict(args.options).items()},
        "think": args.think,
        "format": args.format,
        "keep_alive": args.keep_alive,
        "verbose": args.verbose or None,
    }
    lines = [f"{name}: {value}" for name, value in settings.items() if value is not None]
    show("\n".join(lines) or "nothing is set")


def _set_parameter(args: argparse.Namespace, value: str) -> None:
    name, _, text = value.partition(" ")
    args.options = [*args.options, _values.option(f"{name}={text.strip()}")]


def _set_system(args: argparse.Namespace, value: str) -> None:
    args.system = value.strip('"') or None


def _set_think(args: argparse.Namespace, value: str) -> None:
    args.think = _values.thought(value or "true")


def _set_format(args: argparse.Namespace, value: str) -> None:
    args.format = _values.answer_format(value)


def _set_keep_alive(args: argparse.Namespace, value: str) -> None:
    args.keep_alive = _values.keep_alive(value)


def _do_not_think(args: argparse.Namespace, _: str) -> None:
    args.think = False


def _set_no_format(args: argparse.Namespace, _: str) -> None:
    args.format = None


def _be_verbose(args: argparse.Namespace, _: str) -> None:
    args.verbose = True


def _be_quiet(args: argparse.Namespace, _: str) -> None:
    args.verbose = False


_SETTERS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "system": _set_system,
    "parameter": _set_parameter,
    "think": _set_think,
    "nothink": _do_not_think,
    "format": _set_format,
    "noformat": _set_no_format,
    "keep_alive": _set_keep_alive,
    "verbose": _be_verbose,
    "quiet": _be_quiet,
}


def _show(talk: Talk, rest: str) -> None:
    if rest not in ("", "info", *_PARTS):
        known = ("info", *_PARTS)
        raise RequestError(f"/show {rest}: one of {', '.join(known)}{near_to(rest, known)}")
    reply = talk.client.show(talk.args.model)
    show(str(reply.get(rest) or "-") if rest in _PARTS else show_page(reply))


def _save(talk: Talk, rest: str) -> None:
    talk.client.create(
        _name(rest, "/save"),
        from_=talk.args.model,
        system=talk.args.system,
        parameters=dict(talk.args.options) or None,
        messages=talk.messages or None,
    )
    show(f"saved as model '{rest}'")


def _load(talk: Talk, rest: str) -> None:
    talk.client.show(_name(rest, "/load"))  # fails before anything is forgotten
    talk.args.model = rest
    talk.args.system = None  # the new model has its own
    talk.messages = []
    show(f"now talking to '{rest}'")


def _clear(talk: Talk, _: str) -> None:
    talk.messages = []


def _help(_: Talk, __: str) -> None:
    rows = [(f"{name} {command.usage}", command.help) for name, command in COMMANDS.items()]
    rows += [
        ("/bye", "end; so does Ctrl-D"),
        ('"""', "begin a question of several lines, and end it"),
        ("Ctrl-C", "stop the answer"),
    ]
    indent = max(len(left) for left, _ in rows) + 2
    columns = max(width() or 80, indent + 20)
    for left, right in rows:
        lines = textwrap.wrap(right, columns - indent)
        print(left.ljust(indent) + f"\n{' ' * indent}".join(lines))


def _name(rest: str, command: str) -> str:
    if not rest or " " in rest:
        raise RequestError(f"{command} takes the name of a model")
    return rest


COMMANDS = {
    "/set": Slash(_set, "[NAME [VALUE]]", f"change what holds from now on: {', '.join(_SETTERS)}"),
    "/show": Slash(_show, "[PART]", f"the model: info, {', '.join(_PARTS)}"),
    "/save": Slash(_save, "MODEL", "make a model of the conversation and its settings"),
    "/load": Slash(_load, "MODEL", "talk to another model, from the beginning"),
    "/clear": Slash(_clear, "", "forget the conversation"),
    "/help": Slash(_help, "", "this help; so does /?"),
}
"""Each command by its name, in the order of the help."""
