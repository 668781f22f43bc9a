"""What becomes of a request: a reply, a redirect that is followed or not, or an error of the tree."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import socket
from typing import Any

import pytest
import responses

from ollama_sync import Client
from ollama_sync._hub import shared_hub
from ollama_sync.errors import ConnectError, HubError, ResponseError, StreamBroken
from ollama_sync.testing import (
    MockOllama,
    chunk,
    close,
    end,
    head,
    line,
    raw,
    reply,
    reset,
    silence,
)

JSON = b'{"model":"m"}'


def redirect(target: str, status: int = 307) -> Any:
    """Answer with a redirect that has a body."""
    return reply("elsewhere", status, {"Location": target})


def refused(road: Any, server: Any, *steps: Any, **settings: Any) -> ResponseError:
    """Return the error with which a call fails that is answered so."""
    server.script(steps)
    with pytest.raises(ResponseError) as caught:
        road.fetch(road.to(server.url, **settings), JSON)
    assert pickle.loads(pickle.dumps(caught.value)).error == caught.value.error
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_method_body_and_key(
    status: int, road: Any, server: Any
) -> None:
    """A POST stays a POST and keeps its body, whatever the status; on the same host it keeps the key."""
    server.script([redirect("/there", status)])
    server.script([reply({"ok": 1})], path="/there")
    answer = road.fetch(road.to(server.url, api_key="k"), JSON)
    assert answer.body == b'{"ok":1}'
    first, second = server.requests
    assert (second.method, second.path, second.body) == ("POST", "/there", JSON)
    assert second.headers["authorization"] == first.headers["authorization"] == "Bearer k"


def test_a_redirect_to_another_place_drops_the_key(road: Any, server: Any) -> None:
    """Nothing of the user's own headers goes to another port; the `Host` header is of the new place; ours stay."""
    with MockOllama() as other:
        server.script([redirect(f"{other.url}/api/chat")])
        other.script([reply({})])
        headers = {
            "Cookie": "c=1",
            "Proxy-Authorization": "p",
            "Host": "mine.example",
            "X-Mine": "1",
        }
        road.fetch(road.to(server.url, api_key="k", headers=headers), JSON)
        got, place = other.requests[0].headers, f"127.0.0.1:{other.port}"
    assert "bearer" not in str(got.pairs).lower()
    assert not {"authorization", "cookie", "proxy-authorization", "x-mine"} & set(got)
    assert got["host"] == place
    assert got["content-type"] == "application/json"
    assert server.requests[0].headers["host"] == "mine.example"


def test_the_key_does_not_come_back(road: Any, server: Any) -> None:
    """A key that was dropped on the way is not taken up again by a redirect back to where it was meant for."""
    with MockOllama() as other:
        server.script([redirect(f"{other.url}/api/chat")])
        other.script([redirect(f"{server.url}/back")])
        server.script([reply({})], path="/back")
        road.fetch(road.to(server.url, api_key="k"), JSON)
    assert "authorization" not in server.requests[1].headers


def test_a_downgrade_to_http_is_refused(road: Any, server: Any, papers: Any) -> None:
    """From https no redirect leads to http: it would send the prompt, and perhaps the key, in the open."""
    with MockOllama(certfile=papers.server) as secure:
        error = refused(
            road, secure, redirect(f"{server.url}/api/chat"), verify=papers.authority, api_key="k"
        )
    assert "not followed" in error.error
    assert error.status_code == 307
    assert server.requests == ()


def test_an_upgrade_to_https_is_followed(road: Any, server: Any, papers: Any) -> None:
    """From http a redirect may lead to https; between two ports the key is not carried along."""
    with MockOllama(certfile=papers.server) as secure:
        server.script([redirect(f"{secure.url}/api/chat")])
        secure.script([reply({})])
        road.fetch(road.to(server.url, verify=papers.authority, api_key="k"), JSON)
        assert "authorization" not in secure.requests[0].headers


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[::1", "http://a:b/"]
)
def test_a_redirect_to_no_http_url_is_refused(target: str, road: Any, server: Any) -> None:
    """What is no URL, or another protocol's, is the server's fault and told as such."""
    error = refused(road, server, redirect(target))
    assert error.error.startswith("redirected from")
    assert error.status_code == 307


def test_a_loop_of_redirects_ends(road: Any, server: Any) -> None:
    """After five redirects it is enough."""
    server.on("POST", "/api/chat", [redirect("/api/chat")])
    with pytest.raises(ResponseError, match="more than 5 redirects"):
        road.fetch(road.to(server.url), JSON)
    assert len(server.requests) == 6


def test_a_redirect_without_a_target_is_a_refusal(road: Any, server: Any) -> None:
    """A status 307 that names no place is an answer like any other that is not success."""
    error = refused(road, server, reply("hm", 307))
    assert (error.error, error.status_code) == ("hm", 307)


