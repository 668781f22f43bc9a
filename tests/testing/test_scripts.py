"""What a server takes as a script or a handler."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_sync import Client, ResponseError, UsageError
from ollama_sync.testing import MockOllama, NotAsExpected, Step, answer


def test_a_single_step_is_a_script(server: MockOllama, client: Client) -> None:
    """Given once, for a route, or by a function."""
    server.script(answer(["one"]), "/api/generate")
    assert client.generate("m", "hi").response == "one"
    server.on("POST", "/api/generate", answer(["two"]))
    assert client.generate("m", "hi").response == "two"
    server.on("post", "/api/generate", lambda _: answer(["three"]))
    assert client.generate("m", "hi").response == "three"


def test_steps_may_be_made_while_they_are_said(server: MockOllama, client: Client) -> None:
    """As by a generator."""
    server.script((answer([text]) for text in ["one"]), "/api/generate")
    assert client.generate("m", "hi").response == "one"


@pytest.mark.parametrize(
    "given", ["Tea", b"Tea", {"response": "Tea"}, None, ["Tea"], [answer([]), 3]]
)
def test_what_is_no_step_is_refused_at_once(server: MockOllama, given: Any) -> None:
    """With what to write instead; the server would find out only when it is asked."""
    with pytest.raises(UsageError, match=r"is no step of a script; a text is said by answer"):
        server.script(given)
    if given is None:  # which takes a handler back
        return
    with pytest.raises(UsageError, match="is no step"):
        server.on("POST", "/api/chat", given)


def test_what_a_handler_returns_is_looked_at(server: MockOllama, client: Client) -> None:
    """The program and the test are both told."""
    wrong: Any = lambda _: "Tea"  # noqa: E731 - a def could not be this wrong under mypy
    server.on("POST", "/api/generate", wrong)
    with pytest.raises(ResponseError, match="'Tea' is no step of a script"):
        client.generate("m", "hi")
    with pytest.raises(UsageError, match="'Tea' is no step"):
        server.check()


def test_the_reason_is_told_in_words(client: Client, server: MockOllama) -> None:
    """Not as the repr of an exception."""
    server.strict = True
    server.script(answer(["one"]))
    with pytest.raises(
        ResponseError, match="script failed: NotAsExpected: POST /api/generate was not"
    ):
        client.generate("m", "hi")
    with pytest.raises(NotAsExpected):
        server.check()
    server.reset()


def test_a_step_of_ones_own_is_one(server: MockOllama, client: Client) -> None:
    """Anything that runs."""

    class Own:
        def run(self, connection: Any) -> None:
            answer(["own"]).run(connection)

    own: Step = Own()
    server.script(own, "/api/generate")
    assert client.generate("m", "hi").response == "own"
