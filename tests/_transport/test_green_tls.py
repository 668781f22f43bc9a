"""TLS connections: who is trusted, whose context it is, and a hub that no handshake holds up."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import gevent.socket
import gevent.ssl
import pytest
from gevent.monkey import get_original

from ollama_sync._hub import Killed, shared_hub
from ollama_sync._transport.green import make_tls_context
from ollama_sync.errors import ConnectError, RequestError
from ollama_sync.testing import MockOllama, chunk, close, end, head, reply, silence

JSON = b'{"model":"m"}'


@pytest.fixture
def tls_server(papers: Any) -> Iterator[MockOllama]:
    """A mock that speaks TLS."""
    with MockOllama(certfile=papers.server) as running:
        yield running


def _native_context(papers: Any) -> ssl.SSLContext:
    """A context of the standard library, also in a patched process."""
    context: ssl.SSLContext = get_original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_CLIENT)
    # The property's setter calls `super(SSLContext, …)` by its patched name, so nothing else is set here.
    context.load_verify_locations(papers.authority)
    return context


def _green_context(papers: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(papers.authority)
    return context


VERIFY = {
    "the path of a bundle": lambda papers: papers.authority,
    "a context of the standard library": _native_context,
    "a context of gevent": _green_context,
    "what ssl.create_default_context makes": lambda papers: ssl.create_default_context(
        cafile=papers.authority
    ),
    "no check": lambda papers: False,
}


@pytest.mark.parametrize("verify", VERIFY.values(), ids=VERIFY.keys())
def test_a_server_that_is_trusted_is_spoken_to(
    verify: Any, road: Any, tls_server: MockOllama, papers: Any, seen: Any
) -> None:
    """With each kind of `verify=`, requests go over gevent's TLS sockets, and connections are kept."""
    transport = road.to(tls_server.url, verify=verify(papers))
    for _ in range(2):
        tls_server.script([head(), chunk({"n": 1}), chunk({"n": 2}), end()])
        assert road.read(road.send(transport, JSON, seen)) == b'{"n":1}\n{"n":2}\n'
    assert [request.connection for request in tls_server.requests] == [1, 1]
    assert seen.kept == [False, True]
    assert isinstance(seen.sockets[0], gevent.ssl.SSLSocket)


def test_a_connection_that_replaces_a_kept_one_is_new(
    road: Any, tls_server: MockOllama, papers: Any, seen: Any
) -> None:
    """The handshake comes before the request, and all the same it counts as a new connection."""
    transport = road.to(tls_server.url, verify=papers.authority)
    for _ in range(2):
        tls_server.script([reply({}), close()])
        road.read(road.send(transport, JSON, seen))
        shared_hub().call(gevent.socket.wait_read, seen.sockets[-1].fileno(), 5)
    assert seen.kept == [False, False]


@pytest.mark.parametrize("verify", ["the usual ones", "a stranger"])
def test_a_server_whose_authority_is_unknown_is_refused(
    verify: str, road: Any, tls_server: MockOllama, papers: Any
) -> None:
    """Neither the usual authorities nor another one vouch for it; the error says how to name one."""
    chosen = {"the usual ones": True, "a stranger": papers.stranger}[verify]
    with pytest.raises(ConnectError, match=r"certificate verify failed.*verify='path'") as caught:
        road.fetch(road.to(tls_server.url, verify=chosen), JSON)
    assert isinstance(caught.value.__cause__, ssl.SSLError)
    assert tls_server.requests == ()


@pytest.mark.parametrize("kind", ["a bundle", "a context", "a context that leaves the name to us"])
def test_a_certificate_for_another_name_is_refused(kind: str, road: Any, papers: Any) -> None:
    """A trusted authority is not enough: the certificate must be this host's."""
    if kind == "a bundle":
        verify = papers.authority
    else:
        verify = _green_context(papers)
        verify.check_hostname = kind == "a context"
    with MockOllama(certfile=papers.elsewhere) as server:
        with pytest.raises(ConnectError, match=r"127.0.0.1"):
            road.fetch(road.to(server.url, verify=verify), JSON)
        assert server.requests == ()


def test_tls_where_nobody_speaks_it_is_a_connect_error(road: Any, server: Any) -> None:
    """An https URL of a server without TLS fails with its reason."""
    with pytest.raises(ConnectError, match="no TLS connection"):
        road.fetch(road.to(server.url.replace("http:", "https:")), JSON)


