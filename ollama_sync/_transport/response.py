"""http.client's response, and what it lacks: an end that the peer sees, and a look at whether its head is whole.

Runs on the hub.
"""

from __future__ import annotations

import http.client
import socket as native_socket
from typing import Any

from ollama_sync._process import this_process

# Of all heads of one reply together. Servers and proxies accept some 8 to 64 KiB.
_MAX_HEAD_LINES = 512
_MAX_HEAD_BYTES = 128 * 1024


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
        self._connected_by = this_process()
        self._peer = sock
        # From here on, and not in `begin`: of a proxy's answer to CONNECT the head alone is read, by `_read_status`.
        self._source: Any = self.fp
        self.fp: Any = _HeadLines(self._source)

    def begin(self) -> None:
        """Read the head.

        Raises:
            http.client.HTTPException, OSError: there is none, or it breaks off.
        """
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = self._source

    def close(self) -> None:
        # Until the head has been read it is neither true nor false: a proxy's answer to CONNECT stays so.
        if self.will_close is True and self._connected_by == this_process():
            hang_up(self._peer)
        super().close()


class _HeadLines:
    """The lines of all heads of one reply, those of 1xx answers included.

    http.client takes the end of the connection for the end of the head, and half a head for a whole one. It bounds each line
    and the lines of the last head, but neither the heads nor what they amount to.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._lines = self._bytes = 0
        self.close = source.close
        self.flush = source.flush

    def readline(self, limit: int) -> bytes:
        line: bytes = self._source.readline(limit)
        # Where there is no line at all, http.client says so itself.
        if self._lines and not line:
            raise http.client.HTTPException("the connection ended within the head of the reply")
        self._lines += 1
        self._bytes += len(line)
        if self._lines > _MAX_HEAD_LINES or self._bytes > _MAX_HEAD_BYTES:
            raise http.client.HTTPException(
                f"the head of the reply has more than {_MAX_HEAD_LINES} lines or {_MAX_HEAD_BYTES} bytes"
            )
        return line
