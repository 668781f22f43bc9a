"""`answers_from`: what a server says, read from a file of JSON lines.

Read on the caller's thread; the lines are handed out on the server's hub thread.
"""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

from ollama_sync.errors import UsageError
from ollama_sync.testing._answer import answer
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Handler, Script, Step

_WORD = re.compile(r"\s*\S+")
_OF_ANSWER = frozenset(inspect.signature(answer).parameters)
_KEYS = sorted(_OF_ANSWER | {"text", "status"})


def answers_from(path: str | os.PathLike[str]) -> Handler:
    r"""Return a handler that answers chats and generates as the lines of a file say, one line a request.

    After the last line it goes on with the first. A line is JSON: a text, or an object with the arguments of `answer`
    (`tokens`, `thinking`, `tool_calls`, `error`, `done_reason`, `delay`), with `text` for a text that is cut into words, or
    with `status` and `error` for a refusal. `tool_calls` are objects of `name` and `arguments`. Empty lines are passed over.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
        UsageError: a line is none of these, or there is none.

    Example:
        >>> import tempfile
        >>> from ollama_sync import Client, ResponseError
        >>> from ollama_sync.testing import MockOllama
        >>> file = Path(tempfile.mkdtemp(), "answers.jsonl")
        >>> _ = file.write_text('"Hello there"\n{"status": 503, "error": "server busy"}\n')
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.on("POST", "/api/generate", answers_from(file))
        ...     [part.response for part in client.generate("llama3.2", "hi", stream=True)]
        ...     try:
        ...         client.generate("llama3.2", "hi")
        ...     except ResponseError as error:
        ...         error.status_code, error.error
        ['Hello', ' there', '']
        (503, 'server busy')
    """
    lines = Path(path).read_bytes().splitlines()
    steps = [_step(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not steps:
        raise UsageError(f"{path}: there is no answer in it; write one JSON value a line")
    turn = itertools.cycle(steps)  # the hub thread alone takes from it

    def next_answer(_: Request) -> Script:
        return [next(turn)]

    return next_answer


def _step(line: bytes, where: str) -> Step:
    try:
        said = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where}: this is not JSON: {error}") from error
    if isinstance(said, str):
        said = {"text": said}
    if not isinstance(said, dict):
        raise UsageError(f'{where}: a text or an object is expected, as {{"text": "Hello"}}')
    for key in said:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_KEYS)}"
            raise UsageError(f"{where}: {key!r} is unknown; {hint}")
    try:
        return _made(said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{where}: this is no answer: {error!r}") from error


def _made(said: dict[str, Any]) -> Step:
    """Return the step of a decoded line."""
    if "status" in said:
        return reply({"error": str(said.get("error", ""))}, int(said["status"]))
    given = {key: value for key, value in said.items() if key in _OF_ANSWER}
    if "text" in said:
        given["tokens"] = _WORD.findall(said["text"])
    if "tool_calls" in said:
        given["tool_calls"] = [
            (one["name"], dict(one.get("arguments") or {})) for one in said["tool_calls"]
        ]
    return answer(**given)
