"""Servers whose status lines and headers are wrong, and servers that send the client elsewhere.

Runs in the thread of the tests; the servers are hubs of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from ollama_sync import Client
from ollama_sync.errors import ConnectError, OllamaError, ResponseError, StreamBroken
from ollama_sync.testing import Gate, MockOllama, close, end, head, raw, reply, wait

MESSAGES = [{"role": "user", "content": "Hi"}]
REST = b'Connection: close\r\nContent-Length: 26\r\n\r\n{"done":true,"message":{}}'

NOT_HTTP: dict[str, bytes] = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "nothing but a version": b"HTTP/1.1\r\n\r\n",
    "another version": b"HTTP/3.7 200 OK\r\n\r\n",
    "nul bytes": b"\0" * 100 + b"\r\n\r\n",
    "only line ends": b"\r\n\r\n\r\n",
    "a body without a head": b'{"done":true}\n',
    "an endless status line": b"HTTP/1.1 200 " + b"x" * 100_000,
    "a header that is too long": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 100_000 + b"\r\n" + REST,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + REST,
}


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("form", NOT_HTTP)
def test_what_is_not_http_is_no_connection(form: str, streams: bool, stage: Any) -> None:
    """A head that cannot be read means that something else listens there: the error says so, and shows what was said."""
    steps = [raw(NOT_HTTP[form]), close()]
    error = stage.stream(*steps).error if streams else stage.reply(*steps)
    assert type(error) is ConnectError
    assert len(str(error)) < 1000
    assert "is Ollama running there?" in str(error)


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("cut", range(1, len(HEAD)))
def test_half_a_head_is_no_reply(cut: int, server: MockOllama, client: Client) -> None:
    """A connection that ends within the head, however politely, has not said that anything was deleted."""
    server.script([raw(HEAD[:cut]), close()], "/api/delete")
    with pytest.raises(ConnectError):
        client.delete("m")


def test_what_is_not_http_is_shown(stage: Any) -> None:
    """The text of the error is about what the server said, so that one sees what listens there."""
    error = stage.reply(raw(NOT_HTTP["another protocol"]), close())
    assert "not HTTP" in str(error)
    assert "SSH-2.0-OpenSSH_9.6" in str(error)


ODD_HEADS: dict[str, bytes] = {
    "no reason": b"HTTP/1.1 200\r\n" + REST,
    "only line feeds": b"HTTP/1.1 200 OK\n" + REST.replace(b"\r", b""),
    "after a 100": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + REST,
    "no ASCII": b"HTTP/1.1 200 \xc3\xa9\r\nX-A: \xff\xfe\r\n" + REST,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 90 + REST,
    "a large header": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 60_000 + b"\r\n" + REST,
    "no content type": b"HTTP/1.1 200 OK\r\n" + REST,
    "a wrong content type": b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n" + REST,
    "the length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n" + REST,
}


@pytest.mark.parametrize("form", ODD_HEADS)
def test_an_odd_head_is_a_head(form: str, stage: Any) -> None:
    """Heads that are careless or rare, and can be read, are read."""
    answer = stage.reply(raw(ODD_HEADS[form]), close())
    assert not isinstance(answer, OllamaError), answer
    assert answer.done


@pytest.mark.parametrize("status", [101, 102, 103, 199])
def test_hints_before_a_head_are_a_refusal(status: int, stage: Any, server: MockOllama) -> None:
    """Of what may precede a head only a 100 is understood; another is told by its status, and what follows is nobody's reply."""
    gate = Gate()
    hints = raw(b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % status)
    error = stage.reply(hints, wait(gate), raw(b"HTTP/1.1 200 OK\r\n" + REST))
    assert type(error) is ResponseError
    assert error.status_code == status
    server.wait_disconnect()
    assert server.connections == 2


LENGTHS: dict[bytes, type[Exception] | None] = {
    b"-1": None,
    b"x": None,
    b"": None,
    b"1e3": None,
    b"26, 27": ConnectError,
    b"9" * 30: StreamBroken,
}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_that_is_no_number_ends_in_time(length: bytes, stage: Any) -> None:
    """A length that says nothing leaves the end to the connection; one that cannot be right is an error."""
    body = REST.split(b"\r\n\r\n")[1]
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n%b" % (length, body)
    answer = stage.reply(raw(data), close())
    kind = LENGTHS[length]
    assert answer.done if kind is None else type(answer) is kind


def sockets() -> set[str]:
    links = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            links.add(str(entry.readlink()))
    return {link for link in links if link.startswith("socket:")}


