"""What the mock's routes share: the decoded body of a request, and refusals in the words of the real server.

Pure; runs on the server's hub thread.
"""

from __future__ import annotations

import json
from typing import Any

from ollama_sync.testing._request import Request
from ollama_sync.testing._script import head, reply
from ollama_sync.testing._steps import Script


class Refused(Exception):
    """The request is answered with an error.

    Args:
        status: of HTTP.
        error: the server's words.
        more: further members of the answer.
    """

    def __init__(self, status: int, error: str, **more: str) -> None:
        super().__init__(status, error)
        self.status = status
        self.said = {"error": error, **more}

    def script(self) -> Script:
        """Return the answer."""
        return [reply(self.said, self.status)]


EMPTY: Script = (head(200, {}, framing="length"),)
"""The answer that has no body."""


def decoded(request: Request) -> dict[str, Any]:
    """Return the body of a request.

    Raises:
        Refused: it is no JSON object.
    """
    kind = request.path.rpartition("/")[2].title().replace("_", "")
    problem = _problem(request.body, f"{kind}Request")
    if problem:
        raise Refused(400, problem)
    body: dict[str, Any] = request.json
    return body


def text_of(asked: dict[str, Any], *names: str) -> str:
    """Return the first of these members that is a text with something in it, or ""."""
    return next((v for v in map(asked.get, names) if v and isinstance(v, str)), "")


def _problem(body: bytes, kind: str) -> str | None:
    """Say what is wrong with a body, in the words of the real server's decoder, or None."""
    if not body:
        return "missing request body"
    try:
        text = body.decode()
        asked = json.loads(text)
    except UnicodeDecodeError as error:
        return f"invalid character {chr(body[error.start])!r} looking for beginning of value"
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg:
            return "unexpected EOF"
        place = "object key string" if "property name" in error.msg else "value"
        return f"invalid character {text[error.pos]!r} looking for beginning of {place}"
    if isinstance(asked, dict):
        return None
    found = {list: "array", str: "string", bool: "bool"}.get(type(asked), "number")
    return f"json: cannot unmarshal {found} into Go value of type api.{kind}"
