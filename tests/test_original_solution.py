"""The solution that this project comes from, point by point: each test names the point that it holds.

A reader of one's own, in a loop of its own in a thread of its own, takes the model's stream off the network and hands the
caller batches, bounded by time and by size, so that the speed of a stream does not depend on how often the caller looks.

Where a policy's window is a minute, what is handed over was not handed over because of the window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync import BatchPolicy, Client, ErrorLine, ResponseError, StreamBroken
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, line, raw, reply, reset, wait
from ollama_sync.testing import stream as stream_of

HI = [{"role": "user", "content": "hi"}]
BY_SIZE_ONLY = BatchPolicy(window=60.0)


def said(text: str) -> dict[str, Any]:
    """Make a part of a chat."""
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": False}


DONE = said("") | {"done": True, "done_reason": "stop"}


def together(*parts: dict[str, Any]) -> bytes:
    """Return one HTTP chunk that holds all of these parts."""
    body = b"".join(map(line, parts))
    return b"%x\r\n%b\r\n" % (len(body), body)


def texts(batch: list[Any]) -> list[str]:
    """Return the texts of a batch."""
    return [part.message.content for part in batch]


def until(condition: Callable[[], bool]) -> None:
    """Look until the hub, which nobody can wait for from outside, has done something."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_reads_in_a_loop_of_its_own_whatever_the_rhythm_of_the_caller(
    server: MockOllama,
) -> None:
    """A caller that does not look at all does not hold the model up: the server gets rid of 32 MiB meanwhile."""
    sent = Gate("everything is sent")
    large = line(said("x" * 1024 * 1024))
    server.script([head(), *[chunk(large)] * 32, wait(sent), chunk(DONE), end()])
    with Client(server.url, max_buffered=64 * 1024 * 1024) as client:
        stream = client.chat("m", HI, stream=True)
        sent.wait_reached(20)  # more than any socket holds: somebody has read it
        sent.open()
        assert len(stream.result().message.content or "") == 32 * 1024 * 1024


def test_it_reads_in_a_thread_of_its_own(server: MockOllama) -> None:
    """A caller whose thread is busy, and not waiting anywhere, does not hold the model up either."""
    server.script([stream_of([*[said("a")] * 20, DONE], delay=0.001)])
    with Client(server.url) as client:
        stream = client.chat("m", HI, stream=True)
        deadline = time.monotonic() + 20
        while stream.stats.parts < 21 and time.monotonic() < deadline:
            sum(
                range(1000)
            )  # burns its own time; in a patched process, too, nothing here gives way
        assert stream.stats.parts == 21
        assert [len(batch) for batch in stream.batches()] == [21]


def test_the_limits_of_a_batch_are_4_ms_and_100_parts() -> None:
    """By default."""
    assert BatchPolicy() == BatchPolicy(window=0.004, max_size=100)


def test_the_first_event_is_handed_over_at_once(server: MockOllama) -> None:
    """It waits neither for others nor for time to pass."""
    gate = Gate()
    server.script([head(), chunk(said("a")), wait(gate), chunk(DONE), end()])
    with Client(server.url, batch=BY_SIZE_ONLY) as client:
        batches = client.chat("m", HI, stream=True).batches()
        assert texts(next(batches)) == ["a"]
        gate.open()
        assert texts(next(batches)) == [""]
        assert list(batches) == []


def test_a_batch_goes_when_its_time_has_come(server: MockOllama) -> None:
    """What follows within the window is handed over when it has passed, though the stream goes on."""
    first, go_on = Gate(), Gate()
    following = map(chunk, map(said, "bcd"))
    server.script(
        [head(), chunk(said("a")), wait(first), *following, wait(go_on), chunk(DONE), end()]
    )
    with Client(server.url, batch=BatchPolicy(window=0.5)) as client:
        stream = client.chat("m", HI, stream=True)
        batches = stream.batches()
        assert texts(next(batches)) == ["a"]
        first.open()
        got = texts(next(batches))
        assert stream.stats.elapsed > 0.49  # the window began when "a" was released
        while len(got) < 3:  # on a slow machine the window may have passed between two of them
            got += texts(next(batches))
        assert got == ["b", "c", "d"]
        go_on.open()
        assert texts(next(batches)) == [""]


