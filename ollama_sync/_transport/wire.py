"""gevent's sockets, and how a call learns of every byte that passes through them.

gevent does not switch to another greenlet while a socket has data, and what reads from one may loop for as long as there is
some: over heads of "100 Continue", over the head of a proxy, in a decoder that makes nothing of much. So bytes are counted
here, below all of them, and the call whose bytes they are gives way when they have become many.

Runs on the hub, in the greenlet of the call.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

import gevent.socket
import gevent.ssl


class Progress(Protocol):
    """What wants to know how far a request has come. Called on the hub, in the greenlet that sends and reads."""

    def connected(self, sock: Any, *, kept: bool) -> None:
        """There is a connection: a new one, or one kept from an earlier call."""

    def sent(self) -> None:
        """The request has been written whole; now it is the server's turn."""

    def received(self, size: int) -> None:
        """So many bytes have been read from the connection. May let other greenlets run."""


# Each call has its own greenlet, and each greenlet its own context: so a socket, which knows nothing of calls, finds the
# call that it serves.
current_progress: ContextVar[Progress | None] = ContextVar("current_progress", default=None)


def count(size: int) -> None:
    """Tell the call that runs now of `size` bytes that were read for it. May let other greenlets run."""
    progress = current_progress.get()
    if progress is not None:
        progress.received(size)


class PlainSocket(gevent.socket.socket):  # type: ignore[misc] # gevent has no types
    """A socket whose bytes are counted."""

    __slots__ = ()

    def recv(self, *args: Any) -> bytes:
        """Receive as gevent does."""
        data: bytes = super().recv(*args)
        count(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        """Receive as gevent does."""
        size: int = super().recv_into(*args)
        count(size)
        return size


class TlsSocket(gevent.ssl.SSLSocket):  # type: ignore[misc] # gevent has no types
    """A socket over TLS whose bytes are counted."""

    def read(self, *args: Any, **kwargs: Any) -> Any:
        """Receive as gevent does: `recv` and `recv_into` come here, too."""
        data = super().read(*args, **kwargs)
        count(data if isinstance(data, int) else len(data))
        return data
