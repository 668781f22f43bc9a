"""What a test expects of its server's requests, and what it is told when they are others."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from ollama_sync import Client, Message, ResponseError, UsageError
from ollama_sync.testing import MockOllama, NotAsExpected, answer, reply

HI = [{"role": "user", "content": "hi"}]


def told(server: MockOllama) -> str:
    """Return what a strict server complains of, "" for nothing."""
    try:
        server.check()
    except NotAsExpected as error:
        return str(error)
    return ""


@pytest.fixture
def server() -> Any:
    """A strict server."""
    with MockOllama(chunks=3, delay=0, strict=True) as running:
        yield running


def test_a_server_without_scripts_answers_as_usual(server: MockOllama, client: Client) -> None:
    """Strictness asks for nothing while nothing was said."""
    assert client.chat("m", HI).message.content == "AAA"
    assert client.embed("m", "hi").embeddings
    assert told(server) == ""


def test_scripts_that_are_used_are_right(server: MockOllama, client: Client) -> None:
    """And what manages models needs no script."""
    server.script([answer(["Hi"])])
    client.list()
    client.chat("m", HI)
    assert told(server) == ""


def test_scripts_that_are_not_used_are_told_once(server: MockOllama) -> None:
    """With their number and path, and what was asked instead."""
    for path in ("/api/chat", "/api/chat", "/api/ps"):
        server.script([answer([])], path)
    assert told(server) == (
        "2 scripts for /api/chat and 1 script for /api/ps were never asked for; the server was asked: nothing. "
        "Remove them, or have the program ask"
    )
    assert told(server) == ""


def test_the_end_of_the_block_tells_as_well() -> None:
    """Unless the block has raised, which is the better reason."""
    with pytest.raises(NotAsExpected, match="never asked for"), MockOllama(strict=True) as server:
        server.script([answer([])])

    def ends_early() -> None:
        with MockOllama(strict=True) as server:
            server.script([answer([])])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ends_early()


def test_a_mock_is_not_strict_by_itself() -> None:
    """Only the fixture's is: scripts for any path may be left over."""
    with MockOllama() as server:
        server.script([answer([])], "/api/chats")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/api/chats", "none of Ollama's; did you mean '/api/chat'? For"),
        ("/nowhere/at/all/x", "none of Ollama's. For"),
    ],
)
def test_a_script_for_no_path_of_ollamas_is_refused(
    server: MockOllama, path: str, hint: str
) -> None:
    """At once, with the nearest path."""
    with pytest.raises(UsageError) as caught:
        server.script([answer([])], path)
    assert hint in str(caught.value)


def test_paths_that_hold_a_name_are_ollamas(server: MockOllama, client: Client) -> None:
    """As those of blobs."""
    digest = "sha256:" + "0" * 64
    server.script([reply("")], f"/api/blobs/{digest}")
    assert client.blob_exists(digest)
    assert told(server) == ""


def test_more_requests_than_scripts_are_unexpected(server: MockOllama, client: Client) -> None:
    """The program is refused with the reason, and so is the test."""
    server.script([answer(["Hi"])])
    client.chat("m", HI)
    with pytest.raises(ResponseError, match="its scripts are used up"):
        client.chat("m", HI)
    said = told(server)
    assert said.startswith("POST /api/chat was not expected: its scripts are used up. Script it by")
    assert "server.on('POST', '/api/chat', server.usual), or set server.strict = False" in said


def test_another_answer_than_the_scripted_is_unexpected(server: MockOllama, client: Client) -> None:
    """Once there is a script, an answer that nobody has written is nothing to build a test on."""
    server.script([answer(["Hi"])])
    with pytest.raises(ResponseError, match="scripts were given for /api/chat"):
        client.embed("m", "hi")
    client.chat("m", HI)
    assert "POST /api/embed was not expected" in told(server)


def test_the_usual_answer_may_be_wanted(server: MockOllama, client: Client) -> None:
    """By one line for its path."""
    server.script([answer(["Hi"])])
    server.on("POST", "/api/embed", server.usual)
    assert client.embed("m", "hi").embeddings
    client.chat("m", HI)
    assert told(server) == ""


def test_a_path_that_ollama_lacks_is_unexpected(server: MockOllama, client: Client) -> None:
    """With the nearest one that it has."""
    with pytest.raises(ResponseError, match="no such path"):
        client.request("POST", "/api/chatt", json={})
    assert "no such path; did you mean '/api/chat'?" in told(server)


class TestAssertAsked:
    """`assert_asked` finds a request, or says how the nearest one differs."""

    @pytest.fixture(autouse=True)
    def _asked(self, server: MockOllama) -> None:
        self.server = server
        with Client(server.url, headers={"X-Team": "tea"}) as client:
            client.chat("m", [Message(role="user", content="hi")], options={"seed": 1, "top_k": 2})
            client.chat("m", [*HI, {"role": "user", "content": "more"}])

    def test_named_members_have_to_be_equal(self) -> None:
        """Others may be anything; the request is returned."""
        asked = self.server.assert_asked(messages=HI, options={"seed": 1, "top_k": 2}, times=1)
        assert asked is self.server.requests[0]
        self.server.assert_asked(messages=[Message(role="user", content="hi")], options=ANY)

    def test_the_last_of_several_is_returned(self) -> None:
        """As `assert_called_with` looks at the last call."""
        assert self.server.assert_asked(model="m") is self.server.requests[1]
        assert self.server.assert_asked(headers={"x-team": "tea"}) is self.server.requests[1]

    @pytest.mark.parametrize(
        ("expected", "said"),
        [
            (
                {"options": {"seed": 3, "top_k": 2}},
                "the nearest of 2 requests differs:\n  body.options.seed: expected 3, asked 1",
            ),
            (
                {"messages": [{"role": "user", "content": "ho"}]},
                'body.messages[0].content: expected "ho", asked "hi"',
            ),
            ({"keep_alive": 5}, "body.keep_alive: expected 5, asked absent"),
            ({"headers": {"X-Team": "cocoa"}}, 'header X-Team: expected "cocoa", asked "tea"'),
            ({"headers": {"X-None": "1"}}, 'header X-None: expected "1", asked null'),
            ({"model": "m", "times": 3}, "was asked 2 times in this way, expected were 3"),
            (
                {"path": "/api/generate"},
                "/api/generate was not asked; the server was asked: 2 x POST /api/chat",
            ),
        ],
    )
    def test_a_difference_is_told(self, expected: dict[str, Any], said: str) -> None:
        """By its place, with both values."""
        with pytest.raises(NotAsExpected) as caught:
            self.server.assert_asked(**expected)
        assert said in str(caught.value)

    def test_a_body_that_is_no_object_is_told(self) -> None:
        """It has no members to compare."""
        with Client(self.server.url) as client:
            client.request("GET", "/api/version")
        with pytest.raises(NotAsExpected, match="expected a JSON object, asked b''"):
            self.server.assert_asked("/api/version", model="m")
