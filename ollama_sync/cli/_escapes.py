r"""What a terminal would obey, made visible.

A model, a server and a file may say anything, and may not move the cursor, write the clipboard or turn text around. Pure functions, on any thread. Shown as `\u001b`, which is how JSON writes it, so JSON stays JSON. Line ends and tabs stay.
"""

from __future__ import annotations

import sys

_CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0)]  # C0, DEL, C1
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_BIDI) if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    r"""Return `text` with each control character but line end and tab as a visible escape.

    Example:
        >>> visible("a\tb\x1b]52;c;aGk=\x07")
        'a\tb\\u001b]52;c;aGk=\\u0007'
    """
    return text.translate(_SHOWN)


def for_stdout(text: str) -> str:
    """Return `text` as it may be written to stdout: made visible at a terminal, unchanged where a program reads it."""
    return visible(text) if sys.stdout is not None and sys.stdout.isatty() else text
