"""The documentation is true where a machine can tell: its Python runs, its links lead somewhere.

A block that imports the package begins a new program; one that does not goes on with the program before it. Each program runs
in a process of its own, against a mock server that OLLAMA_HOST names, with every warning an error.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ollama_sync.testing import MockOllama

ROOT = Path(__file__).parents[2]
RUN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*RUN, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r"^(import|from) ollama_sync\b", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Program(NamedTuple):
    """Python of a page, each line where it stands on the page, so that a traceback points there."""

    page: Path
    line: int
    source: str


def programs(page: Path, text: str) -> list[Program]:
    """Join the Python blocks of a page to programs."""
    found: list[Program] = []
    for match in _FENCE.finditer(text):
        if match[1] != "python":
            continue
        line = text.count("\n", 0, match.start(2))
        if _IMPORT.search(match[2]) or not found:
            found.append(Program(page, line + 1, "\n" * line + match[2]))
        else:
            before = found.pop()
            gap = line - before.source.count("\n")
            found.append(before._replace(source=before.source + "\n" * gap + match[2]))
    return found


def dead_links(page: Path, text: str) -> list[str]:
    """List the relative links of a page that lead nowhere, also those to a heading."""
    dead = []
    for link in _LINK.findall(_FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    return dead


def _anchors(page: Path) -> set[str]:
    """Give the headings as GitHub writes them in links: no marks, blanks as hyphens."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "program",
    [program for page in RUN for program in programs(page, _read(page))],
    ids=lambda program: f"{program.page.name}:{program.line}",
)
def test_the_python_runs(program: Program, tmp_path: Path) -> None:
    """What a reader copies from a page works as it stands."""
    script = tmp_path / program.page.with_suffix(".py").name
    script.write_text(program.source, encoding="utf-8")
    # From Python 3.12 on, every fork of a process with threads warns; the page says so.
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    with MockOllama(chunks=20, delay=0.001, models=["llama3.2"]) as server:
        done = subprocess.run(
            [sys.executable, *warnings, script],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OLLAMA_HOST": server.url, "PYTHONIOENCODING": "utf-8"},
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository, and to a heading in it, finds its target."""
    assert dead_links(page, _read(page)) == []


def test_the_readme_has_the_command_of_ci() -> None:
    """What CI runs is what the README and CONTRIBUTING tell one to run, but for the folder of the environment."""
    ci = _read(ROOT / ".ci" / "run")
    (tox,) = re.findall(r"^\.venv-ci/bin/(tox\b.*)$", ci, re.MULTILINE)
    for page in ("README.md", "CONTRIBUTING.md"):
        blocks = [
            code for language, code in _FENCE.findall(_read(ROOT / page)) if language == "bash"
        ]
        assert any(block.rstrip().endswith(f".venv/bin/{tox}") for block in blocks), page


def test_blocks_join_to_programs() -> None:
    """A block that imports the package begins a program, others go on; each line keeps its place on the page."""
    page = "a\n```python\nimport ollama_sync\nx = 1\n```\n```text\nno\n```\n```python\ny = x\n```\n"
    page += "```python\nfrom ollama_sync import errors\n```\n"
    first, second = programs(Path("p.md"), page)
    assert first.source.splitlines() == ["", "", "import ollama_sync", "x = 1", *[""] * 5, "y = x"]
    assert (first.line, second.line) == (3, 13)
    assert second.source.strip() == "from ollama_sync import errors"


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are found; what exists, and other sites, are not complained about."""
    page = tmp_path / "page.md"
    page.write_text("# On `x`, and y\n", encoding="utf-8")
    text = "[a](page.md) [b](#on-x-and-y) [c](https://example.com/no) [d](no.md) [e](page.md#no)"
    assert dead_links(page, text) == ["no.md", "page.md#no"]
