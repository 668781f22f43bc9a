"""The mock server as a whole: what it says by itself, what it records, how it ends; with real clients."""

from __future__ import annotations

import gc
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest

from ollama_sync import Client
from ollama_sync.errors import UsageError
from ollama_sync.testing import (
    Connection,
    Gate,
    MockOllama,
    Request,
    chunk,
    close,
    end,
    head,
    raw,
    replay,
    reply,
    silence,
    stream,
    wait,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "why is it so"}]}


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock whose own stream is short."""
    with MockOllama(chunks=3, delay=0) as running:
        yield running


def call(server: MockOllama, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
    """Make one request and return the reply with its body read (as `.text`)."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data)
    response = connection.getresponse()
    response.text = response.read().decode()  # type: ignore[attr-defined]  # a test's own field
    connection.close()
    return response


def ask(server: MockOllama, path: str = "/api/chat", body: Any = CHAT) -> socket.socket:
    """Send one request and return its socket."""
    client = socket.create_connection((server.host, server.port), timeout=10)
    data = json.dumps(body).encode()
    client.sendall(
        b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data
    )
    return client


# Many at once.


def test_more_than_a_thousand_streams_at_once(room_for_sockets: int) -> None:
    """1200 streams are open at the same time: each has had its first part when the gate lets all of them end."""
    gate = Gate()
    n = min(1200, room_for_sockets)
    with MockOllama() as server, ExitStack() as stack:
        server.on("POST", "/api/chat", [head(), chunk(b"first"), wait(gate), chunk(b"last"), end()])
        clients = [stack.enter_context(ask(server)) for _ in range(n)]
        responses = [http.client.HTTPResponse(client) for client in clients]
        for response in responses:
            response.begin()
            assert response.read1() == b"first"
        assert server.connections == len(server.requests) == n
        gate.open()
        for response in responses:
            assert response.read() == b"last"
    assert n > 1000


@pytest.fixture
def room_for_sockets() -> Iterator[int]:
    """Raise the limit of open files where it is low; the number of connections (both ends) that fit."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_firehose_leaves_time_for_others() -> None:
    """While a stream without delays pours, another request is answered long before it ends."""
    with MockOllama(chunks=10_000_000, delay=0) as server, ask(server) as pouring:
        pouring.recv(1)
        stop = threading.Event()

        def drink() -> None:
            while not stop.is_set():
                pouring.recv(65536)

        drinker = threading.Thread(target=drink)
        drinker.start()
        assert call(server, "GET", "/").text == "Ollama is running"
        stop.set()
        drinker.join()


# What it records.


def test_requests_are_recorded_as_they_came(server: MockOllama) -> None:
    """Method, path, query, headers and body of every request, in order."""
    call(server, "GET", "/api/tags?x=1")
    call(server, "POST", "/api/chat", CHAT)
    first, second = server.requests
    assert (first.method, first.path, first.query, first.body) == ("GET", "/api/tags", "x=1", b"")
    assert (second.method, second.path, second.http) == ("POST", "/api/chat", "1.1")
    assert second.json == CHAT
    assert second.headers["content-LENGTH"] == str(len(second.body))
    assert "host" in second.headers
    assert ("Accept-Encoding", "identity") in second.headers.pairs
    with pytest.raises(AttributeError):
        second.path = "/"  # type: ignore[misc]  # the point: a record is frozen
    with pytest.raises(ValueError, match="Expecting"):
        _ = first.json


def test_a_chunked_request_is_recorded_whole(server: MockOllama) -> None:
    """The transfer coding of a request is removed."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("POST", "/api/blobs/x", iter([b"ab", b"cd"]), encode_chunked=True)
    connection.getresponse().read()
    connection.close()
    assert server.requests[0].body == b"abcd"


