"""Each word of a script, seen from the client's end of a real socket."""

from __future__ import annotations

import _socket
import json
import socket
import struct
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.testing import (
    Connection,
    Gate,
    MockOllama,
    chunk,
    close,
    cut,
    dribble,
    end,
    half_close,
    head,
    line,
    pause,
    raw,
    replay,
    reply,
    reset,
    silence,
    stream,
    wait,
)
from ollama_sync.testing._steps import pieces_of

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock whose own stream is short."""
    with MockOllama(chunks=3, delay=0) as running:
        yield running


def ask(server: MockOllama, http: str = "1.1") -> socket.socket:
    """Send one chat request on a new connection and return its socket."""
    client = socket.create_connection((server.host, server.port), timeout=10)
    request = f"POST /api/chat HTTP/{http}\r\nHost: mock\r\nContent-Length: {len(BODY)}\r\n\r\n"
    client.sendall(request.encode() + BODY)
    return client


def read_to_end(client: socket.socket) -> bytes:
    """Return everything until the server closes."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def read_until(client: socket.socket, tail: bytes) -> bytes:
    """Return what arrives up to and with `tail`."""
    data = b""
    while not data.endswith(tail):
        received = client.recv(65536)
        assert received, f"the server closed after {data!r}"
        data += received
    return data


def answered(client: socket.socket) -> HTTPResponse:
    """Return the reply with its head read."""
    response = HTTPResponse(client)
    response.begin()
    return response


def test_the_head_says_what_was_asked_for(server: MockOllama) -> None:
    """`head` sends status, reason, the given headers with repeats, a date, and the framing's header."""
    server.script([head(503, [("X-A", "1"), ("X-A", "2")], framing="close", http="1.0")])
    lines = read_to_end(ask(server)).split(b"\r\n")
    assert lines[0] == b"HTTP/1.0 503 Service Unavailable"
    assert [row for row in lines if row.startswith(b"X-A")] == [b"X-A: 1", b"X-A: 2"]
    assert any(row.startswith(b"Date: ") for row in lines)
    assert b"Connection: close" in lines


@pytest.mark.parametrize(
    ("framing", "header"),
    [
        ("chunked", b"Transfer-Encoding: chunked"),
        ("length", b"Content-Length: 7"),
        ("close", b"Connection: close"),
    ],
)
def test_each_framing_adds_its_own_header_only(
    server: MockOllama, framing: str, header: bytes
) -> None:
    """A framing adds exactly one header; "none" adds nothing."""
    known = {b"Transfer-Encoding", b"Content-Length", b"Connection"}
    server.script([head(framing=framing, length=7)])  # type: ignore[arg-type]  # parametrize gives str
    server.script([head(framing="none")])
    found = [row for row in read_to_end(ask(server)).split(b"\r\n") if row.split(b":")[0] in known]
    assert found == [header]
    plain = read_to_end(ask(server)).split(b"\r\n")
    assert not [row for row in plain if row.split(b":")[0] in known]


def test_the_head_leaves_before_the_body(server: MockOllama) -> None:
    """`head` is on the wire when the script stops after it, whatever the next step is."""
    gate = Gate()

    class Hold:
        def run(self, connection: Connection) -> None:
            gate.hold(connection.call_soon)

    server.script([head(), Hold(), end()])
    with ask(server) as client:
        assert answered(client).status == 200
        gate.open()


def test_a_chunk_is_framed_and_an_object_is_a_line(server: MockOllama) -> None:
    """`chunk` frames bytes as they are, and an object as one JSON line."""
    server.script([head(), chunk(b"ab"), chunk({"é": 1}), end(), close()])
    body = read_to_end(ask(server)).split(b"\r\n\r\n", 1)[1]
    assert body == b"2\r\nab\r\n9\r\n" + '{"é":1}\n'.encode() + b"\r\n0\r\n\r\n"


def test_line_is_compact_json_in_utf_8() -> None:
    """`line` returns the bytes of one NDJSON line."""
    assert line({"a": [1, "ü"]}) == '{"a":[1,"ü"]}\n'.encode()


def test_raw_sends_exactly_its_bytes(server: MockOllama) -> None:
    """`raw` adds nothing: no head, no framing."""
    server.script([raw(b"anything\x00at all")])
    assert read_to_end(ask(server)) == b"anything\x00at all"


