"""Time limits that run out when a test says so."""

from __future__ import annotations

import threading
import time

import pytest

from ollama_sync import (
    Client,
    ConnectTimeout,
    FirstTimeout,
    IdleTimeout,
    Timeout,
    TotalTimeout,
    UsageError,
)
from ollama_sync.testing import FakeClock, Gate, MockOllama, answer, chunk, head, silence, wait

HI = [{"role": "user", "content": "hi"}]
PART = {"model": "m", "message": {"role": "assistant", "content": "Well"}, "done": False}


def test_a_silent_model_is_given_up_after_the_default(server: MockOllama, client: Client) -> None:
    """Ten minutes before the first token are one call of `advance`; a second less ends nothing."""
    gate = Gate()
    server.script([wait(gate), silence()])
    with FakeClock() as clock:
        stream = client.chat("m", HI, stream=True)
        clock.advance(599.0)
        assert stream.error is None
        clock.advance(1.0)
        assert isinstance(stream.error, FirstTimeout)
        assert stream.error.seconds == 600
        with pytest.raises(FirstTimeout):
            next(stream)
    server.wait_disconnect()


def test_the_idle_limit_counts_from_the_last_part(server: MockOllama, client: Client) -> None:
    """What arrives starts the clock anew, by the fake time; what had arrived is delivered before the error."""
    gate = Gate()
    server.script([head(), chunk(PART), wait(gate), chunk(PART), silence()])
    with FakeClock() as clock:
        stream = client.chat("m", HI, stream=True)
        assert next(stream).message.content == "Well"
        clock.advance(299.0)
        gate.open()
        assert next(stream).message.content == "Well"
        clock.advance(299.0)
        assert stream.error is None
        clock.advance(1.0)
        with pytest.raises(IdleTimeout):
            next(stream)


def test_a_call_that_waits_in_another_thread(server: MockOllama) -> None:
    """A call that blocks a thread is ended where it waits."""
    gate, raised = Gate(), []

    def call(client: Client) -> None:
        try:
            client.generate("m", "hi")
        except TotalTimeout as error:
            raised.append(error.seconds)

    server.script([wait(gate)], "/api/generate")
    with FakeClock() as clock, Client(server.url, timeout=Timeout(total=3600)) as client:
        thread = threading.Thread(target=call, args=(client,))
        thread.start()
        gate.wait_reached()
        clock.advance(3600.0)
        thread.join(10)
    assert raised == [3600]


def test_every_open_call_is_looked_at(server: MockOllama, client: Client) -> None:
    """Of several calls those end whose own limit has run out."""
    server.on("POST", "/api/chat", [head(), chunk(PART), silence()])
    with FakeClock() as clock, Client(server.url, timeout=Timeout(idle=900)) as patient:
        streams = [client.chat("m", HI, stream=True) for _ in range(3)]
        streams.append(patient.chat("m", HI, stream=True))
        for stream in streams:
            next(stream)
        clock.advance(300.0)
        assert [type(stream.error) for stream in streams] == [IdleTimeout] * 3 + [type(None)]
        for stream in streams:
            stream.close()


def test_the_fake_time_stands_still(server: MockOllama) -> None:
    """However slow the machine is, no limit runs out before the test says so."""
    gate = Gate()
    server.script([head(), chunk(PART), wait(gate), answer_end(), silence()])
    with FakeClock(), Client(server.url, timeout=Timeout(idle=0.001)) as client:
        stream = client.chat("m", HI, stream=True)
        assert next(stream).message.content == "Well"
        gate.wait_reached()
        time.sleep(0.03)  # thirty times the limit: there is no event for what does not happen
        gate.open()
        assert next(stream).done
        stream.close()


def answer_end() -> object:
    return chunk(PART | {"done": True})


def test_afterwards_the_time_is_real(server: MockOllama) -> None:
    """Behind the block limits run out by themselves again."""
    with FakeClock() as clock:
        clock.advance(1.0)
    server.script([silence()])
    with Client(server.url, timeout=0.01) as client, pytest.raises(FirstTimeout):
        client.chat("m", HI, stream=True).result()


def test_nothing_is_late_while_nothing_runs(server: MockOllama, client: Client) -> None:
    """A call that starts after the time was moved on begins at zero, and what has ended is left alone."""
    with FakeClock() as clock:
        assert client.chat("m", HI, stream=True).result().message.content == "AAA"
        clock.advance(1e6)
        server.script([answer(["a", "b"])])
        stream = client.chat("m", HI, stream=True)
        assert stream.result().message.content == "ab"
        assert 0 <= stream.stats.elapsed < 60, "what is counted goes by the real time"


def test_there_is_one_time() -> None:
    """A second clock, a clock outside of its block, and a step backwards are refused."""
    clock = FakeClock()
    with pytest.raises(UsageError, match="in a `with` block"):
        clock.advance(1.0)
    with clock:
        with pytest.raises(UsageError, match="one already"):
            FakeClock().__enter__()
        with pytest.raises(UsageError, match="forwards only"):
            clock.advance(-1.0)
    with clock:
        clock.advance(0.0)


def test_a_connection_that_is_not_made() -> None:
    """The limit of connecting is one of them: a listener whose queue is full answers nothing."""
    import socket

    with socket.socket() as full, FakeClock() as clock:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((host, port))
        raised: list[ConnectTimeout] = []
        with Client(f"http://{host}:{port}") as client:

            def call() -> None:
                try:
                    client.version()
                except ConnectTimeout as error:
                    raised.append(error)

            thread = threading.Thread(target=call)
            thread.start()
            while thread.is_alive():  # until the call has begun, there is nothing to run out
                clock.advance(10.0)
                thread.join(0.005)
        for filler in fillers:
            filler.close()
    assert raised[0].seconds == 10
