"""The documentation is true where a machine can tell: its code runs and prints what is shown, its links lead somewhere.

A block of Python that imports the package begins a new program; one that does not goes on with the program before it. Each
program runs in a process of its own, against a mock server that OLLAMA_HOST names, with every warning an error. Commands run
in the same way. What cannot be run here says why, in a comment before the block that readers do not see.

What is printed is compared in its shape: numbers, digests and ages are as good as any other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ollama_sync.testing import MockOllama

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# The page of the API is made of docstrings; a test of its own runs its examples.
RUN = [ROOT / "README.md", *sorted(set(DOCS.glob("*.md")) - {DOCS / "api.md"})]
LINKED = [
    *RUN,
    DOCS / "api.md",
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
]

_BLOCK = re.compile(
    r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_IMPORT = re.compile(r"^(import|from) ollama_sync\b", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_DIFFERS = re.compile(r"\b[0-9a-f]{12}\b|\d+ \w+ ago|\d+(?:\.\d+)?")


class Block(NamedTuple):
    """A block of code: the lines of the page before it, and whether its page goes on at once with a block of text."""

    page: Path
    line: int
    language: str
    code: str
    why_not: str
    printed: str | None

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line + 1}"


def blocks(page: Path, text: str) -> list[Block]:
    """List the blocks of a page."""
    matches = list(_BLOCK.finditer(text))
    found = []
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        printed = None
        if (
            following
            and following[2] == "text"
            and not text[match.end() : following.start()].strip()
        ):
            printed = following[3]
        line = text.count("\n", 0, match.start(3))
        found.append(Block(page, line, match[2], match[3], match[1] or "", printed))
    return found


def programs(found: list[Block]) -> list[Block]:
    """Join the Python among blocks to programs, each line where it stands on the page: tracebacks point there."""
    joined: list[Block] = []
    for block in found:
        if block.language != "python" or block.why_not:
            continue
        if _IMPORT.search(block.code) or not joined:
            joined.append(block._replace(code="\n" * block.line + block.code))
        else:
            before = joined.pop()
            gap = "\n" * (block.line - before.code.count("\n"))
            printed = "".join(filter(None, (before.printed, block.printed))) or None
            joined.append(before._replace(code=before.code + gap + block.code, printed=printed))
    return joined


def commands(block: Block) -> Iterator[tuple[str, str | None]]:
    """Give the commands of a block, and what each is shown to print: None where nothing is shown."""
    if block.language == "bash":
        yield block.code, block.printed
    elif block.language == "console":
        for piece in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
            command, _, printed = piece.partition("\n")
            yield command, printed or None


def shape(printed: str) -> list[str]:
    """Give the lines of an output with what differs each time taken out."""
    return [" ".join(_DIFFERS.sub("#", line).split()) for line in printed.splitlines()]


def dead_links(page: Path, text: str) -> list[str]:
    """List the relative links of a page that lead nowhere, also those to a heading."""
    dead = []
    for link in _LINK.findall(_BLOCK.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    return dead


def _anchors(page: Path) -> set[str]:
    """Give the headings as GitHub writes them in links: no marks, blanks as hyphens."""
    headings = _HEADING.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _run(command: list[str | Path], folder: Path) -> str:
    """Run a command against a mock server; return what it printed."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name, words in (("python", ""), ("ollama-sync", "-m ollama_sync")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (bin_folder / name).chmod(0o755)
    with MockOllama(chunks=20, delay=0.001, models=["llama3.2"]) as server:
        done = subprocess.run(
            command,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "OLLAMA_HOST": server.url,
                "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
                "PYTHONIOENCODING": "utf-8",
            },
        )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


ALL = [block for page in RUN for block in blocks(page, _read(page))]


