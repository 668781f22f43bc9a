"""The soak and the fuzzer, for some seconds: longer than any other test, and so once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = [pytest.mark.once, pytest.mark.own_process]


def run(script: str, *words: str) -> None:
    """Run a script of this folder to its end; what it prints is shown when it fails."""
    done = subprocess.run(
        [sys.executable, HERE / script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(240)
def test_ten_seconds_of_faults_leave_nothing() -> None:
    """Each stream ends as its fault demands, its parts in order and none lost; nothing is left of them."""
    run("soak.py", "--minutes", "0.17")


def test_changed_replies_are_decoded_as_by_the_book() -> None:
    """A real reply with a few wrong bytes, cut anywhere, gives the objects before the first fault, and the fault."""
    run("fuzz_bytes.py", "--seconds", "3")
