"""The recorded exchanges, decoded by the standard library, and a server that plays several on one connection.

Runs in the thread of the tests; the server is blocking code in a thread (a greenlet, in a patched process).
"""

from __future__ import annotations

import http.client
import io
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.errors import ResponseError
from ollama_sync.testing import MockOllama

DATA = Path(__file__).parent / "data"

_OF_CHATS = ("/api/chat", "/api/generate", "/api/tags", "/api/version", "/api/nope")

_SMALL = 500  # bytes
_MOST_CUTS = 1000  # a reply of a megabyte is cut at every n-th place only


class _Recording:
    """As much of a socket as http.client reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@dataclass(frozen=True)
class Exchange:
    """One request and its reply, as recorded. What it should be understood as is decoded without the package's own code."""

    row: dict[str, Any]
    request: bytes
    response: bytes
    reads: tuple[int, ...]

    def __str__(self) -> str:
        return str(self.row["name"])

    @property
    def path(self) -> str:
        return str(self.row["path"])

    @property
    def method(self) -> str:
        return str(self.row["method"])

    @property
    def is_of_chats(self) -> bool:
        """Whether it is of the tests of chats and what surrounds them (`test_replay.py`); the rest is `test_replay_models.py`'s."""
        return self.method != "HEAD" and self.path in _OF_CHATS

    @property
    def sent(self) -> bytes:
        """The body of the request."""
        return self.request.partition(b"\r\n\r\n")[2]

    @cached_property
    def _decoded(self) -> tuple[int, bytes, bool]:
        recording: Any = _Recording(self.response)
        reply = http.client.HTTPResponse(recording, method=self.row["method"])
        reply.begin()
        try:
            return reply.status, reply.read(), True
        except http.client.IncompleteRead as error:
            return reply.status, error.partial, False

    @property
    def status(self) -> int:
        return self._decoded[0]

    @property
    def body(self) -> bytes:
        return self._decoded[1]

    @property
    def is_whole(self) -> bool:
        """Whether the body came to its end, by its framing."""
        return self._decoded[2]

    def cut(self, how: str) -> list[int]:
        """Return where to cut the reply: nowhere, where the reads of the recording ended, or where it hurts.

        That is a small reply at every byte; others within characters, CRLF and chunk sizes, and before the last byte.
        """
        data = self.response
        if how == "whole":
            return []
        if how == "as_recorded":
            return list(itertools.accumulate(self.reads))
        if len(data) <= _SMALL:
            return list(range(1, len(data)))
        within = [at for at, byte in enumerate(data) if byte & 0xC0 == 0x80]
        within += [found.start() + 1 for found in re.finditer(rb"\r\n", data)]
        within += [found.start(1) + 1 for found in re.finditer(rb"\r\n([0-9a-f]{2,})\r\n", data)]
        return [*within[:: 1 + len(within) // _MOST_CUTS], len(data) - 1]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects of the body."""
        return [json.loads(line) for line in self.body.split(b"\n") if line]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The objects that are no error."""
        return [line for line in self.lines if "error" not in line]

    @property
    def error(self) -> str:
        """What the server said went wrong: in its body, or in its last line."""
        try:
            return str(self.lines[-1].get("error", ""))
        except (ValueError, IndexError):
            return self.body.decode()


def _load() -> list[Exchange]:
    rows = json.loads((DATA / "index.json").read_text())
    return [
        Exchange(
            row,
            (DATA / f"{row['name']}.request").read_bytes(),
            (DATA / f"{row['name']}.response").read_bytes(),
            tuple(
                json.loads(line)["n"]
                for line in (DATA / f"{row['name']}.timing.jsonl").read_text().splitlines()
            ),
        )
        for row in rows
    ]


EXCHANGES = {str(exchange): exchange for exchange in _load()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for an `exchange` each of those that its module's `WANTED` lets through."""
    if "exchange" in metafunc.fixturenames:
        wanted = metafunc.module.WANTED[metafunc.definition.originalname]
        chosen = [exchange for exchange in EXCHANGES.values() if wanted(exchange)]
        metafunc.parametrize("exchange", chosen, ids=str)


@pytest.fixture
def recorded() -> dict[str, Exchange]:
    """All exchanges by name."""
    return EXCHANGES


@pytest.fixture(scope="session")
def player() -> Iterator[MockOllama]:
    """A server that plays what was recorded; one for all, to save time."""
    with MockOllama() as running:
        yield running


@pytest.fixture
def refused() -> Callable[[Exchange, Callable[[], object]], None]:
    """Checks that a call fails with the recorded status and text."""

    def check(exchange: Exchange, attempt: Callable[[], object]) -> None:
        with pytest.raises(ResponseError) as caught:
            attempt()
        assert type(caught.value) is ResponseError
        assert caught.value.status_code == exchange.status
        if exchange.error:
            assert caught.value.error == exchange.error
        else:
            assert "gave no reason" in caught.value.error

    return check


@pytest.fixture
def one_connection() -> Iterator[Callable[[Sequence[Exchange]], str]]:
    """Plays the replies of exchanges one after the other on one connection, and returns where."""
    threads = []
    accepted = []

    def play(exchanges: Sequence[Exchange]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listening:
                listening.settimeout(10)
                connection, _ = listening.accept()
            accepted.append(connection)
            with connection, connection.makefile("rb") as reader:
                connection.settimeout(10)
                for exchange in exchanges:
                    length = 0
                    while (line := reader.readline().lower()) not in (b"\r\n", b""):
                        if line.startswith(b"content-length:"):
                            length = int(line.partition(b":")[2])
                    reader.read(length)
                    connection.sendall(exchange.response)
                reader.read(1)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return "http://{}:{}".format(*listening.getsockname()[:2])

    yield play
    for thread in threads:
        thread.join(10)
    assert len(accepted) == len(threads)
