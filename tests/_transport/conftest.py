"""What the tests of this room share: certificates, small servers on threads, and calls that run on the hub.

Runs in the thread of the tests. Servers are plain blocking code in threads (greenlets, in a patched process).
"""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import pytest
import trustme

from ollama_sync._config import parse_host
from ollama_sync._hub import allocate_lock, shared_hub
from ollama_sync._transport import Transport

# Seconds after which a wait is taken for a hang.
PATIENCE = 10.0

Handler = Callable[[socket.socket], None]


@dataclass
class Seen:
    """A `Progress` that writes down what it is told."""

    sockets: list[Any] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    requests: int = 0
    is_sent: Any = field(default_factory=gevent.event.Event)
    on_connected: Callable[[Any], object] = lambda sock: None

    def connected(self, sock: Any, *, kept: bool) -> None:
        self.sockets.append(sock)
        self.kept.append(kept)
        self.on_connected(sock)

    def received(self, size: int) -> None:
        """Nothing to note."""

    def sent(self) -> None:
        self.requests += 1
        self.is_sent.set()


@dataclass(frozen=True)
class Answer:
    """A reply that was read to its end."""

    status: int
    body: bytes
    headers: dict[str, str]


class Job:
    """Something that runs on the hub while the test goes on."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._ended = gevent.event.Event()
        self._greenlet: Any = None
        self.value: Any = None
        self.error: BaseException | None = None
        shared_hub().submit(self._run)

    def _run(self) -> None:
        self._greenlet = shared_hub().this_job()
        try:
            self.value = self._work()
        except BaseException as error:
            self.error = error
        self._ended.set()

    def wait(self) -> Any:
        """Return what it returned, or raise what it raised."""
        assert shared_hub().call(self._ended.wait, PATIENCE), "the job did not end"
        if self.error is not None:
            raise self.error
        return self.value

    def kill(self) -> BaseException | None:
        """Kill it where it waits, and return what it ended with."""
        shared_hub().call(lambda: self._greenlet.kill(block=True, timeout=PATIENCE))
        return self.error


class Road:
    """Transports that are closed at the end of the test, and calls by them."""

    def __init__(self) -> None:
        self._made: list[Transport] = []

    def to(self, url: str, **settings: Any) -> Transport:
        """Return a transport to `url`."""
        chosen = {"api_key": None, "headers": {}, "verify": True, "cert": None, "proxy": None}
        made = Transport(parse_host(url), **{**chosen, **settings})
        self._made.append(made)
        return made

    def send(
        self, transport: Transport, body: bytes | None = None, seen: Seen | None = None
    ) -> Any:
        """Send on the hub; return the `Reply`, which is still to be read."""
        return shared_hub().call(self.sending(transport, body, seen))

    def sending(
        self, transport: Transport, body: bytes | None = None, seen: Seen | None = None
    ) -> Callable[[], Any]:
        """Return what sends, for the hub."""
        method = "GET" if body is None else "POST"
        request = transport.prepare(method, "/api/chat", body, "application/json")
        return lambda: transport.send(request, seen or Seen())

    def read(self, reply: Any) -> bytes:
        """Read a reply to its end, and close it."""

        def read() -> bytes:
            try:
                return b"".join(iter(reply.read, b""))
            finally:
                reply.close()

        return shared_hub().call(read)

    def fetch(self, transport: Transport, body: bytes | None = None) -> Answer:
        """Send, and read the reply to its end."""
        reply = self.send(transport, body)
        return Answer(reply.status, self.read(reply), dict(reply.headers))

    def close(self) -> None:
        for transport in self._made:
            shared_hub().call(transport.close)


@pytest.fixture
def road(listen: object) -> Iterator[Road]:
    """Makes transports and calls by them. They are closed before the listeners, which wait for that."""
    made = Road()
    yield made
    made.close()
    gc.collect()  # a connection that nobody closed is to warn in the test that lost it


class Heart:
    """A greenlet of the hub that beats. `beaten` is let go after some beats, so it can only be waited for while the hub turns."""

    def __init__(self) -> None:
        self.beaten = allocate_lock()
        self.beaten.acquire()
        Job(self._beat)

    def _beat(self) -> None:
        for _ in range(20):
            gevent.sleep(0.001)
        self.beaten.release()

    def wait(self) -> bool:
        """Wait natively, so that nothing but the hub's own loop can make it beat."""
        return self.beaten.acquire(True, PATIENCE)


