"""Fold the parts of one stream into one reply.

Pure, on any thread: works on decoded JSON objects, changes none of them, and shares what lies deeper
than the lists and objects that it builds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")

__all__ = ["accumulate_chat", "accumulate_generate", "accumulate_last"]


def accumulate_chat(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Fold the parts of a chat into the reply that it would have been without `stream`.

    Args:
        parts: the decoded objects, in order.

    Returns:
        One object: texts and thinking joined; tool calls, images and logprobs of all parts in order;
        everything else from the last part that has it. Empty when there are no parts.

    Example:
        >>> parts = [{"message": {"role": "assistant", "content": text}} for text in ("Hel", "lo")]
        >>> accumulate_chat([*parts, {"done": True}])
        {'message': {'role': 'assistant', 'content': 'Hello'}, 'done': True}
    """
    reply = _fold(parts, joined=(), collected=("logprobs",))
    messages = [part["message"] for part in parts if isinstance(part.get("message"), dict)]
    if messages:
        reply["message"] = _fold(
            messages, joined=("content", "thinking"), collected=("tool_calls", "images")
        )
    return reply


def accumulate_generate(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Fold the parts of a generate into the reply that it would have been without `stream`.

    Args:
        parts: the decoded objects, in order.

    Returns:
        One object, as `accumulate_chat` with `response` for the text. Empty when there are no parts.
    """
    return _fold(parts, joined=("response", "thinking"), collected=("tool_calls", "logprobs"))


def accumulate_last(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take the last part: the result of a pull, push or create. Empty when there are no parts."""
    return dict(parts[-1]) if parts else {}


def _fold(
    parts: Sequence[dict[str, Any]], *, joined: Collection[str], collected: Collection[str]
) -> dict[str, Any]:
    reply: dict[str, Any] = {}
    for part in parts:
        reply.update(part)
    for name in joined:
        if name in reply:
            texts = (part.get(name) for part in parts)
            reply[name] = _whole("".join([text for text in texts if isinstance(text, str)]))
    for name in collected:
        if name in reply:
            lists = (part.get(name) for part in parts)
            reply[name] = [item for found in lists if isinstance(found, list) for item in found]
    return reply


def _whole(text: str) -> str:
    """Return a text whose characters are whole, where both halves of one came in two parts."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
