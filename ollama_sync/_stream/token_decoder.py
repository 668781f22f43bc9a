"""The texts of an answer straight out of its lines, without making parts: for `tokens()`.

Of each line msgspec decodes the few fields that a text, and the end of a reply, are told from, and skips the rest: in a
third of the time that ujson needs for all of it. It does so for lines that are plainly what they should be. Of any other
the caller makes parts, and the codec says what is wrong with it.

Pure; runs on the caller's thread. Imported at the first use, since msgspec is slow to import.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Lean(NamedTuple):
    """What was read of some lines: the texts that are not empty, and whether the last part completes the reply."""

    texts: list[str]
    is_complete: bool


# gc=False: what these hold cannot lead back to them.


class _Part(msgspec.Struct, gc=False):
    done: bool = False
    done_reason: str = ""
    debug_info: Any = msgspec.field(name="_debug_info", default=None)

    def is_complete(self) -> bool:
        return self.done or bool(self.done_reason or self.debug_info)


class _Message(msgspec.Struct, gc=False, frozen=True):
    content: str = ""


class _ChatPart(_Part, gc=False):
    message: _Message = _Message()


class _GeneratePart(_Part, gc=False):
    response: str = ""


_decode_chat = msgspec.json.Decoder(_ChatPart).decode_lines
_decode_generate = msgspec.json.Decoder(_GeneratePart).decode_lines


def read_chat(lines: bytes) -> Lean | None:
    r"""Read whole lines of a chat; None when they need a closer look.

    Example:
        >>> read_chat(b'{"message":{"content":"Hi"}}\n{"message":{},"done":true}\n')
        Lean(texts=['Hi'], is_complete=True)
        >>> read_chat(b'{"message":{"content":7}}\n')
    """
    parts = _decode(_decode_chat, lines)
    if not parts:
        return None
    return Lean([text for part in parts if (text := part.message.content)], parts[-1].is_complete())


def read_generate(lines: bytes) -> Lean | None:
    r"""Read whole lines of a generate; None when they need a closer look.

    Example:
        >>> read_generate(b'{"response":"Hi"}\n{"response":"","done":true}\n')
        Lean(texts=['Hi'], is_complete=True)
    """
    parts = _decode(_decode_generate, lines)
    if not parts:
        return None
    return Lean([text for part in parts if (text := part.response)], parts[-1].is_complete())


def _decode(decode: Any, lines: bytes) -> list[Any]:
    """Return one part for each line, or nothing at all."""
    # Inside a JSON string the quotes would be escaped: so this finds keys, and strings that are just this word.
    if b'"error"' in lines:
        return []
    try:
        lines.decode()  # what is skipped is not checked for valid UTF-8
        parts: list[Any] = decode(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    # Two objects on one line, or one on two lines, are the parts' business: here each newline but the last parts two objects.
    is_plain = lines.count(b"\n") == lines.count(b"}\n{") + 1 == len(parts) and lines[-1:] == b"\n"
    return parts if is_plain else []
