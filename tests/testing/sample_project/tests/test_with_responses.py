"""Tests with the `responses` library, where no socket is wanted."""

from __future__ import annotations

import pytest
import responses
from summaries import summary_of

from ollama_sync import Client
from ollama_sync.testing import add_chat, add_error


@pytest.mark.parametrize("error", [None, "out of memory"])
def test_a_summary(error: str | None) -> None:
    """What the model says, and what goes wrong after it."""
    with responses.RequestsMock() as rsps, Client("http://ollama.example:11434") as client:
        add_chat(rsps, ["Tea ", "is ", "hot."], error=error)
        said = "".join(summary_of("About tea.", client))
    assert said == "Tea is hot." + (f" (no summary: {error})" if error else "")


def test_a_model_that_is_not_there() -> None:
    """A refusal is excused as well."""
    with responses.RequestsMock() as rsps, Client() as client:
        add_error(rsps, 404, "model 'llama3.2' not found")
        assert list(summary_of("Tea.", client)) == [" (no summary: model 'llama3.2' not found)"]
