"""The public surface: complete, consistent, light to import, and documented with examples that run."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ollama_sync
from ollama_sync.types import View

FUNCTIONS = [n for n in ollama_sync.__all__ if inspect.isfunction(getattr(ollama_sync, n))]
VIEWS = [
    value
    for value in (getattr(ollama_sync, name) for name in ollama_sync.__all__)
    if inspect.isclass(value) and issubclass(value, View)
]
# Of `Options`, which explains them as a group.
IGNORED_BY_SERVERS = {
    *("numa", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "embedding_only"),
    *("tfs_z", "mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline"),
}
SOURCE = Path(ollama_sync.__file__)
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):", re.MULTILINE)


def _modules() -> list[str]:
    found = pkgutil.walk_packages(ollama_sync.__path__, "ollama_sync.")
    return [
        "ollama_sync",
        *(module.name for module in found if module.name != "ollama_sync.__main__"),
    ]


def _type_checked_imports() -> dict[str, str]:
    """Give the names that `__init__` imports for type checkers, each with its module."""
    found = {}
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                for alias in statement.names:
                    found[alias.name] = str(statement.module)
    return found


# What there is.


def test_all_names_have_one_home() -> None:
    """`__all__`, the table of homes and what type checkers see are the same names, from the same modules."""
    homes = {
        name: f"ollama_sync.{module}"
        for module, names in ollama_sync._HOMES.items()
        for name in names
    }
    assert sum(map(len, ollama_sync._HOMES.values())) == len(homes), "a name with two homes"
    assert sorted(homes) == ollama_sync.__all__
    assert homes == _type_checked_imports()


def test_names_are_sorted() -> None:
    """The lists are in order, so that a new name has one place."""
    assert sorted(ollama_sync.__all__) == ollama_sync.__all__
    assert sorted(ollama_sync._HOMES) == list(ollama_sync._HOMES)
    for names in ollama_sync._HOMES.values():
        assert sorted(names) == list(names)


@pytest.mark.parametrize("name", ollama_sync.__all__)
def test_each_name_resolves(name: str) -> None:
    """Each public name is there, is seen by `dir`, and is the one of its home."""
    value = getattr(ollama_sync, name)
    home = importlib.import_module(f"ollama_sync.{ollama_sync._HOME_OF[name]}")
    assert value is getattr(home, name)
    assert name in dir(ollama_sync)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """What is not public is reported as for any module."""
    with pytest.raises(AttributeError, match="'ollama_sync' has no attribute 'no_such_name'"):
        ollama_sync.no_such_name  # noqa: B018 - to look is what is tested


def test_every_error_is_public() -> None:
    """Whatever class of the tree is raised, a caller can name it."""
    from ollama_sync import errors

    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.OllamaError)
    }
    assert tree <= set(ollama_sync.__all__)
    assert tree == set(errors.__all__)


# What importing it does.

_PROBE = """
import json, os, sys
before = set(os.environ)
import ollama_sync
heavy = ["gevent", "greenlet", "requests", "urllib3", "ssl", "socket", "threading", "ujson", "msgspec"]
print(json.dumps({
    "heavy": [name for name in heavy if name in sys.modules],
    "own": sorted(name for name in sys.modules if name.startswith("ollama_sync.")),
    "threads": len(sys._current_frames()),
}))
"""


def _python(code: str) -> str:
    """Run code in a fresh interpreter: this one may be patched, and has imported everything."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.own_process
def test_importing_runs_nothing() -> None:
    """`import ollama_sync` imports nothing heavy, none of its own rooms but those it states, and starts no thread."""
    # What an interpreter imports for itself, `coverage` or a site hook say, is not ours.
    plain: dict[str, Any] = json.loads(_python(_PROBE.replace("import ollama_sync\n", "")))
    found: dict[str, Any] = json.loads(_python(_PROBE))
    assert found["heavy"] == plain["heavy"]
    assert found["own"] == []
    assert found["threads"] == 1