@pytest.mark.parametrize("program", programs(ALL), ids=lambda program: program.name)
def test_the_python_runs(program: Block, tmp_path: Path) -> None:
    """What a reader copies from a page works as it stands, and prints what is shown."""
    # Not the page's bare name: `flask.py` would be what `import flask` finds.
    script = tmp_path / f"{program.page.stem}_page.py"
    script.write_text(program.code, encoding="utf-8")
    # From Python 3.12 on, every fork of a process with threads warns; the page says so.
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    printed = _run([sys.executable, *warnings, script], tmp_path)
    if program.printed is not None:
        # A program may print something before: of the blocks in front of the one with output.
        shown = shape(program.printed)
        assert shape(printed)[-len(shown) :] == shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        pytest.param(command, shown, id=f"{block.name}: {command.strip()}")
        for block in ALL
        if not block.why_not
        for command, shown in commands(block)
    ],
)
def test_the_commands_run(command: str, shown: str | None, tmp_path: Path) -> None:
    """What a reader copies into a shell works as it stands, and prints what is shown."""
    printed = _run(["bash", "-e", "-o", "pipefail", "-c", command], tmp_path)
    if shown is not None:
        assert shape(printed) == shape(shown)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_no_code_is_forgotten(page: Path) -> None:
    """Each block is run, or shown as text, or says why it is not run."""
    forgotten = [
        f"{block.name}: {block.language or 'no language'}"
        for block in blocks(page, _read(page))
        if block.language not in ("python", "bash", "console", "text") and not block.why_not
    ]
    assert forgotten == []


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository, and to a heading in it, finds its target."""
    assert dead_links(page, _read(page)) == []


def test_every_page_is_in_the_site() -> None:
    """The site's navigation has each page, and the pages that are made for it."""
    listed = re.findall(r"([\w-]+\.md)$", _read(ROOT / "mkdocs.yml"), re.MULTILINE)
    made = ["index.md", "examples.md", "changelog.md", "contributing.md"]
    assert sorted(listed) == sorted([*made, *(page.name for page in DOCS.glob("*.md"))])


def test_the_readme_has_the_command_of_ci() -> None:
    """What CI runs is what the README and CONTRIBUTING tell one to run, but for the folder of the environment."""
    ci = _read(ROOT / ".ci" / "run")
    (tox,) = re.findall(r"^\.venv-ci/bin/(tox\b.*)$", ci, re.MULTILINE)
    for name in ("README.md", "CONTRIBUTING.md"):
        page = ROOT / name
        bash = [block.code for block in blocks(page, _read(page)) if block.language == "bash"]
        assert any(code.rstrip().endswith(f".venv/bin/{tox}") for code in bash), name


def test_blocks_join_to_programs() -> None:
    """A block that imports the package begins a program, others go on; each line keeps its place on the page."""
    text = "a\n```python\nimport ollama_sync\nx = 1\n```\n```text\nno\n```\n```python\ny = x\n```\n"
    text += "```python\nfrom ollama_sync import errors\n```\nIt prints:\n```text\nelse\n```\n"
    first, second = programs(blocks(Path("p.md"), text))
    assert first.code.splitlines() == ["", "", "import ollama_sync", "x = 1", *[""] * 5, "y = x"]
    assert (first.name, second.name) == ("p.md:3", "p.md:13")
    assert second.code.strip() == "from ollama_sync import errors"
    assert (first.printed, second.printed) == ("no\n", None)


def test_a_reason_is_of_one_block() -> None:
    """Of two blocks that say why they are not run, what is between them is a block of its own, and run."""
    why = "<!-- not run: it never ends -->\n```bash\nd\n```\n"
    found = blocks(Path("p.md"), why + "```python\nx = 1\n```\n" + why)
    assert [(block.language, bool(block.why_not)) for block in found] == [
        *(("bash", True), ("python", False), ("bash", True))
    ]


def test_commands_of_a_block() -> None:
    """In a console each line with a prompt is a command, the lines below it its output; a reason keeps a block from being run."""
    text = "```console\n$ a | b\nout\n$ c\n```\n<!-- not run: it never ends -->\n```bash\nd\n```\n"
    console, bash = blocks(Path("p.md"), text)
    assert list(commands(console)) == [("a | b", "out\n"), ("c", None)]
    assert (console.why_not, bash.why_not) == ("", "it never ends")


def test_only_what_differs_each_time_may_differ() -> None:
    """Numbers, digests and ages are alike, words are not."""
    assert shape("a80c4f17acd5  2 GB  3 weeks ago") == shape("5b4012259630 2.02 GB 1 year ago")
    assert shape("2 GB") != shape("2 MB")


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are found; what exists, and other sites, are not complained about."""
    page = tmp_path / "page.md"
    page.write_text("# On `x`, and y\n", encoding="utf-8")
    text = "[a](page.md) [b](#on-x-and-y) [c](https://example.com/no) [d](no.md) [e](page.md#no)"
    assert dead_links(page, text) == ["no.md", "page.md#no"]
