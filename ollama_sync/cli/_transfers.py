"""The commands that bring models in and out: pull, push, create.

Runs on the main thread. Leaving a command, by Ctrl-C too, closes its connection; what was downloaded stays, and the next pull
goes on from there.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ollama_sync.cli._completion import add_model
from ollama_sync.cli._progress import open_display
from ollama_sync.cli._render import size
from ollama_sync.cli._streams import complain, print_json, read_file

if TYPE_CHECKING:
    from ollama_sync import Client, ProgressResponse, Stream
    from ollama_sync.modelfile import Modelfile


def declare_pull(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pull`."""
    parser.add_argument("model", help="its name")
    parser.add_argument("--insecure", action="store_true", help="allow a registry without TLS")


def run_pull(client: Client, args: argparse.Namespace) -> None:
    """Have the server download a model."""
    _follow(client.pull(args.model, insecure=args.insecure, stream=True), as_json=args.as_json)


def declare_push(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `push`."""
    add_model(parser)
    parser.add_argument("--insecure", action="store_true", help="allow a registry without TLS")


def run_push(client: Client, args: argparse.Namespace) -> None:
    """Have the server upload a model."""
    _follow(client.push(args.model, insecure=args.insecure, stream=True), as_json=args.as_json)


def declare_create(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `create`."""
    parser.add_argument("model", help="the name of the new model")
    parser.add_argument(
        "-f",
        "--file",
        default="Modelfile",
        help="the Modelfile; - reads it from standard input (default: ./%(default)s)",
    )
    parser.add_argument("-q", "--quantize", metavar="LEVEL", help="to what, as q4_K_M")


def run_create(client: Client, args: argparse.Namespace) -> None:
    """Make a model by a Modelfile; the files that it names are uploaded."""
    modelfile = _modelfile(args.file)
    if not args.as_json:
        _announce(modelfile)
    stream = client.create(
        args.model, stream=True, quantize=args.quantize, **modelfile.to_create_arguments()
    )
    _follow(stream, as_json=args.as_json)


def _modelfile(path: str) -> Modelfile:
    from ollama_sync.modelfile import Modelfile

    try:
        text = read_file(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no such Modelfile: {path}; -f FILE says where it is, and -f - reads standard input"
        ) from error
    folder = Path() if path == "-" else Path(path).parent
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)  # and in the order of the file
        modelfile = Modelfile.parse(text, folder=folder)
    for warning in caught:
        complain(str(warning.message))
    return modelfile


def _announce(modelfile: Modelfile) -> None:
    """Say what will take long before the server says anything: files are hashed, and uploaded where it lacks them."""
    files = [
        *modelfile.files.values(),
        *modelfile.adapters.values(),
        *modelfile.draft_files.values(),
    ]
    if files:
        total = size(sum(file.stat().st_size for file in files))
        print(f"preparing files: {len(files)}, {total}", flush=True)


def _follow(stream: Stream[ProgressResponse], *, as_json: bool) -> None:
    with stream:
        if as_json:
            for part in stream:
                print_json(part)
            return
        with open_display() as display:
            for progress in stream.progress():
                display.show(progress)
