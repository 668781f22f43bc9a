"""Cancelling, at every stage of a call and from everywhere: the caller is let go, the server is told, nothing stays behind.

That nothing stays behind (sockets, threads, jobs of the hub) is looked at after each test of the suite.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.event
import gevent.socket
import pytest
from gevent._hub_local import get_hub_if_exists

from ollama_sync import Client, ClosedError
from ollama_sync._hub import allocate_lock, shared_hub
from ollama_sync._transport import connect
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, raw, silence, wait

Eventually = Callable[[Callable[[], object]], None]

# Seconds after which a wait is taken for a hang.
PATIENCE = 5.0

HI = [{"role": "user", "content": "hi"}]
PART = {"message": {"role": "assistant", "content": "a"}, "done": False}
FINAL = {"message": {"role": "assistant", "content": ""}, "done": True}


# Who cancels.


def in_a_thread(cancel: Callable[[], object]) -> None:
    thread = threading.Thread(target=cancel)
    thread.start()
    thread.join(PATIENCE)


def in_a_greenlet(cancel: Callable[[], object]) -> None:
    def work() -> None:
        had_a_loop = get_hub_if_exists() is not None
        gevent.spawn(cancel).join(PATIENCE)
        if not had_a_loop:
            gevent.get_hub().destroy(destroy_loop=True)

    in_a_thread(work)


def in_a_signal_handler(cancel: Callable[[], object]) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: cancel())
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def in_a_finalizer(cancel: Callable[[], object]) -> None:
    class Last:
        def __del__(self) -> None:
            cancel()

    Last()


WHO = pytest.mark.parametrize(
    "who", [in_a_thread, in_a_greenlet, in_a_signal_handler, in_a_finalizer]
)


class Caller:
    """A thread that runs to its end what a test waits for."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._outcome: Any = "nothing"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._work()
        except BaseException as error:
            self._outcome = error

    def outcome(self) -> Any:
        """Return what it returned or raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the caller hangs"
        return self._outcome


# Before the call returns there is no stream yet: what cancels is the end of the client.


@dataclass
class Place:
    """Where a call hangs: what has it get there, and what must hold afterwards."""

    url: str
    reached: Callable[[], object]
    left: Callable[[], object] = lambda: None


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a stage needs to have closed at the end."""
    with ExitStack() as held:
        yield held


def queued(held: ExitStack, eventually: Eventually, patch: pytest.MonkeyPatch) -> Place:
    """The hub is busy with something else, and has not looked at the call."""
    server = held.enter_context(MockOllama())
    hub = shared_hub()
    hub.call(int)
    lock = allocate_lock()
    lock.acquire()
    hub.call_soon(lock.acquire)
    eventually(lambda: not hub._inbox)

    def left() -> None:
        lock.release()
        hub.call(int)
        assert server.requests == ()

    return Place(server.url, lambda: eventually(lambda: hub._inbox), left)


def resolving(held: ExitStack, eventually: Eventually, patch: pytest.MonkeyPatch) -> Place:
    """The resolver does not answer."""
    asked: list[str] = []
    answered = shared_hub().call(gevent.event.Event)
    held.callback(shared_hub().call, answered.set)

    def silent(host: str, *_: object) -> None:
        asked.append(host)
        answered.wait()

    patch.setattr(gevent.socket, "getaddrinfo", silent)
    return Place("http://slow.example:1", lambda: eventually(lambda: asked == ["slow.example"]))


def connecting(held: ExitStack, eventually: Eventually, patch: pytest.MonkeyPatch) -> Place:
    """The server's queue of connections is full."""
    server = held.enter_context(socket.socket())
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    address = server.getsockname()
    for _ in range(4):
        filler = held.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(address)
    tried: list[object] = []

    class Noting(connect.PlainSocket):
        def connect(self, to: Any) -> None:
            tried.append(to)
            super().connect(to)

    patch.setattr(connect, "PlainSocket", Noting)
    return Place("http://{}:{}".format(*address), lambda: eventually(lambda: tried == [address]))


def shaking_hands(held: ExitStack, eventually: Eventually, patch: pytest.MonkeyPatch) -> Place:
    """The server takes the connection, and says nothing of TLS."""
    server = held.enter_context(socket.create_server(("127.0.0.1", 0)))
    server.settimeout(PATIENCE)
    accepted: list[socket.socket] = []

    def reached() -> None:
        connection, _ = server.accept()
        accepted.append(held.enter_context(connection))
        connection.settimeout(PATIENCE)
        assert connection.recv(1) == b"\x16"  # the first byte of its greeting

    def left() -> None:
        while accepted[0].recv(4096):
            pass

    return Place("https://{}:{}".format(*server.getsockname()), reached, left)


