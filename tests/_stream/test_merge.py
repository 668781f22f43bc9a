"""`merge`: one caller, many streams, one wake-up per round."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import pytest

from ollama_sync import (
    ChatResponse,
    Client,
    ClosedError,
    ConcurrentUseError,
    Merge,
    ResponseError,
    Stream,
    StreamBroken,
    StreamsFailed,
    merge,
)
from ollama_sync._hub import Hub, new_waiter, shared_hub
from ollama_sync._stream.inbox import Inbox
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, line, stream, wait

MESSAGES = [{"role": "user", "content": "hi"}]


def part(text: str, **more: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": text}, "done": False, **more}


def chat(client: Client) -> Stream[ChatResponse]:
    return client.chat("m", MESSAGES, stream=True)


def test_every_part_of_every_stream_comes_once_and_in_order() -> None:
    """What merge gives of each stream is what that stream alone would give."""
    with MockOllama(chunks=20, delay=0.001) as server, Client(server.url) as client:
        streams = [chat(client) for _ in range(100)]
        seen: dict[int, list[str]] = {id(one): [] for one in streams}
        for one, batch in merge(streams):
            assert batch or one.done
            seen[id(one)] += [str(part.message.content) for part in batch]
        assert all(texts == ["A"] * 20 + [""] for texts in seen.values())
        assert all(one.done for one in streams)


def test_nothing_is_given_for_no_streams() -> None:
    """Without streams there is nothing to wait for."""
    assert list(merge([])) == []


def test_a_stream_that_fails_does_not_end_the_others(server: MockOllama, client: Client) -> None:
    """The error of a stream is in `stream.error` at once, and after the last stream all are raised together."""
    gate = Gate()
    server.script([head(), chunk(part("a")), chunk({"error": "boom"}), end()])
    server.script([head(), chunk(part("b")), end()])
    server.script(
        [head(), wait(gate), chunk(part("c")), chunk(part("", done=True)), end()],
    )
    failing, broken, good = (chat(client) for _ in range(3))
    texts: Counter[str] = Counter()
    running = merge([failing, broken, good])

    def follow() -> None:
        for _, batch in running:
            texts.update(str(part.message.content) for part in batch)
            if len(texts) == 2:
                gate.open()

    with pytest.raises(StreamsFailed) as caught:
        follow()
    assert set(texts) == {"a", "b", "c", ""}
    assert isinstance(failing.error, ResponseError)
    assert isinstance(broken.error, StreamBroken)
    assert good.error is None
    assert set(caught.value.errors) == {failing.error, broken.error}


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize("last", [None, b'{"message"\n'], ids=["cut short", "a bad line"])
def test_a_stream_that_broke_says_what_had_come(
    server: MockOllama,
    client: Client,
    eventually: Callable[[Callable[[], object]], None],
    texts: list[str],
    last: bytes | None,
) -> None:
    """Its error is the one that the stream alone would raise, also when all of it has arrived before the merge looks."""
    rest = [] if last is None else [chunk(last)]
    gate = Gate()  # else the call itself may raise what came so early
    server.script([head(), wait(gate), *(chunk(part(text)) for text in texts), *rest, end()])
    broken = chat(client)
    gate.open()
    eventually(lambda: broken.reader.channel.ended)
    with pytest.raises(StreamsFailed) as caught:
        list(merge([broken]))
    (error,) = caught.value.errors
    assert isinstance(error, StreamBroken)
    assert error is broken.error
    said = error.partial.message.content if error.partial else ""
    assert said == "".join(texts)


def test_streams_may_be_added_while_it_runs(client: Client) -> None:
    """A stream that is added in the loop's own body is followed to its end."""
    running = merge([chat(client)])
    added = 0
    parts = 0
    for one, batch in running:
        parts += len(batch)
        if one.done and added < 3:
            added += 1
            running.add(chat(client))
    assert parts == 4 * (1 + added)


