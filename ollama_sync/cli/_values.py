"""The values of options: each function reads one from its text, or says what it must be.

Pure functions, as argparse takes them; on any thread.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentTypeError
from typing import Any


def count(text: str) -> int:
    """Return a whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r}: a whole number, 0 or more")
    return int(text)


def port(text: str) -> int:
    """Return a TCP port; 0 is one that is free."""
    number = count(text)
    if number > 65535:
        raise ArgumentTypeError(f"{text}: a port is at most 65535")
    return number


def seconds(text: str) -> float:
    """Return a span of time, 0 or more."""
    found = _number(text)
    if not 0 <= found < math.inf:
        raise ArgumentTypeError(f"{text!r}: seconds, 0 or more")
    return found


def keep_alive(text: str) -> float | str:
    """Return how long a model stays loaded: a number is seconds; a duration of the server, as "5m", stays text."""
    found = _number(text)
    return text if math.isnan(found) else found


def option(text: str) -> tuple[str, Any]:
    """Return a name and a value: JSON where it is such, else text.

    Example:
        >>> option("temperature=0.2"), option('stop=["a", "b"]'), option("stop=###")
        (('temperature', 0.2), ('stop', ['a', 'b']), ('stop', '###'))
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"{text!r}: NAME=VALUE, as temperature=0.2")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def thought(text: str) -> bool | str:
    """Return whether, or how hard, a model is to think first."""
    return {"true": True, "false": False}.get(text, text)


def answer_format(text: str) -> str | dict[str, Any]:
    """Return "json", or a JSON schema."""
    if text == "json":
        return text
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: json, or a JSON schema: {error}") from error
    if not isinstance(schema, dict):
        raise ArgumentTypeError(f"{text!r}: json, or a JSON schema, which is an object")
    return schema


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