def test_a_replay_is_the_recorded_bytes(server: MockOllama) -> None:
    """`replay` sends a recording unchanged, whole or in pieces."""
    recorded = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"models":[]}'
    server.script([replay(recorded)])
    server.script([replay(recorded, pieces=[1, 17, 40])])
    assert read_to_end(ask(server)) == recorded
    assert read_to_end(ask(server)) == recorded


def test_pieces_arrive_apart(server: MockOllama) -> None:
    """`cut` and `dribble` send each piece by itself, the next not before its time."""
    never = 3600.0
    for step, first in (
        (cut(b"abcdef", at=[4, 1], delay=never), b"a"),
        (dribble(b"xyz", delay=never), b"x"),
        (dribble(b"xyz", size=2, delay=never), b"xy"),
    ):
        server.script([step])
        with ask(server) as client:
            assert client.recv(100) == first
    server.script([cut(b"abcdef", at=[1, 4]), dribble(b"xyz", size=2, delay=0.01)])
    assert read_to_end(ask(server)) == b"abcdefxyz"


@given(st.binary(max_size=50), st.lists(st.integers(0, 60)))
def test_cutting_loses_nothing(data: bytes, at: list[int]) -> None:
    """The pieces joined are the data, none is empty, and every offset inside the data is an edge."""
    pieces = pieces_of(data, at)
    assert b"".join(pieces) == data
    assert all(pieces)
    edges, position = set(), 0
    for piece in pieces[:-1]:
        position += len(piece)
        edges.add(position)
    assert edges == {offset for offset in at if 0 < offset < len(data)}


def test_a_gate_holds_the_script_until_it_is_opened(server: MockOllama) -> None:
    """Nothing after `wait` is sent before `open`; the test learns that the script has come there."""
    gate = Gate("second part")
    server.script([head(), chunk(b"1"), wait(gate), chunk(b"2"), end()])
    with ask(server) as client:
        response = answered(client)
        assert response.read1() == b"1"
        gate.wait_reached()
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        gate.open()
        assert read_until(client, b"0\r\n\r\n") == b"1\r\n2\r\n0\r\n\r\n"


def test_a_pause_holds_its_own_script_only(server: MockOllama) -> None:
    """While one script pauses, another request is answered; a pause lasts as long as it says."""
    server.script([pause(3600.0)])
    server.script([pause(0.2), reply("late")])
    began = time.monotonic()
    with ask(server), ask(server) as late:
        assert answered(late).read() == b"late"
    assert time.monotonic() - began >= 0.2


def test_silence_lasts_until_the_client_goes(server: MockOllama) -> None:
    """`silence` sends nothing and ends with the client's hang-up, which is counted."""
    server.script([head(), silence()])
    with ask(server) as client:
        answered(client)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert server.disconnects == 0
    server.wait_disconnect()


def test_close_ends_the_connection_in_mid_reply(server: MockOllama) -> None:
    """After `close` the client reads what was sent, then the end; the script may still wait."""
    gate = Gate()
    server.script([head(framing="length", length=100), raw(b"half"), close(), wait(gate)])
    assert read_to_end(ask(server)).endswith(b"\r\n\r\nhalf")
    gate.wait_reached()
    gate.open()


def test_reset_resets_the_connection(server: MockOllama) -> None:
    """After `reset` the client's read fails with a reset, not with an end."""
    gate = Gate()
    server.script([head(), chunk(b"x"), wait(gate), reset()])
    with ask(server) as client:
        read_until(client, b"1\r\nx\r\n")
        gate.open()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_half_close_of_a_connection_that_is_gone_counts_as_cut() -> None:
    """A client may hang up at that very moment: the script ends, and it is no fault of the mock's."""
    # Native, in a patched process too: the mock's own thread closes it.
    client = _socket.socket()

    class HangUp:
        def run(self, connection: Connection) -> None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    with MockOllama() as server:
        server.script([HangUp(), half_close()])
        client.connect((server.host, server.port))
        request = f"POST /api/chat HTTP/1.1\r\nHost: mock\r\nContent-Length: {len(BODY)}\r\n\r\n"
        client.send(request.encode() + BODY)
        server.wait_disconnect()


def test_half_close_ends_the_sending_direction_only(server: MockOllama) -> None:
    """After `half_close` the client reads the end, and the server still sees when it hangs up."""
    server.script([head(), half_close(), silence()])
    with ask(server) as client:
        assert b"chunked" in b"".join(iter(lambda: client.recv(65536), b""))
        client.sendall(b"still heard")
    # What the client sent last stands before its end, so the hang-up cannot be seen: only the server's stop ends this.
    assert server.disconnects == 0


