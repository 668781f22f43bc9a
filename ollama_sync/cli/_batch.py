"""The command `batch`: a file of requests in, a file of answers out, over one server or several.

Runs on the main thread. Ctrl-C cancels what is open; what was done is in the file, and the same command goes on with the rest.
"""

from __future__ import annotations

import argparse
import json
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from ollama_sync.cli import _values
from ollama_sync.cli._batch_display import open_display
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._streams import complain, show
from ollama_sync.errors import OllamaError, RequestError

if TYPE_CHECKING:
    from ollama_sync import BatchSummary, Client, Fleet

_VERBS = ("chat", "generate", "embed")


def declare_batch(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `batch`."""
    parser.add_argument(
        "input",
        help="a request a line: JSON with the parameters of the verb, a line of OpenAI's batch format, or text; or a CSV file, with "
        "--template; - reads standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="gets a line of JSON for each answer; with what it holds already the batch goes on. Of embed it may end in .npy",
    )
    add_model(parser, "--model")
    parser.add_argument("--verb", choices=_VERBS, help="what to do with each; by default generate")
    parser.add_argument(
        "--parallel",
        type=_values.count,
        metavar="N",
        help="how many requests are open at a time, by default 8; with several hosts, as many at each, by default 4",
    )
    parser.add_argument(
        "--template",
        metavar="TEXT",
        help="of the prompt, as 'Translate: {text}', with columns in braces",
    )
    parser.add_argument(
        "--input-format", choices=("jsonl", "text", "csv"), help="where the name does not say"
    )
    parser.add_argument("--system", help="the system prompt, of generate")
    parser.add_argument(
        "--option",
        dest="options",
        metavar="NAME=VALUE",
        type=_values.option,
        action="append",
        default=[],
        help="of the model, as temperature=0.2; may come again",
    )
    parser.add_argument(
        "--format",
        type=_values.answer_format,
        metavar="SCHEMA",
        help="json, a JSON schema, or a file that holds one",
    )
    parser.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=_values.keep_alive,
        help="how long the model stays loaded",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let the workers of a Dask cluster ask: the address of its scheduler, or local:4 for four processes here; they get the "
        "hosts, and their own environment",
    )
    parser.add_argument("--retry-failed", action="store_true", help="ask again what has failed")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )


def run_batch(client: Client | Fleet, args: argparse.Namespace) -> None:
    """Ask every request of a file.

    Raises:
        OllamaError: some have failed.
        RequestError: an argument is wrong, or the output belongs to another input.
    """
    import ollama_sync

    given = {
        "verb": args.verb,
        "input_format": args.input_format,
        "template": args.template,
        "retry_failed": args.retry_failed,
        **_common(args),
    }
    if args.dry_run:
        plan = ollama_sync.plan_batch(args.input, args.output, **given)
        print(
            f"{plan.total} requests, {plan.earlier} of them done, {plan.unreadable} that cannot be asked"
        )
        if plan.first is not None:
            show(f"the first, {plan.first[0]}: {json.dumps(plan.first[1], ensure_ascii=False)}")
        return
    try:
        with _asking(client, args) as asking, open_display(asking) as display:
            summary = ollama_sync.run_batch(
                args.input,
                args.output,
                servers=asking,
                parallel=args.parallel if isinstance(asking, ollama_sync.Client) else None,
                on_progress=display.show,
                **given,
            )
    except KeyboardInterrupt:
        complain(f"stopped; what was done is in {args.output}, and the same command goes on")
        raise
    _report(summary, args)


def _asking(client: Client | Fleet, args: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return who asks: this process, or the workers of a cluster."""
    if args.dask is None:
        return nullcontext(client)
    from ollama_sync import Fleet
    from ollama_sync.dask import DaskFleet

    with ExitStack() as own:
        if isinstance(client, Fleet):
            fleet = client
        else:
            fleet = own.enter_context(Fleet([client], parallel=args.parallel or 8))
        return DaskFleet({state.host: state.places for state in fleet.servers}, args.dask)


def _common(args: argparse.Namespace) -> dict[str, Any]:
    if args.verb in ("chat", "embed") and args.system is not None:
        raise RequestError(f"--system is for generate; {args.verb} has none")
    common = {
        "model": args.model,
        "system": args.system,
        "options": dict(args.options) or None,
        "format": args.format,
        "keep_alive": args.keep_alive,
    }
    return {name: value for name, value in common.items() if value is not None}


def _report(summary: BatchSummary, args: argparse.Namespace) -> None:
    speed = f", {summary.tokens / summary.seconds:.0f} tokens/s" if summary.tokens else ""
    earlier = f", {summary.earlier} of them earlier" if summary.earlier else ""
    show(
        f"{summary.answered} of {summary.total} answered{earlier}, in {summary.seconds:.1f} s{speed}: {args.output}"
    )
    if summary.failed:
        raise OllamaError(
            f"{summary.failed} of {summary.total} requests failed; their errors are in {args.output}, and "
            "--retry-failed asks them again"
        )
