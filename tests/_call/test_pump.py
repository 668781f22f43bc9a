"""`Pump`: what becomes of the bytes of a reply between the transport and the channel. Runs in a job of the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import BatchPolicy, Client, ErrorLine, StreamBroken, Timeout
from ollama_sync._call import pump as pump_module
from ollama_sync._call.pump import Pump
from ollama_sync._call.retries import policy_of
from ollama_sync._call.settings import Settings
from ollama_sync._hub import Channel, shared_hub
from ollama_sync._observe.counters import Counters
from ollama_sync._stream.kinds import GENERATE
from ollama_sync._wire import LineFramer, WholeBody
from ollama_sync.testing import MockOllama, stream

FINAL = b'{"response":"","done":true}\n'
CLOCKS = SimpleNamespace(arrived=lambda: None, pause=lambda: None, resume=lambda: None)


class Reply:
    """Gives its pieces, then the end."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [*pieces, b""]

    def read(self, most: int) -> bytes:
        return self._pieces.pop(0)


def make(framer: LineFramer | WholeBody | None = None) -> tuple[Pump, Channel]:
    channel = Channel(1 << 30, lambda: None)
    settings = Settings(
        *(Timeout.of(None), BatchPolicy(), 1 << 30, policy_of(0), True, GENERATE.is_final)
    )
    pump = Pump(
        *(shared_hub(), channel, framer or LineFramer(), settings),
        *(cast("Any", CLOCKS), Counters(0.0), None, SimpleNamespace(tried="POST /x")),
    )
    return pump, channel


def read(pump: Pump, *pieces: bytes) -> None:
    """Have a job of the hub read a reply of these pieces."""
    try:
        shared_hub().call(pump.read, Reply(*pieces))
    finally:
        shared_hub().call(pump.stop)


def arrived(channel: Channel) -> bytes:
    return b"".join(block.lines for block in channel.look_arrived())


lines = st.sampled_from(
    [
        b'{"response":"a"}\n',
        b'{"response":"error"}\n',
        b'{"response":"\\"error\\""}\n',
        b'{"error":null}\n',
        b'{"error":""}\n',
        b'{"a":{"error":"x"}}\n',
        b'["error"]\n',
        b'oops "error"\n',
        b"\n",
    ]
)


@given(before=st.lists(lines), behind=st.lists(lines), cuts=st.lists(st.integers(0, 200)))
def test_an_error_line_ends_the_stream_wherever_it_stands(
    before: list[bytes], behind: list[bytes], cuts: list[int]
) -> None:
    """All that came before it is put, nothing behind it, however the reply is cut."""
    body = b"".join([*before, b'{"error":"boom"}\n', *behind])
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(edges)]
    pump, channel = make()
    with pytest.raises(ErrorLine, match="boom"):
        read(pump, *[piece for piece in pieces if piece])
    assert arrived(channel) == b"".join(before)


def test_a_reply_without_its_final_part_is_broken() -> None:
    """A clean end is none if the part is missing that says so."""
    pump, channel = make()
    with pytest.raises(StreamBroken, match="without its final object"):
        read(pump, b'{"response":"a"}\n')
    assert arrived(channel) == b'{"response":"a"}\n'
    read(make()[0], b'{"response":"a"}\n', FINAL)


def test_a_last_line_may_lack_its_newline() -> None:
    """At a clean end it is a line; and it may be the final part."""
    pump, channel = make()
    read(pump, FINAL[:-1])
    assert arrived(channel) == FINAL
    assert pump.is_complete


@pytest.mark.parametrize(
    ("rest", "is_line"), [(FINAL[:-1], True), (FINAL[:-2], False), (b'{"a":{}', False)]
)
def test_what_a_cut_left_is_put_only_if_it_is_whole(rest: bytes, is_line: bool) -> None:
    """When the connection was cut, a last line counts if it lacks nothing but its newline."""
    pump, channel = make()
    pump._framer.feed(rest)
    shared_hub().call(pump.put_rest)
    assert arrived(channel) == (rest + b"\n" if is_line else b"")


def test_a_long_line_is_not_decoded_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold up every other stream; it passes, and one that begins as an error line is one."""
    longest = [0]
    real = pump_module.loads

    def noting(line: bytes) -> Any:
        longest[0] = max(longest[0], len(line))
        return real(line)

    monkeypatch.setattr(pump_module, "loads", noting)
    padding = b'"%s"' % (b"x" * 1_100_000)
    pump, channel = make()
    read(pump, b'{"a":"error","pad":%s}\n' % padding)
    assert len(arrived(channel)) > 1_100_000
    pump, channel = make()
    with pytest.raises(ErrorLine, match="xxx"):
        read(pump, b'{"error":%s}\n' % padding)
    assert arrived(channel) == b""
    assert longest[0] < 1_100_000


def test_a_whole_reply_is_no_stream() -> None:
    """It is put as it is, and only at its end; what it says is not looked at."""
    pump, channel = make(WholeBody())
    pump._is_final = None
    read(pump, b'{"error":', b'"x"}')
    assert [(block.lines, block.parts) for block in channel.look_arrived()] == [
        (b'{"error":"x"}', 0)
    ]


def test_the_ends_of_streams_are_told_alike_everywhere(
    server: MockOllama, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """50 streams that an error line ends: statistics, hooks, stream and caller all say that they failed."""
    ends: list[str] = []
    with Client(server.url, observe=lambda event: ends.append(type(event).__name__)) as client:
        for _ in range(50):
            server.script([stream([{"response": "a"}, {"error": "boom"}])], path="/api/generate")
        streams = [client.generate("m", "hi", stream=True) for _ in range(50)]
        for one in streams:
            with pytest.raises(ErrorLine):
                one.result()
        eventually(lambda: client.statistics().running == 0)
        statistics = client.statistics()
    assert (statistics.finished, statistics.failed, statistics.cancelled) == (0, 50, 0)
    assert ends.count("Failed") == 50
    assert not {"Finished", "Cancelled"} & {*ends}
    assert json.dumps([str(one.error) for one in streams]).count("boom") == 50