def test_a_refused_head_leaves_no_socket(
    server: MockOllama, client: Client, eventually: Any
) -> None:
    """What urllib3 refuses when the socket is the response's already is closed at once, and not when it is collected."""
    before = sockets()
    server.script([raw(b"HTTP/1.1 200 OK\r\nContent-Length: 26, 27\r\n\r\n"), close()])
    with pytest.raises(ConnectError, match="Content-Length") as caught:
        client.chat("m", MESSAGES)
    eventually(lambda: sockets() <= before)
    assert caught.value.__traceback__  # which holds on to whatever was open


def elsewhere(place: str, status: int = 307) -> list[Any]:
    return [head(status, {"Location": place}, framing="length")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(status: int, stage: Any) -> None:
    """The request is repeated as it was: method, body, key."""
    server = stage.server
    with Client(server.url, api_key="secret") as client:
        for place in (f"{server.url}/moved/here", "/moved/here", "moved"):
            server.script(elsewhere(place, status))
            path = "/api/moved" if place == "moved" else "/moved/here"
            server.script([reply({"done": True, "message": {"content": "there"}})], path=path)
            assert client.chat("m", MESSAGES).message.content == "there"
            first, second = server.requests[-2:]
            assert (second.method, second.path, second.body) == ("POST", path, first.body)
            assert second.headers["authorization"] == "Bearer secret"


@pytest.fixture
def other() -> Iterator[MockOllama]:
    """A second server."""
    with MockOllama(chunks=3, delay=0.0) as running:
        yield running


def test_a_redirect_to_another_host_gets_no_key(server: MockOllama, other: MockOllama) -> None:
    """The request is repeated there, without the key that was meant for the first."""
    server.on("POST", "/api/chat", elsewhere(f"{other.url}/api/chat"))
    headers = {"Cookie": "c=1", "X-Own": "secret"}
    with Client(server.url, api_key="secret", headers=headers) as client:
        assert len(list(client.chat("m", MESSAGES, stream=True))) == 4
        assert client.version().version
    (asked,) = other.requests
    assert "authorization" not in asked.headers
    assert not {"cookie", "x-own"} & set(asked.headers)
    assert asked.headers["host"] == other.url.removeprefix("http://")
    assert asked.body == server.requests[0].body


def test_a_redirect_down_to_http_is_refused(other: MockOllama, tmp_path: Path) -> None:
    """A server with TLS cannot send the prompt to a place without."""
    authority = trustme.CA()
    chain, trust = tmp_path / "server.pem", tmp_path / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    authority.cert_pem.write_to_path(str(trust))
    with MockOllama(certfile=chain) as secure, Client(secure.url, verify=str(trust)) as client:
        secure.on("POST", "/api/chat", elsewhere(f"{other.url}/api/chat"))
        with pytest.raises(ResponseError, match="without TLS"):
            client.chat("m", MESSAGES)
        assert client.version().version
    assert other.requests == ()


NOWHERE: dict[str, tuple[list[Any], str]] = {
    "no place": ([head(307, {}, framing="length")], "gave no reason"),
    "not http": (elsewhere("file:///etc/passwd"), "not followed"),
    "no url": (elsewhere("http://[half"), "no URL"),
    "no port": (elsewhere("http://127.0.0.1:99999999/"), "redirected"),
}


@pytest.mark.parametrize("form", NOWHERE)
def test_a_redirect_to_nowhere_is_a_refusal(form: str, stage: Any) -> None:
    """What cannot be followed is told, with the status."""
    steps, text = NOWHERE[form]
    error = stage.reply(*steps)
    assert type(error) is ResponseError, error
    assert text in str(error)
    assert error.status_code == 307


def test_redirects_in_a_circle_end(server: MockOllama, client: Client) -> None:
    """After a few rounds a circle is given up, and each round was one request."""
    server.on("POST", "/api/chat", elsewhere("/api/generate"))
    server.on("POST", "/api/generate", elsewhere("/api/chat"))
    with pytest.raises(ResponseError, match="more than 5 redirects"):
        client.chat("m", MESSAGES)
    assert len(server.requests) == 6
    assert client.version().version


def test_the_body_of_a_redirect_is_not_the_reply(stage: Any) -> None:
    """A redirect may have a body, even one that does not end: it is not waited for."""
    stage.server.script([reply({"done": True, "message": {"content": "x"}})], path="/b")
    steps = [head(307, {"Location": "/b"}), raw(b"5\r\nhello\r\n"), close()]
    assert stage.reply(*steps).message.content == "x"
    stage.server.script([reply({"done": True, "message": {"content": "y"}})], path="/b")
    steps = [head(307, {"Location": "/b"}), raw(b"5\r\nhello\r\n"), end()]
    assert stage.reply(*steps).message.content == "y"
