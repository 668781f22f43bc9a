"""Servers that keep the hub busy: beside each of them, the streams of other servers go on and the clocks ring.

The hostile server is a process of its own, so that it has the interpreter to itself; everything else runs in the tests' thread.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ollama_sync import Client, ConnectError, OllamaError, ResponseError, Timeout, WaitTimeout
from ollama_sync.testing import MockOllama, stream

# Reads a request, then sends what it is given as an expression: first once, then again and again for 8 s.
HOSTILE = """
import socket, sys, threading, time
first, again = eval(sys.argv[1]), eval(sys.argv[2])
def serve(connection):
    connection.recv(65536)
    end = time.monotonic() + 8
    try:
        connection.sendall(first)
        while again and time.monotonic() < end:
            connection.sendall(again)
        connection.recv(1)
    except OSError:
        pass
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
OK = "b'HTTP/1.1 200 OK\\r\\n'"
CHUNKED = "b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'"
DEFLATED = "b'HTTP/1.1 200 OK\\r\\nContent-Encoding: deflate\\r\\n\\r\\n\\x78\\x9c'"

# What it sends, and the error that this must be.
HARMS: dict[str, tuple[str, str, type[OllamaError]]] = {
    "heads of 100 Continue": (
        "b''",
        "b'HTTP/1.1 100 Continue\\r\\n\\r\\n' * 20000",
        ConnectError,
    ),
    "a head without end": (OK, "b'X-A: b\\r\\n' * 50000", ConnectError),
    "long cookies": (
        OK + "+ (b'Set-Cookie: ' + b'a=b;' * 16000 + b'\\r\\n') * 97",
        "",
        ConnectError,
    ),
    "compressed nothing": (DEFLATED, "b'\\x00\\x00\\x00\\xff\\xff' * 400000", WaitTimeout),
    "chunks of one byte": (CHUNKED, "b'1\\r\\n \\r\\n' * 50000", WaitTimeout),
    "a pour": (CHUNKED, "b'f\\r\\n{\"response\":1}\\n\\r\\n' * 5000", WaitTimeout),
    "an error page": (
        "b'HTTP/1.1 500 No\\r\\nContent-Length: 65532\\r\\n\\r\\n' + b'<title' * 10922",
        "",
        ResponseError,
    ),
}


@contextmanager
def _hostile(first: str, again: str) -> Iterator[str]:
    command = [sys.executable, "-c", HOSTILE, first, again or "b''"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


@pytest.mark.parametrize("harm", HARMS)
def test_beside_a_hostile_server_others_go_on(harm: str, server: MockOllama) -> None:
    """Its own call ends by its clocks or by a clear error, and meanwhile another stream is not held up."""
    first, again, error = HARMS[harm]
    parts = [{"response": str(number), "done": False} for number in range(400)]
    server.script([stream(parts, delay=0.02)])
    timeout = Timeout(connect=2, first=2, idle=2, total=2)
    with (
        _hostile(first, again) as host,
        Client(host, timeout=timeout) as hostile,
        Client(server.url) as client,
        client.generate("m", "x", stream=True) as healthy,
    ):
        healthy.poll(5)
        began = time.monotonic()
        with pytest.raises(error):
            hostile.generate("m", "x", stream=True).result()
        assert time.monotonic() - began < 5  # held up, it takes more than 8
        # Alone it is some 0.02 s; held up, as long as the hostile call.
        assert healthy.stats.longest_gap < 0.5


def test_the_head_of_a_proxy_is_bounded() -> None:
    """What a proxy answers to CONNECT counts like any other head."""
    with (
        _hostile(OK, "b'X-A: b\\r\\n' * 50000") as proxy,
        Client("https://server.example", proxy=f"http://{proxy}") as client,
    ):
        began = time.monotonic()
        # Since Python 3.12 http.client counts this head's lines itself.
        with pytest.raises(ConnectError, match=r"more than (512 lines|100 headers)"):
            client.version()
        assert time.monotonic() - began < 5
