"""What the load server sends, encoded as far as possible beforehand: parts of a stream by route, and whole replies."""

from __future__ import annotations

import functools
import json
from typing import Any

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Date: Sun, 22 Nov 2026 12:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)

# Parts per write when pouring: some 70 KB, as much as a client's read takes.
BURST = 512

# Stands for the text in a part that is encoded beforehand.
_TEXT = "@@"


class Style:
    """The shape of a route's parts.

    Args:
        part: one part as a line, with `@@` where its text goes.
        last: the part that ends the reply.
        behind: what follows the last part.
        lead: what a line begins with (server-sent events have something there).
    """

    def __init__(self, part: Any, last: Any, *, lead: bytes = b"", behind: bytes = b"") -> None:
        ending = b"\n\n" if lead else b"\n"
        self._before, _, after = _compact(part).partition(_TEXT.encode())
        self._before, self._after = lead + self._before, after + ending
        self.end = _chunk(lead + _compact(last) + ending) + behind + b"0\r\n\r\n"
        self.burst = self.chunk(b" token") * BURST

    def chunk(self, text: bytes) -> bytes:
        """Return one part as one HTTP chunk."""
        return _chunk(self._before + text + self._after)


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _chunk(line: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(line), line)


_BASE = {"model": "load:135m", "created_at": "2026-11-22T12:00:00.123456789Z"}
_METRICS = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}


def _openai(delta: Any, reason: str | None) -> Any:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": "chatcmpl-815",
        "object": "chat.completion.chunk",
        "created": 1795348800,
        "model": "load:135m",
        "system_fingerprint": "fp_ollama",
        "choices": [choice],
    }


@functools.cache
def style_of(path: str) -> Style:
    """Return the shape of the parts of a route, by its path."""
    if path == "/api/chat":
        message = {"role": "assistant", "content": _TEXT}
        return Style(
            _BASE | {"message": message, "done": False},
            _BASE | {"message": message | {"content": ""}} | _METRICS,
        )
    if path == "/api/generate":
        return Style(
            _BASE | {"response": _TEXT, "done": False}, _BASE | {"response": ""} | _METRICS
        )
    return Style(
        _openai({"role": "assistant", "content": _TEXT}, None),
        _openai({"role": "assistant", "content": ""}, "stop"),
        lead=b"data: ",
        behind=_chunk(b"data: [DONE]\n\n"),
    )


def with_length(body: bytes) -> bytes:
    """Return a whole HTTP response."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def whole_reply(path: str, asked: Any) -> bytes:
    """Return the response to a call that does not stream."""
    if path == "/api/show":
        return _show()
    if path == "/api/embed":
        return _embed(len(asked["input"]))
    return _short()


@functools.cache
def _short() -> bytes:
    reply = _BASE | {"message": {"role": "assistant", "content": "yes"}} | _METRICS
    return with_length(_compact(reply))


@functools.cache
def _show() -> bytes:
    """Answer 1.2 MB: what a model with a vocabulary of 49,152 tokens sends with verbose=True."""
    tokens = [f"tok{number:05d}" for number in range(49152)]
    merges = [f"{number:05d} x" for number in range(48900)]
    info = {"general.architecture": "llama", "tokenizer.ggml.tokens": tokens}
    reply = {
        "details": {"format": "gguf", "family": "llama", "parameter_size": "134.52M"},
        "model_info": info | {"tokenizer.ggml.merges": merges},
        "capabilities": ["completion"],
        "modified_at": _BASE["created_at"],
    }
    return with_length(_compact(reply))


@functools.cache
def _embed(count: int) -> bytes:
    """Answer vectors of 768 numbers, in as many digits as Ollama writes."""
    vector = [round((number * 7919 % 1000 - 500) / 16384, 9) for number in range(768)]
    reply = {"model": "load", "embeddings": [vector] * count, "total_duration": 14143917}
    return with_length(_compact(reply))
