"""From views to the JSON values behind them, shared or copied.

Pure, on any thread. Values that are no JSON (image bytes, paths) pass through untouched: whoever
sends them encodes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["Wrapper", "copied", "unwrap", "without_none"]


class Wrapper:
    """Something that shows a JSON object or list, `_raw`, which it shares with whoever made it."""

    __slots__ = ("_raw",)
    _raw: Any


def unwrap(value: Any) -> Any:
    """Give the plain value behind `value`, for sending it or for storing it in another view.

    Args:
        value: a view (its own JSON object is returned, not a copy), or a sequence or mapping with views
            in it (a new list or dict), or a datetime (its RFC 3339 text), or anything else (itself).

    Example:
        >>> from ollama_sync.types import Message
        >>> unwrap([Message(role="user", content="hi")])
        [{'role': 'user', 'content': 'hi'}]
    """
    if isinstance(value, Wrapper):
        return value._raw
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value
    if isinstance(value, Mapping):
        return {key: unwrap(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [unwrap(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def copied(value: Any) -> Any:
    """Copy a plain JSON value to its full depth; views within it are unwrapped."""
    if isinstance(value, Wrapper):
        value = value._raw
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def without_none(value: Any) -> Any:
    """Copy a plain JSON value, leaving out the members of objects that are None, at every depth."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value
