"""Who may import whom, as data, held over the syntax tree of every module of the package.

Imports inside functions and under `if TYPE_CHECKING:` count like any other. The one exception is the package's
`__init__`: it names everything, so inside functions and for type checkers it may import everything, and when it is
imported next to nothing.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

pytestmark = pytest.mark.once

PACKAGE = "ollama_sync"
PUBLIC = "the public names"  # what `import ollama_sync` gives

# Rooms that decide without a clock, a thread or a socket.
PURE = "errors _version _policies _wire types _config tools _schema modelfile _stream.kinds _stream.kept _stream.progress _stream.token_decoder _client.endpoints _client.plan _client.outcome fleet.policy fleet.state fleet.batch.openai_lines fleet.batch.records"

VALUES = "errors types _policies _config"

# Room: the rooms below it that it may import. A room may always import itself.
MAY_IMPORT = {
    "errors": "",
    "_version": "",
    "_policies": "errors",
    "_wire": "errors",
    "types": "errors",
    "_config": "errors",
    "_patch": "",
    "_now": "",
    "_process": "",
    "_schema": "errors types",
    "tools": "errors types _schema",
    "modelfile": "errors types",
    "events": "errors _wire",
    # The six rooms along the way of a call. `_hub` and `_transport` do not know each other.
    "_hub": "errors _policies _process _wire",
    "_transport": f"{VALUES} _version _process _wire",
    "_observe": "errors events _now _process _wire _hub",
    "_call": f"{VALUES} events _now _wire _hub _transport _observe",
    "_stream": f"{VALUES} _now _process _wire _schema _hub _observe _call",
    "_client": f"{VALUES} events tools _now _process _wire _schema _hub _transport _observe _call _stream",
    "fleet": f"{VALUES} _now _process _wire _hub _transport _observe _call _stream _client",
    # The edges use what a user uses; the mock server is made of the parts that it tests.
    "flask": f"{PUBLIC}|errors types tools cli",
    "testing": f"{PUBLIC}|errors types tools _now _wire _hub _call",
    # Imported by every pytest run in an environment where the package is installed.
    "pytest_plugin": f"{PUBLIC}|_client testing",
    "_official": f"{PUBLIC}|errors types tools",
    "_otel_content": "",
    "otel": f"{PUBLIC}|errors events _otel_content",
    "dask": f"{PUBLIC}|errors",
    "cli": f"{PUBLIC}|errors types tools modelfile testing dask",
    "__main__": "cli",
}

# What `__init__` may import while it is being imported.
EAGER = "errors _version"

# Everything outside the standard library that the package may use, and where.
OWNERS = {
    "ujson": "_wire.codec",
    # `_patch` is the switch that a program pulls on itself; nothing of the package calls it.
    "gevent": "_hub _transport testing _patch",
    "greenlet": "_hub _transport testing",
    "requests": "_transport",
    "urllib3": "_transport _call.retries",
    "msgspec": "types tools _schema _stream.token_decoder _wire.codec",
    # Asked for by pydantic itself, when a model of somebody's has a field that is a view.
    "pydantic_core": "types._view",
    "numpy": "types._vectors cli._embed fleet.batch.matrix",
    "simdjson": "types._vectors",
    "docstring_parser": "tools _schema",
    "flask": "flask",
    "werkzeug": "flask",  # of which Flask is made
    "click": "flask",
    "redis": "flask._redis flask._reader flask._entries",
    "rich": "cli",
    "argcomplete": "cli",
    "opentelemetry": "otel",
    "distributed": "dask",
    "pytest": "pytest_plugin",
}

# The pure rooms decide without a clock, a thread or a socket.
NOT_IN_PURE = "threading _thread time queue concurrent multiprocessing subprocess asyncio signal select selectors socket ssl http"

# Known to every type checker without being installed.
FOR_TYPE_CHECKERS = {"typing_extensions"}


class Import(NamedTuple):
    """One import: where it stands, what it names, and when it runs."""

    line: int
    target: str
    when: Literal["imported", "called", "type-checked"]


class _Imports(ast.NodeVisitor):
    """Collects the imports of one module as absolute dotted names."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[Import] = []
        self._when: Literal["imported", "called", "type-checked"] = "imported"

    def _add(self, node: ast.AST, target: str) -> None:
        self.found.append(Import(getattr(node, "lineno", 0), target, self._when))

    def _visit_when(self, when: Literal["called", "type-checked"], nodes: list[ast.stmt]) -> None:
        before = self._when
        if before != "type-checked":
            self._when = when
        for node in nodes:
            self.visit(node)
        self._when = before

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *base.split(".")]).rstrip(
                "."
            )
        for alias in node.names:
            self._add(node, f"{base}.{alias.name}")

    def visit_Call(self, node: ast.Call) -> None:
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if (
            name in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            self._add(node, str(node.args[0].value))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_when("called", node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_when("called", node.body)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self._visit_when("type-checked", node.body)
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)


def _within(module: str, rooms: str) -> bool:
    """Tell whether a module is one of the named rooms, or inside one."""
    return any(module == room or module.startswith(f"{room}.") for room in rooms.split())


def _room(module: str) -> str | None:
    """Give the smallest room of the table that holds a module; None when the table has none."""
    while module:
        if module in MAY_IMPORT:
            return module
        module = module.rpartition(".")[0]
    return None


def _forbidden(module: str, room: str, found: Import, modules: set[str]) -> str | None:
    """Give what a module may not import, in the words of the table; None when the import is allowed."""
    public, _, below = MAY_IMPORT[room].rpartition("|")
    top = found.target.partition(".")[0]
    if top == PACKAGE:
        # `from x import name`: the name is a module, or belongs to one.
        target = found.target.removeprefix(PACKAGE).removeprefix(".")
        while target and target not in modules and _room(target) != target:
            target = target.rpartition(".")[0]
        if not target:
            return None if public else PUBLIC
        there = _room(target)
        return None if there == room or (there or "") in below.split() else (there or target)
    if top in sys.stdlib_module_names:
        return top if top in NOT_IN_PURE.split() and _within(module, PURE) else None
    if top in FOR_TYPE_CHECKERS and found.when == "type-checked":
        return None
    return None if _within(module, OWNERS.get(top, "")) else top


def _forbidden_in_init(found: Import) -> str | None:
    """The same for the package's `__init__`."""
    top, _, target = found.target.partition(".")
    if found.when != "imported" or top in sys.stdlib_module_names:
        return None
    if top == PACKAGE and _within(target, EAGER):
        return None
    return target if top == PACKAGE else top


def violations(root: Path) -> list[str]:
    """List what the modules below `root`, the folder of the package, import against the table."""
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }
    complaints = []
    for module, path in paths.items():
        parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
        imports = _Imports(PACKAGE if module == "__init__" else f"{PACKAGE}.{parent}".rstrip("."))
        imports.visit(ast.parse(path.read_text(encoding="utf-8")))
        shown = f"{PACKAGE}/{path.relative_to(root).as_posix()}"
        room = _room(module)
        if room is None and module != "__init__":
            complaints.append(
                f"{shown}: {module} is in no room of the table: say what it may import"
            )
            continue
        for found in imports.found:
            if room is None:
                wrong = _forbidden_in_init(found)
            else:
                wrong = _forbidden(module, room, found, set(paths))
            if wrong is not None:
                complaints.append(f"{shown}:{found.line}: {module} may not import {wrong}")
    return complaints


