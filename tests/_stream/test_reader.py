"""`Reader`: the caller's end of a channel. Here without a network: the hub's side is played by the test."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import ConcurrentUseError, OllamaError, StreamBroken
from ollama_sync._call.exchange import Exchange
from ollama_sync._client.endpoints import CHAT
from ollama_sync._hub import FINISHED, Channel, Failed
from ollama_sync._stream.reader import Reader
from ollama_sync.types import ChatResponse


class Hub:
    """The other end: puts blocks in, and notes whether it was told to cancel."""

    def __init__(self, max_buffered: int = 1 << 20) -> None:
        self.channel = Channel(max_buffered, lambda: None)
        self.cancelled = 0

    def reader(self) -> Reader:
        assert CHAT.stream is not None
        exchange = SimpleNamespace(
            channel=self.channel, tried="POST /api/chat", cancel=self._cancel
        )
        return Reader(cast("Exchange", exchange), CHAT.stream, ChatResponse.view)

    def _cancel(self) -> None:
        self.cancelled += 1

    def say(self, *parts: dict[str, Any]) -> None:
        self.channel.put(b"".join(json.dumps(part).encode() + b"\n" for part in parts))
        self.channel.release()


def number(value: int, **more: object) -> dict[str, Any]:
    return {"number": value, "message": {"content": str(value)}, **more}


@given(
    blocks=st.lists(st.integers(1, 40), min_size=1, max_size=10),
    limits=st.lists(st.integers(1, 50), min_size=1),
    padding=st.sampled_from([0, 10, 5_000, 40_000]),
    polled=st.booleans(),
)
def test_any_blocks_and_any_limits_give_every_part_once(
    blocks: list[int], limits: list[int], padding: int, polled: bool
) -> None:
    """However the parts are cut into blocks, and however many are asked for: each comes once, in order."""
    hub = Hub()
    reader = hub.reader()
    count = 0
    for size in blocks:
        hub.say(*(number(count + one, text="x" * padding) for one in range(size)))
        count += size
    hub.say(number(count, done=True))
    hub.channel.end(FINISHED)
    seen: list[dict[str, Any]] = []
    turn = 0
    while not reader.done:
        limit = limits[turn % len(limits)]
        parts = reader.poll(0) if polled and turn == 1 else reader.read(limit)
        assert parts
        assert len(parts) <= limit or (polled and turn == 1)
        seen += parts
        turn += 1
    assert [part["number"] for part in seen] == list(range(count + 1))
    assert reader.read(1) == []
    assert hub.cancelled == 0


def test_only_what_was_released_is_read_but_all_is_polled() -> None:
    """`read` keeps to the batches of the policy; `poll` takes what has arrived."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(0))
    hub.channel.put(b'{"number":1}\n')
    assert len(reader.read(10)) == 1
    assert reader.take(10) == []
    assert [part["number"] for part in reader.poll(0)] == [1]
    hub.channel.release()
    assert not hub.channel.is_ready


def test_large_blocks_are_decoded_in_pieces() -> None:
    """A block is not decoded whole when only its beginning is asked for; a rest is held."""
    hub = Hub()
    reader = hub.reader()
    hub.say(*(number(one) for one in range(5000)))
    first = reader.read_one()
    assert first is not None
    assert first["number"] == 0
    assert 0 < len(reader._ready) < 1000
    assert [part["number"] for part in reader.read(2)] == [1, 2]
    assert not reader.done
    assert reader.is_ready


def test_everything_before_a_failure_is_read_first() -> None:
    """The error is raised once, from the call after the last part; what had arrived hangs on it."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1))
    failure = StreamBroken("cut")
    hub.channel.end(Failed(failure))
    assert reader.error is failure
    assert [part["number"] for part in reader.read(10)] == [1]
    assert not reader.done
    with pytest.raises(StreamBroken) as caught:
        reader.read(10)
    assert caught.value.partial == {"number": 1, "message": {"content": "1"}}
    assert reader.done
    assert reader.read(10) == []


def test_a_failure_before_any_part_has_no_partial() -> None:
    """Nothing arrived, so there is nothing to carry."""
    hub = Hub()
    reader = hub.reader()
    hub.channel.end(Failed(StreamBroken("cut")))
    with pytest.raises(StreamBroken) as caught:
        reader.read(10)
    assert caught.value.partial is None


def test_an_error_line_hides_what_follows_and_cancels() -> None:
    """After an error line nothing counts: not the lines behind it, not a later failure."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1), {"error": "first"}, {"error": "second"}, number(2))
    hub.say(number(3))
    assert [part["number"] for part in reader.read(10)] == [1]
    with pytest.raises(OllamaError, match="first"):
        reader.read(10)
    assert hub.cancelled == 1
    assert reader.read(10) == []


def test_acquire_is_exclusive_until_released() -> None:
    """Whoever holds the reader is its one consumer."""
    reader = Hub().reader()
    reader.acquire()
    with pytest.raises(ConcurrentUseError):
        reader.poll(0)
    reader.release()
    assert reader.poll(0) == []


def test_closing_empties_the_channel() -> None:
    """What a closed reader will not hand over is not kept in memory either."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1), number(2))
    reader.read(1)
    reader.close()
    assert hub.channel.buffered == 0
    assert reader.done
    assert hub.cancelled == 1
    reader = hub.reader()
    reader.acquire()
    hub.say(number(3))
    reader.close()
    assert hub.channel.buffered > 0
    reader.release()
    assert hub.channel.buffered == 0


def test_blank_lines_are_no_parts() -> None:
    """A server that keeps a line alive with newlines gives no empty batch, and no end."""
    hub = Hub()
    reader = hub.reader()
    hub.channel.put(b"\n\r\n\n")
    hub.channel.release()
    assert reader.poll(0) == []
    hub.say(number(1))
    assert [part["number"] for part in reader.read(10)] == [1]


def test_two_consumers_of_single_parts_lose_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of one consumer's steps another may come, against the rules; then it is refused, or takes the next part."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1), number(2))
    release, releases, found = reader.release, [0], []

    def release_and_be_overtaken() -> None:
        release()
        releases[0] += 1
        if releases[0] == 2:
            hub.say(number(3), number(4))
            found.append(reader.read_one())

    monkeypatch.setattr(reader, "release", release_and_be_overtaken)
    found.append(reader.read_one())
    found += [reader.read_one() for _ in range(2)]
    assert sorted(part["number"] for part in found if part) == [1, 2, 3, 4]
