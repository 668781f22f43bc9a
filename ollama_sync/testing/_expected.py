"""What a test expects of the requests that its server gets, and what it is told when they are others.

Pure: requests and scripts in, texts and exceptions out. Any thread.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ollama_sync.errors import UsageError
from ollama_sync.testing._compare import differences
from ollama_sync.testing._request import Request

ANSWERS = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")
"""Where a model is asked; once a strict server has a script, each of these requests needs one, or a handler."""

_MOST = 10  # differences that are shown


class NotAsExpected(AssertionError):
    """What a program asked is not what its test has said: a script was never asked for, or nothing was said for a request.

    Raised by `MockOllama.check`, `MockOllama.assert_asked` and the end of the `with` block of a strict server.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, answer
        >>> try:
        ...     with MockOllama(strict=True) as server, Client(server.url) as client:
        ...         server.script([answer(["Hi"])])
        ...         version = client.version()
        ... except NotAsExpected as error:
        ...     print(error)
        1 script for /api/chat was never asked for; the server was asked: 1 x GET /api/version. Remove it, or have the program ask
    """


def known(path: str, paths: Iterable[str]) -> None:
    """Refuse a script for a path at which nothing is asked.

    Raises:
        UsageError: it is none of `paths`.
    """
    if path not in (known := sorted(paths)):
        raise UsageError(
            f"script: path={path!r} is none of Ollama's{_near(path, known) or '.'} For a route of your own take server.on, "
            "or set server.strict = False"
        )


def unused(scripts: Mapping[str, int], asked: Sequence[Request]) -> str | None:
    """Say which scripts were never asked for, or None when all were.

    Args:
        scripts: how many are left, by path.
        asked: all requests.
    """
    left = {path: number for path, number in scripts.items() if number}
    if not left:
        return None
    listed = " and ".join(
        f"{number} script{'s' * (number > 1)} for {path}" for path, number in left.items()
    )
    are = sum(left.values()) > 1
    return (
        f"{listed} {'were' if are else 'was'} never asked for; the server was asked: {_told(asked)}. "
        f"Remove {'them' if are else 'it'}, or have the program ask"
    )


def unexpected(request: Request, scripts: Iterable[str], paths: Iterable[str]) -> str | None:
    """Say why no request like this was expected, or None when the server may answer it by itself.

    Args:
        request: it, for which no script is left, and no handler.
        scripts: for which paths scripts were given.
        paths: all that the server knows.
    """
    what = f"{request.method} {request.path}"
    if request.path not in (known := sorted(paths)):
        return f"{what} was not expected: Ollama has no such path{_near(request.path, known)}; give it a handler by server.on"
    given = sorted(scripts)
    if not given or request.path not in ANSWERS:
        return None
    why = (
        "its scripts are used up"
        if request.path in given
        else f"scripts were given for {', '.join(given)}"
    )
    return (
        f"{what} was not expected: {why}. Script it by server.script(…, path={request.path!r}), let the server answer as usual by "
        f"server.on({request.method!r}, {request.path!r}, server.usual), or set server.strict = False"
    )


def assert_asked(
    requests: Sequence[Request],
    path: str,
    times: int | None,
    headers: Mapping[str, Any],
    body: Mapping[str, Any],
) -> Request:
    """Return the last request to `path` with these headers and members; see `MockOllama.assert_asked`.

    Raises:
        NotAsExpected: there is none, or there are more or fewer than `times`.
    """
    __tracebackhide__ = True
    there = [request for request in requests if request.path == path]
    found = [(request, _wrong(request, headers, body)) for request in there]
    fitting = [request for request, wrong in found if not wrong]
    if fitting and times in (None, len(fitting)):
        return fitting[-1]
    if not there:
        raise NotAsExpected(f"{path} was not asked; the server was asked: {_told(requests)}")
    if fitting:
        raise NotAsExpected(
            f"{path} was asked {len(fitting)} times in this way, expected were {times}"
        )
    request, wrong = min(found, key=lambda one: len(one[1]))
    shown = "\n  ".join(wrong[:_MOST] + ["…"] * (len(wrong) > _MOST))
    nearest = f"; the nearest of {len(there)} requests differs" if len(there) > 1 else ""
    raise NotAsExpected(f"{request.method} {path} was not asked in this way{nearest}:\n  {shown}")


def _wrong(request: Request, headers: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Say where a request is not as expected. What is not named may be anything."""
    wrong: list[str] = []
    for name, value in headers.items():
        if request.headers.get(name) != value:
            wrong += differences(
                f"header {name}", value, request.headers.get(name), "expected", "asked"
            )
    if not body:
        return wrong
    try:
        asked = request.json
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return [*wrong, f"body: expected a JSON object, asked {request.body[:100]!r}"]
    expected = {name: _plain(value) for name, value in body.items()}
    there = {name: value for name, value in asked.items() if name in expected}
    return wrong + list(differences("body", expected, there, "expected", "asked"))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: views of messages and tools become objects, tuples lists."""
    if callable(to_dict := getattr(value, "to_dict", None)):
        value = to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _told(requests: Sequence[Request]) -> str:
    """List requests by method and path."""
    counted = Counter(f"{request.method} {request.path}" for request in requests)
    return ", ".join(f"{number} x {line}" for line, number in counted.items()) or "nothing"


def _near(path: str, known: list[str]) -> str:
    near = difflib.get_close_matches(path, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
