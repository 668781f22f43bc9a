"""`Exchange`: one call's life on the hub: clocks, batching, back-pressure, and its ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest

from ollama_sync import (
    BatchPolicy,
    ChatResponse,
    Client,
    ClosedError,
    ConnectError,
    ConnectTimeout,
    FirstTimeout,
    HubError,
    IdleTimeout,
    ResponseError,
    Stream,
    StreamBroken,
    Timeout,
    TotalTimeout,
    WaitTimeout,
)
from ollama_sync._call import exchange as exchange_module
from ollama_sync._call.retries import policy_of
from ollama_sync._call.route import OneServer
from ollama_sync._call.settings import Settings
from ollama_sync._hub import CANCELLED, allocate_lock, shared_hub
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.observer import CallObserver, observe
from ollama_sync._observe.statistics import Totals
from ollama_sync._wire import LineFramer
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    end,
    head,
    line,
    pause,
    raw,
    reply,
    silence,
    wait,
)

Eventually = Callable[[Callable[[], object]], None]

MESSAGES = [{"role": "user", "content": "hi"}]


def part(text: str, **more: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": text}, "done": False, **more}


FINAL = part("", done=True)


def chat(client: Client) -> Stream[ChatResponse]:
    return client.chat("m", MESSAGES, stream=True)


# When the call returns.


def test_the_call_returns_when_the_request_is_on_the_wire(
    server: MockOllama, client: Client
) -> None:
    """A server that says nothing while it loads a model does not hold up the caller."""
    gate = Gate()
    server.script([wait(gate), head(), chunk(FINAL), end()])
    running = chat(client)
    gate.wait_reached()
    assert running.poll() == []
    gate.open()
    assert [one.done for one in running] == [True]


def test_a_refused_connection_is_raised_by_the_call(server: MockOllama) -> None:
    """What is known before the request is on the wire is not left for the first use."""
    port = server.port
    server.stop()
    with Client(f"127.0.0.1:{port}") as client, pytest.raises(ConnectError, match="Ollama running"):
        chat(client)


def test_what_the_server_refuses_later_is_raised_by_the_first_use(
    server: MockOllama, client: Client
) -> None:
    """An error status that comes after the call has returned is the same error as without a stream."""
    gate = Gate()
    server.script([wait(gate), reply({"error": "model 'm' not found"}, status=404)])
    running = chat(client)
    gate.open()
    with pytest.raises(ResponseError, match="not found") as caught:
        next(running)
    assert caught.value.status_code == 404


def test_a_server_that_hangs_up_without_a_reply_is_a_lost_connection(
    server: MockOllama, client: Client
) -> None:
    """A connection that ends before the reply began is `ConnectError`, which is a `ConnectionError`."""
    server.script([close()])
    with pytest.raises(ConnectionError, match="POST http"):
        chat(client).result()


# The clocks.


@pytest.mark.parametrize(
    ("script", "timeout", "error"),
    [
        ([silence()], Timeout(first=0.1), FirstTimeout),
        ([head(), silence()], Timeout(first=0.1), FirstTimeout),
        ([head(), chunk(part("a")), silence()], Timeout(idle=0.1), IdleTimeout),
        ([silence()], Timeout(total=0.1), TotalTimeout),
        ([head(), chunk(part("a")), silence()], Timeout(total=0.1), TotalTimeout),
    ],
)
def test_each_clock_raises_its_own_error(
    server: MockOllama, script: list[object], timeout: Timeout, error: type[WaitTimeout]
) -> None:
    """The phase that was too long is in the type and in the text, and the server is hung up on."""
    server.script(script)  # type: ignore[arg-type] # steps
    with Client(server.url, timeout=timeout) as client:
        running = chat(client)
        with pytest.raises(error) as caught:
            list(running)
        assert caught.value.seconds == 0.1
        assert isinstance(caught.value, TimeoutError)
        assert "POST http" in str(caught.value)
        server.wait_disconnect()


def test_a_connection_that_does_not_come_about_is_timed_by_connect() -> None:
    """A proxy that takes the connection and never answers CONNECT is bounded by the connect clock."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(
            "https://model.invalid", proxy=proxy, timeout=Timeout(connect=0.2), verify=False
        ) as client:
            start = time.monotonic()
            with pytest.raises(ConnectTimeout):
                chat(client)
            assert time.monotonic() - start < 5