def test_a_stream_may_be_added_while_another_thread_waits(
    server: MockOllama, client: Client
) -> None:
    """A consumer that sleeps in `next()` is woken by a stream that another thread adds, before the others say anything."""
    gate = Gate()
    server.script([head(), wait(gate), chunk(part("", done=True)), end()])
    silent = chat(client)
    running = merge([silent])
    with ThreadPoolExecutor(1) as consumer:
        waiting = consumer.submit(next, running)
        gate.wait_reached()
        talking = chat(client)
        running.add(talking)
        assert waiting.result(10)[0] is talking
        gate.open()
        assert silent in [one for one, _ in running]


def test_it_is_the_one_consumer(server: MockOllama, client: Client) -> None:
    """A stream in a merge cannot be read beside it, nor merged twice; closing gives it back."""
    gate = Gate()
    server.script([head(), chunk(part("a")), wait(gate), chunk(part("", done=True)), end()])
    one = chat(client)
    with merge([one]) as running:
        with pytest.raises(ConcurrentUseError):
            one.poll()
        with pytest.raises(ConcurrentUseError):
            merge([one])
        assert next(running)[1][0].message.content == "a"
    gate.open()
    assert [part.done for part in one] == [True]
    with pytest.raises(ClosedError):
        running.add(one)


def test_a_constructor_that_fails_lets_go_of_its_streams(client: Client) -> None:
    """If one of the streams cannot be had, the others are free again."""
    free, closed = chat(client), chat(client)
    closed.close()
    with pytest.raises(ClosedError):
        merge([free, closed])
    assert len(list(free)) == 4


def test_a_dropped_merge_gives_its_streams_back(server: MockOllama, client: Client) -> None:
    """What nobody iterates any more does not keep its streams busy."""
    gate = Gate()
    server.script([head(), chunk(part("a")), wait(gate), chunk(part("", done=True)), end()])
    one = chat(client)
    running: Merge[ChatResponse] = merge([one])
    next(running)
    del running
    gc.collect()
    gate.open()
    assert [part.done for part in one] == [True]


def test_a_cancelled_stream_just_ends(server: MockOllama, client: Client) -> None:
    """Cancelling one of the streams is no error."""
    gate = Gate()
    server.script([head(), chunk(part("a")), wait(gate)])
    cancelled, whole = chat(client), chat(client)
    texts: list[str] = []
    for one, batch in merge([cancelled, whole]):
        texts += [str(part.message.content) for part in batch]
        if one is cancelled:
            cancelled.cancel()
    assert sorted(texts) == ["", "A", "A", "A", "a"]
    gate.open()


