"""`Kept`: the lines of a stream for the reply that they add up to, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._stream import kept as kept_module
from ollama_sync._stream.kept import Kept
from ollama_sync.types import accumulate_chat


def line(text: str, **more: object) -> bytes:
    return json.dumps({"message": {"role": "assistant", "content": text}, **more}).encode() + b"\n"


@given(
    texts=st.lists(st.text(max_size=30), min_size=1, max_size=30),
    most=st.sampled_from([1, 50, 200, 1 << 20]),
)
def test_the_reply_is_the_same_however_early_it_is_folded(texts: list[str], most: int) -> None:
    """Folding in between changes nothing of the accumulated reply."""
    lines = [line(text, number=number) for number, text in enumerate(texts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_module, "MAX_RAW", most)
        kept = Kept()
        for one in lines:
            kept = kept.add(one, accumulate_chat)
            assert kept.raw <= most
    whole, bad = kept.fold(accumulate_chat)
    assert bad is None
    assert whole.folded == accumulate_chat([json.loads(one) for one in lines])


def test_what_was_kept_before_is_unchanged() -> None:
    """A reader that was interrupted goes on from the value that it had."""
    first = Kept().add(line("a"), accumulate_chat)
    first.add(line("b"), accumulate_chat)
    assert first.fold(accumulate_chat)[0].folded["message"]["content"] == "a"


def test_it_stops_at_a_line_that_is_no_object() -> None:
    """What came before it is the reply, and what is wrong is said."""
    kept = Kept().add(line("a") + b"oops\n" + line("b"), accumulate_chat)
    whole, bad = kept.fold(accumulate_chat)
    assert whole.folded["message"]["content"] == "a"
    assert "oops" in str(bad)


def test_the_parts_since_an_earlier_one() -> None:
    """Only those that were added since; None once they have been folded."""
    first = Kept().add(line("a"), accumulate_chat)
    second = first.add(line("b"), accumulate_chat)
    parts = second.parts_since(first)
    assert parts is not None
    assert [part["message"]["content"] for part in parts] == ["b"]
    assert second.fold(accumulate_chat)[0].parts_since(first) is None


def test_a_long_stream_is_dropped_without_recursion() -> None:
    """A hundred thousand single lines are a long chain; its end may not exhaust the stack."""
    kept = Kept()
    for _ in range(100_000):
        kept = kept.add(b"{}\n", accumulate_chat)
    assert kept.last_line == b"{}\n"
    del kept


LONG = """
import sys
from ollama_sync import Client
from ollama_sync.testing import MockOllama, chunk, end, head, line

part = line({"message": {"role": "assistant", "content": "x"}, "pad": "y" * 300, "done": False})
block = part * 600
steps = [head(), *[chunk(block)] * (160 * 1024 * 1024 // len(block)), chunk({"done": True}), end()]

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

with MockOllama() as server, Client(server.url) as client:
    server.script(steps, path="/api/chat")
    stream = client.chat("m", stream=True)
    before = most = resident()
    count = 0
    for tokens in stream.tokens():
        count += len(tokens)
        most = max(most, resident())
    assert len(stream.result().message.content) == count > 400_000
    print(most - before)
"""


@pytest.mark.once
@pytest.mark.own_process
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_stream_takes_little_memory() -> None:
    """160 MiB of lines through `tokens()` take less than 64 MiB, and still add up to the whole reply."""
    done = subprocess.run(
        [sys.executable, "-c", LONG], check=False, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64
