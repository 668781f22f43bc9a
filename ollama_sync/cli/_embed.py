"""The command `embed`: texts to vectors, printed or stored.

Runs on the main thread.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ollama_sync.cli import _values
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._streams import print_json, read_text

if TYPE_CHECKING:
    from ollama_sync import Client


def declare_embed(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `embed`."""
    add_model(parser)
    parser.add_argument(
        "texts", nargs="+", metavar="text", help="to embed; - reads one from standard input"
    )
    parser.add_argument(
        "--dimensions", type=_values.count, help="length of the vectors, if shorter than its own"
    )


def run_embed(client: Client, args: argparse.Namespace) -> None:
    """Print the vector of each text, as a JSON array."""
    texts = [read_text(text) for text in args.texts]
    reply = client.embed(args.model, texts, dimensions=args.dimensions)
    if args.as_json:
        print_json(reply)
    else:
        for vector in reply.embeddings:
            print(json.dumps([*vector], separators=(",", ":")))
