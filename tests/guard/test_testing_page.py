"""The tests on the page about testing pass: they are run as a reader would run them, by pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    """Each block with a test in it is a test module that passes, with every warning an error; unless the page says "not run"."""
    blocks = re.findall(
        r"(?<!-->\n)^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    modules = [block for block in blocks if "def test_" in block]
    for number, module in enumerate(modules):
        (tmp_path / f"test_block_{number}.py").write_text(module, encoding="utf-8")
    command = ["-m", "pytest", "-q", "-W", "error", "-p", "ollama_sync.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, *command, "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        f"{len(re.findall('^ *def test_', ''.join(modules), re.MULTILINE))} passed" in done.stdout
    )
