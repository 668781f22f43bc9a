"""Replies as JSON.

Pure, on any thread.
"""

from __future__ import annotations

from ollama_sync import View


def part_json(part: View) -> str:
    r"""Return a part as one line of JSON that UTF-8 can carry.

    A model may say half of a surrogate pair, which no encoding takes: it is written as JSON's escape.

    Example:
        >>> part_json(View.view({"response": "\ud83d"}))
        '{"response":"\\ud83d"}'
    """
    return part.model_dump_json().encode("utf-8", "backslashreplace").decode()
