"""`_receive`: the two ways to receive give the same bytes, miss nothing that arrives, and leave nothing behind."""

from __future__ import annotations

import ctypes
import errno
import os
import socket as native_socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._hub import shared_hub
from ollama_sync._transport import receive
from ollama_sync._transport.receive import GeventReceiver, Receiver, receiver_of

Make = Callable[[Any], Any]

BOTH = [
    pytest.param(
        Receiver,
        id="own",
        marks=pytest.mark.skipif(receive._calls is None, reason="needs Linux"),
    ),
    pytest.param(GeventReceiver, id="gevent"),
]
OWN = BOTH[:1]


def on_hub(work: Callable[[], Any]) -> Any:
    return shared_hub().call(work)


def read_all(receiver: Any) -> bytes:
    found = b""
    while data := receiver.receive():
        found += data
    receiver.close()
    return found


@pytest.mark.parametrize("make", BOTH)
@given(
    pieces=st.lists(st.tuples(st.binary(min_size=1), st.booleans()), max_size=8),
    is_reading=st.booleans(),
)
def test_what_is_sent_is_received(
    make: Make, pieces: list[tuple[bytes, bool]], is_reading: bool
) -> None:
    """Every byte once, in order, and then the end: whether it comes before, while or after it is waited for."""

    def work() -> bytes:
        ours, theirs = gevent.socket.socketpair()
        reader = gevent.spawn(read_all, make(ours))
        if is_reading:
            gevent.idle()  # it waits now
        for piece, pauses in pieces:
            theirs.sendall(piece)
            if pauses:
                gevent.sleep(1e-6)
        theirs.close()
        found: bytes = reader.get(timeout=10)
        ours.close()
        return found

    assert on_hub(work) == b"".join(piece for piece, _ in pieces)


@pytest.mark.parametrize("make", BOTH)
def test_a_large_piece_comes_in_more_than_one_read(make: Make) -> None:
    """More than one read holds is not lost, though its arrival is told of once."""

    def work() -> bytes:
        ours, theirs = gevent.socket.socketpair()
        reader = gevent.spawn(read_all, make(ours))
        gevent.idle()
        theirs.sendall(b"x" * 1_000_000)
        theirs.close()
        found: bytes = reader.get(timeout=10)
        ours.close()
        return found

    assert on_hub(work) == b"x" * 1_000_000


@pytest.mark.parametrize("make", OWN)
def test_a_socket_that_was_emptied_is_not_asked_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a read that was not filled the next one waits for news first; an end that came along with the bytes is news."""
    reads: list[int] = []

    class Counted:
        def __getattr__(self, name: str) -> Any:
            return getattr(_receive_calls, name)

        def recv(self, *args: Any) -> int:
            size: int = _receive_calls.recv(*args)
            reads.append(size)
            return size

    _receive_calls = receive._calls
    monkeypatch.setattr(receive, "_calls", Counted())

    def work() -> None:
        ours, theirs = gevent.socket.socketpair()
        reader = gevent.spawn(read_all, make(ours))
        gevent.idle()
        for piece in (b"a", b"bc"):
            theirs.sendall(piece)
            gevent.sleep(0.001)
        theirs.sendall(b"def")
        theirs.close()
        assert reader.get(timeout=10) == b"abcdef"
        ours.close()

    on_hub(work)
    assert reads == [-1, 1, 2, 3, 0]


@pytest.mark.parametrize("make", OWN)
def test_a_socket_that_cannot_be_watched_is_an_error_and_no_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system bounds how much is watched (fs.epoll.max_user_watches): the call fails by that, and can be cleaned up."""
    calls = receive._calls

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(calls, name)

        def epoll_ctl(self, *_: object) -> int:
            ctypes.set_errno(errno.ENOSPC)
            return -1

    monkeypatch.setattr(receive, "_calls", Full())

    def work() -> None:
        ours, theirs = gevent.socket.socketpair()
        receiver = make(ours)
        try:
            receiver.receive()
        finally:
            receiver.close()
            ours.close()
            theirs.close()

    with pytest.raises(OSError, match="No space left"):
        on_hub(work)


