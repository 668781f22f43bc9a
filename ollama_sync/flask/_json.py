"""Replies and statistics as JSON: `app.json` writes them, and a view may return them.

`take_values` runs where the app is made, and changes its `json` and its `make_response`; the rest is pure, on any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from ollama_sync import View


def part_json(part: View) -> str:
    r"""Return a part as one line of JSON that UTF-8 can carry.

    A model may say half of a surrogate pair, which no encoding takes: it is written as JSON's escape.

    Example:
        >>> part_json(View.view({"response": "\ud83d"}))
        '{"response":"\\ud83d"}'
    """
    return part.model_dump_json().encode("utf-8", "backslashreplace").decode()


def take_values(app: Flask) -> None:
    """Have the app's JSON write what has a `__json__` method, and let views return it, alone or with a status and headers."""
    _write_values(app.json)
    make_response = app.make_response

    def with_values(returned: Any) -> Response:
        if hasattr(returned, "__json__"):
            returned = app.json.response(returned)
        elif isinstance(returned, tuple) and returned and hasattr(returned[0], "__json__"):
            returned = (app.json.response(returned[0]), *returned[1:])
        return make_response(returned)

    app.make_response = with_values  # type: ignore[method-assign, assignment]  # the only place for other types


def _write_values(provider: Any) -> None:
    # Flask's own provider, and each that is made of it, asks `default` for what JSON does not know. One that is not has its own ways.
    before: Callable[[Any], Any] | None = getattr(provider, "default", None)
    if before is None:
        return

    def default(value: Any) -> Any:
        return value.__json__() if hasattr(value, "__json__") else before(value)

    provider.default = default
