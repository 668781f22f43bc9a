"""`docs/reliability.md` names the tests that there are: it is written by a command that takes minutes, not at each commit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")

# As "tests/rude/test_words.py", "test_odd_json_is_json": on the page it is "odd json is json".
NAMED = {
    (path, f"test_{words.replace(' ', '_')}")
    for words, path in re.findall(r"^\| \[([\w ]+)\]\(\.\./(.*?)\)", PAGE, re.MULTILINE)
}


def names_in(module: Path) -> set[tuple[str, str]]:
    path = module.relative_to(ROOT).as_posix()
    statements = ast.parse(module.read_text(encoding="utf-8")).body
    functions = [node.name for node in statements if isinstance(node, ast.FunctionDef)]
    return {(path, name) for name in functions if name.startswith("test_")}


def test_the_page_names_only_tests_that_exist() -> None:
    """A promise whose test is gone is held by nothing. Measured anew by `tox -e reliability -- tests hosts`."""
    there = {test for path, _ in NAMED for test in names_in(ROOT / path)}
    assert NAMED
    assert NAMED - there == set()


def test_every_test_of_rude_servers_is_on_the_page() -> None:
    """What a server may do is on the page as soon as it is tested. Measured anew by `tox -e reliability -- tests`."""
    modules = (ROOT / "tests" / "rude").glob("test_*.py")
    assert {test for module in modules for test in names_in(module)} - NAMED == set()


def test_nothing_on_the_page_failed() -> None:
    """The page is written also when something failed; it is not published then."""
    assert not re.findall(r"\d+ failed|\d+ things failed", PAGE)
