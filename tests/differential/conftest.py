"""The tables of calls, what each call does by either client, and how the two are compared.

Runs in the thread of the tests. Tables (`calls/*.py`) are data: `CALLS` maps the name of a row to the reply that the server
gives, the call, a function of the package and of a client of it, and what differs on purpose: by id, the places.
"""

from __future__ import annotations

import importlib.util
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import ollama_sync
from ollama_sync.testing import MockOllama, replay, reply, stream

HERE = Path(__file__).parent
RECORDED = HERE.parent / "wire" / "data"

# One for all: to load the authorities takes longer than a call.
TLS = ssl.create_default_context()

_ABSENT = object()


class Row(NamedTuple):
    """One call, made by both clients, with a server that answers both alike."""

    reply: Any
    call: Callable[[Any, Any], Any]
    differs: Mapping[str, tuple[str, ...]] = {}


def _tables() -> dict[str, dict[str, Row]]:
    """Load the tables, by the name of their family."""
    tables = {}
    for path in sorted((HERE / "calls").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"_calls_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tables[path.stem] = {name: Row(*row) for name, row in module.CALLS.items()}
    return tables


TABLES = _tables()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `row` each row of the tables; of the family `web`, one that asks for a `web_row`."""
    for fixture, families in (("row", TABLES.keys() - {"web"}), ("web_row", {"web"})):
        if fixture in metafunc.fixturenames:
            rows = {
                f"{family}-{name.replace(' ', '_')}": row
                for family in sorted(families)
                for name, row in TABLES[family].items()
            }
            metafunc.parametrize(fixture, rows.values(), ids=rows.keys())


@pytest.fixture
def tables() -> dict[str, dict[str, Row]]:
    """All rows, by family and name."""
    return TABLES


@dataclass
class Outcome:
    """What a call did: the requests that were received, the reply or the parts of a stream, the error."""

    sent: list[Any] = field(default_factory=list)
    result: Any = None
    parts: list[Any] | None = None
    error: BaseException | None = None

    def run(self, call: Callable[[], Any]) -> Outcome:
        """Make the call; read its stream to the end."""
        try:
            answer = call()
            if hasattr(answer, "__next__"):
                self.parts = []
                for part in answer:
                    self.parts.append(part)
            else:
                self.result = answer
        except Exception as error:
            self.error = error
            # A refusal may be raised by the call or by the first use of its stream.
            self.parts = self.parts or None
        return self


def steps_for(answer: Any) -> Callable[[Any], Any]:
    """Return what the server does: play a recording by its name, a list as a stream, a (status, reply), or a reply."""
    if callable(answer):
        return answer
    if isinstance(answer, str):
        played = [replay((RECORDED / f"{answer}.response").read_bytes())]
    elif isinstance(answer, list):
        played = [stream(answer)]
    else:
        status, said = answer if isinstance(answer, tuple) else (200, answer)
        played = [reply(said, status)]
    return lambda _request: played


@pytest.fixture(scope="module")
def recorder() -> Iterator[MockOllama]:
    """One server for all calls."""
    with MockOllama() as running:
        yield running


@pytest.fixture
def outcomes(recorder: MockOllama) -> Callable[[Row, Any, Any], list[Outcome]]:
    """Makes the call of a row by a client of each of two packages, and returns what happened."""

    def both(row: Row, *packages: ModuleType) -> list[Outcome]:
        made = []
        for package in packages:
            recorder.reset()
            for method in ("GET", "POST", "HEAD", "DELETE"):
                recorder.on(method, "/*", steps_for(row.reply))
            with package.Client(recorder.url, verify=TLS) as client:
                outcome = Outcome().run(
                    lambda client=client, package=package: row.call(package, client)
                )
            outcome.sent = [_request(one) for one in recorder.requests]
            made.append(outcome)
        return made

    return both


@pytest.fixture
def outcome() -> type[Outcome]:
    """The class of outcomes, for a test that makes its calls itself."""
    return Outcome


def _request(received: Any) -> dict[str, Any]:
    try:
        body = received.json
    except ValueError:
        body = received.body
    return {"method": received.method, "path": received.path, "body": body or None}


@pytest.fixture
def differences() -> Callable[[Outcome, Outcome], set[str]]:
    """Compares two outcomes, the official first, and returns the places where ours is not the same."""
    return lambda official, ours: {
        re.sub(r"\[\d+\]", "[]", place) for place in _compare(official, ours)
    }


def _compare(official: Outcome, ours: Outcome) -> Iterator[str]:
    yield from _unlike("sent", official.sent, ours.sent)
    yield from _unlike("result", official.result, ours.result)
    if official.result is not None and ours.result is not None:
        yield from _undumped("result", official.result, ours.result)
    yield from _unlike("parts", official.parts, ours.parts)
    for theirs, mine in zip(official.parts or (), ours.parts or (), strict=False):
        yield from _undumped("parts[0]", theirs, mine)
    if (official.error is None) != (ours.error is None):
        yield "error"
    elif official.error is not None:
        yield from _other_error(official.error, ours.error)


def _other_error(official: Any, ours: Any) -> Iterator[str]:
    if type(official).__name__ not in {kind.__name__ for kind in type(ours).__mro__}:
        yield "error.class"
    for name in ("error", "status_code"):
        if getattr(official, name, _ABSENT) not in (_ABSENT, getattr(ours, name, _ABSENT)):
            yield f"error.{name}"


def _unlike(place: str, official: Any, ours: Any) -> Iterator[str]:
    """Walk down what the official client has: models by their fields, lists and objects by their items."""
    if hasattr(type(official), "model_fields"):
        yield from _unlike_model(place, official, ours)
    elif isinstance(official, (list, tuple)) and isinstance(ours, Sequence):
        if len(official) != len(ours):
            yield f"{place}.len"
        for number, (theirs, mine) in enumerate(zip(official, ours, strict=False)):
            yield from _unlike(f"{place}[{number}]", theirs, mine)
    elif isinstance(official, dict) and isinstance(ours, Mapping):
        for name in {**official, **ours}:
            if name in official and name in ours:
                yield from _unlike(f"{place}.{name}", official[name], ours[name])
            else:
                yield f"{place}.{name}"
    elif official != ours or isinstance(official, bool) != isinstance(ours, bool):
        yield place


def _unlike_model(place: str, official: Any, ours: Any) -> Iterator[str]:
    if not isinstance(ours, ollama_sync.View):
        yield place
        return
    for name in type(official).model_fields:
        mine = getattr(ours, name, _ABSENT)
        yield from _unlike(f"{place}.{name}", getattr(official, name), mine)
        if (name in official) != (name in ours):
            yield f"{place}.{name} in"
        if name in official and name in ours and ours[name] != mine:
            yield f"{place}[{name!r}]"
        if ours.get(name) != mine:
            yield f"{place}.get({name!r})"


def _undumped(place: str, official: Any, ours: Any) -> Iterator[str]:
    """Look for each value of the official dump, by its name in JSON, in ours, which may have more."""
    if not hasattr(official, "model_dump"):
        return
    theirs = official.model_dump(by_alias=True, exclude_none=True)
    yield from _missing(f"{place}.model_dump()", theirs, ours.model_dump())
    yield from _missing(f"{place}.model_dump_json()", theirs, json.loads(ours.model_dump_json()))


def _missing(place: str, official: Any, ours: Any) -> Iterator[str]:
    if isinstance(official, dict) and isinstance(ours, dict):
        for name in official:
            yield from _missing(f"{place}.{name}", official[name], ours.get(name))
    elif isinstance(official, list) and isinstance(ours, list) and len(official) == len(ours):
        for number, (theirs, mine) in enumerate(zip(official, ours, strict=True)):
            yield from _missing(f"{place}[{number}]", theirs, mine)
    elif isinstance(official, datetime):
        # Ours is the server's own text; the moment itself is compared where fields are.
        if not isinstance(ours, str):
            yield place
    elif official != ours:
        yield place