def test_a_reply_has_a_length_and_keeps_the_connection(server: MockOllama) -> None:
    """`reply` is Ollama's non-stream JSON; after it the same connection takes the next request."""
    server.script([reply({"error": "no"}, 404, {"X-More": "1"})])
    server.script([reply("plain")])
    with ask(server) as client:
        first = answered(client)
        assert (first.status, first.getheader("X-More")) == (404, "1")
        assert first.getheader("Content-Type") == "application/json; charset=utf-8"
        assert first.read() == b'{"error":"no"}'
        client.sendall(b"POST /api/chat HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        second = answered(client)
        assert (second.getheader("Content-Type"), second.read()) == ("text/plain", b"plain")
    assert [request.connection for request in server.requests] == [1, 1]


def test_a_reply_to_head_has_no_body(server: MockOllama) -> None:
    """For HEAD the head says the length, and nothing follows it."""
    server.script([reply("12345")])
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(b"HEAD /api/chat HTTP/1.1\r\nConnection: close\r\n\r\n")
    answer = read_to_end(client)
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_stream_is_one_object_a_chunk_and_keeps_the_connection(server: MockOllama) -> None:
    """`stream` frames every object as one chunk with one line, and ends the body properly."""
    parts = [{"n": 1}, {"n": 2}, {"done": True}]
    server.script([stream(parts)])
    with ask(server) as client:
        text = read_until(client, b"0\r\n\r\n").split(b"\r\n\r\n", 1)[1]
        assert (
            text
            == b"".join(b"%x\r\n%b\r\n" % (len(line(p)), line(p)) for p in parts) + b"0\r\n\r\n"
        )
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert answered(client).read() == b"Ollama is running"


def test_a_stream_for_http_1_0_is_ended_by_the_close(server: MockOllama) -> None:
    """An HTTP/1.0 client gets lines without chunks, and the end of the connection as the end."""
    server.script([stream([{"n": 1}, {"n": 2}])])
    top, body = read_to_end(ask(server, http="1.0")).split(b"\r\n\r\n", 1)
    assert top.startswith(b"HTTP/1.0 200 OK")
    assert b"chunked" not in top
    assert [json.loads(row) for row in body.splitlines()] == [{"n": 1}, {"n": 2}]


def test_a_script_that_stops_in_mid_reply_closes(server: MockOllama) -> None:
    """Where the reply is not complete by its framing, the end of the script is the end of the connection."""
    server.script([head(), chunk(b"x")])
    server.script([head(framing="length", length=5), raw(b"1234")])
    assert read_to_end(ask(server)).endswith(b"1\r\nx\r\n")
    assert read_to_end(ask(server)).endswith(b"1234")


def test_a_body_of_the_promised_length_keeps_the_connection(server: MockOllama) -> None:
    """After all bytes of a head with a length, the connection takes the next request."""
    server.script([head(framing="length", length=4), dribble(b"1234", size=3)])
    with ask(server) as client:
        assert answered(client).read() == b"1234"
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert answered(client).status == 200


def test_an_old_version_in_the_head_ends_the_connection(server: MockOllama) -> None:
    """A reply that calls itself HTTP/1.0 is the last of its connection, complete or not."""
    server.script([head(framing="length", length=2, http="1.0"), raw(b"ok")])
    assert read_to_end(ask(server)).endswith(b"ok")


def test_a_late_step_gives_way(server: MockOllama) -> None:
    """A step that is always behind its schedule lets other requests be served."""
    passed: list[str] = []

    class Late:
        def run(self, connection: Connection) -> None:
            until = time.perf_counter() + 10
            while not passed and time.perf_counter() < until:
                connection.pace(0.0)
            reply({"others": len(passed)}).run(connection)

    class Pass:
        def run(self, connection: Connection) -> None:
            passed.append("here")

    server.script([Late()])
    server.script([Pass()])
    with ask(server) as late, ask(server):
        assert answered(late).read() == b'{"others":1}'


def test_a_script_is_reusable() -> None:
    """Steps are frozen values: they compare equal and keep no state."""
    assert head() == head()
    assert chunk({"a": 1}) == chunk(b'{"a":1}\n')
    with pytest.raises(AttributeError):
        pause(1.0).seconds = 2.0  # type: ignore[attr-defined]  # the point: it cannot be set
