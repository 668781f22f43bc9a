"""What the tests of fleets get: mock servers that can be stopped and started anew at the same port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ollama_sync.testing import MockOllama


@pytest.fixture
def servers() -> Iterator[list[MockOllama]]:
    """Three servers that have the same model."""
    running = [MockOllama(chunks=3, delay=0.0, models=["m"]).start() for _ in range(3)]
    yield running
    for server in running:
        if not repr(server).startswith("<MockOllama stopped"):
            server.stop()
