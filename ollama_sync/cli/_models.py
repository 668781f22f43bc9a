"""The commands that are one question and one reply: list, ps, show, copy, delete, version, embed.

Runs on the main thread.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ollama_sync.cli._streams import print_json, read_text
from ollama_sync.cli._tables import list_table, ps_table, show_page

if TYPE_CHECKING:
    from ollama_sync import Client, View


def list_models(client: Client, args: argparse.Namespace) -> None:
    """Print the models that the server has."""
    reply = client.list()
    _print(reply, args, "" if args.as_json else list_table(reply, _now()))


def ps(client: Client, args: argparse.Namespace) -> None:
    """Print the models that are loaded."""
    reply = client.ps()
    _print(reply, args, "" if args.as_json else ps_table(reply, _now()))


def show(client: Client, args: argparse.Namespace) -> None:
    """Print what the server knows of a model, or one thing of it."""
    reply = client.show(args.model, verbose=True if args.verbose else None)
    if args.as_json:
        _print(reply, args, "")
    elif args.only is not None:
        print(reply.get(args.only) or "")
    else:
        print(show_page(reply, verbose=args.verbose))


def copy(client: Client, args: argparse.Namespace) -> None:
    """Give a model a second name."""
    reply = client.copy(args.source, args.destination)
    _print(reply, args, f"copied '{args.source}' to '{args.destination}'")


def delete(client: Client, args: argparse.Namespace) -> None:
    """Delete models, up to the first that the server refuses to."""
    for model in args.models:
        _print(client.delete(model), args, f"deleted '{model}'")


def version(client: Client, args: argparse.Namespace) -> None:
    """Print the version of the server."""
    reply = client.version()
    _print(reply, args, reply.version)


def embed(client: Client, args: argparse.Namespace) -> None:
    """Print the vector of each text, as a JSON array."""
    texts = [read_text(text) for text in args.texts]
    reply = client.embed(args.model, texts, dimensions=args.dimensions)
    if args.as_json:
        print_json(reply)
    else:
        for vector in reply.embeddings:
            print(json.dumps([*vector], separators=(",", ":")))


def _print(reply: View, args: argparse.Namespace, text: str) -> None:
    if args.as_json:
        print_json(reply)
    else:
        print(text)


def _now() -> datetime:
    return datetime.now(timezone.utc)
