"""Find the definition of each public name: in the source, without importing the package.

Pure but for the reading of files, each read once.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class Found(NamedTuple):
    """A definition, and the module that holds it."""

    module: str
    node: Definition

    @property
    def as_class(self) -> ast.ClassDef:
        """The definition, which is known to be that of a class."""
        assert isinstance(self.node, ast.ClassDef)
        return self.node


@functools.cache
def source_of(module: str) -> str:
    """Give the text of a module of the package."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


@functools.cache
def lines_of(module: str) -> list[bytes]:
    """Give the lines of a module, as bytes."""
    return source_of(module).encode().split(b"\n")


@functools.cache
def statements(module: str) -> list[ast.stmt]:
    """Give the statements of a module, also those for type checkers."""
    found: list[ast.stmt] = []
    for node in ast.parse(source_of(module)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found += node.body
        else:
            found.append(node)
    return found


def bound_names(node: ast.stmt) -> list[str]:
    """Give the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [] if "overload" in decorators(node) else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def decorators(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Give the names of the decorators."""
    return {ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list}


def find(module: str, name: str) -> Found | None:
    """Follow the imports to the definition of a name; None when that is not in the package."""
    for node in statements(module):
        if name in bound_names(node) and isinstance(node, Definition):
            verb = _verb(module, node)
            return verb or Found(module, node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ollama_sync"):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return find(str(node.module), alias.name)
    return None


def _verb(module: str, node: Definition) -> Found | None:
    """Follow `chat = default_client().chat`, and `chat = _answers.chat` in the body of `Client`, to the function."""
    if not (module == "ollama_sync._client.default" and isinstance(node, ast.Assign)):
        return None
    if not (isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Call)):
        return None
    return client_verbs()[node.value.attr]


@functools.cache
def client_verbs() -> dict[str, Found]:
    """Give the functions that are methods of `Client`, by name."""
    client = find("ollama_sync", "Client")
    assert client is not None
    verbs = {}
    for node in client.as_class.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            verb = find(
                f"ollama_sync._client.verbs.{ast.unparse(node.value.value)}", node.value.attr
            )
            assert verb is not None, ast.unparse(node)
            verbs[bound_names(node)[0]] = verb
    return verbs


def public_names(module: str) -> list[str]:
    """Give the names of `__all__`, in its order."""
    for node in statements(module):
        if isinstance(node, ast.Assign) and bound_names(node) == ["__all__"]:
            return list(ast.literal_eval(node.value))
    raise ValueError(f"{module} has no __all__")
