"""`record`: a server between a program and Ollama that writes down what the two say to each other.

The forwarding runs on the mock's hub thread, by gevent's sockets; the file is written by the test's thread, at the end.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent.socket
import gevent.ssl

from ollama_sync._wire import LineFramer
from ollama_sync.errors import UsageError
from ollama_sync.testing import _tape
from ollama_sync.testing._connection import ClientGone, Connection
from ollama_sync.testing._request import Request
from ollama_sync.testing._server import MockOllama
from ollama_sync.testing._steps import Reply, Script

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

STREAM = "application/x-ndjson"
# They are about the connection to us. Compressed replies could not be read.
_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
_CONNECT = 10.0  # seconds
_PIECE = 65536  # bytes


@contextlib.contextmanager
def record(
    path: str | os.PathLike[str], upstream: str = "http://127.0.0.1:11434"
) -> Iterator[MockOllama]:
    """Record what a program asks and what a real server answers, for `playback`.

    Gives a server that forwards everything, part by part as it comes. The file is written anew at the end, unless the block
    raises. It holds no header but the reply's content type, so no key and no cookie, and no text whose name is that of a secret
    (`api_key`, `authorization`, `token`, `password`, `secret`, `cookie`, `signin_url`). Times and durations are replaced by
    fixed ones, so that a second recording differs only where the server says something else. Prompts and replies are in it.

    Args:
        path: the file.
        upstream: the real server.

    Raises:
        UsageError: `upstream` is no URL of http or https.
        OSError: the server could not be reached, or the file cannot be written. Raised at the end.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> file = Path(tempfile.mkdtemp(), "version.jsonl")
        >>> with MockOllama() as real, record(file, real.url) as server, Client(server.url) as client:
        ...     version = client.version()
        >>> print(file.read_text(), end="")
        {"request": "GET /api/version"}
        {"status": 200, "type": "application/json; charset=utf-8"}
        {"body": {"version": "0.33.0"}}
    """
    url = urlsplit(upstream)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UsageError(f"record: upstream={upstream!r}: a URL as http://127.0.0.1:11434")
    exchanges: list[_tape.Exchange] = []

    def forward(request: Request) -> Script:
        exchange = _tape.Exchange(_tape.Asked.of(request), 0, "", [])
        exchanges.append(exchange)  # in the order of the requests
        return [_Forward(upstream, exchange)]

    server = MockOllama()
    for method in METHODS:
        server.on(method, "*", forward)
    with server:
        yield server
    # What got no answer is no exchange: the client left before it.
    _tape.write(Path(path), [exchange for exchange in exchanges if exchange.status])


@dataclass(frozen=True)
class _Forward:
    """Asks the real server, and passes on and notes what it says."""

    upstream: str
    exchange: _tape.Exchange

    def run(self, connection: Connection) -> None:
        with contextlib.closing(_connect(self.upstream)) as real:
            try:
                self._pass_on(connection, _ask(real, self.upstream, connection.request))
            except ClientGone:
                self.exchange.cut = "client"
                raise
            except (OSError, http.client.HTTPException):
                if not self.exchange.status:
                    raise
                self.exchange.cut = "server"
                connection.close()

    def _pass_on(self, connection: Connection, said: http.client.HTTPResponse) -> None:
        exchange = self.exchange
        exchange.status, exchange.type = said.status, said.getheader("Content-Type", "")
        if exchange.type.startswith(STREAM):
            connection.begin_stream(said.status)
            connection.flush()
            framer = LineFramer()
            # Not `readline`: it takes a stream that was cut for one that has ended.
            while data := said.read1(_PIECE):
                connection.queue_part(data)
                connection.flush()
                self._note(framer.feed(data))
            self._note(framer.close())
            connection.end_stream()
        else:
            body = said.read()
            if body:
                exchange.whole = _tape.said(body)
            Reply(said.status, body, exchange.type).run(connection)

    def _note(self, lines: bytes) -> None:
        self.exchange.parts += [_tape.steady(json.loads(line)) for line in lines.splitlines()]


def _connect(upstream: str) -> Any:
    """Return a connected gevent socket."""
    url = urlsplit(upstream)
    is_tls = url.scheme == "https"
    address = (url.hostname, url.port or (443 if is_tls else 80))
    try:
        sock = gevent.socket.create_connection(address, _CONNECT)
        sock.settimeout(None)  # a model may take its time
        if is_tls:
            return gevent.ssl.create_default_context().wrap_socket(
                sock, server_hostname=url.hostname
            )
    except OSError as error:
        raise OSError(error.errno, f"record: cannot reach {upstream}: {error}") from error
    return sock


def _ask(sock: Any, upstream: str, request: Request) -> http.client.HTTPResponse:
    """Ask the real server what a program asked us."""
    url = urlsplit(upstream)
    real = http.client.HTTPConnection(url.netloc.rpartition("@")[2])
    real.sock = sock
    target = url.path.rstrip("/") + request.path + (f"?{request.query}" if request.query else "")
    real.putrequest(request.method, target, skip_accept_encoding=True)
    for name, value in request.headers.pairs:
        if name.lower() not in _NOT_FORWARDED:
            real.putheader(name, value)
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        real.putheader("Content-Length", str(len(request.body)))
    real.endheaders(request.body)
    return real.getresponse()