ERRORS: dict[str, tuple[Any, int, str, str]] = {
    "ollama's own": (
        reply({"error": "model 'x' not found"}, 404),
        404,
        "model 'x' not found",
        "pull it",
    ),
    "an empty 403": (head(403, {}, "length"), 403, "gave no reason", "Host header"),
    "a page": (
        reply("<html><head><title>502 Bad &amp; Gateway</title></head>", 502),
        502,
        "an HTML page instead of an answer: 502 Bad & Gateway",
        "",
    ),
    "a page without a title": (reply("<h1>no", 500), 500, "no title", ""),
    "text": (reply("404 page not found", 404), 404, "404 page not found", "path prefix"),
    "a JSON list": (reply(["what"], 400), 400, '["what"]', ""),
    "a JSON number": (reply("17", 400), 400, "17", ""),
    "null": (reply("null", 400), 400, "null", ""),
    "JSON in a string": (reply({"error": '{"code":400}'}, 400), 400, '{"code":400}', ""),
    "an object of OpenAI's": (reply({"error": {"message": "no", "type": "x"}}, 400), 400, "no", ""),
    "an error that is a number": (reply({"error": 5}, 400), 400, "5", ""),
    "an empty error": (reply({"error": ""}, 500), 500, '{"error":""}', ""),
    "busy": (reply({"error": "server busy"}, 503), 503, "server busy", "try again"),
    "no UTF-8": (reply(b"\xff\xfe", 500), 500, "\ufffd\ufffd", ""),
    "chunked": (
        raw(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"),
        400,
        "bad",
        "",
    ),
    "cut short": (head(500, {}, "length", 99), 500, "gave no reason", ""),
    "an error line in chunks": (
        raw(
            b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\nE\r\n"
            b'{"error":"a"}\n\r\n0\r\n\r\n'
        ),
        400,
        "a",
        "",
    ),
}


@pytest.mark.parametrize(("step", "status", "text", "hint"), ERRORS.values(), ids=ERRORS.keys())
def test_a_refusal_says_what_the_server_said(
    step: Any, status: int, text: str, hint: str, road: Any, server: Any
) -> None:
    """Status, the server's own text and a hint, whatever the body is; no body at all is an answer, too."""
    error = refused(road, server, step)
    assert error.status_code == status
    assert error.error.endswith(text)
    assert hint in (error.hint or "")
    assert bool(hint) == bool(error.hint)
    assert str(status) in str(error)


def test_a_refusal_has_headers_and_the_place_to_sign_in(road: Any, server: Any) -> None:
    """A 401 of the cloud names where to sign in; the headers are those of the reply."""
    place = "https://ollama.com/connect?name=x"
    error = refused(
        road,
        server,
        reply({"error": "unauthorized", "signin_url": place}, 401, {"X-Request-Id": "7"}),
    )
    assert (error.error, error.status_code, error.signin_url) == ("unauthorized", 401, place)
    assert error.headers["X-Request-Id"] == "7"
    assert place in str(error)


def test_a_huge_refusal_is_bounded(road: Any, server: Any) -> None:
    """Of a body without end some is read and some shown; then the connection is closed."""
    server.script(
        [head(500, {"Content-Type": "text/plain"}), *[chunk(b"x" * 65536)] * 3, silence()]
    )
    with pytest.raises(ResponseError) as caught:
        road.fetch(road.to(server.url), JSON)
    assert caught.value.error == "x" * 2000
    server.wait_disconnect()


def test_the_connection_of_a_refusal_is_kept(road: Any, server: Any) -> None:
    """An error whose body was read costs no connection."""
    transport = road.to(server.url)
    for _ in range(2):
        server.script([reply({"error": "no"}, 404)])
        with pytest.raises(ResponseError):
            road.fetch(transport, JSON)
    assert [request.connection for request in server.requests] == [1, 1]


BROKEN: dict[str, list[Any]] = {
    "closed between chunks": [head(), chunk({"n": 1}), close()],
    "closed within a chunk": [head(), chunk({"n": 1}), raw(b"ff\r\n{"), close()],
    "reset": [head(), chunk({"n": 1}), reset()],
    "no chunk": [head(), chunk({"n": 1}), raw(b"hello\r\n"), close()],
    "shorter than its length": [head(framing="length", length=99), raw(line({"n": 1})), close()],
    "shorter than its length, reset": [
        head(framing="length", length=99),
        raw(line({"n": 1})),
        reset(),
    ],
    "not compressed after all": [head(200, {"Content-Encoding": "gzip"}), chunk({"n": 1}), end()],
}


@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN.keys())
def test_a_reply_that_breaks_off_is_a_broken_stream(steps: Any, road: Any, server: Any) -> None:
    """After the headers every failure is a `StreamBroken` that says what was tried."""
    server.script(steps)
    reply_to_it = road.send(road.to(server.url), JSON)
    with pytest.raises(StreamBroken) as caught:
        road.read(reply_to_it)
    assert f"POST {server.url}/api/chat: the " in str(caught.value)


