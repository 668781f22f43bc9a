"""What was recorded of a program's talk with a server: the file, what is left out of it, and how two requests compare.

Pure, but that the test's thread reads and writes the file. One line is one JSON object, so that a change shows as the
lines that changed:

    {"request": "POST /api/chat", "body": {…}}
    {"status": 200, "type": "application/x-ndjson"}
    {"part": {…}}                                       one for each line of a stream
    {"body": {…}} or {"text": "…"}                      what a reply says that is no stream
    {"cut": "client"} or {"cut": "server"}              who ended a reply before its end
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ollama_sync.errors import UsageError
from ollama_sync.testing._compare import differences
from ollama_sync.testing._request import Request

_HIDDEN = "(not recorded)"
# Words in the names of members and parameters that smell of a key. Headers are not recorded at all.
_SECRETS = {
    *("auth", "authorization", "bearer", "code", "cookie", "passwd", "password"),
    *("private", "secret", "session", "setcookie", "sig", "signature", "signin", "token"),
}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# What is another at each run, and says nothing about the program.
_FIXED = {"created_at": "2000-01-01T00:00:00Z", "expires_at": "2000-01-01T00:05:00Z"}
_DURATION = 1_000_000  # ns


@dataclass(frozen=True)
class Asked:
    """A request, as far as it is recorded and compared.

    Args:
        line: method, path and query.
        body: the decoded JSON, a digest of anything else, None where there was none.
    """

    line: str
    body: Any = None

    @classmethod
    def of(cls, request: Request) -> Asked:
        """Return what is recorded of a request: no header, and no value that is named like a secret."""
        pairs = parse_qsl(request.query, keep_blank_values=True)
        query = urlencode([(name, _kept(name, value)) for name, value in pairs])
        path = f"{request.path}?{query}" if query else request.path
        return cls(f"{request.method} {path}", _body_of(request))

    def differences(self, other: Asked) -> list[str]:
        """Say where `other` has another body."""
        return list(differences("body", self.body, other.body, "recorded", "now"))


@dataclass
class Exchange:
    """A request and what was answered.

    Args:
        asked: the request.
        status: of HTTP.
        type: the content type.
        parts: the objects of a stream.
        whole: the line with what a reply says that is no stream.
        cut: who ended it before its end: "client", "server", or "".
    """

    asked: Asked
    status: int
    type: str
    parts: list[Any]
    whole: dict[str, Any] | None = None
    cut: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """Return the lines of the file."""
        body = {} if self.asked.body is None else {"body": self.asked.body}
        rows = [{"request": self.asked.line, **body}, {"status": self.status, "type": self.type}]
        rows += [{"part": part} for part in self.parts]
        rows += [] if self.whole is None else [self.whole]
        return [*rows, {"cut": self.cut}] if self.cut else rows


def said(data: bytes) -> dict[str, Any]:
    """Return the line for a body that is no stream."""
    try:
        return {"body": steady(json.loads(data))}
    except ValueError:
        return {"text": data.decode(errors="replace")}


def steady(value: Any, name: str = "") -> Any:
    """Return a decoded reply with what no two runs have alike made equal, and without what is named like a secret.

    Example:
        >>> steady({"created_at": "2026-11-22T13:10:31.7Z", "eval_count": 7, "eval_duration": 97861000})
        {'created_at': '2000-01-01T00:00:00Z', 'eval_count': 7, 'eval_duration': 1000000}
    """
    if isinstance(value, dict):
        return {key: steady(one, _smell(key, value)) for key, one in value.items()}
    if isinstance(value, list):
        return [steady(one) for one in value]
    if name in _FIXED:
        return _FIXED[name]
    if name.endswith("_duration") and isinstance(value, int):
        return _DURATION
    return _kept(name, value)


def write(path: Path, exchanges: list[Exchange]) -> None:
    """Write the file anew."""
    rows = [row for exchange in exchanges for row in exchange.rows()]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    # A prompt may be nobody else's business. A file that is there keeps its mode.
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write("".join(lines).encode())


def read(path: Path) -> list[Exchange]:
    """Return what a file has.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no recording.
    """
    exchanges: list[Exchange] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        _take(line, f"{path}, line {number}", exchanges)
    return exchanges


def _take(line: bytes, where: str, exchanges: list[Exchange]) -> None:
    try:
        _add(json.loads(line), exchanges)
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{where}: this is no recording: {error!r}") from error


def _add(row: dict[str, Any], exchanges: list[Exchange]) -> None:
    if "request" in row:
        exchanges.append(Exchange(Asked(row["request"], row.get("body")), 0, "", []))
        return
    last = exchanges[-1]
    if "status" in row:
        last.status, last.type = row["status"], row["type"]
    elif "part" in row:
        last.parts.append(row["part"])
    elif "cut" in row:
        last.cut = row["cut"]
    elif "body" in row or "text" in row:
        last.whole = row
    else:
        raise LookupError(f"one of request, status, part, body, text, cut; this has {sorted(row)}")


def _body_of(request: Request) -> Any:
    if not request.body:
        return None
    try:
        return _without_secrets(request.json)
    except ValueError:  # a blob, say
        digest = hashlib.sha256(request.body).hexdigest()
        return {"sha256": digest, "bytes": len(request.body)}


def _without_secrets(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(one, _smell(key, value)) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    return _kept(name, value)


def _smell(name: str, members: dict[str, Any]) -> str:
    """Return the name by which a member is judged: the token of a log probability is text of the model's."""
    return "" if name == "token" and "logprob" in members else name


def _kept(name: str, value: Any) -> Any:
    words = {word.lower() for word in _WORDS.findall(name)}
    bare = name.lower().replace("_", "").replace("-", "")
    is_secret = words & _SECRETS or bare in _SECRETS or "apikey" in bare
    return _HIDDEN if isinstance(value, str) and is_secret else value
