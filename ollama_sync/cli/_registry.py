"""The commands that there are, as data: the one place to look a command up, and the one to add one to.

Plain data, on any thread; imports no command, so that a command costs its own imports only.

A command NAME is a row of `COMMANDS` and two functions of the row's module, in this package:

    def declare_NAME(parser: argparse.ArgumentParser) -> None:              # its arguments; left out where it has none
        parser.add_argument("model", help="its name")

    def run_NAME(client: Client, args: argparse.Namespace) -> None:         # what it does
        print(client.show(args.model).license)

`run_NAME` prints to stdout and raises what goes wrong: an `OllamaError` or `OSError` is one line on stderr and exit code 1, a
`RequestError` code 2. A command whose row says `asks_server=False` is called with `args` alone. Everybody's options are in
`args`, too: `host` (None where none was given), `hosts` (a list) and `as_json`. A command
whose row says `many_hosts=True` is given a `Fleet` where `--host` came more than once.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command.

    Args:
        module: of this package, in which its functions are.
        help: what it does, in half a line.
        aliases: names that mean the same.
        asks_server: it is given a client of `--host`; else it makes its own, or needs none.
        many_hosts: `--host` may come again; it is then given a fleet.
    """

    module: str
    help: str
    aliases: tuple[str, ...] = ()
    asks_server: bool = True
    many_hosts: bool = False


COMMANDS = {
    "chat": Command("_answers", "ask a model; without a prompt, talk with it", ("run",)),
    "generate": Command("_answers", "have a model complete a prompt"),
    "embed": Command("_embed", "turn texts into vectors"),
    "batch": Command(
        "_batch", "ask every request of a file, over one server or several", (), True, True
    ),
    "list": Command("_models", "the models that the server has", ("ls",)),
    "ps": Command("_models", "the models that are loaded", (), True, True),
    "show": Command("_models", "what is known of a model"),
    "load": Command("_models", "load a model, so that its first answer comes at once"),
    "stop": Command("_models", "unload models"),
    "copy": Command("_models", "give a model a second name", ("cp",)),
    "delete": Command("_models", "delete models", ("rm",)),
    "pull": Command("_transfers", "have the server download a model"),
    "push": Command("_transfers", "have the server upload a model"),
    "create": Command("_transfers", "make a model by a Modelfile"),
    "whoami": Command("_account", "the account of ollama.com that the server is signed in to"),
    "signin": Command("_account", "where to sign the server in to ollama.com", ("login",)),
    "signout": Command("_account", "sign the server out of ollama.com", ("logout",)),
    "version": Command("_models", "the version of the server"),
    "demo": Command(
        "_demo", "see what batches are good for; needs no Ollama, and takes ten seconds", (), False
    ),
    "mock": Command("_mock", "run a mock of Ollama until Ctrl-C", (), False),
    "completion": Command("_completion", "print the completion script of a shell", (), False),
}
"""Each command by its name, in the order of the help."""


def command_named(word: str) -> str | None:
    """Return the name of the command that a word means, or None.

    Example:
        >>> command_named("rm"), command_named("sing")
        ('delete', None)
    """
    if word in COMMANDS:
        return word
    return next((name for name, row in COMMANDS.items() if word in row.aliases), None)


def all_words() -> list[str]:
    """Return every word that means a command: the names and the aliases."""
    return [word for name, row in COMMANDS.items() for word in (name, *row.aliases)]
