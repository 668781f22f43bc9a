"""Servers that do not wait for the whole request: they answer early, stop reading, or leave.

Runs in the thread of the tests. The server is a plain socket in a thread: it has to leave a request unread.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client, Timeout
from ollama_sync.errors import ConnectError, OllamaError, ResponseError, WaitTimeout

# Seconds after which a wait is taken for a hang.
PATIENCE = 15.0

# Bytes: more than the buffers of both sockets hold.
LARGE = 16 * 1024 * 1024
SMALL = b"small"

# Not kept: a kept connection that breaks would be replaced by a new one.
MISSING = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TAKEN = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_LARGE = (
    b'HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 19\r\n\r\n{"error":"too big"}'
)

Deed = Callable[[socket.socket], object]


def head_of(connection: socket.socket) -> bytes:
    """Read the head of a request, and nothing of its body."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += connection.recv(1)
    return got


def reset(connection: socket.socket) -> None:
    """Close it so that the peer gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drain(connection: socket.socket) -> None:
    """Read until the peer hangs up."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(1 << 20):
            pass


class Server:
    """Says that it lacks each blob, treats the first upload as a deed does, and takes those after it.

    Its thread writes `uploads`, how many have begun; the test reads it when they are over.
    """

    def __init__(self, deed: Deed) -> None:
        self.uploads = 0
        self._deed = deed
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return "http://{}:{}".format(*self._listener.getsockname())

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.settimeout(PATIENCE)
                method = head_of(connection).split()[0]
                if method == b"QUIT":
                    return
                self._answer(method, connection)

    def _answer(self, method: bytes, connection: socket.socket) -> None:
        if method == b"HEAD":
            connection.sendall(MISSING)
            return
        self.uploads += 1
        if self.uploads == 1:
            self._deed(connection)
        else:
            connection.recv(len(SMALL), socket.MSG_WAITALL)
            connection.sendall(TAKEN)

    def close(self) -> None:
        """Have the thread end. Blocks."""
        with socket.create_connection(self._listener.getsockname()) as last:
            last.sendall(b"QUIT\r\n\r\n")
            self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._listener.close()


@pytest.fixture
def rude() -> Iterator[Callable[[Deed], Server]]:
    """Starts a server that does such a thing to the first upload."""
    made: list[Server] = []

    def start(deed: Deed) -> Server:
        made.append(Server(deed))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that takes some sends."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


def upload(server: Server, path: Path, **settings: Any) -> OllamaError | None:
    """Upload a file, return the error, and see that the client can go on."""
    error = None
    with Client(server.url, **settings) as client:
        try:
            client.create_blob(path)
        except OllamaError as caught:
            error = caught
        small = path.with_name("small")
        small.write_bytes(SMALL)
        assert client.create_blob(small).startswith("sha256:")
    return error


def early(answer: bytes, then: Deed) -> Deed:
    """Answer, and read no more."""

    def deed(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        then(connection)

    return deed


@pytest.mark.parametrize("then", [socket.socket.close, drain])
def test_an_early_yes_is_a_yes(then: Deed, rude: Any, large: Path) -> None:
    """A server that has the blob by now says so at once, whether it takes the rest or hangs up on it."""
    assert upload(rude(early(TAKEN, then)), large) is None


@pytest.mark.parametrize("then", [socket.socket.close, drain])
def test_an_early_no_is_a_refusal(then: Deed, rude: Any, large: Path) -> None:
    """What the server said before it stopped reading is what the caller hears, not that the connection broke."""
    error = upload(rude(early(TOO_LARGE, then)), large)
    assert type(error) is ResponseError
    assert (error.status_code, error.error) == (413, "too big")


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("reads", [0, 1_000_000])
def test_a_server_that_leaves_an_upload_is_no_connection(
    reads: int, leave: Deed, rude: Any, large: Path
) -> None:
    """At its beginning or in its midst, without a word: the call fails, and is not made again by itself."""

    def deed(connection: socket.socket) -> None:
        left = reads
        while left > 0:
            left -= len(connection.recv(left))
        leave(connection)

    server = rude(deed)
    assert type(upload(server, large)) is ConnectError
    assert server.uploads == 2  # it, and the one that shows that the client can go on


def test_a_server_that_stops_reading_is_given_up(rude: Any, large: Path) -> None:
    """An upload that does not move ends by the total clock, and the server sees the client go."""
    gone = threading.Event()

    def deed(connection: socket.socket) -> None:
        assert given_up.wait(PATIENCE)
        drain(connection)
        gone.set()

    given_up = threading.Event()
    server = rude(deed)
    with Client(server.url, timeout=Timeout(total=0.5)) as client:
        with pytest.raises(WaitTimeout) as caught:
            client.create_blob(large)
        given_up.set()
        assert gone.wait(PATIENCE)
    assert caught.value.phase == "total"
