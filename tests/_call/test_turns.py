"""When a call that reads gives way, by the numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ollama_sync._call import turns as turns_module
from ollama_sync._call.turns import Turns


def _after(turns: Turns, size: int) -> int:
    """How many reads of `size` bytes are one turn."""
    return next(count for count in range(1, 1000) if turns.is_over(size))


@pytest.fixture
def hub() -> Any:
    return SimpleNamespace(round=1)


@pytest.mark.parametrize(("size", "reads"), [(0, 64), (1, 64), (65536, 2), (131072, 1)])
def test_a_turn_is_over_by_bytes_and_by_reads(
    size: int, reads: int, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 128 KiB, or 64 reads however small; and again."""
    monkeypatch.setattr(turns_module, "monotonic", lambda: 1.0)
    turns = Turns(hub)
    assert [_after(turns, size) for _ in range(3)] == [reads] * 3


def test_a_look_at_the_sockets_begins_a_turn(hub: Any) -> None:
    """What was read before the loop last looked does not count."""
    turns = Turns(hub)
    for number in range(1000):
        hub.round = number + 1
        assert not turns.is_over(65536)


def test_a_turn_is_over_by_time(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that take long to read, as compressed ones may, are fewer; a single small read is always granted."""
    now = iter(range(1000))
    monkeypatch.setattr(turns_module, "monotonic", lambda: next(now))
    turns = Turns(hub)
    assert not turns.is_over(100)
    assert turns.is_over(16384)