def test_the_package_keeps_to_the_table() -> None:
    """No module of the package imports what the table does not allow it."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    found = violations(Path(spec.submodule_search_locations[0]))
    assert not found, "\n".join(found)


def test_the_table_is_a_one_way_street() -> None:
    """No room of the table is, by any way round, below itself."""
    below = {room: set(allowed.rpartition("|")[2].split()) for room, allowed in MAY_IMPORT.items()}
    assert set().union(*below.values()) <= set(MAY_IMPORT)
    while below:
        bottom = {room for room, allowed in below.items() if not allowed}
        assert bottom, f"a circle among {sorted(below)}"
        below = {room: allowed - bottom for room, allowed in below.items() if room not in bottom}


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("errors.py", "from ollama_sync import types", "errors may not import types"),
        ("errors.py", "import ollama_sync", f"errors may not import {PUBLIC}"),
        ("_policies.py", "import time", "_policies may not import time"),
        ("_policies.py", "from . import _wire", "_policies may not import _wire"),
        ("_config.py", "def f():\n    import requests", "_config may not import requests"),
        ("_config.py", "import http.client", "_config may not import http"),
        ("types.py", "from ._wire.codec import loads", "types may not import _wire"),
        ("types/_view.py", "from ..tools import x", "types._view may not import tools"),
        ("tools.py", "import threading", "tools may not import threading"),
        ("_wire/lines.py", "import ujson", "_wire.lines may not import ujson"),
        ("_wire/lines.py", "import gevent", "_wire.lines may not import gevent"),
        (
            "_hub/loop.py",
            "from .._transport import green",
            "_hub.loop may not import _transport",
        ),
        (
            "_hub/loop.py",
            "from ollama_sync._transport.green import x",
            "_hub.loop may not import _transport",
        ),
        ("_hub/loop.py", "import requests", "_hub.loop may not import requests"),
        ("_hub/__init__.py", "from .._stream import Stream", "_hub may not import _stream"),
        (
            "_transport/send.py",
            "import ollama_sync._hub.loop",
            "_transport.send may not import _hub",
        ),
        ("_call/exchange.py", "import gevent.event", "_call.exchange may not import gevent"),
        ("_call/exchange.py", "from .._stream import x", "_call.exchange may not import _stream"),
        ("_observe/log.py", "from .._call import x", "_observe.log may not import _call"),
        ("_stream/kinds.py", "import time", "_stream.kinds may not import time"),
        (
            "_stream/merge.py",
            "import importlib\nimportlib.import_module('urllib3')",
            "_stream.merge may not import urllib3",
        ),
        (
            "_client/client.py",
            "from ..testing import server",
            "_client.client may not import testing",
        ),
        (
            "types.py",
            "from typing_extensions import Self",
            "types may not import typing_extensions",
        ),
        ("_client/client.py", "import httpx", "_client.client may not import httpx"),
        ("flask.py", "from ollama_sync._stream import Stream", "flask may not import _stream"),
        ("cli/_chat.py", "from ..flask import x", "cli._chat may not import flask"),
        ("cli/_chat.py", "import gevent", "cli._chat may not import gevent"),
        (
            "testing/_server.py",
            "from .._transport import x",
            "testing._server may not import _transport",
        ),
        (
            "_stream/stream.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .._client import Client",
            "_stream.stream may not import _client",
        ),
        ("__init__.py", "import gevent", "__init__ may not import gevent"),
        (
            "__init__.py",
            "from ._client.client import Client",
            "__init__ may not import _client.client.Client",
        ),
        ("__init__.py", "class A:\n    import requests", "__init__ may not import requests"),
        ("_new.py", "", "_new is in no room of the table"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, source: str, wrong: str) -> None:
    """Each kind of forbidden import is found and named."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, encoding="utf-8")
    (complaint,) = violations(tmp_path)
    assert wrong in complaint
    assert complaint.startswith(f"{PACKAGE}/{file}:")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("errors.py", "from __future__ import annotations\nimport enum, os.path"),
        (
            "_policies.py",
            "from .errors import RequestError\nfrom ollama_sync.errors import OllamaError",
        ),
        (
            "types.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing_extensions import Self",
        ),
        ("_wire/codec.py", "import ujson\nfrom ollama_sync import errors"),
        (
            "_hub/loop.py",
            "import gevent.event, threading\nfrom . import native\nfrom .channel import Channel",
        ),
        (
            "_transport/green.py",
            "import urllib3, requests, gevent.ssl\nfrom .._config import Host",
        ),
        (
            "_call/exchange.py",
            "from .._hub import loop\nfrom .._transport import send\nfrom .._wire import codec",
        ),
        ("_client/client.py", "from .. import _stream, types\nimport threading"),
        (
            "flask.py",
            "import flask\nimport ollama_sync\nfrom ollama_sync import Client, errors, types",
        ),
        (
            "cli/_chat.py",
            "import rich.live\nfrom ollama_sync import chat\nfrom ..testing import server",
        ),
        (
            "testing/_server.py",
            "import gevent\nfrom .._hub.native import x\nfrom ollama_sync import chat",
        ),
        ("__main__.py", "from ollama_sync.cli import main"),
        (
            "__init__.py",
            "import importlib\nfrom ._version import __version__\nfrom .errors import OllamaError",
        ),
        ("__init__.py", "def f():\n    import gevent.monkey\n    from . import _client"),
        (
            "__init__.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ._client import Client",
        ),
    ],
)
def test_a_right_import_passes(tmp_path: Path, file: str, source: str) -> None:
    """What the table allows is not complained about."""
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path) == []
