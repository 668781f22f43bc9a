"""Plain and Unix connections: gevent's sockets, kept and replaced, and a hub that nothing holds up."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import gevent.resolver.thread
import gevent.socket
import pytest
import requests
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.util.connection
import urllib3.util.ssl_

from ollama_sync._hub import Killed, allocate_lock, shared_hub
from ollama_sync._transport import connect as connect_module
from ollama_sync._transport.connect import connect
from ollama_sync.errors import ConnectError, ResponseError
from ollama_sync.testing import Gate, MockOllama, chunk, close, end, head, reply, silence, wait

JSON = b'{"model":"m"}'


def test_a_plain_request_is_answered_over_a_gevent_socket(
    road: Any, server: Any, seen: Any
) -> None:
    """What is sent arrives, what is answered comes back, and the socket is gevent's."""
    server.script([reply({"a": 1})])
    transport = road.to(server.url)
    reply_to_it = road.send(transport, JSON, seen)
    assert road.read(reply_to_it) == b'{"a":1}'
    assert server.requests[0].body == JSON
    assert isinstance(seen.sockets[0], gevent.socket.socket)


def test_progress_says_connected_then_sent(road: Any, server: Any, seen: Any) -> None:
    """The call learns of its connection before the request is written, and of the request before the answer."""
    order = []
    seen.on_connected = lambda sock: order.append(("connected", seen.requests, sock.fileno() > 0))
    server.script([reply({})])
    road.read(road.send(road.to(server.url), JSON, seen))
    assert order[0] == ("connected", 0, True)
    assert seen.requests == 1


def test_sent_is_told_while_the_server_is_silent(
    road: Any, server: Any, seen: Any, job: Any
) -> None:
    """The request counts as sent when it is written, not when it is answered."""
    gate = Gate()
    server.script([wait(gate), reply({})])
    sending = job(road.sending(road.to(server.url), JSON, seen))
    assert shared_hub().call(seen.is_sent.wait, 5)
    gate.wait_reached()
    gate.open()
    road.read(sending.wait())


def test_a_connection_is_kept_for_the_next_request(road: Any, server: Any, seen: Any) -> None:
    """Two calls after each other share a connection, and the second is told of it, too."""
    transport = road.to(server.url)
    for _ in range(2):
        server.script([head(), chunk({"done": True}), end()])
        road.read(road.send(transport, JSON, seen))
    assert [request.connection for request in server.requests] == [1, 1]
    assert len(seen.sockets) == 2
    assert seen.sockets[0] is seen.sockets[1]
    assert seen.kept == [False, True]


def test_a_request_that_cannot_be_written_is_not_sent(
    road: Any, listen: Any, read_head: Any, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where writing fails no server has the whole request; and what else was kept there is given up."""

    def once(connection: socket.socket) -> None:
        read_head(connection)
        connection.recv(len(JSON))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    transport = road.to(listen(once).url)
    assert road.read(road.send(transport, JSON, seen)) == b"ok"
    # The server's reset has come when something can be read. urllib3 would see it; as if it came in the moment after.
    shared_hub().call(gevent.socket.wait_read, seen.sockets[0].fileno(), 5)
    monkeypatch.setattr(urllib3.connectionpool, "is_connection_dropped", lambda _: False)
    with pytest.raises(ConnectError):
        road.send(transport, JSON, seen)
    assert (seen.kept, seen.requests) == ([False, True], 1)
    assert road.read(road.send(transport, JSON, seen)) == b"ok"
    assert (seen.kept, seen.requests) == ([False, True, False], 2)


def test_a_connection_that_the_server_closed_while_idle_is_replaced(
    road: Any, listen: Any, read_head: Any
) -> None:
    """A kept connection whose peer has gone is not used again."""

    def once(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = listen(once)
    transport = road.to(server.url)
    sockets: list[Any] = []
    for _ in range(3):
        seen = _Sockets()
        assert road.read(road.send(transport, None, seen)) == b"ok"
        sockets += seen.sockets
        # The end of the connection has come when it can be read.
        shared_hub().call(gevent.socket.wait_read, sockets[-1].fileno(), 5)
    assert server.connections == 3


class _Sockets:
    def __init__(self) -> None:
        self.sockets: list[Any] = []

    def connected(self, sock: Any, *, kept: bool) -> None:
        self.sockets.append(sock)

    def received(self, size: int) -> None:
        """Nothing to note."""

    def sent(self) -> None:
        """Nothing to note."""


def test_a_refused_connection_is_a_connect_error(road: Any) -> None:
    """Where nothing listens, the error says what was tried, what happened and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectError) as caught:
        road.fetch(road.to(f"http://127.0.0.1:{port}"), JSON)
    text = str(caught.value)
    assert f"POST http://127.0.0.1:{port}/api/chat" in text
    assert "refused" in text
    assert "OLLAMA_HOST" in text
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_every_address_of_a_name_is_tried(
    road: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose first address refuses is reached at its second."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()
    live = ("127.0.0.1", server.port)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, live)]
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_: found)
    server.script([reply({})])
    assert road.fetch(road.to("http://two.example:1"), JSON).status == 200


