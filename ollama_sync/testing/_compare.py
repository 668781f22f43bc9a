"""Where two decoded JSON values differ, place by place, in lines for people. Pure; any thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_MOST = 100  # characters of a value that are shown
_BEFORE = 30  # characters of a text that are shown before its first difference


def differences(where: str, one: Any, other: Any, is_one: str, is_other: str) -> Iterator[str]:
    """Say where two decoded values differ.

    Args:
        where: the place, as "body".
        one: a value.
        other: the value that it is compared with.
        is_one: what `one` is, as "recorded".
        is_other: what `other` is, as "now".

    Example:
        >>> one, other = {"a": [1, 2], "b": 1}, {"a": [1, 3]}
        >>> list(differences("body", one, other, "expected", "asked"))
        ['body.a[1]: expected 2, asked 3', 'body.b: expected 1, asked absent']
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if key not in other:
                yield f"{where}.{key}: {is_one} {_short(one[key])}, {is_other} absent"
            elif key not in one:
                yield f"{where}.{key}: not {is_one}, {is_other} {_short(other[key])}"
            else:
                yield from differences(f"{where}.{key}", one[key], other[key], is_one, is_other)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(f"{where}[{index}]", left, right, is_one, is_other)
    elif one != other:
        left, right = _shown(one, other)
        yield f"{where}: {is_one} {left}, {is_other} {right}"


def _shown(one: Any, other: Any) -> tuple[str, str]:
    """Return both values in short; of two texts that begin alike, from a little before the first difference."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return _short(one), _short(other)
    same = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    start = same - _BEFORE if max(len(one), len(other)) > _MOST and same > _BEFORE else 0
    mark = "…" if start else ""
    return mark + _short(one[start:]), mark + _short(other[start:])


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