@pytest.mark.parametrize("make", BOTH)
def test_a_reset_is_an_error(make: Make) -> None:
    """A connection that the peer breaks is no end."""

    def work() -> None:
        listener = gevent.socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = gevent.socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        listener.close()
        receiver = make(ours)
        reader = gevent.spawn(receiver.receive)
        gevent.idle()
        theirs.setsockopt(
            native_socket.SOL_SOCKET, native_socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        theirs.close()
        try:
            reader.get(timeout=10)
        finally:
            receiver.close()
            ours.close()

    with pytest.raises(ConnectionResetError):
        on_hub(work)


@pytest.mark.parametrize("make", BOTH)
def test_many_at_once_are_all_served(make: Make) -> None:
    """More sockets than are told of at once: none is passed over, round after round."""
    count, rounds = 300, 3

    def work() -> list[bytes]:
        pairs = [gevent.socket.socketpair() for _ in range(count)]
        readers = [gevent.spawn(read_all, make(ours)) for ours, _ in pairs]
        for _ in range(rounds):
            gevent.idle()
            for _, theirs in pairs:
                theirs.send(b"x")
        for _, theirs in pairs:
            theirs.close()
        gevent.joinall(readers, timeout=10, raise_error=True)
        for ours, _ in pairs:
            ours.close()
        return [reader.value for reader in readers]

    assert on_hub(work) == [b"x" * rounds] * count


@pytest.mark.parametrize("make", OWN)
def test_one_that_is_killed_leaves_nothing_behind(make: Make) -> None:
    """A killed reader is not woken, and a new socket with the same number reads only what is its own."""

    def work() -> bytes:
        ours, theirs = gevent.socket.socketpair()
        receiver = make(ours)
        reader = gevent.spawn(receiver.receive)
        gevent.idle()
        # Told of, and not yet served when the greenlet is killed.
        theirs.send(b"old")
        reader.kill(block=False)
        gevent.idle()
        number = ours.fileno()
        receiver.close()
        ours.close()
        theirs.close()
        assert not gevent.get_hub().ollama_sync_readiness._receivers
        first, second = gevent.socket.socketpair()
        assert number in (first.fileno(), second.fileno())
        new, peer = (first, second) if first.fileno() == number else (second, first)
        reader = gevent.spawn(read_all, make(new))
        gevent.idle()
        peer.sendall(b"new")
        peer.close()
        found: bytes = reader.get(timeout=10)
        new.close()
        return found

    assert on_hub(work) == b"new"


@pytest.mark.parametrize("make", OWN)
def test_a_copy_in_another_process_does_no_harm(make: Make) -> None:
    """While something else holds the socket open, as a forked child does, its end is still told of, and its number is free."""

    def work() -> bytes:
        ours, theirs = gevent.socket.socketpair()
        copy = os.dup(ours.fileno())
        try:
            receiver = make(ours)
            reader = gevent.spawn(read_all, receiver)
            gevent.idle()
            theirs.sendall(b"x")
            theirs.close()
            found: bytes = reader.get(timeout=10)
            ours.close()
            assert not gevent.get_hub().ollama_sync_readiness._receivers
        finally:
            os.close(copy)
        return found

    assert on_hub(work) == b"x"


@pytest.mark.parametrize("make", OWN)
def test_one_may_end_another_in_the_same_round(make: Make) -> None:
    """Of two that are told of together, the first may close the second."""

    def work() -> list[bytes]:
        pairs = [gevent.socket.socketpair() for _ in range(2)]
        receivers = [make(ours) for ours, _ in pairs]
        seen: list[bytes] = []

        def read(index: int) -> None:
            seen.append(receivers[index].receive())
            other = readers[1 - index]
            other.kill(block=False)
            receivers[1 - index].close()

        readers = [gevent.spawn(read, index) for index in range(2)]
        gevent.idle()
        for _, theirs in pairs:
            theirs.send(b"x")
        gevent.joinall(readers, timeout=10)
        for receiver in receivers:
            receiver.close()
        for sock in (sock for pair in pairs for sock in pair):
            sock.close()
        return seen

    assert on_hub(work) == [b"x"]


def test_tls_is_left_to_gevent() -> None:
    """What has come over TLS is not in the socket alone."""

    def work() -> str:
        ours, theirs = gevent.socket.socketpair()
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        wrapped = context.wrap_socket(ours, server_hostname="x", do_handshake_on_connect=False)
        kind = type(receiver_of(wrapped)).__name__
        wrapped.close()
        theirs.close()
        return kind

    assert on_hub(work) == "GeventReceiver"


def test_without_the_system_calls_gevent_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no epoll, the same calls work."""
    monkeypatch.setattr(receive, "_calls", None)

    def work() -> bytes:
        ours, theirs = gevent.socket.socketpair()
        theirs.sendall(b"x")
        theirs.close()
        receiver = receiver_of(ours)
        assert type(receiver) is GeventReceiver
        found = read_all(receiver)
        ours.close()
        return found

    assert on_hub(work) == b"x"
