"""The stage for the stories of this folder: one client, one server that does as the script says, and what the client made of it.

Runs in the thread of the tests; the server is a hub of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ollama_sync import Client
from ollama_sync.errors import OllamaError
from ollama_sync.testing import MockOllama

MESSAGES = [{"role": "user", "content": "Hi"}]

# Seconds: generous, to catch a call that hangs.
BOUND = 15.0


@dataclass(frozen=True)
class Heard:
    """What came of a call: the texts of its parts, and the error behind them."""

    texts: list[str]
    error: OllamaError | None


class Stage:
    """Plays a script to a client, and sees to it that the client can go on afterwards."""

    def __init__(self, server: MockOllama, client: Client) -> None:
        self.server = server
        self.client = client

    def chat(self, *steps: Any) -> Any:
        """Start a chat that streams and is answered by `steps`."""
        self.server.script(steps)
        return self.client.chat("m", MESSAGES, stream=True)

    def stream(self, *steps: Any) -> Heard:
        """Stream a chat that is answered by `steps`, to its end."""
        texts: list[str] = []
        error = None
        with self.goes_on():
            try:
                for part in self.chat(*steps):
                    text = part.message.content if part.message else ""
                    texts.append(text)  # as they come: those before an error count
            except OllamaError as caught:
                error = caught
        return Heard(texts, error)

    def reply(self, *steps: Any) -> Any:
        """Make a chat without a stream that is answered by `steps`; return the reply, or the error."""
        self.server.script(steps)
        with self.goes_on():
            try:
                return self.client.chat("m", MESSAGES)
            except OllamaError as error:
                return error

    @contextmanager
    def goes_on(self) -> Iterator[None]:
        """Check that what is done within ends in time, and that calls after it succeed."""
        began = time.monotonic()
        yield
        assert time.monotonic() - began < BOUND
        assert self.client.version().version
        assert len(list(self.client.chat("m", MESSAGES, stream=True))) == 4


@pytest.fixture
def stage(server: MockOllama, client: Client) -> Stage:
    """A client and its server."""
    return Stage(server, client)


@pytest.fixture
def stage_with(server: MockOllama) -> Iterator[Callable[..., Stage]]:
    """Makes a stage whose client has these settings."""
    made: list[Client] = []

    def make(**settings: Any) -> Stage:
        made.append(Client(server.url, **settings))
        return Stage(server, made[-1])

    yield make
    for client in made:
        client.close()
