"""`run_batch`: a file of requests in, a file of answers out, which can be stopped and gone on with.

Runs on the caller's thread, and blocks it until the end; the hub makes the calls.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from ollama_sync._client.client import Client
from ollama_sync._client.outcome import MapProgress, Outcome
from ollama_sync._client.plan import check_names, plan_of
from ollama_sync._now import monotonic
from ollama_sync._wire import loads
from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch import matrix, openai_lines
from ollama_sync.fleet.batch.records import Record, kind_of, read_records
from ollama_sync.fleet.batch.results import Results, answer_line, failure_line, known_in
from ollama_sync.fleet.fleet import Fleet

PathLike = str | os.PathLike[str]


@runtime_checkable
class Mapper(Protocol):
    """Whatever makes many requests as `Client.map` does: a client, a fleet, or the workers of a cluster."""

    @property
    def map(self) -> Callable[..., Any]:
        """See `Client.map`; what it returns has `progress`, and ends with its `with` block."""


Servers = Mapper | str | Iterable[str | Client] | Mapping[str | Client, int]


@dataclass(frozen=True)
class BatchSummary:
    """What a batch has done.

    Args:
        total: requests of the input.
        answered: of these, those that have an answer now, whichever run got it.
        failed: those that have failed.
        earlier: those that earlier runs had done, which were not asked again.
        tokens: that the answers of this run are made of.
        seconds: that this run has taken.

    Example:
        >>> summary = BatchSummary(total=10, answered=9, failed=1, earlier=4, tokens=500, seconds=5.0)
        >>> summary.ok, summary.left
        (False, 0)
    """

    total: int
    answered: int
    failed: int
    earlier: int
    tokens: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every request has an answer."""
        return self.answered == self.total

    @property
    def left(self) -> int:
        """How many were not asked, because the batch was stopped."""
        return self.total - self.answered - self.failed


@dataclass(frozen=True)
class BatchPlan:
    """What a batch would do: the answer to a dry run.

    Args:
        total: requests of the input.
        earlier: those that have been done.
        unreadable: those that cannot be read, or have a wrong parameter; they would fail.
        first: the key and the parameters of the first that would be asked; None where there is none.

    Example:
        >>> BatchPlan(total=10, earlier=4, unreadable=0, first=None).left
        6
    """

    total: int
    earlier: int
    unreadable: int
    first: tuple[str, dict[str, Any]] | None

    @property
    def left(self) -> int:
        """How many would be asked, or fail because they cannot be read."""
        return self.total - self.earlier


OnProgress = Callable[[MapProgress, int, Outcome[Record, Any]], object]


def run_batch(
    input: PathLike,
    output: PathLike,
    verb: str | None = None,
    *,
    servers: Servers | None = None,
    parallel: int | None = None,
    input_format: str | None = None,
    template: str | None = None,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
    **common: Any,
) -> BatchSummary:
    """Ask every request of a file, and write every answer into another, until all are there.

    The input has a request a line: a JSON object with the parameters of the verb (and a key as "id", "key" or "custom_id"); a line of
    OpenAI's batch format; a line of text, which is a prompt; or a row of a CSV file, for a template. The output has a line of JSON for
    each, in the order in which they end. Started again with the same output it goes on with what is not there yet, after whatever end:
    a line is written whole, or cut off at the next start.

    Blocks until the end. Ctrl-C cancels what is open; what was done is in the file.

    Args:
        input: a path; "-" reads standard input.
        output: a path; made where there is no such file. Of embeddings it may end in ".npy": then the answers go to a file beside it,
            which has ".jsonl" behind the name, and when all are there they become a float32 matrix in the order of the input.
        verb: "chat", "generate" or "embed"; by default what a first line of OpenAI's format asks for, else "generate".
        servers: a `Client`, a `Fleet` or a `DaskFleet`, a host, or what `Fleet` takes; None for the server of OLLAMA_HOST.
        parallel: how many calls are open at a time; by default 8, or as `Fleet.map`.
        input_format: "jsonl", "text" or "csv", where the input's name does not say.
        template: of the prompt, with the columns of the file in braces.
        retry_failed: ask again what failed in an earlier run.
        on_progress: called after each answer, with the progress of this run, how many earlier runs had done, and the outcome.
        common: parameters of the verb for every request, as `model`.

    Returns:
        what was done. It is not `ok` when some requests have failed; their errors are in the output.

    Raises:
        RequestError: an argument is wrong, two requests have one key, or the output belongs to another input. Nothing was sent.
        OSError: a file cannot be read or written.

    Example:
        >>> import pathlib, tempfile
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "prompts.txt").write_text("one\\ntwo\\n")
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     summary = run_batch(folder / "prompts.txt", folder / "answers.jsonl", servers=client, model="llama3.2")
        >>> summary.answered, summary.ok
        (2, True)
    """
    kind = kind_of(os.fspath(input), input_format)
    began = monotonic()
    path = _answers_path(output)
    with _opened(input) as file, ExitStack() as open_files:
        verb = _verb_of(file, verb)
        _check(verb, common)
        if path != os.fspath(output):
            matrix.check(verb)
        results = open_files.enter_context(Results(path, retry_failed=retry_failed))
        total = _checked(_again(file, kind, verb, template), results, path)
        records = (
            record
            for record in _again(file, kind, verb, template)
            if record.key not in results.known
        )
        earlier = len(results.known)
        answered = sum(known.ok for known in results.known.values())
        failed = earlier - answered
        with (
            _asking(servers) as asking,
            asking.map(
                verb,
                _Sized(records, total - earlier),
                request=_parameters,
                parallel=8 if parallel is None and isinstance(asking, Client) else parallel,
                ordered=False,
                **common,
            ) as outcomes,
        ):
            for outcome in outcomes:
                record = outcome.item
                if outcome.error is None:
                    line = answer_line(record, verb, outcome.reply.to_dict())
                    answered += 1
                else:
                    line = failure_line(record, outcome.error)
                    failed += 1
                results.write(line)
                if on_progress is not None:
                    on_progress(outcomes.progress, earlier, outcome)
            tokens = outcomes.progress.tokens
        if path != os.fspath(output) and answered == total:
            keys = (record.key for record in _again(file, kind, verb, template))
            matrix.write(Path(path), keys, Path(output))
    return BatchSummary(total, answered, failed, earlier, tokens, monotonic() - began)


