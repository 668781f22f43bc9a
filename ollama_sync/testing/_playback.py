"""`playback`: a mock server that says again what `record` has written down.

The answers are looked up on the mock's hub thread, which owns what is left of the recording.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

from ollama_sync.testing import _tape
from ollama_sync.testing._record import METHODS, STREAM
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import chunk, close, head, silence, stream
from ollama_sync.testing._server import MockOllama
from ollama_sync.testing._steps import Reply, Script, Step, json_bytes

_MOST_SHOWN = 5


class NotRecorded(AssertionError):
    r"""A program asked what is not in the recording, or asked it more often. Says what is recorded, and where it differs.

    The program gets status 500; the end of the server's `with` block raises this in the test.

    Example:
        >>> import tempfile
        >>> from ollama_sync import Client
        >>> file = Path(tempfile.mkdtemp(), "version.jsonl")
        >>> said = '{"status": 200, "type": "application/json"}', '{"body": {"version": "1.2.3"}}'
        >>> _ = file.write_text("\n".join(['{"request": "GET /api/version"}', *said]))
        >>> try:
        ...     with playback(file) as server, Client(server.url) as client:
        ...         client.ps()
        ... except NotRecorded as error:
        ...     print(error)
        GET /api/ps is not in ...version.jsonl; recorded are GET /api/version. Record it again
    """


def playback(path: str | os.PathLike[str]) -> MockOllama:
    """Return a server that answers as recorded: to the same method, path and body with the same reply, at once.

    What was recorded several times answers in that order, each reply once. What was not recorded, or not so often, is answered
    with status 500, and raised as `NotRecorded` at the end of the `with` block. A reply that was cut is cut again.

    Args:
        path: the file that `record` wrote.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no recording.

    Example:
        >>> import tempfile
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, record
        >>> file = Path(tempfile.mkdtemp(), "hello.jsonl")
        >>> with MockOllama(chunks=2, delay=0) as real, record(file, real.url) as server, Client(server.url) as client:
        ...     recorded = client.generate("llama3.2", "hi", stream=True).result().response
        >>> with playback(file) as server, Client(server.url) as client:
        ...     recorded == client.generate("llama3.2", "hi", stream=True).result().response
        True
    """
    player = _Player(Path(path))
    server = MockOllama()
    for method in METHODS:
        server.on(method, "*", player.answer)
    return server


class _Player:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._exchanges = _tape.read(path)
        self._left = deque(self._exchanges)  # the hub thread takes out what was asked for

    def answer(self, request: Request) -> Script:
        asked = _tape.Asked.of(request)
        found = next((one for one in self._left if one.asked == asked), None)
        if found is None:
            raise NotRecorded(self._complaint(asked))
        self._left.remove(found)
        return _steps(found)

    def _complaint(self, asked: _tape.Asked) -> str:
        """Say what is recorded instead."""
        head = f"{asked.line} is not in {self._path}"
        times = sum(one.asked == asked for one in self._exchanges)
        if times:
            return f"{head} so often: it is recorded {times} times, and asked once more"
        alike = [one.asked for one in self._exchanges if one.asked.line == asked.line]
        if not alike:
            lines = sorted({one.asked.line for one in self._exchanges})
            return f"{head}; recorded are {', '.join(lines) or 'no requests'}. Record it again"
        near = min((one.differences(asked) for one in alike), key=len)
        shown = "\n  ".join(near[:_MOST_SHOWN] + ["…"] * (len(near) > _MOST_SHOWN))
        return f"{head} with this body; the nearest of {len(alike)} differs:\n  {shown}\nRecord it again"


def _steps(exchange: _tape.Exchange) -> list[Step]:
    """Return what says an exchange's reply again."""
    if exchange.cut:
        # Who hung up then hangs up again: the server does it, or waits for the client to do it.
        last = silence() if exchange.cut == "client" else close()
        lines = [chunk(part) for part in exchange.parts]
        return [head(exchange.status, {"Content-Type": exchange.type}), *lines, last]
    if exchange.type.startswith(STREAM):
        return [stream(exchange.parts)]
    return [Reply(exchange.status, _body(exchange.whole or {"text": ""}), exchange.type)]


def _body(whole: dict[str, Any]) -> bytes:
    return json_bytes(whole["body"]) if "body" in whole else str(whole["text"]).encode()
