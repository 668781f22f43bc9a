"""The command `embed`: texts to vectors, printed or stored.

Runs on the main thread.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ollama_sync.cli import _values
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._streams import print_json, read_file, read_text
from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from ollama_sync import Client


def declare_embed(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `embed`."""
    add_model(parser)
    parser.add_argument(
        "texts", nargs="*", metavar="text", help="to embed; - reads one from standard input"
    )
    parser.add_argument(
        "--lines", metavar="FILE", help="embed each line of a file, or with - of standard input"
    )
    parser.add_argument(
        "--dimensions", type=_values.count, help="length of the vectors, if shorter than its own"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="store them as a matrix that numpy.load reads, a row a text"
    )


def run_embed(client: Client, args: argparse.Namespace) -> None:
    """Print the vector of each text, as a JSON array, or store them.

    Raises:
        RequestError: there is no text, or numpy is needed and not installed.
    """
    texts = [read_text(text) for text in args.texts]
    if args.lines is not None:
        texts += read_file(args.lines).splitlines()
    if not texts:
        raise RequestError("no text: write one behind the model, or give a file by --lines")
    numpy = None if args.out is None else _numpy()
    reply = client.embed(args.model, texts, dimensions=args.dimensions)
    if numpy is not None:
        matrix = reply.to_numpy()
        with open(args.out, "wb") as file:  # a name would get ".npy" behind it
            numpy.save(file, matrix)
    if args.as_json:
        print_json(reply)
    elif numpy is not None:
        print(f"{len(matrix)} vectors of {matrix.shape[1]} numbers: {args.out}")
    else:
        for vector in reply.embeddings:
            print(json.dumps([*vector], separators=(",", ":")))


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise RequestError(
            "--out needs the package numpy: pip install 'ollama-sync[numpy]'"
        ) from error
    return numpy
