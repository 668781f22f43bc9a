"""House rules that a tool can hold over every module of the package."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterable, Set
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

LONGEST = 400
_IGNORE = re.compile(r"#\s*(type:\s*ignore|noqa|pragma:\s*no cover)(.*)")
# A code where the kind has codes, then words: "[arg-type]  # the stub is older", ": S310  # loopback only".
_REASON = {
    "type: ignore": re.compile(r"\[[\w, -]+\]\s*[#-]\s*\w+"),
    "noqa": re.compile(r":\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*\s*[#-]\s*\w+"),
    "pragma: no cover": re.compile(r"\W+\w+"),
}


def _sources() -> list[Path]:
    spec = importlib.util.find_spec("ollama_sync")
    assert spec is not None
    assert spec.submodule_search_locations
    return sorted(Path(spec.submodule_search_locations[0]).rglob("*.py"))


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    """Give the last word of each decorator: "overload", "setter" and so on."""
    return {
        ast.unparse(decorator).partition("(")[0].rpartition(".")[2]
        for decorator in node.decorator_list
    }


def _contracts(trees: Iterable[ast.Module]) -> dict[str, set[str]]:
    """Give the methods that each class documents; those of all protocols, which need no base class, under ""."""
    contracts: dict[str, set[str]] = {"": set()}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods = {
                    m.name
                    for m in node.body
                    if isinstance(m, ast.FunctionDef) and ast.get_docstring(m)
                }
                contracts[node.name] = contracts.get(node.name, set()) | methods
                if "Protocol" in _bases(node):
                    contracts[""] |= methods
    return contracts


@functools.cache
def _contracts_of_the_package() -> dict[str, set[str]]:
    return _contracts(ast.parse(source.read_text(encoding="utf-8")) for source in _sources())


def _bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}


def _undocumented(
    body: list[ast.stmt],
    contracts: dict[str, set[str]],
    inside: str = "",
    documented: Set[str] = frozenset(),
) -> list[str]:
    """List public functions, classes and methods without a docstring.

    What is inside functions is private; a method that fulfils a documented contract has its docstring there.
    """
    missing = []
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            for branch in (node.body, node.orelse):
                missing += _undocumented(branch, contracts, inside, documented)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not _is_public(node.name) or node.name in documented:
            continue
        if _decorators(node) & {
            "overload",
            "setter",
            "deleter",
            "override",
        }:
            continue
        if ast.get_docstring(node) is None:
            missing.append(f"line {node.lineno}: {inside}{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            inherited = contracts[""].union(*(contracts.get(base, set()) for base in _bases(node)))
            if "Protocol" in _bases(node):
                inherited = set()
            missing += _undocumented(node.body, contracts, f"{inside}{node.name}.", inherited)
    return missing


def complaints(source: str, contracts: dict[str, set[str]] | None = None) -> list[str]:
    """List what one module's source does against the house rules, given what the package's classes document."""
    tree = ast.parse(source)
    lines = source.splitlines()
    found = []
    if ast.get_docstring(tree) is None:
        found.append("line 1: the module does not open with a docstring")
    if len(lines) > LONGEST:
        found.append(f"line {len(lines)}: longer than {LONGEST} lines")
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"line {node.lineno}: bare except")
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.cause, ast.Constant)
            and node.cause.value is None
        ):
            found.append(f"line {node.lineno}: `from None` cuts the cause off")
    found += _undocumented(tree.body, contracts or _contracts([tree]))
    for number, line in enumerate(lines, 1):
        match = _IGNORE.search(line)
        if match and not _REASON[re.sub(r":\s*", ": ", match[1])].match(match[2]):
            found.append(f"line {number}: an ignore without a code or a reason")
    return found


@pytest.mark.parametrize("path", _sources(), ids=lambda path: "/".join(path.parts[-2:]))
def test_every_module_keeps_the_house_rules(path: Path) -> None:
    """Docstrings for modules and public names, no long module, no cut or swallowed cause, no ignore without reason."""
    found = complaints(path.read_text(encoding="utf-8"), _contracts_of_the_package())
    assert not found, f"{path}:\n" + "\n".join(found)


DOC = '"""Does something."""\n'


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("x = 1\n", "the module does not open with a docstring"),
        ("import os\n" + DOC, "the module does not open with a docstring"),
        (DOC + "\n" * LONGEST, "longer than"),
        (DOC + "try:\n    x = 1\nexcept:\n    raise\n", "line 4: bare except"),
        (DOC + "try:\n    x = 1\nexcept OSError:\n    raise ValueError from None\n", "`from None`"),
        (DOC + "def f(): ...\n", "f has no docstring"),
        (DOC + "async def f(): ...\n", "f has no docstring"),
        (DOC + "class A: ...\n", "A has no docstring"),
        (DOC + f"class A:\n    {DOC}    def f(self): ...\n", "A.f has no docstring"),
        (DOC + f"class A:\n    {DOC}    @property\n    def f(self): ...\n", "A.f has no docstring"),
        (DOC + f"class P(Protocol):\n    {DOC}    def f(self): ...\n", "P.f has no docstring"),
        (DOC + f"class A(B):\n    {DOC}    def f(self): ...\n", "A.f has no docstring"),
        (DOC + "if x:\n    pass\nelse:\n    def f(): ...\n", "f has no docstring"),
        (DOC + "x = y  # type: ignore\n", "an ignore"),
        (DOC + "x = y  # type: ignore[misc]\n", "an ignore"),
        (DOC + "x = y  # noqa\n", "an ignore"),
        (DOC + "x = y  # noqa: S310\n", "an ignore"),
        (DOC + "x = y  # pragma: no cover\n", "an ignore"),
    ],
)
def test_each_rule_is_held(source: str, wrong: str) -> None:
    """Each break of a rule is found, and nothing else with it."""
    (complaint,) = complaints(source)
    assert wrong in complaint


@pytest.mark.parametrize(
    "source",
    [
        DOC,
        DOC + "\n" * (LONGEST - 1),
        DOC + "def _f(): ...\nclass _A:\n    def f(self): ...\n",
        DOC + f"def f():\n    {DOC}    def g(): ...\n",
        DOC + f"class A:\n    {DOC}    def __len__(self): ...\n    def _g(self): ...\n",
        DOC + f"@typing.overload\ndef f(x: int): ...\ndef f(x):\n    {DOC}",
        DOC + f"class A:\n    {DOC}    @x.setter\n    def x(self, value): ...\n",
        DOC
        + f"class P(Protocol):\n    {DOC}    def f(self):\n        {DOC}\n"
        + f"class A:\n    {DOC}    def f(self): ...\n",
        DOC
        + f"class B:\n    {DOC}    def f(self):\n        {DOC}\n"
        + f"class A(m.B[int]):\n    {DOC}    def f(self): ...\n",
        DOC + "try:\n    x = 1\nexcept OSError as error:\n    raise ValueError from error\n",
        DOC + "x = y  # type: ignore[misc]  # the stub is older\n",
        DOC + "x = y  # noqa: S310, S311  # loopback only\n",
        DOC + "x = y  # pragma: no cover - other platforms\n",
    ],
)
def test_good_style_passes(source: str) -> None:
    """What keeps the rules is not complained about."""
    assert complaints(source) == []
