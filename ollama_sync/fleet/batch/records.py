"""From a file of requests to records: a key, and the parameters of a verb.

A record that cannot be read is a record with an error, so that one bad line stops nothing. Reads line by line; runs on the
caller's thread.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ollama_sync._wire import dumps, loads
from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch import openai_lines

KINDS = ("jsonl", "text", "csv")
"""What a file of requests may be."""

_KINDS_OF_NAMES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}

# The names under which a line may have its key, in this order.
_KEYS = ("custom_id", "key", "id")


class Record(NamedTuple):
    """One request of a file.

    Args:
        key: that the answer will have.
        parameters: of the verb, by name; {} where the line cannot be read.
        mark: of the request, the same for the same parameters: tells whether an answer belongs to it.
        error: why the line cannot be read.
        is_openai: whether it is a line of OpenAI's batch format, which is answered in kind.
    """

    key: str
    parameters: dict[str, Any]
    mark: str
    error: RequestError | None = None
    is_openai: bool = False


def kind_of(name: str, given: str | None = None) -> str:
    """Return what a file of requests is, by what was given, or else by its name.

    Raises:
        RequestError: what was given is none of `KINDS`.

    Example:
        >>> kind_of("prompts.jsonl"), kind_of("rows.CSV"), kind_of("prompts"), kind_of("-", "jsonl")
        ('jsonl', 'csv', 'text', 'jsonl')
    """
    if given is None:
        return _KINDS_OF_NAMES.get(Path(name).suffix.lower(), "text")
    if given not in KINDS:
        raise RequestError(f"input_format={given!r}: one of {', '.join(map(repr, KINDS))}")
    return given


def read_records(
    file: BinaryIO, kind: str, verb: str, template: str | None = None
) -> Iterator[Record]:
    """Yield the records of a file, in its order. Empty lines are left out.

    Args:
        file: of bytes, at its beginning.
        kind: one of `KINDS`.
        verb: "chat", "generate" or "embed": what a line of text is for.
        template: of the prompt, with the columns of a CSV file in braces; "{text}" for a line of text.

    Raises:
        RequestError: the template names a column that the file does not have, or a CSV file comes without one.
    """
    if kind == "csv":
        yield from _of_csv(file, verb, template)
        return
    if kind == "text" and template is not None:
        _filled(template, {"text": ""})
    for number, line in enumerate(file, 1):
        text = line.strip() if number > 1 else line.removeprefix(b"\xef\xbb\xbf").strip()
        if text:
            yield _record(number, text, kind, verb, template)


def _record(number: int, line: bytes, kind: str, verb: str, template: str | None) -> Record:
    key = f"line {number}"
    try:
        found = line.decode() if kind == "text" else loads(line)
        if isinstance(found, str):
            prompt = found if template is None else _filled(template, {"text": found})
            return _made(key, _of_prompt(verb, prompt))
        if not isinstance(found, dict):
            raise RequestError(f"{line[:60]!r}: a JSON object is needed")
    except (ValueError, RequestError) as error:  # a JSON error is a ValueError, and so is UTF-8's
        return _bad(key, f"{key} cannot be read: {error}")
    key = next((str(found[name]) for name in _KEYS if found.get(name) is not None), key)
    if openai_lines.is_one(found):
        return _openai_record(key, found, verb)
    own = {name: value for name, value in found.items() if name not in _KEYS}
    return _made(key, own if template is None else _of_prompt(verb, _filled(template, own)))


def _openai_record(key: str, line: dict[str, Any], verb: str) -> Record:
    try:
        return _made(key, openai_lines.parameters(line, verb), is_openai=True)
    except RequestError as error:
        return _bad(key, f"{key}: {error}", is_openai=True)


def _of_csv(file: BinaryIO, verb: str, template: str | None) -> Iterator[Record]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    try:
        sample = text.readline()
        text.seek(0)
        rows = csv.DictReader(text, delimiter="\t" if "\t" in sample else ",")
        columns = rows.fieldnames or []
        if template is None:
            raise RequestError(
                f"a CSV file needs a template, as 'Summarise: {{{next(iter(columns), 'text')}}}'; "
                f"its columns are {', '.join(columns)}"
            )
        _filled(template, dict.fromkeys(columns, ""))
        key_column = next((name for name in _KEYS if name in columns), None)
        for number, row in enumerate(rows, 1):
            key = row[key_column] if key_column else f"row {number}"
            if None in row or None in row.values():
                yield _bad(key, f"row {number} has not the {len(columns)} fields of the first line")
            else:
                yield _made(key, _of_prompt(verb, _filled(template, row)))
    finally:
        text.detach()


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the template with values in its braces. Nothing but names: a file's author must not look into objects."""
    pieces = []
    rest = template
    while rest:
        before, brace, rest = rest.partition("{")
        pieces.append(before.replace("}}", "}"))
        if brace and rest.startswith("{"):
            pieces.append("{")
            rest = rest[1:]
        elif brace:
            name, closed, rest = rest.partition("}")
            if not closed or name not in values:
                raise RequestError(
                    f"template: {{{name}}} is no column; there are {', '.join(map(str, values))}"
                )
            pieces.append(str(values[name]))
    return "".join(pieces)


def _of_prompt(verb: str, prompt: str) -> dict[str, Any]:
    if verb == "chat":
        return {"messages": [{"role": "user", "content": prompt}]}
    return {"input" if verb == "embed" else "prompt": prompt}


def _made(key: str, parameters: dict[str, Any], *, is_openai: bool = False) -> Record:
    mark = blake2b(dumps(parameters), digest_size=6).hexdigest()
    return Record(key, parameters, mark, None, is_openai)


def _bad(key: str, text: str, *, is_openai: bool = False) -> Record:
    return Record(key, {}, "", RequestError(text), is_openai)
