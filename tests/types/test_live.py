"""Rules of lists and mappings of views: live, and equal to lists and dicts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from ollama_sync.types import Message, SystemOneResponse, Tool

CALL = {"function": {"name": "f", "arguments": {"x": 1}}}


def message_with(*calls: Any) -> tuple[dict[str, Any], Any]:
    raw = {"role": "assistant", "tool_calls": list(calls)}
    return raw, Message.view(raw).tool_calls


def test_items_are_views() -> None:
    """Items, slices and iteration give views over the server's own objects."""
    _, calls = message_with(CALL, CALL)
    assert isinstance(calls[0], Message.ToolCall)
    assert [call.function.name for call in calls] == ["f", "f"]
    assert [type(call) for call in calls[1:]] == [Message.ToolCall]
    assert len(calls) == 2
    assert bool(calls) is True
    assert bool(message_with()[1]) is False


def test_changes_reach_the_object() -> None:
    """Append, insert, assignment and deletion change the JSON list, with views unwrapped."""
    raw, calls = message_with(CALL)
    calls.append(Message.ToolCall(function=Message.ToolCall.Function(name="g", arguments={})))
    calls.insert(0, CALL)
    calls[1] = {"function": None}
    del calls[0]
    calls.append(CALL)
    calls[-1] = Message.ToolCall.view({})
    assert [type(call) for call in raw["tool_calls"]] == [dict, dict, dict]
    calls.pop()
    assert raw["tool_calls"] == [{"function": None}, {"function": {"name": "g", "arguments": {}}}]


def test_lists_compare_and_add() -> None:
    """A live list equals a list of the same content, views or dicts, and adds to lists."""
    _, calls = message_with(CALL)
    assert calls == [CALL] == calls
    assert calls == [Message.ToolCall.view(CALL)]
    assert calls != []
    assert calls != "x"
    assert message_with()[1] == []
    assert calls + [CALL] == [CALL, CALL] == [CALL] + calls  # noqa: RUF005 - that is the rule
    assert repr(calls) == repr([CALL])
    assert copy.deepcopy(calls) == calls
    with pytest.raises(TypeError, match="unhashable"):
        hash(calls)


def test_mapping_of_views() -> None:
    """Values are views; changes reach the JSON object; it equals a dict of the same content."""
    raw: dict[str, Any] = {"properties": {"a": {"type": "string"}}}
    properties: Any = Tool.Function.Parameters.view(raw).properties
    assert properties["a"].type == "string"
    properties["b"] = Tool.Function.Parameters.Property(type="integer")
    del properties["a"]
    assert raw == {"properties": {"b": {"type": "integer"}}}
    assert properties == {"b": {"type": "integer"}}
    assert properties == {"b": Tool.Function.Parameters.Property(type="integer")}
    assert properties != 1
    assert list(properties) == ["b"]
    assert len(properties) == 1
    assert repr(properties) == "{'b': {'type': 'integer'}}"
    with pytest.raises(TypeError, match="unhashable"):
        hash(properties)


def test_live_values_can_be_given_to_constructors() -> None:
    """What was read from one view can be given to another."""
    _, calls = message_with(CALL)
    assert Message(role="assistant", tool_calls=calls).to_dict()["tool_calls"] == [CALL]
    answers = SystemOneResponse.view({"answers": {"a": {"type": "noul", "noul": 1}}}).answers
    assert SystemOneResponse(model="m", answers=answers, usage={}).answers == answers


def test_a_list_of_views_is_pickled_and_copied_as_a_list() -> None:
    """It is not live any more: a list of the views, equal to it."""
    calls = Message(role="a", tool_calls=[{"function": {"name": "f", "arguments": {}}}]).tool_calls
    assert calls is not None
    for other in (pickle.loads(pickle.dumps(calls)), copy.copy(calls), copy.deepcopy(calls)):
        assert type(other) is list
        assert other == calls
        assert other[0].function.name == "f"
