"""`PartReader`: the caller's end of a channel. Here without a network: the hub's side is played by the test."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import ClosedError, ConcurrentUseError, StreamBroken
from ollama_sync._call.exchange import Exchange
from ollama_sync._client.endpoints import CHAT
from ollama_sync._hub import FINISHED, Channel, Failed
from ollama_sync._stream.reader import Found, PartReader
from ollama_sync.errors import OllamaError
from ollama_sync.types import ChatResponse

Part = dict[str, Any]


class Hub:
    """The other end: puts blocks in, and notes what it was told."""

    def __init__(self, max_buffered: int = 1 << 20) -> None:
        self.channel = Channel(max_buffered, lambda: None)
        self.cancelled = 0
        self.faults: list[OllamaError] = []

    def reader(self) -> PartReader:
        assert CHAT.stream is not None
        exchange = SimpleNamespace(
            channel=self.channel,
            tried="POST /api/chat",
            cancel=self._cancel,
            fail=self.faults.append,
        )
        return PartReader(cast("Exchange", exchange), CHAT.stream, ChatResponse.view)

    def _cancel(self) -> None:
        self.cancelled += 1

    def say(self, *parts: Part) -> None:
        self.put(b"".join(json.dumps(part).encode() + b"\n" for part in parts))
        self.channel.release()

    def put(self, lines: bytes) -> None:
        self.channel.put(lines, lines.count(b"\n"))


def number(value: int, **more: object) -> Part:
    return {"number": value, "message": {"content": str(value)}, **more}


def commit(reader: PartReader, found: Found) -> list[Any]:
    """Take what was found, as a stream does."""
    assert found.before is reader.position
    reader.position, reader.at = found.after, found.at
    reader.channel.taken = found.after.taken
    if found.error is not None:
        raise found.error
    return found.items


def numbers(parts: list[Part]) -> list[int]:
    return [part["number"] for part in parts]


LOOKS = ("look", "look_ahead", "look_all", "look_texts", "look_raw")


@given(
    blocks=st.lists(st.integers(1, 40), min_size=1, max_size=10),
    steps=st.lists(st.tuples(st.sampled_from(LOOKS), st.integers(1, 150)), min_size=1),
    padding=st.sampled_from([0, 10, 5_000]),
)
def test_any_blocks_and_any_looks_give_every_part_once(
    blocks: list[int], steps: list[tuple[str, int]], padding: int
) -> None:
    """However the parts are cut into blocks, and in whatever ways they are asked for: each comes once, in order."""
    hub = Hub()
    reader = hub.reader()
    count = 0
    for size in blocks:
        hub.say(*(number(count + one, text="x" * padding) for one in range(size)))
        count += size
    hub.say(number(count, done=True))
    hub.channel.end(FINISHED)
    seen: list[int] = []
    turn = 0
    while not reader.done:
        look, limit = steps[turn % len(steps)]
        turn += 1
        if reader.at < len(reader.position.parts):  # decoded ahead
            if turn % 2:
                seen.append(reader.position.parts[reader.at]["number"])
                reader.at += 1
                continue
            if look in ("look_ahead", "look_raw"):
                look = "look"
        if look in ("look", "look_texts"):
            found = getattr(reader, look)(limit)
            assert len(found.items) <= limit
        else:
            found = getattr(reader, look)()
        items = commit(reader, found)
        assert items
        if look == "look_texts":
            seen += map(int, items)
        elif look == "look_raw":
            seen += numbers([json.loads(one) for one in b"".join(items).splitlines()])
        elif look != "look_ahead":
            seen += numbers(items)
    assert seen == list(range(count + 1))
    assert reader.look(1).is_end
    assert (hub.cancelled, hub.faults) == (0, [])
    assert hub.channel.buffered == 0
    assert reader.accumulated()["message"]["content"] == "".join(map(str, range(count + 1)))


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_changes_nothing(look: str) -> None:
    """Until it is committed, the next look finds the same: an interrupt between the two loses nothing."""
    hub = Hub()
    reader = hub.reader()
    hub.say(*(number(one) for one in range(50)))
    args = (10,) if look in ("look", "look_texts") else ()
    before = (reader.position, reader.at, hub.channel.taken)
    first, second = getattr(reader, look)(*args), getattr(reader, look)(*args)
    assert first.items == second.items != []
    assert (reader.position, reader.at, hub.channel.taken) == before


def test_only_what_was_released_is_looked_at_but_all_is_polled() -> None:
    """`look` keeps to the batches of the policy; `look_all` finds what has arrived."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(0))
    hub.put(b'{"number":1}\n')
    assert numbers(commit(reader, reader.look(10))) == [0]
    assert not reader.look(10).is_news
    assert numbers(commit(reader, reader.look_all())) == [1]
    hub.channel.release()
    assert not hub.channel.is_ready


