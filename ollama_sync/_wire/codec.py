"""JSON in and out. The only place that imports ujson.

Strategy: a block of lines becomes one JSON array, by turning the newlines between the objects into commas (no newline can
stand inside a JSON string), and is decoded by one call. Only a block in which that fails, or in which a line is not
plainly one object, is decoded line by line, to find the line that is wrong.

Pure; runs on the caller's thread (error bodies, which are short, on the hub's).
"""

from __future__ import annotations

import json
from typing import Any

import ujson

from ollama_sync.errors import ErrorLine

# Of an integer; Python converts no longer one (sys.set_int_max_str_digits).
_MAX_DIGITS = 4300

# A server's own text in our error messages is cut to this many characters.
_EXCERPT = 120

# Bytes of a reply from which on msgspec decodes it.
_LARGE = 128 * 1024


class BadLine(Exception):
    """A line that is not one JSON object."""


def dumps(value: object) -> bytes:
    r"""Return `value` as JSON in UTF-8.

    Raises:
        TypeError, ValueError, OverflowError: something in `value` has no JSON form: bytes, sets, NaN.

    Example:
        >>> dumps({"a": "é/"})
        b'{"a":"\xc3\xa9/"}'
    """
    # Without these, ujson writes "\/" (base64 images grow) and NaN (which Ollama refuses).
    text = ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Halves of a character that a gateway has cut apart are joined; a half without the other is no character, and said to be none.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def loads(body: bytes) -> Any:
    """Return the value of one JSON text.

    Raises:
        ValueError: it is not JSON in UTF-8.
    """
    return ujson.loads(body)


def loads_whole(body: bytes) -> Any:
    """Return the value of a reply that does not stream. As `loads`; a large one by msgspec, which takes half the time.

    msgspec is slow to import, which only a large reply makes up for. What it refuses ujson may take, or says what is wrong.

    Raises:
        ValueError: it is not JSON in UTF-8.
    """
    if len(body) >= _LARGE:
        import msgspec

        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return ujson.loads(body)


def loads_block(block: bytes) -> tuple[list[dict[str, Any]], BadLine | None]:
    r"""Return the objects of a block of lines, up to the first line that is no object, and what is wrong with that one.

    Example:
        >>> loads_block(b'{"a":1}\n{"a":2}\n')
        ([{'a': 1}, {'a': 2}], None)
        >>> loads_block(b'{"a":1}\noops\n')
        ([{'a': 1}], BadLine("not a JSON object: 'oops'"))
    """
    # Only a newline between two objects becomes a comma, and no other may be left but the last: so an object that a faulty
    # server broke over two lines is seen. (Lines made to deceive can pass; they gain nothing that proper objects would not.)
    joined = block.replace(b"}\n{", b"},{")
    if joined.find(b"\n") == len(joined) - 1:
        try:
            parts: list[dict[str, Any]] = ujson.loads(b"[" + joined + b"]")
        except ValueError:
            pass  # the long way finds the line and says what is wrong with it
        else:
            if len(parts) == block.count(b"\n") and set(map(type, parts)) == {dict}:
                return parts, None
    return _loads_lines(block)


def error_line(part: dict[str, Any]) -> ErrorLine:
    """Return the error that a line reports; lines of a remote server also name a status."""
    status = part.get("StatusCode")
    return ErrorLine(said(part["error"]), status if isinstance(status, int) else -1)


def said(error: object) -> str:
    """Return the text of an `error` member: itself, the `message` in it, as the OpenAI routes wrap theirs, or its JSON.

    Nothing is said by what is null, empty or false: some servers send the member with every reply.

    Example:
        >>> said({"message": "no such model"}), said(None)
        ('no such model', '')
    """
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        error = error["message"]
    if not error:
        return ""
    return error if isinstance(error, str) else ujson.dumps(error, ensure_ascii=False)


def _loads_lines(block: bytes) -> tuple[list[dict[str, Any]], BadLine | None]:
    parts: list[dict[str, Any]] = []
    for line in block.split(b"\n"):
        if (
            not line.strip()
        ):  # blank lines, and the carriage return of a server that ends lines with both
            continue
        try:
            part = _loads_line(line)
        except ValueError as error:
            return parts, _bad_line(line, error)
        if not isinstance(part, dict):
            return parts, _bad_line(line, None)
        parts.append(part)
    return parts, None


def _loads_line(line: bytes) -> Any:
    """Return the value of a line. An integer of more digits than Python converts is read as a float."""
    try:
        return ujson.loads(line)
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
        return json.loads(
            line,
            parse_int=lambda digits: float(digits) if len(digits) > _MAX_DIGITS else int(digits),
        )


def _bad_line(line: bytes, cause: ValueError | None) -> BadLine:
    text = line[: 4 * _EXCERPT + 4].decode("utf-8", "replace")
    excerpt = text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
    error = BadLine(f"not a JSON object: {excerpt!r}")
    if cause is not None:
        # Its frames lead back to whoever decodes, which would keep that alive as long as the error.
        error.__cause__ = cause.with_traceback(None)
    return error
