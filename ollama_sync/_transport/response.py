"""http.client's response, and what it lacks: an end that the peer sees, and a look at whether its head is whole.

Runs on the hub.
"""

from __future__ import annotations

import http.client
import os
import socket as native_socket
from typing import Any


def hang_up(sock: Any) -> None:
    """Tell the peer that nobody reads any more.

    Closing the descriptor does not: a forked child may hold a copy of it, and then the server would go on.
    """
    if sock is not None:
        try:
            # urllib3's TLS inside TLS (an https proxy) is no socket, but has one.
            getattr(sock, "socket", sock).shutdown(native_socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was first, or it is closed


class GreenResponse(http.client.HTTPResponse):
    """Hangs up when it is closed, if its connection ends with it.

    http.client has let go of such a connection by then, and where a read is killed urllib3 closes the response itself:
    afterwards the socket could not be shut any more.
    """

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._connected_by = os.getpid()
        self._peer = sock

    def begin(self) -> None:
        """Read the head.

        Raises:
            http.client.HTTPException, OSError: there is none, or it breaks off.
        """
        source: Any = self.fp
        self.fp: Any = _HeadLines(source)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = source

    def close(self) -> None:
        # Until the head has been read it is neither true nor false: a proxy's answer to CONNECT stays so.
        if self.will_close is True and self._connected_by == os.getpid():
            hang_up(self._peer)
        super().close()


class _HeadLines:
    """The lines of a head. http.client takes the end of the connection for the end of the head, and half a head for a whole one."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._has_begun = False
        self.close = source.close

    def readline(self, limit: int) -> bytes:
        line: bytes = self._source.readline(limit)
        # Where there is no line at all, http.client says so itself.
        if self._has_begun and not line:
            raise http.client.HTTPException("the connection ended within the head of the reply")
        self._has_begun = True
        return line