def test_large_blocks_are_decoded_in_pieces() -> None:
    """A block is not decoded whole when only its beginning is asked for."""
    hub = Hub()
    reader = hub.reader()
    hub.say(*(number(one) for one in range(5000)))
    commit(reader, reader.look_ahead())
    assert 0 < len(reader.position.parts) < 1000
    reader.at = 1
    assert numbers(commit(reader, reader.look(2))) == [1, 2]
    assert not reader.done
    assert reader.is_ready


def test_everything_before_a_failure_comes_first() -> None:
    """The error is found once, after the last part; what had arrived hangs on it."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1))
    failure = StreamBroken("cut")
    hub.channel.end(Failed(failure))
    assert reader.error is failure
    assert numbers(commit(reader, reader.look(10))) == [1]
    assert not reader.done
    with pytest.raises(StreamBroken) as caught:
        commit(reader, reader.look(10))
    assert caught.value.partial == {"number": 1, "message": {"content": "1"}}
    assert reader.done
    assert reader.look(10).is_end
    assert reader.look(10).error is None


def test_a_failure_before_any_part_has_no_partial() -> None:
    """Nothing arrived, so there is nothing to carry."""
    hub = Hub()
    reader = hub.reader()
    hub.channel.end(Failed(StreamBroken("cut")))
    with pytest.raises(StreamBroken) as caught:
        commit(reader, reader.look(10))
    assert caught.value.partial is None


@pytest.mark.parametrize("look", LOOKS)
def test_a_bad_line_hides_what_follows_and_is_told_to_the_hub(look: str) -> None:
    """After a line that is no object nothing counts: not the lines behind it, not a later failure."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1))
    hub.put(b"oops\n")
    hub.say(number(2))
    hub.channel.end(Failed(StreamBroken("later")))
    args = (10,) if look in ("look", "look_texts") else ()
    with pytest.raises(StreamBroken, match="oops") as caught:  # noqa: PT012 - raised by the last step
        while not (found := getattr(reader, look)(*args)).is_end:
            commit(reader, found)
            reader.at = len(reader.position.parts)
        commit(reader, found)
    assert caught.value.partial == {"number": 1, "message": {"content": "1"}}
    assert reader.error is caught.value
    assert look == "look_raw" or [str(fault) for fault in hub.faults] == [str(caught.value)]
    assert reader.done
    assert reader.look(10).is_end


def test_it_is_exclusive_until_given_back() -> None:
    """Whoever holds the reader is its one consumer."""
    reader = Hub().reader()
    reader.acquire(object())
    with pytest.raises(ConcurrentUseError):
        reader.acquire()
    reader.ownership.owners = {}
    reader.acquire()


def test_closing_empties_the_channel() -> None:
    """What a closed reader will not hand over is not kept in memory either, also when somebody consumes it just now."""
    hub = Hub()
    reader = hub.reader()
    hub.say(number(1), number(2))
    commit(reader, reader.look(1))
    reader.close()
    assert (hub.channel.buffered, len(hub.channel.look_arrived())) == (0, 0)
    assert reader.done
    assert hub.cancelled == 1
    with pytest.raises(ClosedError):
        reader.acquire()
    hub = Hub()
    reader = hub.reader()
    reader.acquire(object())
    hub.say(number(3))
    found = reader.look(10)
    reader.close()
    assert found.before is not reader.position  # so it is not committed
    assert reader.look(10).is_end
    assert (hub.channel.buffered, len(hub.channel.look_arrived())) == (0, 0)


def test_blank_lines_are_no_parts() -> None:
    """A server that keeps a line alive with newlines gives no empty batch, and no end."""
    hub = Hub()
    reader = hub.reader()
    hub.put(b"\n\r\n\n")
    hub.channel.release()
    found = reader.look_all()
    assert (commit(reader, found), found.is_end) == ([], False)
    hub.say(number(1))
    assert numbers(commit(reader, reader.look(10))) == [1]


def test_the_text_so_far_decodes_each_part_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked after each part, it costs no more than asked once."""
    from ollama_sync._stream import kept

    hub = Hub()
    reader = hub.reader()
    lines = [0]
    real = kept.loads_block

    def counting(block: bytes) -> Any:
        lines[0] += block.count(b"\n")
        return real(block)

    monkeypatch.setattr(kept, "loads_block", counting)
    for one in range(100):
        hub.say(number(one))
        commit(reader, reader.look(1))
        assert reader.text_so_far() == "".join(map(str, range(one + 1)))
    assert lines == [100]
