"""What every request of a client has in common: headers, keys, proxies, papers; and the end of its connections."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any

import pytest

from ollama_sync._hub import registry, shared_hub
from ollama_sync._process import this_process
from ollama_sync._transport import session
from ollama_sync.errors import ClosedError, RequestError
from ollama_sync.testing import MockOllama, chunk, end, head, reply

JSON = b'{"model":"m"}'


class Call:
    """A call under way, as `Transport` knows it."""

    cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def sent_headers(road: Any, server: Any, **settings: Any) -> Any:
    """Return the headers that a server is sent."""
    server.script([reply({})])
    road.fetch(road.to(server.url, **settings), JSON)
    return server.requests[-1].headers


def test_a_request_has_our_headers(road: Any, server: Any) -> None:
    """Who we are, what we send and accept, and that nothing is to be compressed; no key without being told."""
    got = sent_headers(road, server)
    assert got["user-agent"].startswith("ollama_sync/")
    assert got["content-type"] == got["accept"] == "application/json"
    assert got["accept-encoding"] == "identity"
    assert got["content-length"] == str(len(JSON))
    assert "authorization" not in got


def test_a_request_without_a_body_has_no_type(road: Any, server: Any) -> None:
    """A GET says nothing of content."""
    server.on("GET", "/api/chat", [reply({})])
    road.fetch(road.to(server.url))
    assert not {"content-type", "content-length"} & set(server.requests[0].headers)


def test_the_users_headers_win(road: Any, server: Any) -> None:
    """Given headers replace ours whatever their case; one whose value is None is left out."""
    got = sent_headers(
        road,
        server,
        api_key="k",
        headers={"AUTHORIZATION": "mine", "accept": "x/y", "User-agent": "me", "X-None": None},
    )
    assert [value for name, value in got.pairs if name.lower() == "authorization"] == ["mine"]
    assert [value for name, value in got.pairs if name.lower() == "accept"] == ["x/y"]
    assert got["user-agent"] == "me"
    assert "x-none" not in got


def test_a_header_that_would_be_two_is_refused(road: Any) -> None:
    """A line end in a value smuggles in nothing."""
    with pytest.raises(RequestError, match="X-A"):
        road.to("http://127.0.0.1:1", headers={"X-A": "1\r\nX-B: 2"})


def test_the_key_is_a_bearer_token(road: Any, server: Any) -> None:
    """A key goes with each request to the host."""
    assert sent_headers(road, server, api_key="secret")["authorization"] == "Bearer secret"


def test_user_and_password_of_the_url_are_sent_as_basic_auth(road: Any, server: Any) -> None:
    """They go into a header, decoded, and out of the URL."""
    server.script([reply({})])
    transport = road.to(server.url.replace("//", "//me:p%40ss@"))
    road.fetch(transport, JSON)
    assert server.requests[0].headers["authorization"] == "Basic bWU6cEBzcw=="
    request = transport.prepare("POST", "/x", JSON, "a/b")
    assert "p%40ss" not in f"{request.url} {transport.describe(request)}"


def test_no_netrc_and_no_cookies_are_used(
    road: Any, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Only what the program says is sent: no key from a file of the home folder, no cookie from an earlier reply."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    transport = road.to(server.url)
    for _ in range(2):
        server.script([reply({}, 200, {"Set-Cookie": "c=1"})])
        road.fetch(transport, JSON)
    for request in server.requests:
        assert not {"authorization", "cookie"} & set(request.headers)


def test_the_prefix_of_the_host_precedes_the_path(road: Any, server: Any) -> None:
    """A server behind a path is asked below that path."""
    server.script([reply({})], path="/ollama/api/chat")
    road.fetch(road.to(f"{server.url}/ollama/"), JSON)
    assert server.requests[0].path == "/ollama/api/chat"


def test_a_request_is_described_in_few_words(road: Any) -> None:
    """Errors name method and place, a socket by its path."""
    for url, wanted in (
        ("http://127.0.0.1:1", "POST http://127.0.0.1:1/api/chat"),
        ("unix:///run/o.sock", "POST unix:///run/o.sock:/api/chat"),
    ):
        transport = road.to(url)
        request = transport.prepare("POST", "/api/chat", JSON, "a/b")
        assert transport.describe(request) == wanted


def test_a_closed_transport_sends_nothing(road: Any, server: Any) -> None:
    """A call that was on its way to the hub when the client was closed fails, and opens no connection."""
    transport = road.to(server.url)
    shared_hub().call(transport.close)
    with pytest.raises(ClosedError, match=r"POST http.*the client was closed"):
        road.fetch(transport, JSON)
    assert server.connections == 0


def test_close_cancels_the_calls_under_way(road: Any) -> None:
    """Each call that has begun and not ended is told."""
    transport = road.to("http://127.0.0.1:1")
    first, second = Call(), Call()
    shared_hub().call(transport.began, first)
    shared_hub().call(transport.began, second)
    shared_hub().call(transport.ended, first)
    shared_hub().call(transport.close)
    assert (first.cancelled, second.cancelled) == (0, 1)


def test_retiring_waits_for_the_last_call(road: Any, server: Any, seen: Any) -> None:
    """A dropped client's connections stay until the last of its calls is over, which nobody cancels."""
    transport = road.to(server.url)
    server.script([reply({})])
    road.read(road.send(transport, JSON, seen))
    call = Call()
    shared_hub().call(transport.began, call)
    shared_hub().call(transport.retire)
    assert seen.sockets[0].fileno() > 0
    shared_hub().call(transport.ended, call)
    assert seen.sockets[0].fileno() == -1
    assert call.cancelled == 0


