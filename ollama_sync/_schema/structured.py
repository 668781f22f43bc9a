"""Structured replies: from a Python type to the schema that the model must fit, and from its text back to the type.

Pure; runs on the caller's thread. No I/O, no clock.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from ollama_sync._schema.json_schema import (
    JSON,
    inline,
    is_pydantic,
    of_json,
    schemas_of,
    type_name,
)
from ollama_sync.errors import FormatError, RequestError


def schema_for(kind: Any) -> JSON:
    """Return the JSON schema of a Python type, without references unless the type is recursive.

    Args:
        kind: a dataclass, TypedDict, msgspec Struct, enum, a generic such as `list[int]`, or a pydantic model (anything
            with its `model_json_schema`).

    Raises:
        RequestError: the type has no JSON schema.

    Example:
        >>> schema_for(list[int])
        {'type': 'array', 'items': {'type': 'integer'}}
    """
    if is_pydantic(kind):
        return inline(kind.model_json_schema())
    if kind is None or isinstance(kind, (str, bytes, int, float, list, tuple, dict)):
        raise RequestError(f"format={kind!r}: a type is needed, as list[int] or a dataclass")
    schemas, definitions = schemas_of({"": kind}, f"format={type_name(kind)}")
    return inline({**schemas[""], "$defs": definitions})


def parse(text: str, kind: Any) -> Any:
    """Return the text of a reply as an object of a type, checked.

    Args:
        text: JSON.
        kind: what `schema_for` takes.

    Raises:
        FormatError: the text is not JSON, or does not fit the type.

    Example:
        >>> parse("[1, 2]", tuple[int, int])
        (1, 2)
    """
    try:
        if is_pydantic(kind):
            return kind.model_validate_json(text)
        return msgspec.json.decode(text, type=kind, dec_hook=of_json)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # ValueError: pydantic's, or a lone surrogate in the text. RecursionError: it nests too deep.
        name = type_name(kind)
        message = f"the reply does not fit {name}: {error}; its text is in .text"
        raise FormatError(message, text=text, kind=name) from error


# A run of what may stand in a string and can no longer change: a high surrogate only when what follows is known, since
# the two of a pair are one character.
_TEXT = r"""(?:
    [^"\\\x00-\x1f]+
  | \\["\\/bfnrt]
  | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
  | \\u[dD][89abAB][0-9a-fA-F]{2}(?: \\u[dD][c-fC-F][0-9a-fA-F]{2} | (?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F]) )
)*"""

# A number counts only with what ends it, since `12` may become `123`.
_TOKEN = re.compile(
    r"[ \t\n\r]*(?:"
    r" (?P<mark>[\[\]{},:])"
    rf'|"(?P<text>{_TEXT})(?P<end>"?)'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=[ \t\n\r,\]}])"
    r"|(?P<word>true|false|null)"
    r")",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}


def parse_partial(text: str) -> Any:
    r"""Return the value of a JSON text as far as it has come. Never raises; takes time in proportion to the text.

    What may still change is left out: a number until something follows it (also when it is the whole text), a word such as
    `true`, an escape or a key until complete, and a key until its value has begun. An open string, list or object is there
    as far as it goes. So what is there stays: of a text that grows, strings, lists and objects only get longer. At the
    first character that cannot be JSON the value ends.

    Args:
        text: JSON that may be cut off anywhere.

    Returns:
        The value; None when nothing of it is there yet (or it is `null`).

    Example:
        >>> parse_partial('{"name": "Par')
        {'name': 'Par'}
        >>> parse_partial('{"name": "Paris", "size": [10, 2')
        {'name': 'Paris', 'size': [10]}
        >>> parse_partial("") is None
        True
    """
    growing = _Growing()
    token = _TOKEN.match(text)
    while token is not None and growing.take(token):
        token = _TOKEN.match(text, token.end())
    return growing.top[0] if growing.top else None


class _Growing:
    """A JSON value under construction, token by token, by loops instead of recursion: a model may open brackets without end.

    `take` says whether it goes on. `_want` is what the grammar allows next: "value", "first" (a value, or the end of the
    list), "key", "first key", ":" or ",".
    """

    def __init__(self) -> None:
        self.top: list[Any] = []  # holds the value, once it has begun
        self._open: list[list[Any] | dict[str, Any]] = [self.top]
        self._key = ""
        self._want = "value"

    def take(self, token: re.Match[str]) -> bool:
        mark = token["mark"]
        if mark is not None:
            return self._take_mark(mark)
        if token["text"] is not None:
            return self._take_text(token["text"], complete=bool(token["end"]))
        word = token["word"]
        try:
            return self._put(_WORDS[word] if word else json.loads(token["number"]))
        except ValueError:  # more digits than Python makes an integer of
            return False

    def _take_mark(self, mark: str) -> bool:
        inner = self._open[-1]
        if mark in "[{":
            value: list[Any] | dict[str, Any] = [] if mark == "[" else {}
            if not self._put(value):
                return False
            self._open.append(value)
            self._want = "first" if mark == "[" else "first key"
            return True
        if mark in "]}":
            kind, first = (list, "first") if mark == "]" else (dict, "first key")
            if self._want not in (",", first) or not isinstance(inner, kind) or inner is self.top:
                return False
            self._open.pop()
            self._want = ","
            return True
        if mark != self._want:
            return False
        self._want = "value" if mark == ":" or isinstance(inner, list) else "key"
        return True

    def _take_text(self, text: str, *, complete: bool) -> bool:
        string = json.loads(f'"{text}"') if "\\" in text else text
        if self._want in ("key", "first key"):
            self._key, self._want = string, ":"
            return complete
        return self._put(string) and complete

    def _put(self, value: Any) -> bool:
        if self._want not in ("value", "first"):
            return False
        inner = self._open[-1]
        if isinstance(inner, list):
            inner.append(value)
        else:
            inner[self._key] = value
        self._want = ","
        return True