def _answer_politely(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_client_certificate_is_shown(road: Any, listen: Any, papers: Any) -> None:
    """A server that asks who we are is answered by `cert=`, given as one file or as two."""
    server = listen(_answer_politely, papers.server_context(papers.authority))
    for cert in (papers.client, (papers.client, papers.client)):
        transport = road.to(server.url, verify=papers.authority, cert=cert)
        assert road.fetch(transport).body == b"ok"


def test_a_missing_client_certificate_is_a_connect_error(
    road: Any, listen: Any, papers: Any
) -> None:
    """A server that asks who we are and is not told ends the call with its own reason."""
    server = listen(_answer_politely, papers.server_context(papers.authority))
    with pytest.raises(ConnectError, match=r"certificate required|EOF|reset"):
        road.fetch(road.to(server.url, verify=papers.authority))


@pytest.mark.parametrize(
    "settings",
    [{"verify": "/no/such/bundle.pem"}, {"verify": None}, {"cert": "/no/such.pem"}],
    ids=str,
)
def test_papers_that_cannot_be_used_are_refused_at_once(settings: Any, road: Any) -> None:
    """A file that is missing, or no file at all, is said when the client is made, also for a plain host."""
    for url in ("https://127.0.0.1:1", "http://127.0.0.1:1"):
        with pytest.raises(RequestError, match="verify="):
            road.to(url, **settings)


def test_a_file_that_is_no_certificate_is_refused(road: Any) -> None:
    """A bundle must hold certificates."""
    with pytest.raises(RequestError, match="verify="):
        road.to("https://127.0.0.1:1", verify=__file__)


def test_a_users_context_is_not_changed(
    road: Any, listen: Any, papers: Any, tls_server: MockOllama
) -> None:
    """A context that other threads use stays as it was: its kind of socket, its checks, the protocols that it offers."""
    chosen: list[str | None] = []
    server_context = papers.server_context()
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    watching = listen(lambda sock: chosen.append(sock.selected_alpn_protocol()), server_context)
    ours = _native_context(papers)
    ours.set_alpn_protocols(["h2"])
    before = (ours.sslsocket_class, ours.verify_mode, ours.check_hostname, ours.options)
    tls_server.script([reply({})])
    road.fetch(road.to(tls_server.url, verify=ours), JSON)
    assert (ours.sslsocket_class, ours.verify_mode, ours.check_hostname, ours.options) == before
    host, _, port = watching.address.partition(":")
    with socket.create_connection((host, int(port))) as plain:
        # On memory, not on the socket: the standard library's TLS socket would block a patched process.
        _shake_hands(ours.wrap_bio, plain, host)
    watching.close()
    assert chosen == ["h2"]


def _shake_hands(wrap: Any, sock: socket.socket, name: str) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = wrap(incoming, outgoing, server_hostname=name)
    while True:
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    sock.sendall(outgoing.read())


def test_a_context_that_would_have_to_be_changed_is_protected(papers: Any) -> None:
    """Setting what a borrowed context has already is fine; anything else is refused."""
    borrowed = make_tls_context(_native_context(papers), None)
    borrowed.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(AttributeError, match="verify_mode"):
        borrowed.verify_mode = ssl.CERT_NONE


def test_old_versions_of_tls_are_not_spoken() -> None:
    """Our own context begins at TLS 1.2, with the check of the name on."""
    context = make_tls_context(True, None)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_the_hub_turns_during_a_handshake_and_a_kill_leaves_nothing(
    road: Any, listen: Any, job: Any, heart: Any, papers: Any
) -> None:
    """A server that does not answer a handshake holds up its own call only; killed in there, it leaves nothing."""
    greeted, leave = threading.Event(), threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.recv(1)
        greeted.set()
        leave.wait(10.0)

    server = listen(silent)
    url = server.url.replace("http:", "https:")
    sending = job(road.sending(road.to(url, verify=papers.authority), JSON))
    try:
        assert greeted.wait(10.0)
        assert heart().wait()
        assert isinstance(sending.kill(), Killed)
    finally:
        leave.set()


@pytest.mark.parametrize("script", [[silence()], [head(), chunk({"n": 1}), silence()]])
def test_a_kill_reaches_the_server_although_a_copy_of_the_descriptor_lives(
    script: Any, road: Any, tls_server: MockOllama, papers: Any, job: Any, seen: Any
) -> None:
    """Hanging up works through TLS as it does without."""
    tls_server.script(script)
    copies: list[int] = []
    seen.on_connected = lambda sock: copies.append(os.dup(sock.fileno()))
    sending = road.sending(road.to(tls_server.url, verify=papers.authority), JSON, seen)

    def send_and_read() -> None:
        answer = sending()
        try:
            while answer.read():
                pass
        finally:
            answer.close()

    running = job(send_and_read)
    try:
        shared_hub().call(seen.is_sent.wait, 5)
        assert isinstance(running.kill(), Killed)
        tls_server.wait_disconnect()
    finally:
        for copy in copies:
            os.close(copy)