def test_a_thread_s_clients_share_nothing(road: Any, server: Any, seen: Any) -> None:
    """Requests prepared by many threads at once are each their own."""
    transport = road.to(server.url)
    server.on("POST", "/api/chat", lambda request: [reply(request.json)])
    got: dict[int, bytes] = {}

    def work(number: int) -> None:
        got[number] = road.fetch(transport, b"[%d]" % number).body

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == {number: b"[%d]" % number for number in range(8)}


def test_a_forked_child_leaves_the_parents_connections_alone(
    road: Any, server: Any, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process the connections are made anew, and those of the parent are neither used nor closed."""
    monkeypatch.setattr(session, "_abandoned", [])
    transport = road.to(server.url)
    for _ in range(2):
        server.script([head(), chunk({"n": 1}), end()])
    road.read(road.send(transport, JSON, seen))
    pid = os.getpid()
    child = (this_process()[0], pid + 1)
    monkeypatch.setitem(registry._shared, (child, 0), shared_hub())  # one hub stands for both
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    shared_hub()._process = this_process()
    try:
        road.read(road.send(transport, JSON, seen))
        shared_hub().call(transport.close)
    finally:
        monkeypatch.setattr(os, "getpid", lambda: pid)
        shared_hub()._process = this_process()
    first, second = seen.sockets
    assert first is not second
    assert (first.fileno() > 0, second.fileno()) == (True, -1)
    (parents,) = session._abandoned
    shared_hub().call(parents.adapter.close)


def test_the_certificates_are_read_on_the_callers_thread(
    road: Any, papers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a bundle would hold up the hub: it is read when the client is made, and once."""
    threads: list[int] = []
    make = session.make_tls_context

    def noted(*args: Any) -> Any:
        threads.append(threading.get_native_id())
        return make(*args)

    monkeypatch.setattr(session, "make_tls_context", noted)
    with MockOllama(certfile=papers.server) as server:
        transport = road.to(server.url, verify=papers.authority)
        for _ in range(2):
            server.script([reply({})])
            road.fetch(transport, JSON)
    assert threads == [threading.get_native_id()]


def test_a_plain_client_reads_no_certificates(road: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual case, http on this machine, costs no 20 ms."""
    monkeypatch.setattr(session, "make_tls_context", lambda *_: pytest.fail("read"))
    road.to("http://127.0.0.1:1")


def test_a_transport_that_nobody_holds_goes(road: Any) -> None:
    """No global keeps a transport alive."""
    transport = session.Transport(
        road.to("http://127.0.0.1:1").host,
        api_key=None,
        headers={},
        verify=True,
        cert=None,
        proxy=None,
    )
    gone = weakref.ref(transport)
    del transport
    gc.collect()
    assert gone() is None