def test_a_batch_goes_when_it_has_its_size(server: MockOllama) -> None:
    """100 parts are handed over at once, and never more in one batch."""
    first, all_sent = Gate("first"), Gate("all sent")
    parts = [said(str(number)) for number in range(250)]
    server.script(
        [
            head(),
            chunk(said("a")),
            wait(first),
            raw(together(*parts)),
            wait(all_sent),
            chunk(DONE),
            end(),
        ]
    )
    with Client(server.url, batch=BY_SIZE_ONLY) as client:
        batches = client.chat("m", HI, stream=True).batches()
        assert texts(next(batches)) == ["a"]
        first.open()
        following = [next(batches), next(batches)]
        assert [len(batch) for batch in following] == [100, 100]
        all_sent.open()
        following += batches
        assert [len(batch) <= 100 for batch in following]
        assert [text for batch in following for text in texts(batch)] == [*map(str, range(250)), ""]


def test_what_is_pending_is_delivered_before_a_cancel_takes_effect(server: MockOllama) -> None:
    """Parts that wait for their window when the caller cancels are handed over; then it ends quietly."""
    gate = Gate()
    server.script(
        [head(), chunk(said("a")), wait(gate), raw(together(said("b"), said("c"))), wait(Gate())]
    )
    with Client(server.url, batch=BY_SIZE_ONLY) as client:
        stream = client.chat("m", HI, stream=True)
        batches = stream.batches()
        assert texts(next(batches)) == ["a"]
        gate.open()
        until(lambda: stream.stats.parts == 3)
        stream.cancel()
        assert texts(next(batches)) == ["b", "c"]
        assert list(batches) == []
        assert stream.done
        assert stream.error is None
        server.wait_disconnect()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (chunk({"error": "the model died"}), ErrorLine),
        (chunk(b'{"error":"the model died"}'), ErrorLine),
        (chunk(b"no json\n"), StreamBroken),
        (raw(b"no framing\r\n"), StreamBroken),
        (reset(), StreamBroken),
        (end(), StreamBroken),
    ],
    ids=[
        "error line",
        "error line without newline",
        "bad line",
        "bad framing",
        "reset",
        "no final part",
    ],
)
def test_what_is_pending_is_delivered_before_an_error_and_the_error_ends_the_stream(
    server: MockOllama, fault: Any, error: type[Exception]
) -> None:
    """Whatever goes wrong: first everything that preceded it, then the error, once, then nothing."""
    gate, broken = Gate(), Gate()
    server.script(
        [
            head(),
            chunk(said("a")),
            wait(gate),
            raw(together(said("b"), said("c"))),
            wait(broken),
            fault,
        ]
    )
    with Client(server.url, batch=BY_SIZE_ONLY) as client:
        stream = client.chat("m", HI, stream=True)
        batches = stream.batches()
        assert texts(next(batches)) == ["a"]
        gate.open()
        until(lambda: stream.stats.parts == 3)
        broken.open()
        assert texts(next(batches)) == ["b", "c"]
        with pytest.raises(error) as raised:
            next(batches)
        assert isinstance(raised.value, StreamBroken)
        assert raised.value.partial.message.content == "abc"
        assert list(stream.batches()) == []
        assert stream.done


@pytest.mark.parametrize("fault", [line({"error": "it died"}), b"no json\n"], ids=["error", "bad"])
def test_an_error_comes_after_what_preceded_it_also_when_both_come_at_once(
    server: MockOllama, fault: bytes
) -> None:
    """What one read brings is taken apart in its order."""
    body = b"".join(map(line, [said("a"), said("b")])) + fault + line(said("never"))
    server.script([head(), chunk(body), end()])
    with Client(server.url) as client:
        batches = client.chat("m", HI, stream=True).batches()
        assert texts(next(batches)) == ["a", "b"]
        with pytest.raises(StreamBroken) as raised:
            next(batches)
        assert raised.value.partial.message.content == "ab"
        assert list(batches) == []


