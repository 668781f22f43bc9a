"""The end of a call as the server sees it: at once, and only its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync._hub import Killed, shared_hub
from ollama_sync.testing import Gate, chunk, end, head, raw, reply, silence, wait

JSON = b'{"model":"m"}'


def _while_silent(server: Any) -> None:
    server.script([silence()])


def _while_chunks_come(server: Any) -> None:
    server.script([head(), chunk({"done": False}), silence()])


def _while_chunks_come_on_a_last_connection(server: Any) -> None:
    server.script([head(200, {"Connection": "close"}), chunk({"done": False}), silence()])


def _while_a_length_is_due(server: Any) -> None:
    server.script([head(framing="length", length=99), silence()])


def _while_the_connections_end_is_due(server: Any) -> None:
    server.script([head(framing="close"), raw(b'{"done":false}\n'), silence()])


@pytest.mark.parametrize(
    "script",
    [
        _while_silent,
        _while_chunks_come,
        _while_chunks_come_on_a_last_connection,
        _while_a_length_is_due,
        _while_the_connections_end_is_due,
    ],
)
def test_a_kill_reaches_the_server_although_a_copy_of_the_descriptor_lives(
    script: Callable[[Any], None], road: Any, server: Any, job: Any, seen: Any
) -> None:
    """A forked child holds a copy of each descriptor, as `dup` does: the server must learn of the end all the same."""
    script(server)
    copies: list[int] = []
    seen.on_connected = lambda sock: copies.append(os.dup(sock.fileno()))
    sending = road.sending(road.to(server.url), JSON, seen)

    def send_and_read() -> None:
        reply_to_it = sending()
        try:
            while reply_to_it.read():
                pass
        finally:
            reply_to_it.close()

    running = job(send_and_read)
    try:
        shared_hub().call(seen.is_sent.wait, 5)
        assert isinstance(running.kill(), Killed)
        server.wait_disconnect()
    finally:
        for copy in copies:
            os.close(copy)


def test_a_kill_in_mid_request_reaches_the_server_although_a_copy_of_the_descriptor_lives(
    road: Any, listen: Any, read_head: Any, job: Any, seen: Any
) -> None:
    """A request that the server does not take in is cut short for it, too."""
    head_is_read, may_read = threading.Event(), threading.Event()
    ends = []

    def slow_reader(connection: socket.socket) -> None:
        read_head(connection)
        head_is_read.set()
        may_read.wait(10.0)
        while connection.recv(1 << 20):
            pass
        ends.append(True)

    server = listen(slow_reader)
    copies: list[int] = []
    seen.on_connected = lambda sock: copies.append(os.dup(sock.fileno()))
    sending = job(road.sending(road.to(server.url), b"x" * (1 << 26), seen))
    try:
        assert head_is_read.wait(10.0)
        assert isinstance(sending.kill(), Killed)
        may_read.set()
        server.close()
        assert ends == [True]
    finally:
        for copy in copies:
            os.close(copy)


def test_a_connection_that_went_back_to_its_pool_is_not_hung_up(
    road: Any, server: Any, seen: Any
) -> None:
    """A reply that is closed after its last byte, before its end was read, does not cut the next call's connection."""
    transport = road.to(server.url)
    gate = Gate()
    for script in ([head(), chunk({"done": True}), end()], [reply({"done": True})]):
        server.script(script)
        server.script([head(), chunk({"n": 1}), wait(gate), chunk({"n": 2}), end()])
        first = road.send(transport, JSON)
        shared_hub().call(_read_until, first, b"true}")
        second = road.send(transport, JSON)
        shared_hub().call(first.close)
        gate.open()
        assert road.read(second) == b'{"n":1}\n{"n":2}\n'


def _read_until(reply_to_it: Any, ending: bytes) -> None:
    got = b""
    while not got.rstrip().endswith(ending):
        got += reply_to_it.read()