@WHO
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "reply"])
@pytest.mark.parametrize("stage", [queued, resolving, connecting, shaking_hands])
def test_a_call_that_has_not_returned_is_let_go(
    stage: Callable[..., Place],
    streams: bool,
    who: Callable[..., None],
    stack: ExitStack,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the hub waits for, closing the client ends it: a stream has no parts, a reply is a ClosedError."""
    place = stage(stack, eventually, monkeypatch)
    client = Client(place.url)
    caller = Caller(lambda: list(client.chat("m", HI, stream=True)) if streams else client.ps())
    place.reached()
    who(client.close)
    if stage is queued:  # only then the hub can look at either
        place.left()
        assert isinstance(caller.outcome(), ClosedError)
        return
    outcome = caller.outcome()
    assert outcome == [] if streams else isinstance(outcome, ClosedError)
    place.left()


# A stream, whose consumer waits for more.


def before_the_first_part(gate: Gate) -> list[Any]:
    return [wait(gate)]


def behind_the_head(gate: Gate) -> list[Any]:
    return [head(), wait(gate)]


def mid_part(gate: Gate) -> list[Any]:
    return [head(), chunk(PART), chunk(b'{"message":{"role":'), wait(gate)]


def mid_chunk(gate: Gate) -> list[Any]:
    return [head(), chunk(PART), raw(b'ff\r\n{"message":'), wait(gate)]


def mid_body_that_ends_with_the_connection(gate: Gate) -> list[Any]:
    return [head(framing="close"), raw(b'{"message":{"content":"a"},"done":false}\n{'), wait(gate)]


@WHO
@pytest.mark.parametrize(
    "stage",
    [
        before_the_first_part,
        behind_the_head,
        mid_part,
        mid_chunk,
        mid_body_that_ends_with_the_connection,
    ],
)
def test_a_consumer_that_waits_is_let_go(
    stage: Callable[[Gate], list[Any]],
    who: Callable[..., None],
    server: MockOllama,
    client: Client,
    eventually: Eventually,
) -> None:
    """What had arrived is delivered, the loop ends quietly, and the server sees the connection close."""
    gate = Gate()
    server.script(stage(gate))
    stream = client.chat("m", HI, stream=True)
    caller = Caller(lambda: [part.message.content for part in stream])
    gate.wait_reached()
    if stage in (mid_part, mid_chunk, mid_body_that_ends_with_the_connection):
        eventually(lambda: stream.stats.parts == 1)  # it may still be on its way
    who(stream.cancel)
    assert caller.outcome() in ([], ["a"])
    assert stream.done
    server.wait_disconnect()


@WHO
def test_a_paused_stream_is_let_go(
    who: Callable[..., None], server: MockOllama, eventually: Eventually
) -> None:
    """A stream that is not read, because its buffer is full, ends as well; what is in the buffer is delivered."""
    server.script([head(), chunk(PART), *[chunk(PART)] * 500, silence()])
    with Client(server.url, max_buffered=1000) as client:
        stream = client.chat("m", HI, stream=True)
        eventually(lambda: stream.stats.buffered >= 1000)
        who(stream.cancel)
        server.wait_disconnect()
        assert 10 < len(list(stream)) <= 501


@WHO
def test_a_finished_stream_stays_whole(
    who: Callable[..., None], server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """When the reply is there, cancelling takes nothing away, and the connection is kept."""
    server.script([head(), chunk(PART), chunk(FINAL), end()])
    stream = client.chat("m", HI, stream=True)
    eventually(lambda: stream.stats.parts == 2 and not shared_hub().jobs)
    who(stream.cancel)
    assert [part.done for part in stream] == [False, True]
    client.version()
    assert (server.disconnects, server.connections) == (0, 1)


# Many.


def test_a_thousand_cancels_leave_nothing_behind(server: MockOllama, client: Client) -> None:
    """Each is seen by the server, whether the reply had begun or not."""
    server.on("POST", "/api/chat", [head(), chunk(PART), silence()])
    streams = []
    for number in range(1000):
        streams.append(client.chat("m", HI, stream=True))
        if number % 2:
            next(streams[-1])
        streams[-1].cancel()
    server.wait_disconnect(1000)
    assert {len(list(stream)) for stream in streams} <= {0, 1}
    assert client.version().version


def test_cancelling_again_and_from_many_at_once_is_one_cancel(
    server: MockOllama, client: Client
) -> None:
    """It is idempotent: twenty threads that cancel the same stream end it once."""
    gate = Gate()
    server.script([head(), chunk(PART), wait(gate)])
    stream = client.chat("m", HI, stream=True)
    assert next(stream).message.content == "a"
    gate.wait_reached()
    callers = [Caller(stream.cancel) for _ in range(20)]
    assert [caller.outcome() for caller in callers] == [None] * 20
    assert list(stream) == []
    server.wait_disconnect()
    assert server.disconnects == 1
