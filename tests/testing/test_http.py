"""The server under the mock: what it has opened is closed, whenever it is stopped."""

from __future__ import annotations

from ollama_sync._hub import Hub
from ollama_sync.testing._http import close_reader


class Busy:
    """A reader in which somebody still is, for some rounds of the loop."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def close(self) -> None:
        self.rounds -= 1
        if self.rounds > 0:
            raise RuntimeError("reentrant call inside <_io.BufferedReader>")


def test_a_reader_is_closed_when_nobody_is_in_it_any_more() -> None:
    """A watcher that was killed just now leaves it in one of the next rounds of the loop."""
    hub = Hub("test")
    reader = Busy(3)
    try:
        hub.call(close_reader, reader)
    finally:
        hub.stop()
    assert reader.rounds == 0