def test_what_is_pending_is_delivered_at_the_end(server: MockOllama) -> None:
    """The end of the stream does not wait for the window."""
    gate = Gate()
    server.script([head(), chunk(said("a")), wait(gate), raw(together(said("b"), DONE)), end()])
    with Client(server.url, batch=BY_SIZE_ONLY) as client:
        batches = client.chat("m", HI, stream=True).batches()
        assert texts(next(batches)) == ["a"]
        gate.open()
        assert texts(next(batches)) == ["b", ""]
        assert list(batches) == []


def test_reading_stops_when_the_receiver_is_gone(server: MockOllama) -> None:
    """A stream that nobody holds any more is cancelled, so that the server stops; and it says so."""
    server.script([stream_of([said("a")] * 10_000, delay=0.005)])
    with Client(server.url) as client:
        held = [client.chat("m", HI, stream=True)]
        assert next(held[0]).message.content == "a"
        with pytest.warns(ResourceWarning, match="was dropped before its end"):
            held.clear()
        server.wait_disconnect()


def test_reading_stops_when_the_receiver_leaves_its_loop(server: MockOllama) -> None:
    """In a with block, leaving is enough."""
    server.script([stream_of([said("a")] * 10_000, delay=0.005)])
    with Client(server.url) as client, client.chat("m", HI, stream=True) as stream:
        for _ in stream.tokens():
            break
    server.wait_disconnect()


@pytest.mark.parametrize("key", [None, "k"])
def test_it_posts_json_to_api_chat_with_a_bearer_token_when_there_is_a_key(
    server: MockOllama, key: str | None
) -> None:
    """`POST {host}/api/chat`."""
    with Client(server.url, api_key=key) as client:
        client.chat("m", HI, stream=True).result()
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/chat")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers.get("Authorization") == (key and f"Bearer {key}")
    assert request.json == {"model": "m", "messages": HI, "tools": [], "stream": True}


def test_a_status_that_is_no_success_raises_with_status_and_body(server: MockOllama) -> None:
    """At the first use of the stream at the latest, before any part."""
    server.script([reply("the whole body", 418)])
    with Client(server.url) as client, pytest.raises(ResponseError) as raised:
        next(client.chat("m", HI, stream=True).batches())
    assert (raised.value.status_code, raised.value.error) == (418, "the whole body")


@pytest.mark.once
def test_1000_chunks_at_3_ms_arrive_at_their_own_rate_while_the_caller_looks_20_times_a_second() -> (
    None
):
    """3 seconds, where a caller that gets one chunk a look would take 50. The bound is for slow machines."""
    looks = 0
    got: list[str] = []
    with MockOllama(chunks=1000, delay=0.003) as server, Client(server.url) as client:
        begun = time.monotonic()
        for tokens in client.chat("m", HI, stream=True).tokens():
            got += tokens
            looks += 1
            time.sleep(0.05)
        took = time.monotonic() - begun
    assert got == ["A"] * 1000
    assert looks < 100
    assert took < 10


def test_two_callers_of_different_rhythm_do_not_disturb_each_other(server: MockOllama) -> None:
    """One that never looks, and one that looks at once, have the same hub."""
    held = Gate()
    server.script([head(), chunk(said("slow")), wait(held), chunk(DONE), end()])
    with Client(server.url) as client:
        sleeper = client.chat("m", HI, stream=True)
        answers: list[str] = []

        def ask() -> None:
            with client.chat("m", HI, stream=True) as stream:
                answers.append(stream.result().message.content or "")

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
        assert answers == ["AAA"]
        held.open()
        assert sleeper.result().message.content == "slow"