def plan_batch(
    input: PathLike,
    output: PathLike,
    verb: str | None = None,
    *,
    input_format: str | None = None,
    template: str | None = None,
    retry_failed: bool = False,
    **common: Any,
) -> BatchPlan:
    """Return what `run_batch` would do, and do none of it: the files are only read.

    Args:
        input: as for `run_batch`.
        output: as for `run_batch`.
        verb: as for `run_batch`.
        input_format: as for `run_batch`.
        template: as for `run_batch`.
        retry_failed: as for `run_batch`.
        common: parameters of the verb for every request.

    Returns:
        how many requests there are, how many are done, and the first that would be asked.

    Raises:
        RequestError: as `run_batch`, but for what only a comparison of both files shows.
        OSError: a file cannot be read.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "prompts.txt").write_text("one\\ntwo\\n")
        >>> plan = plan_batch(folder / "prompts.txt", folder / "answers.jsonl", model="llama3.2")
        >>> plan.total, plan.first
        (2, ('line 1', {'model': 'llama3.2', 'prompt': 'one'}))
    """
    kind = kind_of(os.fspath(input), input_format)
    known = _known(output, retry_failed=retry_failed)
    total = earlier = unreadable = 0
    first = None
    with _opened(input) as file:
        verb = _verb_of(file, verb)
        _check(verb, common)
        for record in _again(file, kind, verb, template):
            total += 1
            if record.key in known:
                earlier += 1
                continue
            try:
                plan_of(verb, {"model": "any", **common, **_parameters(record)})
            except RequestError:
                unreadable += 1
                continue
            if first is None:
                first = (record.key, {**common, **record.parameters})
    return BatchPlan(total, earlier, unreadable, first)


class _Sized:
    """The records that are left, with their number, for whoever shows how far it is."""

    def __init__(self, records: Iterator[Record], length: int) -> None:
        self._records = records
        self._length = length

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def __len__(self) -> int:
        return self._length


def _verb_of(file: BinaryIO, given: str | None) -> str:
    """Return what the requests of a file are for."""
    if given is not None:
        return given
    file.seek(0)
    try:
        first = loads(file.readline())
    except ValueError:  # text
        return "generate"
    is_openai = isinstance(first, dict) and openai_lines.is_one(first)
    return openai_lines.verb_of(first) if is_openai else "generate"


def _check(verb: str, common: dict[str, Any]) -> None:
    check_names(verb, common)
    plan_of(verb, {"model": "any", **common})


def _checked(records: Iterable[Record], results: Results, output: str) -> int:
    """Return how many records there are.

    Raises:
        RequestError: two have one key, or the output has an answer to something else under one of their keys.
    """
    seen: set[str] = set()
    for record in records:
        if record.key in seen:
            raise RequestError(f"two requests have the key {record.key!r}; each needs its own")
        seen.add(record.key)
        known = results.known.get(record.key)
        if known is not None and known.mark != record.mark:
            raise RequestError(
                f"{output}: its answer to {record.key!r} is to another request, so it belongs to another input; "
                "choose another output"
            )
    strange = results.known.keys() - seen
    if strange:
        raise RequestError(
            f"{output}: it has an answer to {min(strange)!r}, which is not in the input; choose another output"
        )
    return len(seen)


def _parameters(record: Record) -> dict[str, Any]:
    if record.error is not None:
        raise record.error
    return record.parameters


def _again(file: BinaryIO, kind: str, verb: str, template: str | None) -> Iterator[Record]:
    file.seek(0)
    return read_records(file, kind, verb, template)


def _known(output: PathLike, *, retry_failed: bool) -> set[str]:
    path = Path(_answers_path(output))
    if not path.exists():
        return set()
    return {key for key, known in known_in(path).items() if known.ok or not retry_failed}


def _answers_path(output: PathLike) -> str:
    """Return where the answers go: a matrix is made of them when all are there, and is not written line by line."""
    path = os.fspath(output)
    return f"{path}.jsonl" if path.endswith(".npy") else path


@contextmanager
def _opened(path: PathLike) -> Iterator[BinaryIO]:
    """Open the input so that it can be read twice: what comes by standard input is kept in a file meanwhile."""
    if os.fspath(path) != "-":
        with open(path, "rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        yield kept


@contextmanager
def _asking(servers: Servers | None) -> Iterator[Mapper]:
    """Return who asks; what is made here is closed here."""
    if servers is None or isinstance(servers, str):
        with Client(servers) as client:
            yield client
    elif isinstance(servers, Mapper):
        yield servers
    else:
        with Fleet(servers) as fleet:
            yield fleet
