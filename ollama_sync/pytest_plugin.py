"""The fixtures of pytest: a mock server for each test, a client of it, a fake clock.

Every pytest run of a machine that has the package installed imports this module, so it imports nothing of weight; what a
fixture needs is imported when a test asks for it. The entry point has the name of the module: so `-p` and `pytest_plugins`
may name it too, in a checkout that is not installed, without registering it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ollama_sync import Client
    from ollama_sync.testing import FakeClock, MockOllama

__all__ = ["ollama_client", "ollama_clock", "ollama_server"]


@pytest.fixture
def ollama_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockOllama]:
    """A mock server of this test's own: short answers, without delay, and every model exists.

    For the time of the test OLLAMA_HOST names it, OLLAMA_API_KEY is unset, and the module functions (`ollama_sync.chat`) go to
    it. What a handler raised fails the test at its end.
    """
    # A server costs half a millisecond: less than what sharing one would cost in surprises.
    from ollama_sync._client import default
    from ollama_sync.testing import MockOllama

    made: dict[str, Client] = {}
    with MockOllama(chunks=3, delay=0.0) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
        monkeypatch.setattr(default, "_made", made)
        yield server
        for client in made.values():
            client.close()


@pytest.fixture
def ollama_client(ollama_server: MockOllama) -> Iterator[Client]:
    """A client of `ollama_server`, closed at the end of the test."""
    from ollama_sync import Client

    with Client(ollama_server.url) as client:
        yield client


@pytest.fixture
def ollama_clock() -> Iterator[FakeClock]:
    """The time that the time limits of this test go by: it stands still until the test calls `ollama_clock.advance(600)`."""
    from ollama_sync.testing import FakeClock

    with FakeClock() as clock:
        yield clock
