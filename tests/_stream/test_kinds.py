"""Tests of the kinds of streams: the texts of parts, and which part is the last. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._stream.kinds import CHAT, GENERATE, Parts, StreamKind


def texts_of(kind: StreamKind, parts: Parts) -> list[str]:
    """Return the texts of parts."""
    assert kind.texts is not None
    return kind.texts(parts)


def said(content: str) -> dict[str, Any]:
    """Make a part of a chat."""
    return {"message": {"role": "assistant", "content": content}, "done": False}


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


@pytest.mark.parametrize("kind", [CHAT, GENERATE], ids=["chat", "generate"])
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
def test_which_part_is_the_last(kind: StreamKind, part: dict[str, Any], terminal: bool) -> None:
    """A part ends the reply when it says `done`, or why it is done, or has a rendered prompt."""
    assert kind.is_final(part) is terminal


def test_parts_are_folded_by_their_kind() -> None:
    """A chat's parts give a message, those of generate a response."""
    chat = CHAT.accumulate([said("a"), said("b") | {"done": True}])
    assert (chat["message"]["content"], chat["done"]) == ("ab", True)
    generate = GENERATE.accumulate([{"response": "a"}, {"response": "b", "done": True}])
    assert (generate["response"], generate["done"]) == ("ab", True)
