"""Gates: how a test and a script wait for each other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from ollama_sync.testing import Gate, MockOllama, reply, wait

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock whose own stream is short."""
    with MockOllama(chunks=3, delay=0) as running:
        yield running


def ask(server: MockOllama, http: str = "1.1") -> socket.socket:
    """Send one chat request on a new connection and return its socket."""
    client = socket.create_connection((server.host, server.port), timeout=10)
    request = f"POST /api/chat HTTP/{http}\r\nHost: mock\r\nContent-Length: {len(BODY)}\r\n\r\n"
    client.sendall(request.encode() + BODY)
    return client


def answered(client: socket.socket) -> HTTPResponse:
    """Return the reply with its head read."""
    response = HTTPResponse(client)
    response.begin()
    return response


def test_an_open_gate_holds_nobody(server: MockOllama) -> None:
    """A gate that was opened before is passed, and counts as reached."""
    gate = Gate()
    gate.open()
    assert (gate.is_open, gate.is_reached) == (True, False)
    server.script([wait(gate), reply({})])
    with ask(server) as client:
        assert answered(client).read() == b"{}"
    assert gate.is_reached


def test_a_gate_that_nobody_reaches_says_so() -> None:
    """`wait_reached` raises, with the gate's name, when no script comes in time."""
    with pytest.raises(TimeoutError, match="never"):
        Gate("never").wait_reached(timeout=0.01)


def test_who_waits_first_is_woken(server: MockOllama) -> None:
    """`wait_reached` sleeps until a script comes, also one that comes much later."""
    gate = Gate()
    gate.open()
    server.script([wait(gate), reply({})])
    clients: list[socket.socket] = []
    later = threading.Timer(0.2, lambda: clients.append(ask(server)))
    later.start()
    gate.wait_reached(timeout=600.0)
    later.join()
    with clients[0] as client:
        assert answered(client).status == 200


def test_one_gate_lets_many_scripts_go_from_any_thread(server: MockOllama) -> None:
    """A gate shared by scripts, opened by another thread while the test waits, releases all of them."""
    gate = Gate()
    server.on("POST", "/api/chat", [wait(gate), reply({"ok": True})])
    clients = [ask(server) for _ in range(20)]
    opener = threading.Thread(target=lambda: (gate.wait_reached(600.0), gate.open()))
    opener.start()
    for client in clients:
        with client:
            assert answered(client).read() == b'{"ok":true}'
    opener.join()
