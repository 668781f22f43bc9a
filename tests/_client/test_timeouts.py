"""Tests of the clocks of a call: each phase against a server that is silent in it, and which limits hold by default.

The limits that run out here are short; that nothing hangs is seen by the time limit of each test.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ollama_sync import (
    Client,
    ConnectTimeout,
    FirstTimeout,
    IdleTimeout,
    Timeout,
    TotalTimeout,
    WaitTimeout,
)
from ollama_sync._call.exchange import Exchange, Settings
from ollama_sync._client import calls as calls_module
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    dribble,
    end,
    head,
    line,
    pause,
    reply,
    silence,
    stream,
    wait,
)

HI = [{"role": "user", "content": "hi"}]
SHORT = 0.1  # seconds
streamed = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])


def said(text: str) -> dict[str, Any]:
    """Make a part of a chat."""
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": False}


DONE = said("") | {"done": True, "done_reason": "stop"}


@pytest.fixture
def deaf() -> Iterator[str]:
    """A place that takes connections, as far as the kernel does that, and never reads or answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def full() -> Iterator[str]:
    """A place whose backlog is full: the kernel does not answer a further connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            while True:
                sock = socket.socket()
                waiting.append(sock)
                sock.settimeout(0.2)
                sock.connect(listener.getsockname())
        except TimeoutError:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for sock in waiting:
                sock.close()


def check(error: WaitTimeout, phase: str, tried: str) -> None:
    """Check what every error of a clock says."""
    assert (error.phase, error.seconds) == (phase, SHORT)
    assert isinstance(error, TimeoutError)
    assert str(error).startswith(f"{tried}: ")
    assert f"timeout=Timeout({phase}=...)" in str(error)


def ask(client: Client, streams: bool) -> None:
    """Ask, and read the answer to its end."""
    if streams:
        client.chat("m", HI, stream=True).result()
    else:
        client.chat("m", HI)


@streamed
def test_no_connection_in_time(full: str, streams: bool) -> None:
    """A machine that does not answer is given up by the call itself, after `connect`."""
    limits = Timeout(connect=SHORT)
    with Client(full, timeout=limits) as client, pytest.raises(ConnectTimeout) as raised:
        client.chat("m", HI, stream=streams)
    check(raised.value, "connect", f"POST http://{full}/api/chat")


@streamed
def test_no_tunnel_in_time(deaf: str, streams: bool) -> None:
    """A proxy that never answers CONNECT is no connection yet."""
    client = Client(
        "https://example.invalid", proxy=f"http://{deaf}", timeout=Timeout(connect=SHORT)
    )
    with client, pytest.raises(ConnectTimeout) as raised:
        client.chat("m", HI, stream=streams)
    check(raised.value, "connect", "POST https://example.invalid/api/chat")


def test_no_tls_in_time(deaf: str) -> None:
    """Neither is a server that does not go on with TLS."""
    client = Client(f"https://{deaf}", timeout=Timeout(connect=SHORT))
    with client, pytest.raises(ConnectTimeout) as raised:
        client.version()
    check(raised.value, "connect", f"GET https://{deaf}/api/version")


@streamed
def test_no_first_byte_in_time(server: MockOllama, streams: bool) -> None:
    """Silence after the request runs into `first`; the request is cancelled."""
    server.script([silence()])
    with Client(server.url, timeout=Timeout(first=SHORT)) as client:
        with pytest.raises(FirstTimeout) as raised:
            ask(client, streams)
        server.wait_disconnect()
    check(raised.value, "first", f"POST {server.url}/api/chat")


@streamed
def test_a_header_is_no_first_byte(server: MockOllama, streams: bool) -> None:
    """A proxy may send its own at once; the model has said nothing yet."""
    server.script([head(), silence()])
    with Client(server.url, timeout=Timeout(first=SHORT, idle=60)) as client:
        with pytest.raises(FirstTimeout):
            ask(client, streams)
        server.wait_disconnect()


def test_the_call_of_a_stream_does_not_wait_for_the_first_byte(server: MockOllama) -> None:
    """It returns, and what runs out after that is raised by the first use."""
    server.script([silence()])
    with Client(server.url, timeout=Timeout(first=SHORT)) as client:
        running = client.chat("m", HI, stream=True)
        server.wait_disconnect()
        with pytest.raises(FirstTimeout):
            next(running)
        assert list(running) == []
        assert running.done


@streamed
def test_silence_in_mid_reply(server: MockOllama, streams: bool) -> None:
    """Silence after the first byte runs into `idle`; of a stream, what had come is delivered first."""
    server.script([head(), chunk(said("a")), chunk(said("b")), silence()])
    with Client(server.url, timeout=Timeout(idle=SHORT)) as client:
        with pytest.raises(IdleTimeout) as raised:
            ask(client, streams)
        server.wait_disconnect()
        check(raised.value, "idle", f"POST {server.url}/api/chat")
        if streams:
            server.script([head(), chunk(said("a")), silence()])
            running = client.chat("m", HI, stream=True)
            assert next(running).message.content == "a"
            with pytest.raises(IdleTimeout):
                next(running)


@streamed
def test_each_byte_starts_idle_anew(server: MockOllama, streams: bool) -> None:
    """A slow reply, longer than `idle` as a whole, is no silent one; nor is one that comes byte by byte."""
    last = line(DONE)
    steps = [
        head(),
        *[chunk(said("a")), pause(0.1)] * 6,
        *[chunk(last[:5]), pause(0.1)],
        chunk(last[5:]),
        end(),
    ]
    whole = b'{"message":{"content":"x"},"done":true}'
    server.script(
        steps if streams else [head(framing="length", length=len(whole)), dribble(whole, 5, 0.1)]
    )
    with Client(server.url, timeout=Timeout(first=0.6, idle=0.6)) as client:
        ask(client, streams)


@streamed
def test_a_reply_that_goes_on_and_on(server: MockOllama, streams: bool) -> None:
    """Only `total` bounds a model that keeps talking."""
    server.script([stream([said("a")] * 5000, delay=0.01)])
    with Client(server.url, timeout=Timeout(total=SHORT, idle=60)) as client:
        with pytest.raises(TotalTimeout) as raised:
            ask(client, streams)
        server.wait_disconnect()
    check(raised.value, "total", f"POST {server.url}/api/chat")


def test_total_bounds_every_phase(server: MockOllama, deaf: str) -> None:
    """It runs from the call: whichever phase it is that takes too long."""
    limits = Timeout(connect=60, first=60, idle=60, total=SHORT)
    with Client(f"https://{deaf}", timeout=limits) as client, pytest.raises(TotalTimeout):
        client.version()
    with Client(server.url, timeout=limits) as client:
        for steps in ([silence()], [head(), chunk(said("a")), silence()]):
            server.script(steps)
            with pytest.raises(TotalTimeout):
                ask(client, True)


def test_a_number_is_for_connect_first_and_idle(server: MockOllama, full: str) -> None:
    """As httpx and requests understand it."""
    with Client(full, timeout=SHORT) as client, pytest.raises(ConnectTimeout):
        client.version()
    with Client(server.url, timeout=SHORT) as client:
        server.script([silence()])
        with pytest.raises(FirstTimeout):
            ask(client, False)
        server.script([head(), chunk(said("a")), silence()])
        with pytest.raises(IdleTimeout):
            ask(client, True)


def test_a_timeout_of_one_call_leaves_others_alone(server: MockOllama) -> None:
    """Each call has its own clocks, and its own connection goes with it."""
    gate = Gate()
    server.script([head(), chunk(said("a")), wait(gate), chunk(DONE), end()])
    server.script([silence()])
    with (
        Client(server.url, timeout=None) as patient,
        Client(server.url, timeout=SHORT) as hasty,
    ):
        running = patient.chat("m", HI, stream=True)
        assert next(running).message.content == "a"
        with pytest.raises(FirstTimeout):
            ask(hasty, False)
        gate.open()
        assert running.result().message.content == "a"
        server.script([reply(DONE)])
        ask(hasty, False)


# --- which limits hold

NO_LIMIT = Timeout(None, None, None, None)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[Timeout]:
    """The limits with which each call of the test runs: nobody waits 600 seconds to see them."""
    seen: list[Timeout] = []

    class Seen(Exchange):
        def __init__(self, *arguments: Any) -> None:
            seen.extend(one.timeout for one in arguments if isinstance(one, Settings))
            super().__init__(*arguments)

    monkeypatch.setattr(calls_module, "Exchange", Seen)
    return seen


def call_each_verb(client: Client) -> None:
    """Stream a chat and a generate, then make every call that does not stream."""
    client.chat("m", HI, stream=True).result()
    client.generate("m", "hi", stream=True).result()
    client.chat("m", HI)
    client.generate("m", "hi")
    client.list()
    client.version()


def test_the_limits_by_default(server: MockOllama, limits: list[Timeout]) -> None:
    """Streamed answers may load for 600 s and be silent for 300; the others are generated whole before their first byte."""
    with Client(server.url) as client:
        call_each_verb(client)
    assert limits == [Timeout(10, 600, 300, None)] * 2 + [Timeout(10, None, None, None)] * 4


@pytest.mark.parametrize(
    ("given", "stream_limits", "reply_limits"),
    [
        (None, NO_LIMIT, NO_LIMIT),
        (30, Timeout(30, 30, 30, None), Timeout(30, 30, 30, None)),
        (2.5, Timeout(2.5, 2.5, 2.5, None), Timeout(2.5, 2.5, 2.5, None)),
        (NO_LIMIT, NO_LIMIT, NO_LIMIT),
        (Timeout(), Timeout(10, 600, 300, None), Timeout(10, None, None, None)),
        (Timeout(first=None), Timeout(10, None, 300, None), Timeout(10, None, None, None)),
        (Timeout(idle=None), Timeout(10, 600, None, None), Timeout(10, None, None, None)),
        (Timeout(connect=None), Timeout(None, 600, 300, None), Timeout(None, None, None, None)),
        (Timeout(first=5, total=9), Timeout(10, 5, 300, 9), Timeout(10, 5, None, 9)),
    ],
    ids=repr,
)
def test_a_limit_that_is_given_wins(
    server: MockOllama,
    limits: list[Timeout],
    given: Any,
    stream_limits: Timeout,
    reply_limits: Timeout,
) -> None:
    """Also None, which removes it; what is not given keeps the default of its call."""
    with Client(server.url, timeout=given) as client:
        call_each_verb(client)
    assert limits == [stream_limits] * 2 + [reply_limits] * 4
    assert all(None is v or v > 0 for each in limits for v in dataclasses.astuple(each))
