"""Keys, passwords, secret headers and prompts: where they go, and where they are never seen.

Which key goes where is decided by pure functions, whose tests are in test_config.py; here are the calls.
"""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ollama_sync import Client, OllamaError, Timeout
from ollama_sync.testing import MockOllama, chunk, close, head, reply, silence

KEY = "SECRET-key"
HEADER = "SECRET-header"
PASSWORD = "SECRET-password"
PROMPT = "SECRET-prompt"
MESSAGES = [{"role": "user", "content": PROMPT}]
PART = {"message": {"role": "assistant", "content": "a"}, "done": False}


def with_secrets(url: str, **more: Any) -> Client:
    """Return a client that has something to hide, of each kind."""
    return Client(url, api_key=KEY, headers={"X-Gateway": HEADER, "Cookie": HEADER}, **more)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything that any logger says, at its most talkative."""
    with caplog.at_level(logging.DEBUG):
        for name in ("urllib3", "requests", "ollama_sync"):
            caplog.set_level(logging.DEBUG, name)
        yield lambda: "\n".join(
            f"{record.getMessage()} {record.__dict__}" for record in caplog.records
        )


FAULTS: dict[str, list[Any]] = {
    "refused": [reply({"error": "no"}, 401)],
    "empty refusal": [reply("", 500)],
    "no http": [close()],
    "redirected away": [reply("", 307, {"Location": "ftp://x/"})],
    "cut short": [head(), chunk(PART), close()],
    "bad line": [head(), chunk(PART), chunk(b"nonsense\n")],
    "error line": [head(), chunk(PART), chunk({"error": "no"})],
    "silent": [silence()],
    "silent later": [head(), chunk(PART), silence()],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_is_in_an_error(fault: str, server: MockOllama, log: Callable[[], str]) -> None:
    """Neither in its text, its repr, its traceback with all causes, nor its pickle; nor in a log or a repr on the way."""
    server.script(FAULTS[fault])
    shown: list[object] = []
    with with_secrets(server.url, timeout=Timeout(first=0.1, idle=0.1)) as client:

        def read() -> None:
            stream = client.chat("m", MESSAGES, stream=True)
            exchange = stream.reader.exchange
            shown.extend([stream, stream.reader, exchange, exchange.channel, exchange.tried])
            list(stream)

        with pytest.raises(OllamaError) as raised:
            read()
        shown += [client, client._transport, client._transport.host]
    error = raised.value
    shown += [str(error), repr(error), pickle.dumps(error), vars(error)]
    shown += traceback.format_exception(error)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert PROMPT.encode() in server.requests[0].body
    assert "SECRET" not in "\n".join(map(repr, shown))
    assert "Starting new HTTP connection" in log()
    assert "SECRET" not in log()


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1:1/prefix", "no-such-host.invalid"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_password_of_the_host_is_in_no_error(
    scheme: str, host: str, log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user name and the password of the URL are for the server only."""
    import gevent.socket

    def unknown(*_: object) -> None:
        raise gevent.socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(gevent.socket, "getaddrinfo", unknown)
    with Client(f"{scheme}://SECRET-user:{PASSWORD}@{host}") as client:
        with pytest.raises(OllamaError) as raised:
            client.version()
        shown = [client, repr(raised.value), *traceback.format_exception(raised.value)]
    assert "SECRET" not in "\n".join(map(str, shown)) + log()


def test_a_password_of_the_proxy_is_in_no_error(log: Callable[[], str]) -> None:
    """A proxy that does not answer is named without it."""
    with Client("http://x.example", proxy=f"http://me:{PASSWORD}@127.0.0.1:1") as client:
        with pytest.raises(OllamaError, match="proxy") as raised:
            client.version()
        shown = [client, repr(raised.value), *traceback.format_exception(raised.value)]
    assert "SECRET" not in "\n".join(map(str, shown)) + log()


# Redirects.


def test_nothing_that_was_given_for_a_host_goes_to_another(server: MockOllama) -> None:
    """A redirect to another origin takes the request along, but no key, no cookie, and none of the user's own headers."""
    with MockOllama() as other, with_secrets(server.url) as client:
        server.on("POST", "/api/chat", [reply("", 307, {"Location": f"{other.url}/api/chat"})])
        client.chat("m", MESSAGES)
        (first,), (second,) = server.requests, other.requests
    assert HEADER in str(first.headers.pairs)
    assert "SECRET" not in str(second.headers.pairs)
    assert {name.lower() for name, _ in second.headers.pairs} == {
        *("host", "accept", "accept-encoding", "content-type", "content-length", "user-agent")
    }
    assert second.body == first.body


def test_what_was_given_for_a_host_stays_on_it(server: MockOllama) -> None:
    """A redirect within the same origin takes everything along."""
    server.on("POST", "/api/chat", [reply("", 307, {"Location": "/there"})])
    server.on("POST", "/there", [reply({**PART, "done": True})])
    with with_secrets(server.url) as client:
        client.chat("m", MESSAGES)
    first, second = server.requests
    assert second.path == "/there"
    for name in ("authorization", "x-gateway", "cookie"):
        assert second.headers[name] == first.headers[name]


def test_a_password_in_a_redirect_is_neither_used_nor_shown(
    server: MockOllama, log: Callable[[], str]
) -> None:
    """A server may not make us tell a password to another, nor have it written into our logs."""
    target = server.url.replace("://", f"://SECRET-user:{PASSWORD}@")
    server.on("POST", "/api/chat", [reply("", 307, {"Location": f"{target}/there"})])
    server.on("POST", "/there", [reply("", 500)])
    with Client(server.url) as client, pytest.raises(OllamaError, match="/there") as raised:
        client.chat("m", MESSAGES)
    assert "authorization" not in server.requests[1].headers
    assert "SECRET" not in "".join(traceback.format_exception(raised.value)) + log()