def test_a_long_backlog_of_one_stream_does_not_hold_up_another(
    server: MockOllama, client: Client, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Each turn gives one batch of one stream, then it is the others' turn."""
    lines = b"".join(line(part(str(number))) for number in range(1000))
    server.script([head(), chunk(lines), chunk(part("", done=True)), end()])
    server.script([stream([part("other"), part("", done=True)])])
    long, short = chat(client), chat(client)
    eventually(lambda: long.stats.parts == 1001 and short.stats.parts == 2)
    order = [one is short for one, _ in merge([long, short])]
    assert True in order[:2]


def test_the_caller_is_woken_once_per_round(server: MockOllama) -> None:
    """However many streams have something in one round of the loop, the caller is woken once."""
    with Client(server.url) as client:
        list(chat(client))  # the hub runs
    rings: list[int] = []

    class Counting:
        def wait(self, timeout: float | None) -> bool:
            return new_waiter().wait(timeout)

        def wake(self) -> None:
            rings.append(len(inbox.numbers))

    hub = shared_hub()
    inbox = Inbox(hub)
    inbox.waiter = Counting()

    def one_round() -> None:
        for number in range(500):
            inbox.post(number)

    hub.call(one_round)
    hub.call(lambda: None)
    assert rings == [500]


def test_a_caller_that_goes_on_just_now_is_no_error() -> None:
    """The hub looks once for whom to wake: between two looks the caller may have taken itself off."""
    woken: list[object] = []

    class Leaving(Inbox):
        """An inbox whose caller goes on right after the hub has looked."""

        _looks = 0

        @property
        def waiter(self) -> object:  # type: ignore[override] # a plain attribute of the real one
            self._looks += 1
            return "sleeping" if self._looks == 1 else None

        @waiter.setter
        def waiter(self, value: object) -> None:
            """Take no notice."""

    hub = SimpleNamespace(wake=woken.append)
    Leaving(cast("Hub", hub)).post(1)
    assert woken == ["sleeping"]


def test_every_end_is_seen_and_once(
    server: MockOllama, client: Client, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Whole, broken, failed by an error line, cancelled: the last time that a stream is yielded it is done, and never again."""
    begun, gate = Gate(), Gate()
    final = chunk(part("", done=True))
    server.script([head(), chunk(part("a")), final, end()])
    server.script([head(), chunk(part("a")), end()])
    server.script([head(), chunk(part("a")), chunk({"error": "boom"}), end()])
    # As early as it can come without being raised by the call.
    server.script([head(), wait(begun), chunk({"error": "at once"}), end()])
    server.script([head(), chunk(part("a")), wait(gate), final, end()])
    streams = []
    for number in range(1, 6):  # the scripts are for the streams in this order
        streams.append(chat(client))
        eventually(lambda number=number: len(server.requests) == number)
    begun.open()
    streams[4].cancel()
    ends: Counter[int] = Counter()
    with pytest.raises(StreamsFailed) as caught:  # noqa: PT012 - raised by the loop's last step
        for one, batch in merge(streams):
            assert batch or one.done
            assert not ends[streams.index(one)]
            ends[streams.index(one)] += one.done
    assert ends == dict.fromkeys(range(5), 1)
    assert [type(one.error).__name__ for one in streams] == [
        *("NoneType", "StreamBroken", "ErrorLine", "ErrorLine", "NoneType")
    ]
    assert set(caught.value.errors) == {one.error for one in streams if one.error}
    gate.open()


def test_a_loop_that_refills_what_ended_loses_no_place(server: MockOllama, client: Client) -> None:
    """The loop of docs/streaming.md: 60 prompts, of which every third fails, with 4 streams open at a time."""
    for number in range(60):
        if number % 3:
            server.script([stream([part("a"), part("", done=True)])])
        elif number % 2:
            server.script([head(), chunk(part("a")), chunk({"error": "boom"}), end()])
        else:
            server.script([head(), chunk(part("a")), end()])
    left = 60
    whole, failed = 0, 0

    def begin() -> Stream[ChatResponse]:
        nonlocal left
        left -= 1
        return chat(client)

    running = merge([begin() for _ in range(4)])
    with pytest.raises(StreamsFailed) as caught:  # noqa: PT012 - raised by the loop's last step
        for one, _ in running:
            if one.done:
                whole, failed = whole + (one.error is None), failed + (one.error is not None)
                if left:
                    running.add(begin())
    assert (whole, failed, left) == (40, 20, 0)
    assert len(caught.value.errors) == 20


def test_a_paused_stream_goes_on_when_it_was_taken_by_merge(server: MockOllama) -> None:
    """A stream whose buffer was full is read on after its last released batch was yielded."""
    body = [part("x" * 1000) for _ in range(300)]
    server.script([stream([*body, part("", done=True)])])
    with Client(server.url, max_buffered=2000) as client:
        parts = sum(len(batch) for _, batch in merge([chat(client)]))
    assert parts == 301


def test_more_streams_than_kept_connections_are_no_reason_for_a_warning(
    server: MockOllama, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """What is open above the number that is kept is closed afterwards, and urllib3 does not call that a full pool."""
    gate = Gate()
    server.on("POST", "/api/chat", [head(), wait(gate), chunk(part("", done=True)), end()])
    streams = [chat(client) for _ in range(140)]
    gate.open()
    for _ in merge(streams):
        pass
    assert client.statistics().connections == 128
    assert not [record for record in caplog.records if record.name.startswith("urllib3")]
