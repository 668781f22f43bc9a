"""A `repr` that stays short: long strings, lists and deep nesting are cut, and the cut is shown.

Pure, on any thread. A reply can hold megabytes (an image, a vocabulary, embeddings); its `repr` ends
up in logs and in tracebacks, so the work and the text are bounded whatever the value.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

__all__ = ["MAX_TEXT", "short", "short_fields"]

MAX_TEXT = 2000
"""Most characters that the `repr` of a view has (one more for the mark of the cut)."""

_MAX_STRING = 80
_MAX_ITEMS = 6
_MAX_FIELDS = 24
_MAX_DEPTH = 4


def short(value: Any, depth: int = _MAX_DEPTH) -> str:
    """Give a bounded `repr` of a JSON value.

    Args:
        value: what to show.
        depth: how many levels of lists and objects are opened.

    Example:
        >>> short([0] * 100)
        '[0, 0, 0, 0, 0, 0, … +94]'
    """
    if isinstance(value, (str, bytes)):
        if len(value) <= _MAX_STRING:
            return repr(value)
        return f"{value[:_MAX_STRING]!r}… +{len(value) - _MAX_STRING}"
    if not depth and value and isinstance(value, (dict, list)):
        return "…"
    if isinstance(value, dict):
        pairs = [
            f"{key!r}: {short(item, depth - 1)}" for key, item in islice(value.items(), _MAX_FIELDS)
        ]
        return "{" + _listed(pairs, len(value)) + "}"
    if isinstance(value, list):
        items = [short(item, depth - 1) for item in islice(value, _MAX_ITEMS)]
        return "[" + _listed(items, len(value)) + "]"
    return _cut(repr(value))


def short_fields(name: str, fields: dict[str, Any]) -> str:
    """Give a bounded `repr` of an object: its name, then its fields as keywords."""
    pairs = [f"{key}={short(item)}" for key, item in islice(fields.items(), _MAX_FIELDS)]
    return _cut(f"{name}({_listed(pairs, len(fields))})")


def _listed(shown: list[str], total: int) -> str:
    if total > len(shown):
        shown.append(f"… +{total - len(shown)}")
    return ", ".join(shown)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