NOT_HTTP = {
    "a greeting": b"220 mail.example ESMTP\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
}


@pytest.mark.parametrize("said", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_what_does_not_speak_http_is_a_connect_error(said: bytes, road: Any, server: Any) -> None:
    """A reply that has no head is no reply."""
    server.script([raw(said), close()])
    with pytest.raises(ConnectError, match="POST http"):
        road.fetch(road.to(server.url), JSON)


def test_closing_twice_and_after_the_end_is_fine(road: Any, server: Any) -> None:
    """`close` may be called at any time."""
    server.script([head(), chunk({"n": 1}), silence()])
    server.script([head(), chunk({"n": 1}), end()])
    transport = road.to(server.url)
    for _ in range(2):
        answer = road.send(transport, JSON)
        shared_hub().call(answer.read)
        for _ in range(2):
            shared_hub().call(answer.close)
    server.wait_disconnect()


def test_a_mock_of_responses_is_asked(road: Any) -> None:
    """The call goes through `HTTPAdapter.send`, which the `responses` library replaces; nothing is connected to."""
    with responses.RequestsMock() as mock:
        mock.post("http://mocked.example/api/chat", json={"a": 1})
        answer = road.fetch(road.to("http://mocked.example", api_key="k"), JSON)
        assert json.loads(answer.body) == {"a": 1}
        sent = mock.calls[0].request
        assert (sent.body, sent.headers["Authorization"]) == (JSON, "Bearer k")


def test_a_mock_of_responses_can_refuse(road: Any) -> None:
    """Errors of mocks are mapped as those of servers."""
    with responses.RequestsMock() as mock:
        mock.post("http://mocked.example/api/chat", json={"error": "no"}, status=404)
        mock.post("http://mocked.example/api/chat", body=ConnectionRefusedError(111, "refused"))
        transport = road.to("http://mocked.example")
        with pytest.raises(ResponseError, match="no"):
            road.fetch(transport, JSON)
        with pytest.raises(ConnectError, match="refused"):
            road.fetch(transport, JSON)


PARTS = [{"message": {"role": "assistant", "content": text}, "done": not text} for text in "ab"]
PARTS.append({"message": {"role": "assistant", "content": ""}, "done": True})


@pytest.mark.parametrize("kind", ["bytes", "a file"])
def test_a_stream_can_be_mocked(kind: str) -> None:
    """A stream of the public client works over a mocked body, also one that says it is chunked."""
    body: Any = b"".join(map(line, PARTS))
    with responses.RequestsMock() as mock, Client("http://mocked.example") as client:
        mock.post(
            "http://mocked.example/api/chat",
            body=io.BufferedReader(io.BytesIO(body)) if kind == "a file" else body,
            headers={"Transfer-Encoding": "chunked"},
        )
        stream = client.chat("m", [{"role": "user", "content": "hi"}], stream=True)
        assert len(mock.calls) == 1
        assert [part.to_dict() for part in stream] == PARTS


def test_a_name_that_cannot_be_encoded_is_a_connect_error(road: Any, server: Any) -> None:
    """A redirect to a name that no resolver takes fails as an unknown name does."""
    server.script([redirect(f"http://{'x' * 70}.example/")])
    with pytest.raises(ConnectError, match=r"label.* too long"):
        road.fetch(road.to(server.url), JSON)


def test_the_native_resolver_is_not_needed_for_mocks(
    road: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mocked host is not looked up."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("resolved"))
    with responses.RequestsMock() as mock:
        mock.post("http://mocked.example/api/chat", json={})
        assert road.fetch(road.to("http://mocked.example"), JSON).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:11434/x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "http://0.0.0.0/x",
        "http://localhost/x",
        "http://ollama.localhost./x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1%25eth0]/x",
    ],
)
@responses.activate
def test_a_server_elsewhere_may_not_send_a_request_to_this_machine(target: str) -> None:
    """However the address is written; nothing is sent there."""
    place = "http://ollama.example/api/embed"
    responses.post(place, status=307, headers={"Location": target})
    elsewhere = Client("http://ollama.example:80")
    with elsewhere, pytest.raises(ResponseError, match="not followed, for a server elsewhere"):
        elsewhere.embed("m", "a")
    assert len(responses.calls) == 1


def test_a_process_without_descriptors_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the server that is missing."""

    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("ollama_sync._transport.green.connect", none_left)
    with Client("127.0.0.1:9") as client, pytest.raises(ConnectError) as caught:
        client.version()
    assert "no file descriptor left" in str(caught.value)
    assert "is Ollama running" not in str(caught.value)


def test_a_process_without_memory_is_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran out is said, and nobody is asked to report it."""

    def none_left(*_: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr("ollama_sync._transport.green.connect", none_left)
    with Client("127.0.0.1:9") as client, pytest.raises(HubError) as caught:
        client.version()
    assert "MemoryError" in str(caught.value)
    assert "report" not in str(caught.value)
