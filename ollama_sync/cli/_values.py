"""The values of options: each function reads one from its text, or says what it must be.

Pure functions, as argparse takes them; on any thread.
"""

from __future__ import annotations

import json
import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


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


def share(text: str) -> float:
    """Return a part of a whole, from 0 to 1."""
    found = _number(text)
    if not 0 <= found <= 1:
        raise ArgumentTypeError(f"{text!r}: a share from 0 to 1, as 0.25")
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
    """Return "json", or a JSON schema: as it stands, or out of a file."""
    if text == "json":
        return text
    if text.lstrip().startswith("{"):
        return _json_schema(text, text)
    try:
        return _json_schema(text, Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(
            f"{text!r}: json, a JSON schema, or a file that holds one: {error}"
        ) from error


def short_schema(text: str) -> dict[str, Any]:
    """Return the JSON schema of an object from a list of its members, which commas or line ends divide.

    Each is a name, a type if it is not a string (str, int, float or bool), and behind a colon what it means.

    Example:
        >>> short_schema("name, age int: in years")["properties"]
        {'name': {'type': 'string'}, 'age': {'type': 'integer', 'description': 'in years'}}
    """
    members = (member.strip() for member in re.split("\n" if "\n" in text.strip() else ",", text))
    properties = dict(_member(member) for member in members if member)
    if not properties:
        raise ArgumentTypeError("no member; as 'name, age int: in years'")
    return {"type": "object", "properties": properties, "required": [*properties]}


def _member(text: str) -> tuple[str, dict[str, Any]]:
    head, _, meaning = text.partition(":")
    words = head.split()
    name, kind = words[0] if words else "", words[1] if len(words) > 1 else "str"
    if not name or len(words) > 2 or kind not in _TYPES:
        raise ArgumentTypeError(
            f"{text!r}: NAME, NAME TYPE or NAME TYPE: MEANING, and a type is one of {', '.join(_TYPES)}"
        )
    member = {"type": _TYPES[kind]}
    if meaning.strip():
        member["description"] = meaning.strip()
    return name, member


def _json_schema(shown: str, text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{shown!r}: no JSON schema: {error}") from error
    if not isinstance(schema, dict):
        raise ArgumentTypeError(f"{shown!r}: a JSON schema is an object")
    return schema


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
