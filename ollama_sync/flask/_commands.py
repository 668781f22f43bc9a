"""`flask ollama ...`: the commands of `ollama-sync`, asked of the app's own client.

Runs on the main thread, in a context of the app. What may be written after each command is told by the command line itself, so all
words behind its name are passed on as they are, `--help` too.
"""

from __future__ import annotations

from typing import Any

import click
from flask.cli import AppGroup

from ollama_sync import cli

_COMMANDS = {
    "chat": "Ask a model; without a prompt, talk with it.",
    "copy": "Give a model a second name.",
    "create": "Make a model by a Modelfile.",
    "delete": "Delete models.",
    "embed": "Turn texts into vectors.",
    "generate": "Have a model complete a prompt.",
    "list": "List the models that the server has.",
    "ps": "List the models that are loaded.",
    "pull": "Have the server download a model.",
    "push": "Have the server upload a model.",
    "show": "Show what is known of a model.",
    "version": "Show the version of the server.",
}
_PASSED_ON = {"ignore_unknown_options": True}


def command_group(client: Any) -> AppGroup:
    """Return the group `ollama` for an app's `flask` command.

    Args:
        client: who is asked; may be a proxy, for it is used in a context of the app.
    """

    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def run(context: click.Context, words: tuple[str, ...]) -> None:
        # Of several servers the first is asked; `--host` names another.
        asked = next(iter(client)) if hasattr(client, "servers") else client
        context.exit(cli.main([str(context.info_name), *words], asked))

    group = AppGroup("ollama", help="Ask the Ollama server of this app.")
    for name, what in _COMMANDS.items():
        group.command(name, help=what, context_settings=_PASSED_ON, add_help_option=False)(run)
    return group
