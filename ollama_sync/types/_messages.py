"""What a conversation is made of: messages, their tool calls and images, and the tools offered.

Plain data, on any thread. An `Image` is not read or encoded here: whoever sends it does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ollama_sync.types._short import short
from ollama_sync.types._view import View

__all__ = ["Image", "Message", "Tool"]


@dataclass
class Image:
    """An image to send.

    Args:
        value: a path, the bytes of the file, or the bytes in base64 (a `str`).

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     reply = client.generate("llava", "What is this?", images=[Image(b"the bytes of a file")])
        >>> server.requests[0].json["images"]
        ['dGhlIGJ5dGVzIG9mIGEgZmlsZQ==']
    """

    value: str | bytes | Path

    def __repr__(self) -> str:
        return f"Image(value={short(self.value)})"


class Message(View):
    """One message of a conversation. In a stream, each part holds a piece of the reply's message.

    Attributes:
        role: who speaks: "system", "user", "assistant" or "tool".
        content: the text.
        thinking: what the model thought before it answered, of models that think.
        images: images for models that see: `Image`, path, bytes, or base64 text.
        tool_calls: the calls that the model asks for, each of them whole.
        tool_name: in a message of role "tool": the tool whose result this is.
        tool_call_id: in a message of role "tool": the `id` of the call that this answers.

    Example:
        >>> Message(role="user", content="hi").to_dict()
        {'role': 'user', 'content': 'hi'}
    """

    class ToolCall(View):
        """A call of a tool that the model asks for.

        Attributes:
            function: which function, and its arguments.
            id: the server's name for the call; absent on old servers.
        """

        class Function(View):
            """The function of a tool call.

            Attributes:
                name: its name.
                arguments: its arguments by name. The model chose them: check before use.
                index: place of the call among the calls of the reply, from 0.
            """

            name: str
            arguments: Mapping[str, Any]
            index: int | None = None

        function: Function
        id: str | None = None

    role: str
    content: str | None = None
    thinking: str | None = None
    images: Sequence[Image | str | bytes | Path] | None = None
    tool_calls: Sequence[ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Tool(View):
    """A tool that the model may call.

    Attributes:
        type: always "function".
        function: what it is called, what it does, what it takes.

    Example:
        >>> Tool(function=Tool.Function(name="now", description="The time")).to_dict()
        {'type': 'function', 'function': {'name': 'now', 'description': 'The time'}}
    """

    class Function(View):
        """The function of a tool.

        Attributes:
            name: its name.
            description: what it does, for the model to read.
            parameters: what it takes.
        """

        class Parameters(View, wire={"defs": "$defs"}):
            """What a function takes, as JSON schema.

            Attributes:
                type: always "object".
                defs: schemas referred to elsewhere (`$defs` in JSON).
                items: schema of items.
                required: names of the parameters that must be given.
                properties: the parameters by name.
            """

            class Property(View, wire={"any_of": "anyOf"}):
                """One parameter, as JSON schema. The server drops keywords that are not listed here.

                Attributes:
                    type: type, or types, in words of JSON schema.
                    items: schema of the items of an array.
                    description: what it means, for the model to read.
                    enum: the values allowed.
                    any_of: schemas, one of which holds (`anyOf` in JSON).
                    properties: the members of an object.
                    required: the members of an object that must be given.
                """

                type: str | Sequence[str] | None = None
                items: Any | None = None  # type: ignore[assignment]  # the schema's word wins over View.items()
                description: str | None = None
                enum: Sequence[Any] | None = None
                any_of: Sequence[Mapping[str, Any]] | None = None
                properties: Mapping[str, Tool.Function.Parameters.Property] | None = None
                required: Sequence[str] | None = None

            type: str | None = "object"
            defs: Any | None = None
            items: Any | None = None  # type: ignore[assignment]  # the schema's word wins over View.items()
            required: Sequence[str] | None = None
            properties: Mapping[str, Property] | None = None

        name: str | None = None
        description: str | None = None
        parameters: Parameters | None = None

    type: str | None = "function"
    function: Function | None = None
