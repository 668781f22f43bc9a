"""Rules of messages, tools, images and options: what the official package's documents construct works here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ollama_sync.types import Image, Message, Options, Tool


def test_message_of_the_official_documents() -> None:
    """Messages read, write and test membership as the official package documents it."""
    message = Message(role="user")
    assert message["role"] == "user"
    message["role"] = "assistant"
    assert message.role == "assistant"
    assert "content" not in message
    message.content = "hello!"
    assert "content" in message
    assert message.get("role") == "assistant"
    assert message.get("nonexistent", "default") == "default"
    call = Message.ToolCall(function=Message.ToolCall.Function(name="foo", arguments={}))
    message["tool_calls"] = [call]
    assert message["tool_calls"][0]["function"]["name"] == "foo"
    assert message.get("tool_calls")[0]["function"]["name"] == "foo"
    message["tool_calls"] = []
    assert "tool_calls" in message
    assert "type" in Tool()


def test_tool_call_keeps_id_and_index() -> None:
    """A reply's message can go back into a conversation without losing what links results to calls."""
    raw = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "call_eds0tsff",
                "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}},
            }
        ],
    }
    message = Message.view(raw)
    assert message.tool_calls is not None
    assert message.tool_calls[0].id == "call_eds0tsff"
    assert message.tool_calls[0].function.index == 0
    assert message.tool_calls[0].function.arguments["city"] == "Paris"
    assert Message(**message).to_dict() == raw
    answer = Message(
        role="tool", content="18", tool_name="get_weather", tool_call_id="call_eds0tsff"
    )
    assert answer.to_dict()["tool_call_id"] == "call_eds0tsff"


def test_tool_in_full() -> None:
    """A tool built from the nested classes is the JSON that the server wants."""
    tool = Tool(
        type="function",
        function=Tool.Function(
            name="add",
            description="Add two numbers",
            parameters=Tool.Function.Parameters(
                type="object",
                required=["a"],
                properties={
                    "a": Tool.Function.Parameters.Property(type="integer", description="first"),
                    "b": Tool.Function.Parameters.Property(
                        type=["integer", "null"], enum=[1, None]
                    ),
                    "c": Tool.Function.Parameters.Property(any_of=[{"type": "string"}]),
                },
            ),
        ),
    )
    assert tool.to_dict() == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers",
            "parameters": {
                "type": "object",
                "required": ["a"],
                "properties": {
                    "a": {"type": "integer", "description": "first"},
                    "b": {"type": ["integer", "null"], "enum": [1, None]},
                    "c": {"anyOf": [{"type": "string"}]},
                },
            },
        },
    }
    assert tool.function is not None
    assert tool.function.parameters is not None
    assert tool.function.parameters.properties is not None
    assert tool.function.parameters.properties["a"].description == "first"


def test_nested_properties() -> None:
    """The members of an object parameter are parameters again."""
    prop = Tool.Function.Parameters.Property.view({"properties": {"x": {"type": "string"}}})
    assert prop.properties is not None
    assert prop.properties["x"].type == "string"


@pytest.mark.parametrize("value", ["aGk=", b"hi", Path("a.png")])
def test_images_stay_as_given(value: str | bytes | Path) -> None:
    """An image keeps its value, alone and in a message: reading files is the sender's work."""
    image = Image(value=value)
    assert image.value == value
    assert image == Image(value)
    message = Message(role="user", images=[image, value])
    assert message.images == [image, value]


def test_options() -> None:
    """Options hold what was given, with the names that the official class lacks or still lists."""
    options = Options(temperature=0.5, min_p=0.1, draft_num_predict=4, numa=True, stop=["x"])
    assert options.to_dict() == {
        "temperature": 0.5,
        "min_p": 0.1,
        "draft_num_predict": 4,
        "numa": True,
        "stop": ["x"],
    }
    assert options["temperature"] == 0.5
    assert options.num_ctx is None
    assert dict(options) == options.to_dict()


OFFICIAL_OPTIONS = [
    "numa",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "low_vram",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mmap",
    "use_mlock",
    "embedding_only",
    "num_thread",
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "top_p",
    "tfs_z",
    "typical_p",
    "repeat_last_n",
    "temperature",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "penalize_newline",
    "stop",
]


@pytest.mark.parametrize("name", OFFICIAL_OPTIONS)
def test_every_official_option_is_declared(name: str) -> None:
    """Every option of the official class is a field here."""
    assert getattr(Options(**{name: 1}), name) == 1
