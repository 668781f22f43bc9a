"""Tests of the table of endpoints: the texts of parts, and which part is the last. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import (
    ChatResponse,
    GenerateResponse,
    ListResponse,
    Timeout,
    VersionResponse,
    _endpoints,
)
from ollama_sync._endpoints import CHAT, GENERATE, LIST, VERSION, Endpoint, StreamKind


def kind_of(endpoint: Endpoint[Any]) -> StreamKind:
    """Return how the endpoint streams."""
    assert endpoint.stream is not None
    return endpoint.stream


def texts_of(endpoint: Endpoint[Any], parts: list[dict[str, Any]]) -> list[str]:
    """Return the texts of parts."""
    texts = kind_of(endpoint).texts
    assert texts is not None
    return texts(parts)


def said(content: str) -> dict[str, Any]:
    """Make a part of a chat."""
    return {"message": {"role": "assistant", "content": content}, "done": False}


@pytest.mark.parametrize(
    ("endpoint", "route", "reply", "streams"),
    [
        (CHAT, ("chat", "POST", "/api/chat"), ChatResponse, True),
        (GENERATE, ("generate", "POST", "/api/generate"), GenerateResponse, True),
        (LIST, ("list", "GET", "/api/tags"), ListResponse, False),
        (VERSION, ("version", "GET", "/api/version"), VersionResponse, False),
    ],
    ids=["chat", "generate", "list", "version"],
)
def test_the_table(
    endpoint: Endpoint[Any], route: tuple[str, str, str], reply: type, streams: bool
) -> None:
    """Each verb has the route, the reply and the clocks that the server's API and the design name."""
    assert (endpoint.verb, endpoint.method, endpoint.path) == route
    assert endpoint.reply is reply
    assert endpoint.timeout == Timeout(10, None, None, None)
    assert (endpoint.stream is not None) is streams
    if endpoint.stream is not None:
        assert endpoint.stream.timeout == Timeout(10, 600, 300, None)


def test_which_calls_may_be_made_twice() -> None:
    """Each call that does not only look is named here, so that none is forgotten: these do no harm, those do."""
    table = [row for row in vars(_endpoints).values() if isinstance(row, Endpoint)]
    for row in table:
        assert row.safe or row.method not in ("GET", "HEAD"), row.verb
    changing = {row.verb: row.safe for row in table if row.method not in ("GET", "HEAD")}
    again = "chat generate embed embeddings systemone show copy pull create_blob whoami"
    again += " local_web_search local_web_fetch web_search web_fetch"
    once = "delete push create signout"
    assert changing == {**dict.fromkeys(again.split(), True), **dict.fromkeys(once.split(), False)}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"message": None},
        {"message": {}},
        {"message": {"content": None}},
        {"message": {"content": ""}},
        {"message": {"role": "assistant", "thinking": "hm"}},
        {"message": "text"},
        {"message": []},
        {"done": True},
    ],
    ids=repr,
)
def test_a_part_of_a_chat_without_text_is_left_out(odd: dict[str, Any]) -> None:
    """Whatever is missing in one part, the texts of the others stay, in order."""
    assert texts_of(CHAT, [odd]) == []
    assert texts_of(CHAT, [said("a"), odd, said(""), said("b"), odd]) == ["a", "b"]


@pytest.mark.parametrize(
    "odd", [{}, {"response": None}, {"response": ""}, {"done": True}], ids=repr
)
def test_a_part_of_generate_without_text_is_left_out(odd: dict[str, Any]) -> None:
    """As in a chat."""
    assert texts_of(GENERATE, [odd]) == []
    parts = [{"response": "a"}, odd, {"response": " "}, {"response": "b", "done": True}]
    assert texts_of(GENERATE, parts) == ["a", " ", "b"]


@given(st.lists(st.text()))
def test_the_texts_are_those_of_the_parts(contents: list[str]) -> None:
    """Joined, they are the answer; none of them is empty."""
    chat = texts_of(CHAT, [said(content) for content in contents])
    generate = texts_of(GENERATE, [{"response": content} for content in contents])
    assert chat == generate == [content for content in contents if content]


@pytest.mark.parametrize("endpoint", [CHAT, GENERATE], ids=["chat", "generate"])
@pytest.mark.parametrize(
    ("part", "terminal"),
    [
        ({"done": True}, True),
        ({"done": True, "done_reason": "stop"}, True),
        ({"done_reason": "length"}, True),
        ({"done": False, "done_reason": "stop"}, True),
        ({"_debug_info": {"rendered_template": "x"}}, True),
        ({"done": False}, False),
        ({"done": None, "done_reason": None}, False),
        ({"done_reason": ""}, False),
        ({"status": "success"}, False),
        ({}, False),
    ],
    ids=repr,
)
def test_which_part_is_the_last(
    endpoint: Endpoint[Any], part: dict[str, Any], terminal: bool
) -> None:
    """A part ends the reply when it says `done`, or why it is done, or has a rendered prompt."""
    assert kind_of(endpoint).is_terminal(part) is terminal


def test_parts_are_folded_by_the_kind_of_their_endpoint() -> None:
    """A chat's parts give a message, those of generate a response."""
    chat = kind_of(CHAT).accumulate([said("a"), said("b") | {"done": True}])
    assert (chat["message"]["content"], chat["done"]) == ("ab", True)
    generate = kind_of(GENERATE).accumulate([{"response": "a"}, {"response": "b", "done": True}])
    assert (generate["response"], generate["done"]) == ("ab", True)