def test_an_unknown_name_is_a_connect_error(road: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resolver says reaches the caller."""

    def unknown(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gevent.socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectError, match="not known"):
        road.fetch(road.to("http://nowhere.example:1"), JSON)


def test_an_address_never_reaches_the_resolver(
    road: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A numeric host costs no resolver thread."""
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_: pytest.fail("resolved"))
    server.script([reply({})])
    assert road.fetch(road.to(server.url), JSON).status == 200


def test_ipv6_is_connected_to(road: Any) -> None:
    """An address in brackets is connected to without them."""
    running = MockOllama(host="::1")
    try:
        running.start()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        running.script([reply({})])
        assert road.fetch(road.to(running.url), JSON).status == 200
    finally:
        running.stop()


def test_the_hub_turns_while_a_name_is_looked_up(
    road: Any, server: Any, job: Any, heart: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow resolver holds up its own call only: it is asked in a thread of gevent's pool."""
    asked, answer = allocate_lock(), allocate_lock()
    asked.acquire()
    answer.acquire()

    native = gevent.resolver.thread._socket.getaddrinfo

    def slow(*query: Any) -> Any:
        if query[-1] == socket.AI_NUMERICHOST:
            return native(*query)
        asked.release()
        assert answer.acquire(True, 10.0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    monkeypatch.setattr(gevent.resolver.thread._socket, "getaddrinfo", slow)
    server.script([reply({})])
    sending = job(road.sending(road.to("http://slow.example:1"), JSON))
    assert asked.acquire(True, 10.0)
    assert heart().wait()
    answer.release()
    road.read(sending.wait())


def test_the_hub_turns_while_a_connection_is_made_and_a_kill_leaves_nothing(
    road: Any, job: Any, heart: Any
) -> None:
    """A server that does not accept holds up its own call only; killed in there, the call leaves no descriptor."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fills the queue; further connections hang
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        sending = job(road.sending(road.to(f"http://127.0.0.1:{full.getsockname()[1]}"), JSON))
        assert heart().wait()
        assert isinstance(sending.kill(), Killed)


def test_a_kill_before_the_answer_leaves_nothing_and_is_seen(
    road: Any, server: Any, job: Any, seen: Any
) -> None:
    """A call that is killed while the server is silent takes its connection with it."""
    server.script([silence()])
    sending = job(road.sending(road.to(server.url), JSON, seen))
    shared_hub().call(seen.is_sent.wait, 5)
    assert isinstance(sending.kill(), Killed)
    server.wait_disconnect()


def test_close_ends_the_kept_connections(road: Any, server: Any, seen: Any) -> None:
    """After `close` no descriptor is left."""
    transport = road.to(server.url)
    server.script([reply({})])
    road.read(road.send(transport, JSON, seen))
    assert seen.sockets[0].fileno() > 0
    shared_hub().call(transport.close)
    assert seen.sockets[0].fileno() == -1


def test_close_ends_connections_whatever_still_refers_to_them(
    road: Any, server: Any, seen: Any
) -> None:
    """An error that is kept keeps the frames of its call alive, but no connection."""
    server.script([reply({"error": "no"}, 404)])
    transport = road.to(server.url)
    with pytest.raises(ResponseError) as caught:
        road.send(transport, JSON, seen)
    assert seen.sockets[0].fileno() > 0
    shared_hub().call(transport.close)
    assert seen.sockets[0].fileno() == -1
    assert caught.value.status_code == 404


def test_a_unix_socket_is_connected_to(road: Any, tmp_path: Path, seen: Any) -> None:
    """A path in the place of a host works as a host does, and its connection is kept."""
    with MockOllama(unix=tmp_path / "ollama.sock") as server:
        transport = road.to(server.url)
        for _ in range(2):
            server.script([head(), chunk({"done": True}), end()])
            assert road.read(road.send(transport, JSON, seen)) == b'{"done":true}\n'
        assert [request.connection for request in server.requests] == [1, 1]
        assert server.requests[0].headers["host"].startswith("localhost")
    assert isinstance(seen.sockets[0], gevent.socket.socket)


def test_a_unix_socket_that_is_not_there_is_named(road: Any, tmp_path: Path) -> None:
    """The error names the path, not the host name that stands in for it."""
    with pytest.raises(ConnectError) as caught:
        road.fetch(road.to(f"unix://{tmp_path}/none.sock"), JSON)
    assert f"POST unix://{tmp_path}/none.sock:/api/chat" in str(caught.value)
    assert "No such file" in str(caught.value)


def test_tcp_connections_notice_a_peer_that_vanished(road: Any, server: Any, seen: Any) -> None:
    """Keep-alive is on: after 60 s of silence, 4 probes 15 s apart; and small writes are not held back."""
    server.script([reply({})])
    road.read(road.send(road.to(server.url), JSON, seen))
    sock = seen.sockets[0]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    wanted = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
    for name, value in wanted.items():
        if hasattr(socket, name):
            assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


PATCHABLE: list[tuple[Any, str]] = [
    (socket, "socket"),
    (socket, "create_connection"),
    (socket, "getaddrinfo"),
    (ssl, "SSLContext"),
    (ssl, "SSLSocket"),
    (ssl.SSLContext, "sslsocket_class"),
    (urllib3.connection, "HTTPConnection"),
    (urllib3.connection.HTTPConnection, "_new_conn"),
    (urllib3.connectionpool.HTTPConnectionPool, "ConnectionCls"),
    (urllib3.connectionpool.HTTPSConnectionPool, "ConnectionCls"),
    (urllib3.poolmanager, "pool_classes_by_scheme"),
    (urllib3.util.connection, "create_connection"),
    (urllib3.util.ssl_, "SSLContext"),
    (requests.adapters.HTTPAdapter, "send"),
]


def test_nothing_global_is_patched(road: Any, server: Any) -> None:
    """After use, the modules of the process are what they were, and `requests` has its own kind of socket."""
    before = [getattr(owner, name) for owner, name in PATCHABLE]
    pools = dict(urllib3.poolmanager.pool_classes_by_scheme)
    native = socket.socket
    server.script([reply({})])
    server.script([reply({"theirs": True})])
    road.fetch(road.to(server.url), JSON)
    with requests.Session() as session:
        answer = session.post(f"{server.url}/api/chat", stream=True)
        assert type(answer.raw.connection.sock) is native
        assert answer.json() == {"theirs": True}
    assert [getattr(owner, name) for owner, name in PATCHABLE] == before
    assert urllib3.poolmanager.pool_classes_by_scheme == pools


def test_the_server_that_closes_before_it_answers_is_a_connect_error(
    road: Any, server: Any
) -> None:
    """A connection that is lost before the reply began is told apart from a broken reply."""
    server.script([close()])
    with pytest.raises(ConnectError, match="closed connection without response"):
        road.fetch(road.to(server.url), JSON)


def test_the_options_tolerate_a_fourth_item() -> None:
    """Where urllib3-future stands in for urllib3, an option also names its protocol: those of UDP are left out."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        options = [
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1, "tcp"),
            (socket.IPPROTO_TCP, -1, 1, "udp"),
        ]

        def keep_alive() -> int:
            with contextlib.closing(connect(*listening.getsockname(), options)) as sock:
                return int(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

        assert shared_hub().call(keep_alive) == 1


def test_a_guard_that_forbids_a_connection_is_its_cause(
    road: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test tool or an audit hook raises is no bug of ours, and no server's fault."""

    class Guarded(connect_module.PlainSocket):
        def connect(self, to: Any) -> None:
            raise RuntimeError("network use forbidden in tests")

    monkeypatch.setattr(connect_module, "PlainSocket", Guarded)
    with pytest.raises(ConnectError, match="does not let it connect") as caught:
        road.fetch(road.to("http://127.0.0.1:9"), JSON)
    assert type(caught.value.__cause__) is RuntimeError
    assert "report" not in str(caught.value)
    assert "is Ollama running" not in str(caught.value)
