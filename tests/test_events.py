"""The events: frozen values, and the one thing that they can do, decode the end of a reply."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from ollama_sync import ConnectError, events

CALL = events.Call(1, "chat", "m", "POST", "http://127.0.0.1:11434/api/chat", True)
RECEIVED = events.Received(2, 30, 0.1, b'{"done":true}\n')

EVERY = [
    events.Started(CALL),
    events.Connected(CALL, 0.1, True),
    events.FirstPart(CALL, 0.1),
    events.Batch(CALL, 0.1, 1, 20),
    events.Retried(CALL, 0.1, 1, ConnectError("refused"), 0.5),
    events.Finished(CALL, 0.1, RECEIVED),
    events.Failed(CALL, 0.1, RECEIVED, ConnectError("refused")),
    events.Cancelled(CALL, 0.1, RECEIVED),
    events.RunStarted(CALL),
    events.ToolStarted(CALL, "add", "call_1", 1),
    events.ToolCalled(CALL, "add", "call_1", 1, 0.1),
    events.ToolFailed(CALL, "add", None, 1, 0.1, ValueError("no")),
    events.RunEnded(CALL, 0.1, 1, 2, None),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_an_event_is_a_frozen_value(event: Any) -> None:
    """It can be handed to any thread or process, and nobody changes it for the next hook."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.call = CALL
    assert not hasattr(event, "__dict__")
    copy = pickle.loads(pickle.dumps(event))
    assert repr(copy) == repr(event)
    assert copy.call == CALL


def test_every_event_is_one() -> None:
    """The type `Event` has them all, and so has the list of public names."""
    kinds = {type(event) for event in EVERY}
    assert set(events.Event.__args__) == kinds
    assert {kind.__name__ for kind in kinds} <= set(events.__all__)
    assert events.__all__ == sorted(events.__all__)


@pytest.mark.parametrize(
    ("last", "final"),
    [
        (b'{"done":true}\n', {"done": True}),
        (b"", {}),
        (b"[1]", {}),
        (b"null", {}),
        (b'{"done":tr', {}),
        (b"\xff", {}),
    ],
)
def test_the_end_of_a_reply_is_decoded_if_it_is_an_object(
    last: bytes, final: dict[str, Any]
) -> None:
    """A hook need not know what a broken server may send."""
    assert events.Received(1, len(last), None, last).final() == final


def test_what_arrived_is_not_shown() -> None:
    """The last part of an answer does not get into a log by way of a repr."""
    assert "done" not in repr(RECEIVED)
