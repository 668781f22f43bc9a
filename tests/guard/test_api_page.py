"""`docs/api.md` says what the source says, leaves no public name out, and shows each by an example that runs."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _builder() -> ModuleType:
    """Load the script that builds the page; `docs` is no package."""
    spec = importlib.util.spec_from_file_location("build_api", ROOT / "docs" / "build_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there for what their annotations mean
    spec.loader.exec_module(module)
    return module


build_api = _builder()
ENTRIES = build_api.entries()


def test_the_page_is_up_to_date() -> None:
    """What is on the page is what `python docs/build_api.py` writes, on whatever Python it runs."""
    written = build_api.PAGE.read_text(encoding="utf-8")
    assert written == build_api.page(), "run: python docs/build_api.py"
    assert build_api.main(["--check"]) == 0


def test_an_outdated_page_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails, tells what to run and writes nothing when the page is missing or differs; without it, it is written."""
    page = tmp_path / "api.md"
    monkeypatch.setattr(build_api, "PAGE", page)
    assert build_api.main(["--check"]) == 1
    assert not page.exists()
    page.write_text("# Old\n", encoding="utf-8")
    assert build_api.main(["--check"]) == 1
    assert "python docs/build_api.py" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "# Old\n"
    assert build_api.main([]) == 0
    assert build_api.main(["--check"]) == 0
    assert build_api.main(["--chekc"]) == 2


@pytest.mark.parametrize("module", build_api.MODULES)
def test_every_public_name_is_on_the_page(module: str) -> None:
    """The page has each name of `__all__` once, with a heading of its own, and no other name."""
    listed = [entry for entry in ENTRIES if entry.module == module]
    assert sorted(entry.name for entry in listed) == sorted(importlib.import_module(module).__all__)
    headings = build_api.PAGE.read_text(encoding="utf-8").splitlines()
    for entry in listed:
        assert headings.count(f"### {entry.heading}") == 1


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.module}.{entry.name}")
def test_every_public_name_has_an_example_that_runs(entry: Any) -> None:
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