def test_what_arrived_before_a_clock_ran_out_is_delivered(server: MockOllama) -> None:
    """A timeout loses nothing."""
    server.script([head(), chunk(part("a")), chunk(part("b")), silence()])
    with Client(server.url, timeout=Timeout(idle=0.1)) as client:
        running = chat(client)
        assert [next(running).message.content, next(running).message.content] == ["a", "b"]
        with pytest.raises(IdleTimeout):
            next(running)


def test_the_clocks_run_whether_the_caller_looks_or_not(
    server: MockOllama, eventually: Eventually
) -> None:
    """A caller that does not look does not stop them."""
    server.script([silence()])
    with Client(server.url, timeout=Timeout(first=0.05)) as client:
        running = chat(client)
        eventually(lambda: running.error)
        with pytest.raises(FirstTimeout):
            running.poll()


def test_activity_winds_the_idle_clock(server: MockOllama) -> None:
    """A reply may take longer than `idle` altogether, if no silence in it does."""
    steps = [step for _ in range(8) for step in (chunk(part("a")), pause(0.1))]
    server.script([head(), *steps, chunk(FINAL), end()])
    with Client(server.url, timeout=Timeout(idle=0.5)) as client:
        assert chat(client).result().message.content == "a" * 8


def test_what_came_while_the_hub_was_held_up_is_no_silence(server: MockOllama) -> None:
    """A thread that keeps the interpreter to itself for longer than `idle` does not make the server late."""
    more, sent = Gate("the rest"), Gate("sent")
    server.script(
        [head(), chunk(part("a")), wait(more), chunk(part("b")), chunk(FINAL), end(), wait(sent)]
    )
    held, busy = allocate_lock(), allocate_lock()
    held.acquire()
    busy.acquire()
    with Client(server.url, timeout=Timeout(idle=0.5)) as client:
        running = chat(client)
        assert next(running).message.content == "a"
        shared_hub().call_soon(held.release)
        shared_hub().call_soon(busy.acquire)
        assert held.acquire(True, 5)
        try:
            more.open()
            sent.wait_reached(5)
            time.sleep(0.6)
        finally:
            busy.release()
        assert running.result().message.content == "ab"
    sent.open()


def test_a_pause_for_a_slow_caller_is_not_the_servers_silence(
    server: MockOllama, eventually: Eventually
) -> None:
    """While reading is paused because the caller is slow, the idle clock stands still."""
    lines = b"".join(line(part("x" * 1000)) for _ in range(200))
    server.script([head(), chunk(lines), chunk(FINAL), end()])
    with Client(server.url, timeout=Timeout(idle=0.05), max_buffered=10_000) as client:
        running = chat(client)
        exchange = running._exchange
        eventually(lambda: exchange._clocks._paused)
        # Four times the idle clock pass before the caller goes on.
        shared_hub().call(gevent.sleep, 0.2)
        assert running.error is None
        assert len(running.result().message.content or "") == 200_000


# Batching.


def test_a_lone_part_waits_for_nothing(server: MockOllama) -> None:
    """The first part is released at once, however long the window."""
    gate = Gate()
    server.script([head(), chunk(part("a")), wait(gate), chunk(FINAL), end()])
    with Client(server.url, batch=BatchPolicy(window=1000.0)) as client:
        running = chat(client)
        assert next(running).message.content == "a"
        gate.open()
        assert next(running).done


def test_parts_of_one_window_go_together(server: MockOllama) -> None:
    """What comes within the window after a release is one batch, and an end releases it before its time."""
    gate = Gate()
    first, rest = chunk(part("a")), [chunk(part("b")), chunk(part("c")), chunk(FINAL)]
    server.script([head(), first, wait(gate), *rest, end()])
    with Client(server.url, batch=BatchPolicy(window=1000.0)) as client:
        batches = chat(client).batches()
        assert len(next(batches)) == 1
        gate.open()
        assert len(next(batches)) == 3


def test_the_window_ends_by_itself(server: MockOllama) -> None:
    """Parts are released when the window has passed, without anything more arriving."""
    gate, last = Gate(), Gate()
    server.script(
        [head(), chunk(part("a")), wait(gate), chunk(part("b")), wait(last), chunk(FINAL), end()]
    )
    with Client(server.url, batch=BatchPolicy(window=0.05)) as client:
        running = chat(client)
        assert next(running).message.content == "a"
        gate.open()
        assert next(running).message.content == "b"
        last.open()
        assert next(running).done