@pytest.mark.own_process
def test_importing_and_using_patches_nothing() -> None:
    """The modules of the program that embeds the SDK are as they were, after an import and after a call."""
    code = """
import socket, ssl, threading, time, select, _thread
watched = [(m, n) for m in (socket, ssl, threading, time, select, _thread) for n in vars(m)]
before = [getattr(m, n) for m, n in watched]
import ollama_sync
from ollama_sync.testing import MockOllama
with MockOllama(chunks=2, delay=0) as server, ollama_sync.Client(server.url) as client:
    client.generate("m", "hi", stream=True).result()
changed = [n for (m, n), old in zip(watched, before) if getattr(m, n) is not old and n != "_dangling"]
print(changed)
"""
    found = _python(code).strip()
    assert found in ("[]", "['_counter']")


@pytest.mark.own_process
def test_monkey_patch_patches() -> None:
    """`monkey_patch` right after the import makes the standard library cooperative, and nothing complains."""
    code = """
import ollama_sync
ollama_sync.monkey_patch()
import socket, gevent.socket, gevent.monkey
assert socket.socket is gevent.socket.socket
assert gevent.monkey.is_module_patched("threading")
"""
    assert _python(code) == ""


# What is said of it.


def _documented() -> list[tuple[str, Any]]:
    """Give each public function and class, and each public function and property of those classes."""
    found: list[tuple[str, Any]] = []
    for name in ollama_sync.__all__:
        value = getattr(ollama_sync, name)
        if not callable(value):
            continue
        found.append((name, value))
        if inspect.isclass(value) and value.__module__.startswith("ollama_sync."):
            for member, raw in vars(value).items():
                function = getattr(raw, "__func__", raw)
                if member.startswith("_") or member in inspect.get_annotations(value):
                    continue
                if inspect.isfunction(function) or isinstance(raw, property):
                    found.append((f"{name}.{member}", function))
    return found


@pytest.mark.parametrize(("name", "value"), _documented(), ids=[n for n, _ in _documented()])
def test_public_names_are_documented(name: str, value: Any) -> None:
    """A docstring begins with one line, and explains each parameter: under `Args:`, or in its words as `parameter`."""
    text = inspect.getdoc(value)
    assert text, name
    first, *rest = text.splitlines()
    assert first.endswith((".", ":")), first
    assert not rest or rest[0] == "", name
    if "not for users" not in text:
        named = {*_sections(text).get("Args", ()), *re.findall(r"`(\w+)`", text)}
        assert set(_parameters(value)) <= named, name


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_fields_of_replies_are_documented(view: type[Any]) -> None:
    """Each field that a view declares is explained under `Attributes:`, but for those that servers no longer know."""
    named = set(_sections(inspect.getdoc(view) or "").get("Attributes", ()))
    declared = {name for name in inspect.get_annotations(view) if not name.startswith("_")}
    assert declared - IGNORED_BY_SERVERS <= named


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_every_section(name: str) -> None:
    """Each function says what it returns and how it fails, and shows it by an example."""
    text = inspect.getdoc(getattr(ollama_sync, name)) or ""
    sections = _sections(text)
    assert "Example" in sections
    if name != "monkey_patch":  # which returns nothing, and asks nothing of a server
        assert "Returns" in sections or text.startswith("Return ")
        assert "Raises" in sections


def _sections(text: str) -> dict[str, list[str]]:
    """Give each section of a Google docstring with the names that its entries begin with."""
    found: dict[str, list[str]] = {}
    _, *rest = _SECTION.split(text)
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        found[title] = re.findall(r"^ {4}(\w+)(?:, \w+)*:", body, re.MULTILINE)
    return found


def _parameters(value: Any) -> list[str]:
    """Give the names of the parameters that a caller passes; views and errors describe their attributes."""
    if isinstance(value, property) or (inspect.isclass(value) and "__init__" not in vars(value)):
        return []
    return [
        name
        for name, parameter in inspect.signature(value).parameters.items()
        if name not in ("self", "cls")
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


@pytest.mark.parametrize("name", _modules())
def test_the_examples_in_docstrings_run(name: str) -> None:
    """Every `>>>` of every docstring gives what it says, in this process, patched or not."""
    module: ModuleType = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=options, verbose=False)
    for example in doctest.DocTestFinder().find(module, name):
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
