"""What the tests' own fixtures do on a machine that lacks a program."""

from __future__ import annotations

from collections.abc import Callable

import pytest

VARIABLE = "OLLAMA_SYNC_TESTS_NEED_ALL"
MISSING = "needs no-such-program: apt-get install no-such-program"


def test_a_missing_program_skips_its_test(
    path_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to install."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=MISSING):
        path_of("no-such-program")


def test_a_missing_program_fails_in_ci(
    path_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, a test that is skipped would be a rule that nobody checks."""
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception, match=f"{MISSING}, or unset {VARIABLE}"):
        path_of("no-such-program")