def test_a_full_batch_is_released_before_its_time(server: MockOllama) -> None:
    """`max_size` pending parts are released at once."""
    gate, last = Gate(), Gate()
    rest = b"".join(line(part(str(number))) for number in range(3))
    server.script(
        [head(), chunk(part("a")), wait(gate), chunk(rest), wait(last), chunk(FINAL), end()]
    )
    with Client(server.url, batch=BatchPolicy(window=1000.0, max_size=3)) as client:
        batches = chat(client).batches()
        assert len(next(batches)) == 1
        gate.open()
        assert [one.message.content for one in next(batches)] == ["0", "1", "2"]
        last.open()
        assert len(next(batches)) == 1


# Back-pressure.


def test_a_slow_caller_pauses_its_own_stream_and_no_other(
    server: MockOllama, eventually: Eventually
) -> None:
    """Above `max_buffered` reading stops; the buffer stays bounded; other streams go on; nothing is lost."""
    count = 20_000
    lines = b"".join(line(part("x" * 100, number=number)) for number in range(count))
    server.script([head(), chunk(lines), chunk(FINAL), end()])
    limit = 100_000
    with Client(server.url, max_buffered=limit) as client:
        slow = chat(client)
        eventually(lambda: slow._exchange._clocks._paused)
        assert len(list(chat(client))) == 4
        buffered = slow.stats.buffered
        # One read more than the limit, at most.
        assert limit <= buffered <= limit + 65536 + len(line(part("x" * 100, number=count)))
        numbers = [one["number"] for one in slow if not one.done]
        assert numbers == list(range(count))


def test_one_line_larger_than_the_buffer_still_arrives(server: MockOllama) -> None:
    """A line is not held up because it alone exceeds `max_buffered`."""
    server.script([head(), chunk(part("x" * 300_000)), chunk(FINAL), end()])
    with Client(server.url, max_buffered=1000) as client:
        assert len(chat(client).result().message.content or "") == 300_000


def test_a_paused_stream_can_be_cancelled(server: MockOllama, eventually: Eventually) -> None:
    """A stream that does not read because its caller is slow ends like any other."""
    lines = b"".join(line(part("x" * 1000)) for _ in range(2000))
    server.script([head(), chunk(lines), silence()])
    with Client(server.url, max_buffered=10_000) as client:
        running = chat(client)
        eventually(lambda: running._exchange._clocks._paused)
        running.cancel()
        assert all(one.message.content for one in running)
        server.wait_disconnect()


# Ends.


class _Pouring:
    """A transport, and a reply that never has to wait for its next piece."""

    def __init__(self, size: int) -> None:
        self._piece = b"x" * (size - 1) + b"\n"
        self._left = 500
        self.reads: list[int] = [0]  # since each turn of the others

    def describe(self, request: object) -> str:
        return "POST /"

    def send(self, request: object, progress: Any) -> _Pouring:
        self._progress = progress
        return self

    def read(self, most: int) -> bytes:
        self._left -= 1
        self.reads[-1] += 1
        self._progress.received(len(self._piece))
        return self._piece if self._left >= 0 else b""

    def began(self, call: object) -> None: ...
    def ended(self, call: object) -> None: ...
    def close(self) -> None: ...


def nobody() -> CallObserver:
    """Return the observer of a call at which nobody looks."""
    return observe(
        *(shared_hub(), Hooks(None), Totals()),
        verb="chat",
        tried="POST http://x",
        body=b"",
        is_stream=True,
    )