@pytest.fixture
def heart() -> type[Heart]:
    """A heart is born when it is made."""
    return Heart


@pytest.fixture
def job() -> type[Job]:
    """Starts work on the hub while the test goes on."""
    return Job


@pytest.fixture
def seen() -> Seen:
    """A progress that writes down what it is told."""
    return Seen()


class Listener:
    """Accepts connections and serves each by `handler` in a thread; what a handler raises, `close` raises."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._errors: list[BaseException] = []
        self._closing = False
        self.connections = 0
        host, port = self._listening.getsockname()[:2]
        self.address = f"{host}:{port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if self._closing:
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(PATIENCE)
            if self._tls is not None:
                with contextlib.closing(connection):
                    wrapped = self._tls.wrap_socket(connection, server_side=True)
                connection = wrapped
            self._handler(connection)
        except (ConnectionError, ssl.SSLError):
            pass  # the client left, or was refused: each test looks at its own end
        except BaseException as error:
            self._errors.append(error)
        finally:
            connection.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        socket.create_connection(self._listening.getsockname()[:2]).close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listening.close()
        if self._errors:
            raise self._errors[0]


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Starts listeners, which end with the test."""
    made: list[Listener] = []

    def start(handler: Handler, tls: ssl.SSLContext | None = None) -> Listener:
        made.append(Listener(handler, tls))
        return made[-1]

    yield start
    for listener in made:
        listener.close()


def read_head(connection: socket.socket) -> bytes:
    """Return the head of a request, and nothing behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError("the client left")
        head += byte
    return head


@pytest.fixture(name="read_head")
def _read_head() -> Callable[[socket.socket], bytes]:
    """Reads the head of a request."""
    return read_head


@dataclass
class Proxy:
    """An HTTP proxy: CONNECT, and requests with the whole URL. `heads` are those that it was sent."""

    heads: list[bytes] = field(default_factory=list)
    password: bytes | None = None

    def serve(self, client: socket.socket) -> None:
        """Serve one connection."""
        head = read_head(client)
        self.heads.append(head)
        if self.password is not None and self.password not in head:
            client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        if method == b"CONNECT":
            authority, opening = target, b""
        else:
            authority, slash, path = target.removeprefix(b"http://").partition(b"/")
            opening = head.replace(target, slash + path, 1)
        host, _, port = authority.decode().rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as origin:
            if opening:
                origin.sendall(opening)
            else:
                client.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
            _copy_both_ways(client, origin)


def _copy_both_ways(one: socket.socket, other: socket.socket) -> None:
    """Copy until either side ends, then end both. In one thread: an SSL object of OpenSSL may not be used by two at once."""
    other_way = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            # What TLS has decrypted already is not on the socket any more.
            ready = [
                sock for sock in other_way if isinstance(sock, ssl.SSLSocket) and sock.pending()
            ]
            for source in ready or select.select([*other_way], [], [], PATIENCE)[0]:
                data = source.recv(65536)
                if not data:
                    raise ConnectionError("over")
                other_way[source].sendall(data)
    for sock in other_way:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Proxy:
    """A proxy; give its `serve` to `listen`."""
    return Proxy()


@dataclass(frozen=True)
class Papers:
    """Certificates in files: authorities, and certificates with their keys."""

    authority: str
    server: str
    elsewhere: str
    client: str
    stranger: str

    def server_context(self, client_authority: str | None = None) -> ssl.SSLContext:
        """Return the context of a server; with an authority, one that asks for the client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        return context


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates: of a server, of one for another name, of a client, and of an authority that signed none of them."""
    folder: Path = tmp_path_factory.mktemp("papers")
    authority, stranger = trustme.CA(), trustme.CA()

    def issue(name: str) -> str:
        path = folder / f"{name}.pem"
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)

    for name, ca in (("authority", authority), ("stranger", stranger)):
        ca.cert_pem.write_to_path(str(folder / f"{name}.pem"))
    return Papers(
        authority=str(folder / "authority.pem"),
        server=issue("127.0.0.1"),
        elsewhere=issue("elsewhere.example"),
        client=issue("client.example"),
        stranger=str(folder / "stranger.pem"),
    )
