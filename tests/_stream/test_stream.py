"""`Stream`: how what arrives is handed over, and its ends: finished, failed, cancelled, closed."""

from __future__ import annotations

import gc
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ollama_sync import (
    BatchPolicy,
    ChatResponse,
    Client,
    ClosedError,
    ConcurrentUseError,
    ErrorLine,
    RequestError,
    ResponseError,
    Stream,
    StreamBroken,
    UsageError,
)
from ollama_sync._hub import allocate_lock, shared_hub
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    cut,
    end,
    half_close,
    head,
    line,
    raw,
    reset,
    silence,
    stream,
    wait,
)

Eventually = Callable[[Callable[[], object]], None]

MESSAGES = [{"role": "user", "content": "hi"}]


def part(text: str, **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {"model": "m", "message": message, "done": False, **more}


def final(**more: object) -> dict[str, object]:
    return part("", done=True, done_reason="stop", **more)


def chat(client: Client) -> Stream[ChatResponse]:
    return client.chat("m", MESSAGES, stream=True)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, so that no script is left waiting."""
    gate = Gate()
    yield gate
    gate.open()


def test_iterating_gives_each_part_once_and_in_order(server: MockOllama, client: Client) -> None:
    """`for part in stream` gives one part at a time, as the official client does."""
    server.script([stream([part("a"), part("b"), final()])])
    parts = list(chat(client))
    assert [one.message.content for one in parts] == ["a", "b", ""]
    assert [one.done for one in parts] == [False, False, True]


def test_iteration_can_be_left_and_taken_up_again(server: MockOllama, client: Client) -> None:
    """Parts that were released together with one that was taken are not lost when a loop is left."""
    server.script([head(), chunk(line(part("a")) + line(part("b")) + line(final())), end()])
    running = chat(client)
    for one in running:
        assert one.message.content == "a"
        break
    assert [one.message.content for one in running] == ["b", ""]


def test_batches_are_lists_of_what_was_released(server: MockOllama, client: Client) -> None:
    """A block that arrives as a whole is one batch."""
    server.script([head(), chunk(line(part("a")) + line(part("b"))), chunk(final()), end()])
    batches = [[one.message.content for one in batch] for batch in chat(client).batches()]
    assert [text for batch in batches for text in batch] == ["a", "b", ""]
    assert batches[0][:2] == ["a", "b"]


def test_no_batch_is_longer_than_the_policy_says(
    server: MockOllama, eventually: Eventually
) -> None:
    """`next()` hands over at most `max_size` parts, however many wait; `poll` is not bounded by it."""
    parts = [part(str(number)) for number in range(1000)]
    whole = b"".join(line(one) for one in parts)
    for _ in range(2):
        server.script([head(), chunk(whole), chunk(final()), end()])
    with Client(server.url, batch=BatchPolicy(max_size=7)) as client:
        sizes = [len(tokens) for tokens in chat(client).tokens()]
        assert max(sizes) <= 7
        assert sum(sizes) == 1000
        polled = chat(client)
        eventually(lambda: polled.stats.parts == 1001)
        assert len(polled.poll()) == 1001


def test_tokens_leave_out_parts_without_text(server: MockOllama, client: Client) -> None:
    """`tokens()` gives the text of each part and nothing for the final one, and no empty list."""
    server.script([head(), chunk(part("")), chunk(part("a")), chunk(final()), end()])
    assert list(chat(client).tokens()) == [["a"]]


def test_tokens_of_a_stream_dropped_in_the_loop_keep_it_alive(client: Client) -> None:
    """The iterator of `tokens()` holds its stream, so `chat(...).tokens()` needs no name for it."""
    texts = [text for texts in chat(client).tokens() for text in texts]
    assert texts == ["A", "A", "A"]


def test_poll_gives_nothing_at_once_when_nothing_has_arrived(
    server: MockOllama, client: Client, gate: Gate
) -> None:
    """`poll()` neither waits nor ends the stream, and loses nothing."""
    server.script([head(), chunk(part("a")), wait(gate), chunk(part("b")), chunk(final()), end()])
    running = chat(client)
    assert [one.message.content for one in running.poll(timeout=5)] == ["a"]
    assert running.poll() == []
    assert not running.done
    gate.open()
    rest = [one for batch in running.batches() for one in batch]
    assert [one.message.content for one in rest] == ["b", ""]
    assert running.poll() == []


def test_poll_waits_no_longer_than_told(server: MockOllama, client: Client) -> None:
    """`poll(timeout)` comes back when its time is over."""
    server.script([silence()])
    with chat(client) as running:
        start = time.monotonic()
        assert running.poll(timeout=0.05) == []
        assert 0.04 < time.monotonic() - start < 5


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "1", None])
def test_poll_refuses_a_timeout_that_is_none(client: Client, timeout: object) -> None:
    """A timeout that is no number of seconds is named, before anything is waited for."""
    with chat(client) as running, pytest.raises(RequestError, match="timeout"):
        running.poll(timeout)  # type: ignore[arg-type] # the wrong type is the point


def test_done_only_when_everything_was_handed_over(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """`done` is false while anything waits, and true after the last part, before the next call."""
    server.script([head(), chunk(line(part("a")) + line(final())), end()])
    running = chat(client)
    assert not running.done
    next(running)
    assert not running.done
    next(running)
    eventually(lambda: running.done)
    assert list(running) == []


def test_an_error_not_yet_raised_is_something_to_come(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """`error` has a failure at once; `done` stays false until it was raised."""
    server.script([head(), chunk(part("a")), half_close()])
    running = chat(client)
    eventually(lambda: running.error)
    assert [one.message.content for one in running.poll(timeout=5)] == ["a"]
    assert not running.done
    with pytest.raises(StreamBroken) as caught:
        running.poll()
    assert running.done
    assert running.error is caught.value
    assert list(running) == []


def test_result_accumulates_every_part(server: MockOllama, client: Client) -> None:
    """`result()` joins text and thinking, collects tool calls and logprobs, and has the final metrics."""
    call = {"function": {"name": "f", "arguments": {"x": 1}, "index": 0}, "id": "call_1"}
    thinking = part("")
    thinking["message"] = {"role": "assistant", "content": "", "thinking": "hm"}
    tooled = part("")
    tooled["message"] = {"role": "assistant", "content": "", "tool_calls": [call]}
    logged = part("b", logprobs=[{"token": "b", "logprob": -1.0}])
    server.script([stream([thinking, part("a"), tooled, logged, final(eval_count=4)])])
    running = chat(client)
    next(running)
    reply = running.result()
    assert reply.message.content == "ab"
    assert reply.message.thinking == "hm"
    assert reply.message.tool_calls == [call]
    assert reply.logprobs == [{"token": "b", "logprob": -1.0}]
    assert (reply.done, reply.eval_count) == (True, 4)
    assert running.result() == reply


def test_a_unicode_character_may_be_cut_anywhere(server: MockOllama, client: Client) -> None:
    """An emoji whose bytes come in two pieces arrives whole."""
    body = line(part("😀"))
    framed = b"%x\r\n%s\r\n" % (len(body), body)
    inside = framed.index("😀".encode()) + 2
    server.script([head(), cut(framed, [inside]), chunk(final()), end()])
    assert list(chat(client).tokens()) == [["😀"]]


# Failures.


def test_an_error_line_ends_the_stream_after_what_preceded_it(
    server: MockOllama, client: Client
) -> None:
    """An error in mid-stream is raised once, after every part, as a `ResponseError` that knows what had arrived."""
    lines = line(part("a")) + line(part("b")) + line({"error": "out of memory"})
    server.script([head(), chunk(lines), end()])
    running = chat(client)
    assert [next(running).message.content, next(running).message.content] == ["a", "b"]
    with pytest.raises(ResponseError, match="out of memory") as caught:
        next(running)
    assert isinstance(caught.value, ErrorLine)
    assert caught.value.status_code == -1
    assert caught.value.partial.message.content == "ab"
    assert list(running) == []
    assert pickle.loads(pickle.dumps(caught.value)).partial == caught.value.partial


def test_an_error_line_without_newline_and_a_cut_connection_is_still_read(
    server: MockOllama, client: Client
) -> None:
    """The server's own words win over the fact that the line was its last."""
    body = b'{"StatusCode":502,"error":"upstream"}'
    server.script([head(), chunk(part("a")), raw(b"%x\r\n%s\r\n" % (len(body), body)), reset()])
    running = chat(client)
    assert next(running).message.content == "a"
    with pytest.raises(ErrorLine, match="upstream") as caught:
        next(running)
    assert caught.value.status_code == 502


def test_a_text_that_is_just_error_is_no_error(server: MockOllama, client: Client) -> None:
    """Only a member named "error" makes an error line."""
    server.script([stream([part("error"), final()])])
    assert list(chat(client).tokens()) == [["error"]]


@pytest.mark.parametrize("ending", [[end()], [raw(b"")], [reset()]])
def test_an_end_without_a_final_part_is_broken(
    server: MockOllama, client: Client, ending: list[object]
) -> None:
    """Whether the reply ends cleanly, at EOF or by a reset: without its final part it is `StreamBroken`."""
    server.script([head(), chunk(part("a")), chunk(part("b")), *ending])  # type: ignore[list-item]
    running = chat(client)
    assert [next(running).message.content, next(running).message.content] == ["a", "b"]
    with pytest.raises(StreamBroken) as caught:
        next(running)
    assert caught.value.partial.message.content == "ab"
    assert not isinstance(caught.value, ErrorLine)


def test_a_reason_without_done_is_an_end(server: MockOllama, client: Client) -> None:
    """Some servers name a `done_reason` and forget `done`."""
    server.script([stream([part("a"), part("", done_reason="stop")])])
    assert chat(client).result().message.content == "a"


def test_a_bad_line_is_raised_after_the_good_ones(server: MockOllama, client: Client) -> None:
    """A line that is no JSON object breaks the stream, and says what it looked like."""
    server.script([head(), chunk(line(part("a")) + b"<html>\n" + line(part("b"))), end()])
    running = chat(client)
    assert next(running).message.content == "a"
    with pytest.raises(StreamBroken, match="<html>"):
        next(running)


def test_result_raises_what_broke_it_each_time(server: MockOllama, client: Client) -> None:
    """A failed stream has no result, not even the second time."""
    for _ in range(2):
        server.script([head(), chunk(part("a")), end()])
    running = chat(client)
    for _ in range(2):
        with pytest.raises(StreamBroken):
            running.result()


# Cancelled and closed.


def test_what_had_arrived_is_delivered_after_a_cancel(
    server: MockOllama, client: Client, gate: Gate, eventually: Eventually
) -> None:
    """A cancel ends the iteration quietly, after every part that had arrived."""
    server.script([head(), chunk(line(part("a")) + line(part("b"))), wait(gate)])
    running = chat(client)
    eventually(lambda: running.stats.parts == 2)
    running.cancel()
    running.cancel()
    assert [one.message.content for one in running] == ["a", "b"]
    assert running.done
    assert running.error is None
    server.wait_disconnect()


def test_a_cancel_before_the_first_part_frees_a_waiting_thread(
    server: MockOllama, client: Client
) -> None:
    """A thread blocked in `next()` is released by a cancel from another, and the server sees the connection close."""
    server.script([silence()])
    running = chat(client)
    ended = threading.Event()

    def consume() -> None:
        assert list(running) == []
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    running.cancel()
    assert ended.wait(5)
    thread.join()
    server.wait_disconnect()


def test_close_drops_what_is_left(server: MockOllama, client: Client, gate: Gate) -> None:
    """After `close` there is nothing more to have, and asking for it is a `ClosedError`."""
    server.script([head(), chunk(part("a")), wait(gate)])
    with chat(client) as running:
        assert next(running).message.content == "a"
    assert running.done
    for use in (
        lambda: next(running),
        running.poll,
        running.result,
        lambda: next(running.tokens()),
    ):
        with pytest.raises(ClosedError):
            use()
    running.close()
    server.wait_disconnect()


def test_close_frees_a_waiting_thread(server: MockOllama, client: Client, gate: Gate) -> None:
    """A thread that waits for the next part when another closes the stream ends its loop."""
    server.script([head(), chunk(part("a")), wait(gate)])
    running = chat(client)
    seen = threading.Event()
    texts = []

    def consume() -> None:
        try:
            for one in running:
                texts.append(one.message.content)
                seen.set()
        except ClosedError:
            pass  # it was between two calls

    thread = threading.Thread(target=consume)
    thread.start()
    assert seen.wait(5)
    running.close()
    thread.join(5)
    assert not thread.is_alive()
    assert texts == ["a"]


def test_a_dropped_stream_cancels_itself_and_warns(
    server: MockOllama, client: Client, gate: Gate
) -> None:
    """Nobody can read a stream that nobody holds: the server is told, and the programmer."""
    server.script([head(), chunk(part("a")), wait(gate)])
    running = chat(client)
    next(running)
    holder = [running]
    del running
    with pytest.warns(ResourceWarning, match="dropped before its end"):
        holder.clear()
    server.wait_disconnect()


def test_a_cancelled_stream_may_be_dropped(server: MockOllama, client: Client, gate: Gate) -> None:
    """Whoever cancels has said what becomes of the rest, though the hub has not got to it yet."""
    server.script([head(), chunk(part("a")), wait(gate)])
    running = chat(client)
    next(running)
    busy = allocate_lock()
    busy.acquire()
    shared_hub().call_soon(busy.acquire)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            running.cancel()
            del running
            gc.collect()
    finally:
        busy.release()
    server.wait_disconnect()


def test_a_stream_left_at_its_final_part_does_not_warn(client: Client) -> None:
    """`if part.done: break` is a proper end."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in chat(client):
            if one.done:
                break
        gc.collect()


# One consumer, many threads.


def test_a_second_consumer_is_refused(
    server: MockOllama, client: Client, gate: Gate, eventually: Eventually
) -> None:
    """Two consumers would tear the text apart: the second gets `ConcurrentUseError`, the first goes on."""
    server.script([head(), chunk(part("a")), wait(gate), chunk(final()), end()])
    running = chat(client)
    waiting = threading.Event()
    texts = []

    def consume() -> None:
        for one in running:
            texts.append(one.message.content)
            waiting.set()

    thread = threading.Thread(target=consume)
    thread.start()
    assert waiting.wait(5)

    def is_refused() -> bool:
        try:
            running.poll()
        except ConcurrentUseError:
            return True
        return False

    eventually(is_refused)
    gate.open()
    thread.join(5)
    assert texts == ["a", ""]


def test_a_stream_may_move_from_thread_to_thread(client: Client) -> None:
    """One consumer at a time is enough; it need not be the same one."""
    running = chat(client)
    texts = []

    def take_one() -> None:
        texts.append(next(running).message.content)

    for _ in range(4):
        thread = threading.Thread(target=take_one)
        thread.start()
        thread.join(5)
    assert texts == ["A", "A", "A", ""]
    running.close()


def test_tokens_of_parts_without_text_are_refused(client: Client) -> None:
    """A stream whose parts have no text says so, and what to use."""
    running = chat(client)
    running._kind = replace(running._kind, texts=None)
    with running, pytest.raises(UsageError, match="batches"):
        running.tokens()


# What it tells of itself.


def test_stats_count_what_arrived(server: MockOllama, client: Client) -> None:
    """`stats` is a snapshot: parts and bytes of the body, batches handed over, times in seconds."""
    body = [part("a"), part("b"), final()]
    server.script([stream(body)])
    running = chat(client)
    list(running.batches())
    stats = running.stats
    assert stats.parts == 3
    assert stats.bytes == sum(len(line(one)) for one in body)
    assert 1 <= stats.batches <= 3
    assert stats.first_part is not None
    assert 0 < stats.first_part <= stats.elapsed < 10
    assert 0 <= stats.longest_gap < 10
    assert stats.buffered == 0
    with pytest.raises(AttributeError):
        stats.parts = 4  # type: ignore[misc] # frozen is the point


def test_repr_tells_the_state(server: MockOllama, client: Client) -> None:
    """A stream in a log or a debugger says what it is and how far it has come."""
    running = chat(client)
    assert repr(running).startswith("<Stream chat: ")
    list(running)
    assert "done, 4 parts in" in repr(running)
