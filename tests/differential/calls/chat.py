"""Calls of chat, and what the two clients do differently in it on purpose. Data only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_type_hints

HI = [{"role": "user", "content": "hi"}]
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Path(__file__).parent.parent / "pixel.png"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Forecast",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where"}},
            "required": ["city"],
        },
    },
}
CALL = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first number
        b: The second number
    """
    return a + b


def forecast(
    city: str, days: list[int], unit: Literal["C", "F"] = "C", wind: bool | None = None
) -> str:
    """Forecast.

    Args:
        city: Where
        days: When
        unit: Of the scale
        wind: Whether to tell
    """
    return ""


# The official package cannot read annotations that are text, as they are in this module.
forecast.__annotations__ = get_type_hints(forecast)


def _ask(reply="chat_nonstream", differs=None, /, messages=HI, **more):
    return reply, lambda _, client: client.chat("m", messages, **more), differs or {}


def _say(*messages, differs=None):
    return _ask("chat_nonstream", differs, messages=[*messages])


CALLS = {
    "by position": _ask(),
    "by name": ("chat_nonstream", lambda _, client: client.chat(model="m", messages=HI)),
    "no messages": ("chat_empty_messages_loaded", lambda _, client: client.chat("m")),
    "messages None": ("chat_empty_messages_load", lambda _, client: client.chat("m", None)),
    "empty list": _ask("chat_empty_messages_loaded", messages=[]),
    "a tuple of messages": _ask(messages=tuple(HI)),
    "keep_alive 0": _ask("chat_keepalive0_unload", keep_alive=0),
    "keep_alive a duration": _ask(keep_alive="5m"),
    "keep_alive a fraction": _ask(keep_alive=1.5),
    "keep_alive for ever": _ask(keep_alive=-1),
    "stream": _ask("chat_stream", stream=True),
    "stream of a cold model": _ask("chat_stream_cold", stream=True),
    "stream of other characters": _ask("chat_stream_unicode", stream=True),
    "stream with options": _ask("chat_stream_options", stream=True, options={"seed": 1}),
    "options": _ask(
        options={"temperature": 0, "seed": 42, "num_predict": 8, "stop": ["x"], "num_ctx": 512}
    ),
    "options that only a newer server knows": _ask(options={"min_p": 0.1, "future": [1]}),
    "options by the class": (
        "chat_nonstream",
        lambda ollama, client: client.chat(
            "m", HI, options=ollama.Options(temperature=0.5, top_k=3, stop=["a", "b"])
        ),
    ),
    "options that are gone, by the class": (
        "chat_nonstream",
        lambda ollama, client: client.chat("m", HI, options=ollama.Options(mirostat=1)),
    ),
    "new options by the class": (
        "chat_nonstream",
        lambda ollama, client: client.chat("m", HI, options=ollama.Options(min_p=0.1)),
        {"unknown-fields-are-sent": ("sent[].body.options.min_p",)},
    ),
    "no options": _ask(options={}),
    "format json": _ask("chat_format_json", format="json", stream=True),
    "format empty": _ask("chat_format_empty_string", format="", stream=True),
    "format a schema": _ask("chat_format_schema_nonstream", format=SCHEMA),
    "format a schema, stream": _ask("chat_format_schema", format=SCHEMA, stream=True),
    "think": _ask("chat_think_nonstream", think=True),
    "think, stream": _ask("chat_think_stream", think=True, stream=True),
    "think not": _ask("chat_think_false_ok", think=False, stream=True),
    "think high": _ask("chat_think_high", think="high", stream=True),
    "think as only new models can": _ask(think="max"),
    "logprobs": _ask("chat_logprobs_nonstream", logprobs=True, top_logprobs=2),
    "logprobs, stream": _ask("chat_logprobs_stream", logprobs=True, top_logprobs=2, stream=True),
    "logprobs alone": _ask("chat_logprobs_only", logprobs=True, stream=True),
    "logprobs not": _ask(logprobs=False, top_logprobs=0),
    "tools": _ask("chat_toolcall_nonstream", tools=[WEATHER]),
    "tools, stream": _ask("chat_toolcall_stream", tools=[WEATHER], stream=True),
    "tools, no call": _ask("chat_tools_nonstream", tools=[WEATHER]),
    "tools, no call, stream": _ask("chat_tools_stream", tools=[WEATHER], stream=True),
    "tools, empty": _ask(tools=[]),
    "tool without a type": _ask(tools=[{"function": WEATHER["function"]}]),
    "tool by the class": (
        "chat_tools_nonstream",
        lambda ollama, client: client.chat("m", HI, tools=[ollama.Tool(**WEATHER)]),
    ),
    "tool with definitions": _ask(
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "parameters": {"type": "object", "$defs": {"T": {"type": "string"}}},
                },
            }
        ],
    ),
    "tool that is a function": _ask("chat_toolcall_nonstream", tools=[add]),
    "tool that is a function, with lists and defaults": _ask(
        "chat_toolcall_nonstream",
        {
            "function-schemas": (
                "sent[].body.tools[].function.parameters.properties.days.items",
                "sent[].body.tools[].function.parameters.properties.unit.description",
                "sent[].body.tools[].function.parameters.properties.unit.enum",
                "sent[].body.tools[].function.parameters.required.len",
            )
        },
        tools=[forecast],
    ),
    "tool with a nested schema": _ask(
        "chat_tools_nonstream",
        {
            "schemas-are-sent-whole": (
                "sent[].body.tools[].function.parameters.properties.a.anyOf",
                "sent[].body.tools[].function.strict",
            )
        },
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "strict": True,
                    "parameters": {
                        "type": "object",
                        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                    },
                },
            }
        ],
    ),
    "message of the system": _say({"role": "system", "content": "Be brief."}, *HI),
    "message of a role of one's own": _say({"role": "control", "content": "thinking"}),
    "message by the class": (
        "chat_nonstream",
        lambda ollama, client: client.chat("m", [ollama.Message(role="user", content="hi")]),
    ),
    "message of a reply": (
        {
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "function": {"index": 0, **CALL["function"]}}],
            },
            "done": True,
        },
        lambda _, client: client.chat("m", [*HI, client.chat("m", HI).message]),
        {
            "tool-call-ids": (
                "sent[].body.messages[].tool_calls[].id",
                "sent[].body.messages[].tool_calls[].function.index",
            ),
            "empty-texts-are-sent": ("sent[].body.messages[].content",),
        },
    ),
    "message with thinking": _say({"role": "assistant", "content": "a", "thinking": "b"}),
    "message without content": _say({"role": "assistant", "tool_calls": [CALL]}),
    "message with None": _say({"role": "user", "content": "hi", "images": None, "thinking": None}),
    "message with empty content": _say(
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        differs={"empty-texts-are-sent": ("sent[].body.messages[].content",)},
    ),
    "message of a tool": _say(
        *HI,
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "content": "sunny", "tool_name": "weather"},
    ),
    "message of a tool, with ids": _say(
        *HI,
        {"role": "assistant", "tool_calls": [{"id": "c1", **CALL}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
        differs={
            "tool-call-ids": (
                "sent[].body.messages[].tool_calls[].id",
                "sent[].body.messages[].tool_call_id",
            )
        },
    ),
    "message with a field that only a newer server knows": _say(
        {"role": "user", "content": "hi", "future": 1},
        differs={"unknown-fields-are-sent": ("sent[].body.messages[].future",)},
    ),
    "image of bytes": _say({"role": "user", "content": "?", "images": [PNG]}),
    "image of a path": _say({"role": "user", "content": "?", "images": [PICTURE]}),
    "image in base64": _say({"role": "user", "content": "?", "images": ["iVBORw0KGgo="]}),
    "image by the class": (
        "chat_images",
        lambda ollama, client: client.chat(
            "m",
            [
                ollama.Message(
                    role="user",
                    content="?",
                    images=[ollama.Image(value=PNG), ollama.Image(value=PICTURE)],
                )
            ],
            stream=True,
        ),
    ),
    "images, several": _say({"role": "user", "content": "?", "images": [PNG, "AAAA", PICTURE]}),
    "image named by a text": _say(
        {"role": "user", "content": "?", "images": [str(PICTURE)]},
        differs={"no-file-from-a-text": ("sent.len", "result", "error")},
    ),
    "image named by a text, of a file that is not there": _say(
        {"role": "user", "content": "?", "images": ["no.png"]},
        differs={"request-error": ("error.class",)},
    ),
    "image in bad base64": _say(
        {"role": "user", "content": "?", "images": ["AA*AA==="]},
        differs={"strict-base64": ("sent.len", "result", "error")},
    ),
    "image of a bytearray": _say(
        {"role": "user", "content": "?", "images": [bytearray(PNG)]},
    ),
    "an iterator of messages": (
        "chat_nonstream",
        lambda _, client: client.chat("m", iter(HI)),
        {"messages-are-a-sequence": ("sent.len", "result", "error")},
    ),
    "no model": (
        "chat_no_model",
        lambda _, client: client.chat(messages=HI),
        {"request-error": ("error.class",)},
    ),
    "think is a number": _ask(
        "chat_nonstream",
        {"request-error": ("error.class",)},
        think=[1],
    ),
    "options of wrong types": _ask(
        "chat_bad_option_type",
        {"checked-options": ("sent.len", "error.class", "error.error", "error.status_code")},
        options={"temperature": "hot"},
    ),
    "stop is a text": _ask(
        "chat_stop_string",
        {"checked-options": ("sent.len", "error.class", "error.error", "error.status_code")},
        options={"stop": "x"},
    ),
    "a role is missing": _say({"content": "hi"}, differs={"request-error": ("error.class",)}),
    "unknown model": _ask("chat_unknown_model"),
    "unknown model, stream": _ask("chat_unknown_model", stream=True),
    "bad role": _ask("chat_bad_role"),
    "tools unsupported": _ask("chat_tools_unsupported", tools=[WEATHER]),
    "think unsupported": _ask("chat_think_unsupported", think=True),
    "load failure": _ask("chat_load_failure_nonstream"),
    "load failure, stream": _ask("chat_load_failure", stream=True),
    "context overflow": _ask("chat_context_overflow_notrunc", stream=True),
    "runner killed": _ask("runner_killed_nonstream"),
    "runner killed in mid-stream": _ask("runner_killed_midstream", stream=True),
    "queue full": _ask("queue_full_0"),
    "queue full, stream": _ask("queue_full_0", stream=True),
    "server killed in mid-stream": _ask(
        "server_sigkill_midstream", {"stream-broken": ("error.class",)}, stream=True
    ),
    "stream without an end": _ask(
        [{"message": {"role": "assistant", "content": "a"}, "done": False}],
        {"stream-broken": ("error",)},
        stream=True,
    ),
}
