"""`docs/api.md` says what the source says, leaves no public name out, and shows each by an example that runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ollama_sync

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


def _imported(name: str) -> Any:
    """Import what builds the page, as the script does that stands beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        return importlib.import_module(name)


build_api = _imported("build_api")
page = _imported("api_page.page")
ENTRIES = page.entries()
SHOWN_TOGETHER = [entry for entry in ENTRIES if entry.kind in page.SHOWN_ON]
SHOWN_ALONE = [entry for entry in ENTRIES if entry.kind not in page.SHOWN_ON]


def _id(entry: Any) -> str:
    return f"{entry.module}.{entry.name}"


def test_the_page_is_up_to_date() -> None:
    """What is on the page is what `python docs/build_api.py` writes, on whatever Python it runs."""
    written = build_api.PAGE.read_text(encoding="utf-8")
    assert written == page.page(), "run: python docs/build_api.py"
    assert build_api.main(["--check"]) == 0


def test_an_outdated_page_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails, tells what to run and writes nothing when the page is missing or differs; without it, it is written."""
    outdated = tmp_path / "api.md"
    monkeypatch.setattr(build_api, "PAGE", outdated)
    assert build_api.main(["--check"]) == 1
    assert not outdated.exists()
    outdated.write_text("# Old\n", encoding="utf-8")
    assert build_api.main(["--check"]) == 1
    assert "python docs/build_api.py" in capsys.readouterr().err
    assert outdated.read_text(encoding="utf-8") == "# Old\n"
    assert build_api.main([]) == 0
    assert build_api.main(["--check"]) == 0
    assert build_api.main(["--chekc"]) == 2


@pytest.mark.parametrize("module", page.MODULES)
def test_every_public_name_is_on_the_page(module: str) -> None:
    """The page has each name of `__all__` once, with a heading of its own, and no other name."""
    listed = [entry for entry in ENTRIES if entry.module == module]
    assert sorted(entry.name for entry in listed) == sorted(importlib.import_module(module).__all__)
    headings = build_api.PAGE.read_text(encoding="utf-8").splitlines()
    for entry in listed:
        assert headings.count(f"### {entry.heading}") == 1


def test_every_public_module_is_on_the_page() -> None:
    """A module whose name has no underscore is public; what it has is on the page, or on that of the package."""
    names = {name for _, name, _ in pkgutil.iter_modules(ollama_sync.__path__, "ollama_sync.")}
    public = {name for name in names if not name.rpartition(".")[2].startswith("_")}
    # What these have is exported by the package, but for the command line, which has a page of its own.
    public -= {f"ollama_sync.{name}" for name in ("cli", "errors", "fleet", "modelfile", "types")}
    assert {"ollama_sync", *public} == set(page.MODULES)


@pytest.mark.parametrize("entry", ENTRIES, ids=_id)
def test_every_public_name_says_what_it_is_for(entry: Any) -> None:
    """Each public name, of whatever kind, has a docstring that begins with one line."""
    first, *rest = entry.doc.splitlines() or [""]
    assert first.endswith("."), first
    assert not rest or rest[0] == ""


@pytest.mark.parametrize("entry", SHOWN_TOGETHER, ids=_id)
def test_what_has_no_example_is_shown_on_a_page(entry: Any) -> None:
    """An event or a fixture, which nobody makes, is told of on the page that shows how they are used; its code is tested."""
    text = (ROOT / "docs" / page.SHOWN_ON[entry.kind]).read_text(encoding="utf-8")
    assert f"`{entry.name}`" in text


@pytest.mark.parametrize("entry", SHOWN_ALONE, ids=_id)
def test_every_other_name_has_an_example_that_runs(entry: Any) -> None:
    """Each public name has an `Example:`, which is run whole and does what it says; that of a function calls it."""
    assert entry.example, "no Example: in its docstring"
    assert entry.kind != "functions" or f"{entry.name}(" in entry.example
    assert "SKIP" not in entry.example
    if entry.example.startswith(">>>"):
        _run_session(entry)
    else:
        _run_program(entry.example)


def _run_session(entry: Any) -> None:
    """Run an example of the form that doctest knows, with the names of the module that defines it."""
    names = {**vars(importlib.import_module(entry.found.module)), "__name__": "__main__"}
    test = doctest.DocTestParser().get_doctest(entry.example, names, entry.name, None, 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    failed, tried = runner.run(test, out=report.append)[:2]
    assert tried > 0
    assert failed == 0, "".join(report)


def _run_program(source: str) -> None:
    """Run an example that is a whole program, in a process of its own: it may change that for ever."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