def test_requests_of_one_connection_bear_its_number(server: MockOllama) -> None:
    """Keep-alive: requests on one connection share a number, another connection has the next."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/api/chat", json.dumps(CHAT))
        assert len(connection.getresponse().read().splitlines()) == 4
    connection.close()
    call(server, "GET", "/")
    assert [request.connection for request in server.requests] == [1, 1, 1, 2]
    assert server.connections == 2
    assert server.disconnects == 0


def test_what_is_not_http_gets_400(server: MockOllama, capfd: pytest.CaptureFixture[str]) -> None:
    """Garbage is answered 400 and closed, without a word on stderr."""
    for garbage in (b"garbage\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(garbage)
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert server.requests == ()
    assert capfd.readouterr().err == ""


# Hang-ups.


@pytest.mark.parametrize("abrupt", [False, True])
def test_a_hang_up_is_seen_while_the_script_waits(server: MockOllama, abrupt: bool) -> None:
    """A client that closes, or resets, while the script stands at a gate is noticed at once and ends the script."""
    gate = Gate()
    after: list[str] = []

    class Note:
        def run(self, connection: Connection) -> None:
            after.append("ran")

    server.script([head(), wait(gate), Note()])
    with ask(server) as client:
        gate.wait_reached()
        if abrupt:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.wait_disconnect()
    gate.open()
    assert call(server, "GET", "/").status == 200
    assert after == []
    assert server.disconnects == 1


def test_a_cut_stream_is_no_longer_made() -> None:
    """When the client goes in mid-stream, the fake stream ends at once, though it would last for hours."""
    with MockOllama(chunks=1000, delay=10) as server:
        for _ in range(2):
            with ask(server) as client:
                client.recv(1)
        server.wait_disconnect(2)
        assert server.disconnects == 2


def test_a_client_that_does_not_read_is_seen_to_go(server: MockOllama) -> None:
    """A hang-up ends a script that waits for room in a full socket."""
    gate = Gate()
    server.script([wait(gate), raw(b"x" * 50_000_000)])
    with ask(server) as client:
        gate.wait_reached()
        gate.open()
        client.recv(1)
    server.wait_disconnect()


def test_leaving_after_the_whole_reply_is_no_cut(server: MockOllama) -> None:
    """A client that hangs up when it has everything is not counted, though the script still does something."""
    server.script([reply("all of it"), silence()])
    server.script([head(), silence()])
    with ask(server) as first:
        http.client.HTTPResponse(first).begin()
    with ask(server) as second:
        http.client.HTTPResponse(second).begin()
    server.wait_disconnect()
    assert call(server, "GET", "/").status == 200
    assert server.disconnects == 1


def test_a_hang_up_that_comes_later_is_waited_for(server: MockOllama) -> None:
    """`wait_disconnect` sleeps until the client goes."""
    server.script([silence()])
    client = ask(server)
    timer = threading.Timer(0.2, client.close)
    timer.start()
    server.wait_disconnect(timeout=600.0)
    timer.join()


def test_an_upload_that_is_cut_counts(server: MockOllama) -> None:
    """A client that leaves in the middle of its body is counted, and no request is recorded."""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"POST /api/blobs/x HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    server.wait_disconnect()
    assert server.requests == ()


def test_waiting_for_a_hang_up_that_does_not_come(server: MockOllama) -> None:
    """`wait_disconnect` raises, with the numbers, when fewer clients went in time."""
    with pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_disconnect(timeout=0.01)


def test_the_next_request_sent_early_is_no_hang_up(server: MockOllama) -> None:
    """Requests sent back to back on one connection are answered one after the other."""
    gate = Gate()
    server.script([wait(gate), reply("one")])
    server.script([reply("two", headers={"Connection": "close"})])
    with ask(server) as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        gate.wait_reached()
        gate.open()
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert [said.count(b"one"), said.count(b"two")] == [1, 1]
    assert server.disconnects == 0


# Scripts and routes.


def test_scripts_are_used_once_and_in_order(server: MockOllama) -> None:
    """A queued script answers one request of its path; then the next; then what was there before."""
    server.script([reply("first")], path="/api/tags")
    server.script([reply("second")], path="/api/tags")
    assert call(server, "GET", "/").text == "Ollama is running"
    assert call(server, "GET", "/api/tags").text == "first"
    assert call(server, "GET", "/api/tags").text == "second"
    assert "models" in call(server, "GET", "/api/tags").text


def test_a_route_is_a_script_or_a_function(server: MockOllama) -> None:
    """A route answers every request of its method and path; a function sees the request."""
    server.on("POST", "/api/show", [reply({"details": {}})])
    server.on("POST", "/api/chat", lambda request: [reply({"echo": request.json["model"]})])
    for _ in range(2):
        assert call(server, "POST", "/api/show").text == '{"details":{}}'
        assert call(server, "POST", "/api/chat", CHAT).text == '{"echo":"m"}'
    assert call(server, "GET", "/api/show").status == 405


def test_a_route_may_end_in_a_star(server: MockOllama) -> None:
    """A path that ends in `*` matches by its beginning; an exact one wins."""
    server.on("HEAD", "/api/blobs/*", [reply("", 200)])
    server.on("HEAD", "/api/blobs/sha256:0", [reply("", 404)])
    assert call(server, "HEAD", "/api/blobs/sha256:1").status == 200
    assert call(server, "HEAD", "/api/blobs/sha256:0").status == 404
    assert call(server, "GET", "/api/blobs/sha256:1").status == 405


def test_a_handler_may_be_a_generator(server: MockOllama) -> None:
    """Steps may be made one by one, while the reply goes out."""

    def count(request: Request) -> Iterator[Any]:
        yield head()
        for number in range(3):
            yield chunk({"n": number})
        yield end()

    server.on("POST", "/api/chat", count)
    assert call(server, "POST", "/api/chat", CHAT).text == '{"n":0}\n{"n":1}\n{"n":2}\n'


def test_reset_forgets_everything(server: MockOllama) -> None:
    """After `reset` the mock is as new: no routes, scripts, records or counts."""
    server.on("GET", "/", [reply("routed")])
    server.script([reply("queued")], path="/api/tags")
    assert call(server, "GET", "/").text == "routed"
    server.reset()
    assert (server.requests, server.errors, server.disconnects) == ((), (), 0)
    assert call(server, "GET", "/").text == "Ollama is running"
    assert "models" in call(server, "GET", "/api/tags").text


# Errors.


def test_an_error_of_a_handler_surfaces_in_the_test() -> None:
    """What a handler raises is answered 500, and raised by the end of the `with` block."""

    def fail(_: Request) -> list[Any]:
        raise LookupError("no such reply")

    with ExitStack() as stack:
        stack.enter_context(pytest.raises(LookupError, match="no such reply"))
        server = stack.enter_context(MockOllama())
        server.on("POST", "/api/chat", fail)
        response = call(server, "POST", "/api/chat", CHAT)
        assert response.status == 500
        assert "no such reply" in response.text
        assert isinstance(server.errors[0], LookupError)


def test_an_error_in_mid_reply_cuts_it_and_surfaces(capfd: pytest.CaptureFixture[str]) -> None:
    """A step that raises after the head ends the connection; `stop` raises its error once, and nothing is printed."""

    class Broken:
        def run(self, connection: Connection) -> None:
            raise ZeroDivisionError("in a step")

    server = MockOllama().start()
    server.script([head(), chunk(b"x"), Broken(), end()])
    with ask(server) as client:
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"1\r\nx\r\n")
    with pytest.raises(ZeroDivisionError, match="in a step"):
        server.stop()
    server.stop()
    assert capfd.readouterr().err == ""


def test_sending_after_close_is_the_scripts_error() -> None:
    """A script that sends on a connection that it closed itself is told so."""
    server = MockOllama().start()
    server.script([raw(b"x"), close(), raw(b"y")])
    with ask(server) as client:
        assert b"".join(iter(lambda: client.recv(100), b"")) == b"x"
    with pytest.raises(ValueError, match="closed the connection"):
        server.stop()


# Where it listens.


def test_small_pieces_are_not_held_back(server: MockOllama) -> None:
    """The accepted sockets have TCP_NODELAY: a piece leaves at once, without waiting for the peer to acknowledge."""

    class Tell:
        def run(self, connection: Connection) -> None:
            sock = connection._sock
            reply({"on": bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))}).run(
                connection
            )

    server.script([Tell()], path="/nodelay")
    assert call(server, "GET", "/nodelay").text == '{"on":true}'


def test_a_unix_socket(tmp_path: Path) -> None:
    """The mock listens on a path, names it in its url, and removes it at the end."""
    path = tmp_path / "o.sock"
    with MockOllama(unix=path) as server:
        assert server.url == f"unix://{path}"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.endswith(b"Ollama is running")
    assert not path.exists()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run([openssl, *made.split()], check=True, capture_output=True)
    return cert, key


def test_tls(certificate: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """With a certificate the mock speaks https, sees hang-ups, and is quiet about clients that do not trust it."""
    cert, key = certificate
    trusting = ssl.create_default_context(cafile=cert)
    with MockOllama(certfile=cert, keyfile=key, chunks=2, delay=0) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        connection = http.client.HTTPSConnection(
            server.host, server.port, timeout=10, context=trusting
        )
        connection.request("POST", "/api/chat", json.dumps(CHAT))
        assert len(connection.getresponse().read().splitlines()) == 3
        gate = Gate()
        server.script([head(), wait(gate)])
        connection.request("POST", "/api/chat", json.dumps(CHAT))
        gate.wait_reached()
        connection.close()
        server.wait_disconnect()
        with socket.create_connection((server.host, server.port), timeout=10) as plain:
            distrusting = ssl.create_default_context()
            with pytest.raises(ssl.SSLError):
                distrusting.wrap_socket(plain, server_hostname="127.0.0.1")
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named(server: MockOllama) -> None:
    """An address that cannot be had raises at the start, with the address."""
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        MockOllama(port=server.port).start()


def test_the_port_and_the_url_agree(server: MockOllama) -> None:
    """`url` names the port that the system gave, and the repr shows it."""
    assert server.port != 0
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.url in repr(server)


# Its life.


def test_a_server_runs_once_at_a_time(server: MockOllama) -> None:
    """A second start is refused; after a stop it starts again, on another port."""
    with pytest.raises(UsageError, match="runs already"):
        server.start()
    server.stop()
    assert "stopped" in repr(server)
    with server:
        assert call(server, "GET", "/").status == 200


def test_serve_forever_ends_with_stop() -> None:
    """`serve_forever` starts the server, serves, and returns when another thread stops it."""
    server = MockOllama()
    begun = Gate()
    server.on("GET", "/ready", [wait(begun), reply("yes")])
    begun.open()
    thread = threading.Thread(target=server.serve_forever)
    server.start()
    thread.start()
    assert call(server, "GET", "/ready").text == "yes"
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def live_greenlets() -> int:
    return sum(isinstance(found, gevent.Greenlet) and not found.dead for found in gc.get_objects())


def threads_fall_to(number: int) -> bool:
    """Tell whether no more than `number` threads are left, given time for the last instructions of those that end."""
    deadline = time.monotonic() + 5
    while native_threads() > number and time.monotonic() < deadline:
        time.sleep(0.01)
    return native_threads() <= number


counts_by_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="Linux only")


@counts_by_proc
def test_a_server_is_one_thread() -> None:
    """However many requests there are, the server adds one native thread to the process."""
    before = native_threads()
    with MockOllama(chunks=3, delay=0) as server:
        for _ in range(3):
            call(server, "POST", "/api/chat", CHAT)
        assert native_threads() <= before + 1
    assert threads_fall_to(before)


def test_stop_ends_the_scripts_that_run() -> None:
    """When `stop` returns, a step that was waiting has been ended and has cleaned up after itself."""
    gate = Gate()
    ended: list[str] = []

    class Endless:
        def run(self, connection: Connection) -> None:
            try:
                wait(gate).run(connection)
            finally:
                ended.append("cleaned up")

    with MockOllama() as server:
        server.script([Endless()])
        with ask(server):
            gate.wait_reached()
            server.stop()
            assert ended == ["cleaned up"]


@counts_by_proc
def test_a_start_that_fails_leaves_no_thread(server: MockOllama) -> None:
    """The thread of a server that cannot listen ends."""
    before = native_threads()
    for _ in range(3):
        with pytest.raises(OSError, match="cannot listen"):
            MockOllama(port=server.port).start()
    assert threads_fall_to(before)


def test_a_stopped_server_leaves_no_garbage_that_complains() -> None:
    """What the collector finds after a stop holds on to no loop: a finalizer that fails is an error of this suite."""
    kept: list[Connection] = []

    class Keep:
        def run(self, connection: Connection) -> None:
            kept.append(connection)
            reply({}).run(connection)

    gc.collect()
    gc.disable()
    try:
        with MockOllama(chunks=3, delay=0) as server:
            call(server, "POST", "/api/chat", CHAT)
            server.script([Keep()], path="/keep")
            call(server, "GET", "/keep")
            server.script([silence()], path="/silence")
            server.script([head(), chunk(b"x"), silence()])
            with ask(server, "/silence"), ask(server) as client:
                client.recv(1)
                server.stop()
    finally:
        gc.enable()
    assert kept[0]._reader.closed, "its finalizer would fail, which only -X dev would show"
    kept.clear()
    gc.collect()


@counts_by_proc
def test_nothing_is_left_after_stop() -> None:
    """However busy the server was, after `stop` its thread, greenlets and sockets are gone, and clients read the end."""

    def run() -> None:
        gate = Gate()
        with MockOllama(chunks=1000, delay=0.01) as server, ExitStack() as stack:
            server.script([head(), wait(gate)], path="/gate")
            server.script([silence()], path="/silence")
            server.script([raw(b"x" * 50_000_000)], path="/full")
            server.script([replay(b"HTTP/1.1 200 OK\r\n"), silence()], path="/replay")
            server.script([stream([{}] * 100, delay=0.1)], path="/stream")
            paths = ("/api/chat", "/gate", "/silence", "/full", "/replay", "/stream")
            clients = [stack.enter_context(ask(server, path)) for path in paths]
            idle = stack.enter_context(socket.create_connection((server.host, server.port)))
            gate.wait_reached()
            server.stop()
            for client in (*clients, idle):
                while client.recv(1_000_000):
                    pass

    run()  # what the first run loads and keeps, is not the server's
    gc.collect()
    before = open_files(), native_threads(), live_greenlets()
    run()
    gc.collect()
    assert threads_fall_to(before[1])
    assert (open_files(), live_greenlets()) == (before[0], before[2])


def test_a_handler_can_be_taken_back(server: MockOllama, client: Client) -> None:
    """Behind `on(..., None)` the server says what it says by itself, also where there was no handler."""
    server.on("POST", "/api/generate", [reply({"response": "mine", "done": True})])
    assert client.generate("m", "hi").response == "mine"
    for _ in range(2):
        server.on("POST", "/api/generate", None)
        assert client.generate("m", "hi").response == "AAA"
