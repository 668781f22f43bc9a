"""Connections through proxies: CONNECT, whole URLs, https proxies, and those that are refused."""

from __future__ import annotations

import os
from typing import Any

import gevent.socket
import pytest

from ollama_sync._config import parse_host
from ollama_sync._hub import Killed, shared_hub
from ollama_sync._transport.session import _proxies
from ollama_sync.errors import ConnectError, RequestError
from ollama_sync.testing import MockOllama, chunk, end, head, reply, silence

JSON = b'{"model":"m"}'


def test_a_plain_request_carries_the_whole_url(
    road: Any, server: Any, proxy: Any, listen: Any, seen: Any
) -> None:
    """A proxy for plain http is told the whole URL, and streams come through as without it."""
    between = listen(proxy.serve)
    server.script([head(), chunk({"n": 1}), end()])
    answer = road.send(road.to(server.url, proxy=between.url), JSON, seen)
    assert road.read(answer) == b'{"n":1}\n'
    assert isinstance(seen.sockets[0], gevent.socket.socket)
    assert proxy.heads[0].startswith(f"POST {server.url}/api/chat HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("kind", ["http", "https"])
def test_tls_goes_through_a_tunnel(
    kind: str, road: Any, proxy: Any, listen: Any, papers: Any
) -> None:
    """An https server is reached by CONNECT, also through a proxy that speaks TLS itself; the connection is kept."""
    between = listen(proxy.serve, papers.server_context() if kind == "https" else None)
    with MockOllama(certfile=papers.server) as server:
        transport = road.to(server.url, proxy=between.url, verify=papers.authority)
        for _ in range(2):
            server.script([head(), chunk({"n": 1}), end()])
            assert road.fetch(transport, JSON).body == b'{"n":1}\n'
        assert [request.connection for request in server.requests] == [1, 1]
        assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1." % server.port)
        assert len(proxy.heads) == 1


@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_kill_goes_through_a_tunnel(
    kind: str, road: Any, proxy: Any, listen: Any, papers: Any, job: Any, seen: Any
) -> None:
    """The server behind a proxy learns of the end of a call although a copy of the descriptor lives."""
    between = listen(proxy.serve, papers.server_context() if kind == "https" else None)
    copies: list[int] = []
    seen.on_connected = lambda sock: copies.append(os.dup(sock.fileno()))
    with MockOllama(certfile=papers.server) as server:
        server.script([head(), chunk({"n": 1}), silence()])
        transport = road.to(server.url, proxy=between.url, verify=papers.authority)
        reply_to_it = road.send(transport, JSON, seen)
        try:
            assert shared_hub().call(reply_to_it.read) == b'{"n":1}\n'
            reading = job(reply_to_it.read)
            assert isinstance(reading.kill(), Killed)
            shared_hub().call(reply_to_it.close)
            server.wait_disconnect()
        finally:
            for copy in copies:
                os.close(copy)


def test_a_proxy_is_told_its_own_password_and_the_server_is_not(
    road: Any, proxy: Any, listen: Any, papers: Any
) -> None:
    """What the proxy's URL says of a user goes to the proxy, in the CONNECT, and nowhere else."""
    proxy.password = b"Proxy-Authorization: Basic dTpwdw==\r\n"
    between = listen(proxy.serve)
    with MockOllama(certfile=papers.server) as server:
        server.script([reply({})])
        transport = road.to(
            server.url, proxy=f"http://u:pw@{between.address}", verify=papers.authority, api_key="k"
        )
        assert road.fetch(transport, JSON).status == 200
        assert "proxy-authorization" not in server.requests[0].headers
        assert server.requests[0].headers["authorization"] == "Bearer k"
        assert b"Bearer" not in proxy.heads[0]


# Old releases of http.client leave their reader of the proxy's answer open; newer ones of urllib3 make up for it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_proxy_that_says_no_is_a_connect_error(
    road: Any, proxy: Any, listen: Any, papers: Any
) -> None:
    """A refused CONNECT gives the proxy's reason, and never its password."""
    proxy.password = b"something else"
    between = listen(proxy.serve)
    transport = road.to("https://127.0.0.1:9", proxy=f"http://u:secret@{between.address}")
    with pytest.raises(ConnectError, match=r"proxy did not connect.*407") as caught:
        road.fetch(transport, JSON)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_is_not_there_is_a_connect_error(road: Any) -> None:
    """A proxy that nobody runs is named as the one that failed."""
    transport = road.to("https://127.0.0.1:9", proxy="http://127.0.0.1:9")
    with pytest.raises(ConnectError, match=r"proxy did not connect.*refused"):
        road.fetch(transport, JSON)


def test_an_https_proxy_with_a_certificate_of_an_unknown_authority_is_refused(
    road: Any, proxy: Any, listen: Any, papers: Any
) -> None:
    """The proxy is checked as the server is."""
    between = listen(proxy.serve, papers.server_context())
    transport = road.to("https://127.0.0.1:9", proxy=between.url, verify=papers.stranger)
    with pytest.raises(ConnectError, match="certificate verify failed"):
        road.fetch(transport, JSON)
    assert proxy.heads == []


def test_socks_is_refused_when_it_is_given(road: Any) -> None:
    """A SOCKS proxy would block every stream; it is refused at once, and its password is not repeated."""
    with pytest.raises(RequestError, match=r"socks5.*SOCKS is not supported") as caught:
        road.to("http://127.0.0.1:9", proxy="socks5://u:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_socks_of_the_environment_is_refused_when_it_is_used(
    road: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's SOCKS proxy is not passed over in silence."""
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:9")
    with pytest.raises(ConnectError, match="SOCKS proxies are not supported"):
        road.fetch(road.to("http://remote.example:1"), JSON)


def test_the_environments_proxy_serves_remote_hosts(
    road: Any, proxy: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is not ours is reached by HTTP_PROXY."""
    between = listen(proxy.serve)
    proxy.password = b"nobody has this"
    monkeypatch.setenv("HTTP_PROXY", between.url)
    monkeypatch.setenv("http_proxy", between.url)
    with pytest.raises(Exception, match="407"):
        road.fetch(road.to("http://remote.example:1"), JSON)
    assert proxy.heads[0].startswith(b"POST http://remote.example:1/api/chat ")


def test_the_environments_proxy_is_never_used_for_loopback(
    road: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy for everything does not break the local server."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.script([reply({})])
    assert road.fetch(road.to(server.url), JSON).status == 200
    assert _proxies(parse_host("localhost"), None) == {}


def test_no_proxy_of_the_environment_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that NO_PROXY names is reached directly, and "" turns the environment off."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert _proxies(parse_host("http://inside.example"), None) == {}
    assert _proxies(parse_host("http://outside.example"), None)["http"] == "http://127.0.0.1:9"
    assert _proxies(parse_host("http://outside.example"), "") == {}