@pytest.mark.parametrize("size", [1, 100, 60_000])
def test_a_reply_that_never_waits_gives_way(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have their turn after 128 KiB, and after some 64 reads however small they are."""
    pouring = _Pouring(size)
    for turn in ("yield_turn", "yield_to_callers"):
        monkeypatch.setattr(shared_hub(), turn, lambda: pouring.reads.append(0))
    settings = Settings(Timeout.of(None), BatchPolicy(), 1 << 30, policy_of(0), safe=True)
    route = OneServer(cast("Any", pouring), cast("Any", SimpleNamespace(method="POST")))
    exchange = exchange_module.Exchange(shared_hub(), route, LineFramer(), settings, nobody())
    exchange.start()
    while exchange.channel.ended is None:
        shared_hub().call(gevent.sleep, 0.001)
    assert sum(pouring.reads) == 501
    assert max(pouring.reads) <= min(64, 131072 // size + 1)


def test_what_is_read_behind_the_end_is_not_delivered() -> None:
    """A cancel is an end for the caller at once; what the greenlet reads in the same round, before it is killed, is too late."""
    pouring = _Pouring(10)
    settings = Settings(Timeout.of(None), BatchPolicy(), 1 << 30, policy_of(0), safe=True)
    route = OneServer(cast("Any", pouring), cast("Any", SimpleNamespace(method="POST")))
    exchange = exchange_module.Exchange(shared_hub(), route, LineFramer(), settings, nobody())
    read = pouring.read

    def read_and_abort(most: int) -> bytes:
        piece = read(most)
        if sum(pouring.reads) == 7:
            exchange._abort(CANCELLED)
        return piece

    pouring.read = read_and_abort  # type: ignore[method-assign] # this one's only
    exchange.start()
    while exchange.channel.ended is None:
        shared_hub().call(gevent.sleep, 0.001)
    shared_hub().call(gevent.sleep, 0.001)
    assert sum(pouring.reads) > 7
    assert exchange.counts.parts == 6
    assert exchange.channel.buffered == 60


def test_closing_the_client_ends_its_calls(server: MockOllama, eventually: Eventually) -> None:
    """What arrived of a stream is delivered; a caller that waits for a whole reply learns why there is none."""
    gate = Gate()
    server.script([head(), chunk(part("a")), wait(gate)])
    server.script([wait(gate)])
    client = Client(server.url)
    running = chat(client)
    assert next(running).message.content == "a"
    errors: list[BaseException] = []

    def call() -> None:
        try:
            client.chat("m", MESSAGES)
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    gate.wait_reached()
    eventually(lambda: len(server.requests) == 2)
    client.close()
    thread.join(5)
    assert not thread.is_alive()
    assert list(running) == []
    assert len(errors) == 1
    gate.open()


def test_a_bug_in_the_hub_is_raised_at_the_callers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong on the hub, the caller gets an error and no silence."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(client._transport, "send", broken)
    with pytest.raises(HubError, match="please report") as caught:
        chat(client)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_reply_that_is_no_http_is_broken(server: MockOllama, client: Client) -> None:
    """A chunk that does not end where it said breaks the stream, after what was right."""
    good = line(part("a"))
    server.script([head(), raw(b"%x\r\n%s\r\n3\r\nabcdef\r\n" % (len(good), good))])
    running = chat(client)
    assert next(running).message.content == "a"
    with pytest.raises(StreamBroken, match="not valid HTTP"):
        next(running)


def test_a_call_from_the_hub_itself_is_refused(client: Client) -> None:
    """A call that would wait for its own thread says so."""
    with pytest.raises(HubError, match="wait for itself"):
        shared_hub().call(client.version)


def test_an_interrupted_wait_cancels_the_call(
    server: MockOllama, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the wait for a reply is interrupted (Ctrl-C, a killed greenlet), the server is hung up on."""
    gate = Gate()
    server.script([wait(gate), silence()])

    class Interrupted:
        """A waiter whose owner is interrupted once the server has the request."""

        def wait(self, timeout: float | None) -> bool:
            gate.wait_reached()
            raise KeyboardInterrupt

        def wake(self) -> None:
            pass

    monkeypatch.setattr(exchange_module, "new_waiter", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.chat("m", MESSAGES)
    gate.open()
    server.wait_disconnect()


def test_a_reply_that_does_not_stream_wakes_its_caller_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the request is on the wire, nor for each block: when the reply is whole."""
    client.version()  # the hub runs, and there is a connection
    waiters: list[Any] = []
    real = exchange_module.new_waiter

    class Counting:
        def __init__(self) -> None:
            self.real = real()
            self.wakes = self.waits = 0
            waiters.append(self)

        def wait(self, timeout: float | None) -> bool:
            self.waits += 1
            return self.real.wait(timeout)

        def wake(self) -> None:
            self.wakes += 1
            self.real.wake()

        @property
        def is_woken(self) -> bool:
            return self.real.is_woken

    monkeypatch.setattr(exchange_module, "new_waiter", Counting)
    client.chat("m", MESSAGES)
    assert [(waiter.wakes, waiter.waits) for waiter in waiters] == [(1, 1)]
