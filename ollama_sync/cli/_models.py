"""The commands about the models of a server: list, ps, show, load, stop, copy, delete, version.

Runs on the main thread.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ollama_sync.cli import _values
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._streams import complain, print_json, show, width
from ollama_sync.cli._tables import list_table, ps_table, show_page
from ollama_sync.errors import OllamaError

if TYPE_CHECKING:
    from ollama_sync import Client, Fleet, View

_PARTS = ("license", "modelfile", "parameters", "system", "template")


def run_list(client: Client, args: argparse.Namespace) -> None:
    """Print the models that the server has."""
    reply = client.list()
    _print(reply, args, "" if args.as_json else list_table(reply, _now(), width()))


def run_ps(client: Client | Fleet, args: argparse.Namespace) -> None:
    """Print the models that are loaded; of several servers one after the other, also where one does not answer."""
    from ollama_sync import Fleet

    if isinstance(client, Fleet):
        _print_servers(client, args)
        return
    reply = client.ps()
    _print(reply, args, "" if args.as_json else ps_table(reply, _now(), width()))


def _print_servers(fleet: Fleet, args: argparse.Namespace) -> None:
    failure = None
    for client, server in zip(fleet, fleet.servers, strict=True):
        if not args.as_json:
            show(server.host)
        try:
            run_ps(client, args)
        except OllamaError as error:
            failure = error
            complain(f"{server.host}: {error}")
    if failure is not None:
        raise OllamaError(f"not every server has answered, of {len(fleet)}")


def declare_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show`."""
    add_model(parser)
    parser.add_argument("--verbose", action="store_true", help="also metadata and tensors")
    only = parser.add_mutually_exclusive_group()
    for name in _PARTS:
        only.add_argument(
            f"--{name}", dest="only", action="store_const", const=name, help=f"only its {name}"
        )


def run_show(client: Client, args: argparse.Namespace) -> None:
    """Print what the server knows of a model, or one thing of it."""
    reply = client.show(args.model, verbose=True if args.verbose else None)
    if args.as_json:
        print_json(reply)
    elif args.only is not None:
        show(str(reply.get(args.only) or ""))
    else:
        show(show_page(reply, verbose=args.verbose))


def declare_load(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `load`."""
    add_model(parser)
    parser.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=_values.keep_alive,
        help="how long it stays loaded: seconds, or as 5m; -1 is for ever",
    )


def run_load(client: Client, args: argparse.Namespace) -> None:
    """Load a model. Blocks until it is in memory."""
    reply = client.load(args.model, keep_alive=args.keep_alive)
    _print(reply, args, f"loaded '{args.model}'")


def declare_stop(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stop`."""
    add_model(parser, "models", nargs="+")


def run_stop(client: Client, args: argparse.Namespace) -> None:
    """Unload models, up to the first that the server refuses to."""
    for model in args.models:
        _print(client.unload(model), args, f"stopped '{model}'")


def declare_copy(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `copy`."""
    add_model(parser, "source")
    parser.add_argument("destination", help="the name that it gets as well")


def run_copy(client: Client, args: argparse.Namespace) -> None:
    """Give a model a second name."""
    reply = client.copy(args.source, args.destination)
    _print(reply, args, f"copied '{args.source}' to '{args.destination}'")


def declare_delete(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `delete`."""
    add_model(parser, "models", nargs="+")


def run_delete(client: Client, args: argparse.Namespace) -> None:
    """Delete models, up to the first that the server refuses to."""
    for model in args.models:
        _print(client.delete(model), args, f"deleted '{model}'")


def run_version(client: Client, args: argparse.Namespace) -> None:
    """Print the version of the server."""
    reply = client.version()
    _print(reply, args, reply.version or "-")


def _print(reply: View, args: argparse.Namespace, text: str) -> None:
    if args.as_json:
        print_json(reply)
    else:
        show(text)


def _now() -> datetime:
    return datetime.now(timezone.utc)
