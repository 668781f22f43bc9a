"""The step that answers a chat or a generate with the words of a test, in the shapes of a real server.

Runs on the server's hub thread, or on the thread that `responses` runs on. A frozen value, as every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ollama_sync.testing._body import Refused, decoded, text_of
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._replies import count_tokens, finished, part_of
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Step, json_bytes

_SECONDS = 0.01  # a token, in the metrics of an answer without delay: no program divides by zero
_FAILED = 500


def answer(
    tokens: Iterable[str] = (),
    *,
    thinking: Iterable[str] = (),
    tool_calls: Iterable[tuple[str, Mapping[str, Any]]] = (),
    error: str | None = None,
    done_reason: str = "stop",
    delay: float = 0.0,
) -> Step:
    """Answer a chat or a generate with these words: part by part to a request that streams, at once to one that does not.

    Args:
        tokens: the text, one part a token.
        thinking: what the model thinks before, one part a token.
        tool_calls: name and arguments of each tool that the model calls. Of chat only.
        error: what goes wrong after all of that: the last line of a stream, or status 500 where nothing came before it.
        done_reason: "stop", or "length" for an answer that was cut short by its limit.
        delay: seconds from part to part, where the request streams.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.on("POST", "/api/generate", [answer(["Hel", "lo"])])
        ...     print(client.generate("llama3.2", "hi").response)
        ...     print([part.response for part in client.generate("llama3.2", "hi", stream=True)])
        Hello
        ['Hel', 'lo', '']
    """
    calls = tuple((name, dict(arguments)) for name, arguments in tool_calls)
    return Answer(tuple(tokens), tuple(thinking), calls, error, done_reason, delay)


@dataclass(frozen=True)
class Answer:
    """See `answer`."""

    tokens: tuple[str, ...]
    thinking: tuple[str, ...]
    tool_calls: tuple[tuple[str, dict[str, Any]], ...]
    error: str | None
    done_reason: str
    delay: float

    def run(self, connection: Connection) -> None:
        kind = connection.request.path.rpartition("/")[2]
        try:
            asked = decoded(connection.request)
        except Refused as refused:
            reply(refused.said, refused.status).run(connection)
            return
        said = self._parts(kind, text_of(asked, "model"))
        if self.error is not None and (asked.get("stream") is False or not said):
            reply({"error": self.error}, _FAILED).run(connection)
        elif asked.get("stream") is False:
            reply(self._final(kind, asked, self._whole())).run(connection)
        else:
            last = self._final(kind, asked, {}) if self.error is None else {"error": self.error}
            self._stream(connection, [*said, last])

    def _stream(self, connection: Connection, parts: list[dict[str, Any]]) -> None:
        connection.begin_stream()
        for number in connection.schedule(len(parts), self.delay):
            connection.queue_part(json_bytes(parts[number]) + b"\n")
        connection.end_stream()

    def _parts(self, kind: str, model: str) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = [{"thinking": text} for text in self.thinking]
        said += [{"content": text} for text in self.tokens]
        said += [{"tool_calls": self._calls()}] if self.tool_calls else []
        return [_part(kind, model, one) for one in said]

    def _whole(self) -> dict[str, Any]:
        said: dict[str, Any] = {"content": "".join(self.tokens)}
        if self.thinking:
            said["thinking"] = "".join(self.thinking)
        if self.tool_calls:
            said["tool_calls"] = self._calls()
        return said

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{index:08}",
                "function": {"index": index, "name": name, "arguments": arguments},
            }
            for index, (name, arguments) in enumerate(self.tool_calls)
        ]

    def _final(self, kind: str, asked: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        count = len(self.tokens) + len(self.thinking) + len(self.tool_calls)
        part = _part(kind, text_of(asked, "model"), said)
        seconds = count * (self.delay or _SECONDS)
        final = finished(kind, part, count_tokens(asked), count, seconds)
        return final | {"done_reason": self.done_reason}


def _part(kind: str, model: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return a part that says this, given as the members of a chat's message."""
    part = part_of(kind, model, said.get("content", ""))
    more = {key: value for key, value in said.items() if key != "content"}
    if kind == "chat":
        part["message"] |= more
        return part
    return part | {key: value for key, value in more.items() if key == "thinking"}
