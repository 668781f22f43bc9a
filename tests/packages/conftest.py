"""Programs made for the official package, run on this SDK under its name. They are imported after the line that puts it there."""

from __future__ import annotations

import pytest

from ollama_sync import UsageError, install_as_ollama

# Before any test module is imported: each imports the package that it is about.
try:
    install_as_ollama()
except (
    UsageError
):  # beside tests that have imported the official one; these run apart, by `tox -e packages`
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> None:
    """These packages keep their clients, and the official one's connections: whatever is left is theirs."""
