"""What a release needs to agree with itself: one version, a changelog that tells of it, and floors that are tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ollama_sync import __version__

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
_REQUIREMENT = re.compile(r"([\w-]+)>=([\d.]+)")
_PIN = re.compile(r"^ +([\w-]+)==([\d.]+)$", re.MULTILINE)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_stated_once() -> None:
    """A release changes it in one file; the changelog alone names it too. What was measured with it is another matter."""
    stating = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.*", "ollama_sync/**/*.py", "docs/api.md")
        for path in ROOT.glob(pattern)
        if path.suffix in (".py", ".md", ".toml", ".ini", ".yml")
        and re.search(rf"(?<![\d.]){re.escape(__version__)}(?!\.?\d)", path.read_text("utf-8"))
    ]
    assert sorted(stating) == ["CHANGELOG.md", "ollama_sync/_version.py"]


def test_the_changelog_tells_of_the_version() -> None:
    """Its first section is this version's, with a date; or it is "Unreleased" and says which version it will be."""
    first = _read("CHANGELOG.md").partition("\n## ")[2].partition("\n## ")[0]
    released = rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d\n"
    to_be = rf"\[Unreleased\]\n\nTo be {re.escape(__version__)}\b"
    assert re.match(f"{released}|{to_be}", first), first[:80]


def test_the_oldest_allowed_dependencies_are_tested() -> None:
    """Each requirement of setup.py has a floor, and the environment "mindeps" of tox installs just that."""
    setup = ast.parse(_read("setup.py"))
    texts = [str(node.value) for node in ast.walk(setup) if isinstance(node, ast.Constant)]
    floors = dict(found.groups() for found in map(_REQUIREMENT.match, texts) if found)
    section = _read("tox.ini").partition("[testenv:mindeps]")[2].partition("\n[")[0]
    assert dict(_PIN.findall(section)).keys() == floors.keys()
    for name, pin in _PIN.findall(section):
        assert _number(pin) == _number(floors[name]), name


def _number(version: str) -> list[int]:
    """Give a version's numbers without zeros at the end: 3.0 is 3.0.0."""
    return [int(number) for number in re.sub(r"(\.0)+$", "", version).split(".")]
