"""Rules of folding a stream into one reply."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.types import accumulate_chat, accumulate_generate, accumulate_last

FINAL = {"model": "m", "created_at": "t9", "done": True, "done_reason": "stop", "eval_count": 3}


def chat_part(text: str, **message: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "created_at": "t0",
        "message": {"role": "assistant", "content": text, **message},
        "done": False,
    }


def split(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(places)] or [""]


cuts = st.lists(st.integers(0, 1000), max_size=8)


@given(st.text(), cuts, st.text(min_size=1), cuts)
def test_any_split_of_a_chat_gives_the_same_reply(
    text: str, at: list[int], thought: str, thought_at: list[int]
) -> None:
    """However the server cuts text and thinking into parts, the reply is the same."""
    parts = [chat_part("", thinking=piece) for piece in split(thought, thought_at)]
    parts += [chat_part(piece) for piece in split(text, at)]
    parts.append({**FINAL, "message": {"role": "assistant", "content": ""}})
    assert accumulate_chat(parts) == {
        **FINAL,
        "message": {"role": "assistant", "content": text, "thinking": thought},
    }


@given(st.text(), cuts, cuts)
def test_any_split_of_a_generate_gives_the_same_reply(
    text: str, at: list[int], thought_at: list[int]
) -> None:
    """However the server cuts the response, the reply is the same."""
    parts: list[dict[str, Any]] = [
        {"response": "", "thinking": piece} for piece in split(text, thought_at)
    ]
    parts += [{"response": piece, "done": False} for piece in split(text, at)]
    parts.append({**FINAL, "response": "", "context": [1, 2]})
    assert accumulate_generate(parts) == {
        **FINAL,
        "response": text,
        "thinking": text,
        "context": [1, 2],
    }


@given(st.lists(st.builds(chat_part, st.text(max_size=3)), max_size=8), st.integers(0, 8))
def test_folding_in_two_steps_is_folding_once(parts: list[dict[str, Any]], at: int) -> None:
    """A reply accumulated from the head of a stream can be folded with its tail."""
    head = [accumulate_chat(parts[:at])] if parts[:at] else []
    assert accumulate_chat([*head, *parts[at:]]) == accumulate_chat(parts)


def test_tool_calls_of_middle_and_last_parts() -> None:
    """Calls are collected in order, wherever they come; images and logprobs too."""
    parts = [
        {**chat_part("", tool_calls=[{"id": "a"}]), "logprobs": [{"token": "x"}]},
        chat_part("text", images=["i"]),
        chat_part("", images=["j"]),
        {
            **FINAL,
            "message": {"content": "", "tool_calls": [{"id": "b"}, {"id": "c"}]},
            "logprobs": [{"token": "y"}],
        },
    ]
    reply = accumulate_chat(parts)
    assert reply["message"] == {
        "role": "assistant",
        "content": "text",
        "tool_calls": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
        "images": ["i", "j"],
    }
    assert reply["logprobs"] == [{"token": "x"}, {"token": "y"}]
    generated = accumulate_generate(
        [{"tool_calls": [1], "logprobs": [1]}, {"tool_calls": [2], "logprobs": [2]}]
    )
    assert generated == {"tool_calls": [1, 2], "logprobs": [1, 2]}


def test_inputs_are_not_changed() -> None:
    """The parts are the caller's: nothing is written to them, and no list of theirs is extended."""
    parts = [chat_part("a", tool_calls=[{"id": 1}]), chat_part("b", tool_calls=[{"id": 2}])]
    before = copy.deepcopy(parts)
    reply = accumulate_chat(parts)
    reply["message"]["content"] += "more"
    reply["message"]["tool_calls"].append(3)
    single = accumulate_chat(parts[:1])
    single["message"]["tool_calls"].append(3)
    last = accumulate_last(parts)
    last["new"] = 1
    assert parts == before


def test_last_value_wins() -> None:
    """Everything that is neither text nor a list of pieces is taken from the last part that has it."""
    parts = [{"model": "a", "extra": 1, "created_at": "t1"}, {"model": "b", "created_at": "t2"}]
    assert accumulate_chat(parts) == {"model": "b", "extra": 1, "created_at": "t2"}


def test_odd_parts() -> None:
    """Null and missing texts count as empty; a part without a message is allowed; no part gives nothing."""
    parts: list[dict[str, Any]] = [
        chat_part("a"),
        {"message": None},
        {"message": {"content": None, "tool_calls": None}},
        {"done": True},
    ]
    assert accumulate_chat(parts)["message"] == {
        "role": "assistant",
        "content": "a",
        "tool_calls": [],
    }
    assert accumulate_generate([{"response": None}, {"response": "x"}])["response"] == "x"
    assert accumulate_chat([]) == accumulate_generate([]) == accumulate_last([]) == {}


def test_last_part_of_progress() -> None:
    """A pull, push or create results in its last part."""
    assert accumulate_last([{"status": "a", "digest": "d"}, {"status": "success"}]) == {
        "status": "success"
    }


def test_halves_of_a_character_in_two_parts_are_joined() -> None:
    """A gateway may cut an emoji between two parts; a half that stays alone stays as it came."""
    parts = [{"message": {"content": text}} for text in ("hi \ud83d", "\ude00!", "\ud83d")]
    assert accumulate_chat(parts)["message"]["content"] == "hi \U0001f600!\ud83d"
