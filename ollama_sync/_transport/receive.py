"""Receives from plain sockets without letting go of the interpreter's lock (GIL).

A thread of the host that computes takes the GIL whenever it is free, and keeps it for the switch interval, 5 ms. gevent
lets go of it at each `recv`, and at each watcher that rings: with many streams beside such a thread, a token waited for
many turns of that kind. Here one watcher serves all sockets. It watches an epoll that has them all; when it rings, every
socket that has something is read in one go, by system calls that keep the GIL. They do not wait: the sockets are
non-blocking, and so is the look at the epoll.

Linux only. Elsewhere, and for TLS, gevent's own `recv` is used.

Runs on the hub, which owns everything here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket as native_socket
import struct
from typing import Any

import gevent
import gevent.socket
from gevent.hub import Waiter

from ollama_sync._transport.wire import PlainSocket, count

# The kernel's epoll_event, which it packs on x86-64 alone: flags, and a number of ours.
_IS_PACKED = hasattr(os, "uname") and os.uname().machine == "x86_64"
_EVENT = struct.Struct("=IQ" if _IS_PACKED else "@IQ")
# Once for each arrival of data, or of the peer's end, and not for as long as it is there.
_ARRIVALS = 0x1 | 0x2000 | 1 << 31  # EPOLLIN | EPOLLRDHUP | EPOLLET
_ENDINGS = 0x8 | 0x10 | 0x2000  # EPOLLERR | EPOLLHUP | EPOLLRDHUP
_ADD, _DELETE = 1, 2
_MOST_EVENTS = 256

# Bytes asked for in one read: a default socket buffer holds two to three times as much.
READ_SIZE = 65536


def _system_calls() -> Any:
    """Return the C library, called with the GIL held; None where it has no epoll, or cannot be called."""
    try:
        calls = ctypes.PyDLL(None, use_errno=True)
        calls.recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        calls.recv.restype = ctypes.c_ssize_t
        calls.epoll_wait.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
        calls.epoll_ctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_char_p)
        calls.epoll_create1.argtypes = (ctypes.c_int,)
    except (OSError, TypeError, AttributeError):
        return None
    return calls


_calls = _system_calls()


def receiver_of(sock: Any) -> Receiver | GeventReceiver:
    """Return what receives from `sock`, in the best way that works for it."""
    is_plain = type(sock) in (gevent.socket.socket, PlainSocket)
    # libuv does not tell of what an epoll within its own has found.
    is_libev = type(gevent.get_hub().loop).__module__.startswith("gevent.libev")
    fast = is_plain and is_libev and _calls is not None
    return Receiver(sock) if fast else GeventReceiver(sock)


class GeventReceiver:
    """Receives by gevent."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def receive(self, size: int = READ_SIZE) -> bytes:
        """Return what has come, waiting for at least one byte, at most `size` bytes; b"" at the end.

        Raises:
            OSError: the connection failed.
        """
        data: bytes = self._sock.recv(size)
        return data

    def close(self) -> None:
        """Receive no more. Leaves the socket open."""


class Receiver:
    """Receives by system calls that keep the GIL."""

    def __init__(self, sock: Any) -> None:
        self._fd: int = sock.fileno()
        self._readiness = _epoll_watcher()
        self._is_watched = False  # from the first wait on
        self._has_news = False
        self._is_drained = False
        self._is_ending = False  # the peer has closed, or the connection has failed
        self._sleeper: Any = None

    def receive(self, size: int = READ_SIZE) -> bytes:
        """See `GeventReceiver.receive`."""
        if self._is_drained and not self._is_ending:
            self._wait()
        while True:
            # Cleared before the call: what arrives from here on is reported anew.
            self._has_news = False
            buffer = self._readiness.buffer(size)
            come = _calls.recv(self._fd, buffer, size, native_socket.MSG_DONTWAIT)
            if come >= 0:
                # A read that is not filled has left nothing (epoll(7), on edge triggering), so that a call can be saved.
                self._is_drained = come < size
                data: bytes = buffer[:come]
                # Last: the buffer is everybody's, and others may run here.
                count(come)
                return data
            code = ctypes.get_errno()
            if code == errno.EAGAIN:
                self._wait()
            elif code != errno.EINTR:
                raise OSError(code, os.strerror(code))

    def close(self) -> None:
        """See `GeventReceiver.close`. Before the socket is closed: the number of its descriptor may be given anew."""
        if self._is_watched:
            self._is_watched = False
            self._readiness.remove(self._fd)

    def wake(self, *, is_ending: bool) -> None:
        """Note that something has arrived, and go on reading if that is waited for. In the loop's callback."""
        self._has_news = True
        # It may have been reported together with data, and is reported once.
        self._is_ending |= is_ending
        if self._sleeper is not None:
            self._sleeper.switch(None)

    def _wait(self) -> None:
        if not self._is_watched:
            # Also tells of what arrived before. May fail: then there is nothing to be taken back.
            self._readiness.add(self._fd, self)
            self._is_watched = True
        # Something may have arrived since the call, while this greenlet let others run.
        if not self._has_news:
            self._sleeper = Waiter(gevent.get_hub())
            try:
                self._sleeper.get()
            finally:
                self._sleeper = None


class _EpollWatcher:
    """The epoll of one loop, and the one watcher that rings for all its sockets."""

    def __init__(self, loop: Any) -> None:
        self._fd: int = _calls.epoll_create1(os.O_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._receivers: dict[int, Receiver] = {}
        self._events = ctypes.create_string_buffer(_EVENT.size * _MOST_EVENTS)
        self._buffer: Any = ctypes.create_string_buffer(READ_SIZE)
        # Started by the first receiver that waits: its caller then hears nothing until the loop has registered this watcher.
        # libev aborts the process where the host has closed all descriptors before that.
        self._watcher = loop.io(self._fd, 1)
        # gevent stops a watcher whose callback raised; here every plain stream would be deaf for good.
        restarts = getattr(gevent.get_hub(), "ollama_sync_restarts", None)
        if restarts is not None:
            restarts[self._watcher] = self._start

    def add(self, fd: int, receiver: Receiver) -> None:
        if _calls.epoll_ctl(self._fd, _ADD, fd, _EVENT.pack(_ARRIVALS, fd)) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._receivers[fd] = receiver
        self._start()

    def buffer(self, size: int) -> Any:
        """Return a buffer of at least `size` bytes, one for all: copy what is in it before anything else can run."""
        if len(self._buffer) < size:
            self._buffer = ctypes.create_string_buffer(size)
        return self._buffer

    def remove(self, fd: int) -> None:
        del self._receivers[fd]
        _calls.epoll_ctl(self._fd, _DELETE, fd, None)

    def _start(self) -> None:
        if not self._watcher.active:
            self._watcher.start(self._ring)

    def _ring(self) -> None:
        count = _calls.epoll_wait(self._fd, self._events, _MOST_EVENTS, 0)
        events = self._events.raw[: max(count, 0) * _EVENT.size]
        for flags, fd in _EVENT.iter_unpack(events):
            # One that was read before it may have ended this one's call.
            receiver = self._receivers.get(fd)
            if receiver is not None:
                receiver.wake(is_ending=flags & _ENDINGS != 0)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def _epoll_watcher() -> _EpollWatcher:
    """Return the one of this thread's loop."""
    hub = gevent.get_hub()
    found: _EpollWatcher | None = getattr(hub, "ollama_sync_readiness", None)
    if found is None:
        found = hub.ollama_sync_readiness = _EpollWatcher(hub.loop)
    return found
