"""Tests with a mock server: the fixtures come with the package."""

from __future__ import annotations

from summaries import summary_of, title_of

from ollama_sync import Client
from ollama_sync.testing import FakeClock, MockOllama, answer, chunk, head, silence

PART = {"model": "m", "message": {"role": "assistant", "content": "It began"}, "done": False}


def test_a_title_has_no_quotes(ollama_server: MockOllama) -> None:
    """The functions of the module go to the fixture's server; what it was asked can be looked at."""
    ollama_server.script([answer(['"Tea', '"\n'])], "/api/generate")
    assert title_of("About tea.") == "Tea"
    assert "About tea." in ollama_server.requests[0].json["prompt"]


def test_each_test_has_a_server_of_its_own(ollama_server: MockOllama) -> None:
    """Nothing of another test is left."""
    assert ollama_server.requests == ()
    assert title_of("Anything.") == "AAA"


def test_a_summary_comes_in_pieces(ollama_server: MockOllama, ollama_client: Client) -> None:
    """The pieces make up the whole."""
    ollama_server.script([answer(["Tea ", "is ", "hot."], delay=0.01)])
    assert "".join(summary_of("About tea.", ollama_client)) == "Tea is hot."


def test_an_error_in_mid_stream(ollama_server: MockOllama, ollama_client: Client) -> None:
    """What had come is kept."""
    ollama_server.script([answer(["Tea "], error="out of memory")])
    said = "".join(summary_of("About tea.", ollama_client))
    assert said == "Tea  (no summary: out of memory)"


def test_a_model_that_falls_silent(
    ollama_server: MockOllama, ollama_client: Client, ollama_clock: FakeClock
) -> None:
    """Five minutes of silence take no time."""
    ollama_server.script([head(), chunk(PART), silence()])
    said = summary_of("About tea.", ollama_client)
    assert next(said) == "It began"
    ollama_clock.advance(300)
    assert list(said) == [" (the model fell silent)"]
