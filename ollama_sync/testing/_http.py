"""The HTTP side of the mock: gevent's own WSGI server parses, a script answers on the raw socket.

Runs on the server's hub thread. The parser, keep-alive and HTTP/1.0 are gevent's; only what happens after a request has
been parsed is replaced. It may not log by itself: what a broken client sends is the test's business.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from ollama_sync.testing._connection import Connection
from ollama_sync.testing._request import Headers, Request

_BACKLOG = 4096
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Handler(WSGIHandler):  # type: ignore[misc]  # gevent has no types: its classes are Any
    """One connection: hands each request to the server's `answer`."""

    def handle_one_response(self) -> None:
        """Read the body, unless the answer needs none, and have the request answered. Called by gevent's handler."""
        request = self._request()
        try:
            if self.server.needs_body(request):
                request = replace(request, body=self.wsgi_input.read())
        except OSError:  # cut short, or not the chunks that it promised
            self.close_connection = True
            self.server.on_bad_request()
            self.socket.sendall(_BAD_REQUEST)
            return
        connection = Connection(self.socket, self.rfile, request, self.server.call_soon)
        self.application(connection)
        if not connection.is_reusable:
            self.close_connection = True

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=path,
            query=query,
            headers=Headers(self.headers.items()),
            body=b"",
            http=self.request_version.partition("/")[2],
            connection=self.client_address,
        )

    def _handle_client_error(self, _error: Exception) -> tuple[str, bytes]:
        """Answer what is not HTTP. Gevent's own would write to stderr."""
        self.server.on_bad_request()
        return "400", _BAD_REQUEST


class HttpServer(WSGIServer):  # type: ignore[misc]  # gevent has no types: its classes are Any
    """Accepts connections and numbers them.

    Args:
        listener: a listening gevent socket; is closed by `shut`.
        answer: answers one request; runs in the greenlet of its connection.
        on_bad_request: called when a request could not be read.
        call_soon: given to the connections, see there.
        tls: an SSL context of gevent, or None.
        needs_body: tells, by its head, whether the body of a request is read before it is answered.
    """

    def __init__(
        self,
        listener: Any,
        answer: Callable[[Connection], None],
        on_bad_request: Callable[[], None],
        call_soon: Callable[..., object],
        tls: Any,
        needs_body: Callable[[Request], bool],
    ) -> None:
        # The name is given because gevent would ask the resolver for it.
        named = {"SERVER_NAME": "mock", "SERVER_PORT": "0"}
        super().__init__(listener, answer, spawn=Pool(), log=None, error_log=None, environ=named)
        self.on_bad_request = on_bad_request
        self.call_soon = call_soon
        self.needs_body = needs_body
        self.connections = 0
        self._numbers = itertools.count(1)
        self._tls = tls

    def handle(self, sock: Any, _address: Any) -> None:
        """Serve one connection to its end, in a greenlet of its own."""
        # The address of the peer tells nothing in a test; the handler carries the connection's number in its place.
        number = self.connections = next(self._numbers)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            handler = Handler(sock, number, self)
            reader = handler.rfile
            try:
                handler.handle()
            finally:
                # The handler drops its reader unclosed, which would then hold on to the loop until it is collected.
                close_reader(reader)
        except OSError:
            pass  # the client left between two requests, or refused our certificate
        finally:
            sock.close()

    def shut(self) -> None:
        """Stop listening, end every connection, and wait until they are closed."""
        self.close()
        # A greenlet that is killed before its first run would never close its socket: let all of them begin.
        gevent.sleep(0)
        self.pool.kill()


def close_reader(reader: Any) -> None:
    """Close what reads from a connection, as soon as nobody is in it any more.

    When the server stops in the moment in which a reply is complete, the greenlet that has watched for the client's hang-up has been
    killed and has not run since: it is still inside of the reader, which then refuses to be closed.
    """
    while not _could_close(reader):
        gevent.sleep(0)


def _could_close(reader: Any) -> bool:
    try:
        reader.close()
    except RuntimeError:  # "reentrant call"
        return False
    return True


def listen(host: str, port: int, unix: str | None) -> Any:
    """Return a listening gevent socket, on a Unix path or on TCP."""
    family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = gevent.socket.socket(family, socket.SOCK_STREAM)
    try:
        if unix:
            listener.bind(unix)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        where = unix or f"{host}:{port}"
        raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from error
    return listener
