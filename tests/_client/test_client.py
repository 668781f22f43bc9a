"""Tests of the client: headers, where it connects, replies, errors, its life, and calls side by side.

Every call goes to a mock server on a real socket, but for those to a place on the internet, which `responses` answers.
What the bodies of calls look like is in `test_bodies`; the clocks are in `test_timeouts`.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import pickle
import signal
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import gevent
import pytest
import responses

from ollama_sync import (
    ChatResponse,
    Client,
    ClosedError,
    ConnectError,
    GenerateResponse,
    ListResponse,
    OllamaError,
    RequestError,
    ResponseError,
    StreamBroken,
    Timeout,
    VersionResponse,
)
from ollama_sync._hub import shared_hub
from ollama_sync.testing import (
    Gate,
    MockOllama,
    Request,
    Script,
    Step,
    chunk,
    end,
    head,
    reply,
    silence,
    wait,
)

HI = [{"role": "user", "content": "hi"}]
SECRET = "hush-hush"

# A call of each verb, to its end.
VERBS: dict[str, Callable[[Client], Any]] = {
    "chat": lambda c: c.chat("m", HI),
    "chat, streamed": lambda c: list(c.chat("m", HI, stream=True)),
    "generate": lambda c: c.generate("m", "hi"),
    "generate, streamed": lambda c: list(c.generate("m", "hi", stream=True)),
    "list": lambda c: c.list(),
    "version": lambda c: c.version(),
}
every_verb = pytest.mark.parametrize("call", VERBS.values(), ids=VERBS)


def said(text: str) -> dict[str, Any]:
    """Make a part of a chat."""
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": False}


DONE = {
    "model": "m",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
}


def text_of(client: Client, prompt: str = "hi") -> str:
    """Return the streamed answer to `prompt`."""
    with client.chat("m", [{"role": "user", "content": prompt}], stream=True) as stream:
        return "".join(token for tokens in stream.tokens() for token in tokens)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A port of this machine on which nothing listens, and nothing else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


# --- headers


def test_the_headers_of_each_request(server: MockOllama, client: Client) -> None:
    """Who asks, in which form, and what for; no compression, which would hold small chunks back; no key."""
    for call in VERBS.values():
        call(client)
    accepts = []
    for request in server.requests:
        assert request.headers["User-Agent"].startswith("ollama_sync/")
        assert request.headers["Accept-Encoding"] == "identity"
        assert "Authorization" not in request.headers
        assert request.headers.get("Content-Type") == ("application/json" if request.body else None)
        accepts.append(request.headers["Accept"].removeprefix("application/"))
    assert accepts == ["json", "x-ndjson", "json", "x-ndjson", "json", "json"]


@every_verb
def test_a_key_given_goes_to_the_host_given(
    server: MockOllama, call: Callable[[Client], Any]
) -> None:
    """With every request, as a bearer token."""
    with Client(server.url, api_key=SECRET) as client:
        call(client)
    assert server.requests[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_the_environments_key_does_not_go_to_other_hosts(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a key of ollama.com; OLLAMA_HOST may name anything."""
    monkeypatch.setenv("OLLAMA_API_KEY", SECRET)
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    for client in (Client(), Client(server.url)):
        with client:
            client.list()
    assert len(server.requests) == 2
    assert not any("Authorization" in request.headers for request in server.requests)


@responses.activate
def test_the_environments_key_goes_to_ollama_com(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS only; a key that is given wins, and an empty one means none."""
    responses.get("https://ollama.com/api/tags", json={"models": []})
    responses.get("http://ollama.com/api/tags", json={"models": []})
    monkeypatch.setenv("OLLAMA_API_KEY", SECRET)
    keys = []
    for host, key in (
        ("https://ollama.com", None),
        ("ollama.com", "given"),
        ("ollama.com", ""),
        ("http://ollama.com", None),
    ):
        with Client(host, api_key=key) as client:
            client.list()
        keys.append(responses.calls[-1].request.headers.get("Authorization"))
    assert keys == [f"Bearer {SECRET}", "Bearer given", None, None]


def test_the_users_headers_win(server: MockOllama) -> None:
    """Over each of the client's own, however they are written; None is left out; others are added."""
    own = {
        "AUTHORIZATION": "Basic abc",
        "user-agent": "mine",
        "accept": "text/plain",
        "accept-encoding": "gzip",
        "content-TYPE": "application/json; charset=utf-8",
        "X-Trace": "7",
        "X-None": None,
    }
    with Client(server.url, api_key=SECRET, headers=own) as client:
        client.chat("m", HI)
        text_of(client)
    for request in server.requests:
        pairs = {name.lower(): value for name, value in request.headers.pairs}
        for name, value in own.items():
            assert pairs.get(name.lower()) == value
        assert len(pairs) == len(request.headers.pairs)  # none is sent twice


def test_user_and_password_of_the_host_become_basic_auth(server: MockOllama) -> None:
    """They are decoded as in any URL, and do not come into the URL, a repr or an error."""
    host = server.url.replace("://", "://me:hush%2Dhush%40@")
    with Client(host) as client:
        assert SECRET not in repr(client)
        client.list()
        server.script([reply({"error": "no"}, 400)])
        with pytest.raises(ResponseError) as raised:
            client.chat("m", HI)
        assert SECRET not in f"{raised.value!r} {raised.value}"
        server.script([head(), chunk(said("a"))])
        with client.chat("m", HI, stream=True) as stream:
            with pytest.raises(StreamBroken) as broken:
                stream.result()
            assert SECRET not in f"{stream!r} {broken.value!r} {broken.value}"
    pair = base64.b64encode(f"me:{SECRET}@".encode()).decode()
    assert {request.headers["Authorization"] for request in server.requests} == {f"Basic {pair}"}


def test_a_password_is_not_in_the_error_of_a_connection(nowhere: str) -> None:
    """The error names the place without it."""
    with Client(f"http://me:{SECRET}@{nowhere}", proxy="") as client:
        with pytest.raises(ConnectError) as raised:
            client.list()
        assert nowhere in str(raised.value)
        assert SECRET not in f"{raised.value!r} {raised.value}"


# --- where it connects


def test_the_host_of_the_environment_is_read_when_a_client_is_made(
    server: MockOllama, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the import nor at a call."""
    monkeypatch.setenv("OLLAMA_HOST", f" '{server.url}' ")
    with Client() as client:
        monkeypatch.setenv("OLLAMA_HOST", nowhere)
        assert client.version().version
        with Client() as later, pytest.raises(ConnectError):
            later.version()


def test_a_host_that_is_given_wins_over_the_environment(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the environment's could not be read."""
    monkeypatch.setenv("OLLAMA_HOST", "ftp://wrong")
    with Client(server.url) as client:
        assert client.version().version


def test_a_prefix_comes_before_the_path(server: MockOllama) -> None:
    """A server behind a proxy has its API below one."""
    server.on("GET", "/ollama/api/version", [reply({"version": "9"})])
    with Client(f"{server.url}/ollama/") as client:
        assert client.version().version == "9"


def test_a_unix_socket(tmp_path: Path) -> None:
    """The same calls, without a network."""
    with (
        MockOllama(unix=tmp_path / "o.sock", chunks=2, delay=0.0) as server,
        Client(server.url) as c,
    ):
        assert text_of(c) == "AA"
        assert c.generate("m", "hi").response == "AA"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"host": 5}, "host must be text, not int"),
        ({"host": "ftp://x"}, "host 'ftp://x' cannot be used: its scheme"),
        ({"host": f"ftp://me:{SECRET}@x"}, "host 'ftp://***@x' cannot be used"),
        ({"api_key": 5}, "api_key of type int: a str, or None"),
        ({"api_key": SECRET.encode()}, "api_key of type bytes: a str, or None"),
        ({"api_key": f"{SECRET}\nX-Smuggled: 1"}, "header api_key: the value has a line end"),
        (
            {"api_key": f"{SECRET}€"},
            "header api_key: the value has a line end, a control character",
        ),
        ({"headers": [("X", SECRET)]}, "headers of type list: a mapping, or None"),
        ({"headers": f"X: {SECRET}"}, "headers of type str: a mapping, or None"),
        ({"headers": {"X Y": "1"}}, "header name 'X Y' is not accepted"),
        ({"headers": {"X": 1}}, "header X: the value must be text, not int"),
        ({"headers": {"X": f"{SECRET}\r\nY: 1"}}, "header X: the value has a line end"),
        ({"timeout": "5"}, "timeout='5': a Timeout, a number of seconds, or None"),
        ({"timeout": 0}, "Timeout(connect=0): seconds above 0, or None"),
        ({"timeout": True}, "timeout=True: a Timeout, a number"),
        ({"batch": None}, "batch=None: a BatchPolicy"),
        ({"batch": 100}, "batch=100: a BatchPolicy"),
        ({"max_buffered": 0}, "max_buffered=0: bytes, 1 or more"),
        ({"max_buffered": 1.5}, "max_buffered=1.5: bytes, 1 or more"),
        ({"max_buffered": True}, "max_buffered=True: bytes, 1 or more"),
        (
            {"verify": "/no/such/bundle.pem"},
            "verify='/no/such/bundle.pem', cert=None: cannot be used",
        ),
        ({"verify": None}, "verify=None: True, False, the path of a bundle"),
        ({"cert": "/no/such/cert.pem"}, "verify=True, cert='/no/such/cert.pem': cannot be used"),
        ({"cert": 5}, "verify=True, cert=5: cannot be used"),
        ({"host": "x", "proxy": 5}, "proxy of type int: a str, or None"),
        (
            {"host": "x", "proxy": f"socks5://me:{SECRET}@x"},
            "proxy='socks5'...: an http:// or https://",
        ),
    ],
    ids=repr,
)
def test_a_wrong_argument_is_refused_when_the_client_is_made(
    arguments: dict[str, Any], error: str
) -> None:
    """One error, which names the argument, and never shows what may be a secret."""
    with pytest.raises(RequestError) as raised:
        Client(**arguments)
    assert str(raised.value).startswith(error)
    assert SECRET not in f"{raised.value!r} {raised.value}"


def test_a_key_of_the_environment_that_cannot_be_sent_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the client is made, and without showing it."""
    monkeypatch.setenv("OLLAMA_API_KEY", f"{SECRET}\x7f")
    with pytest.raises(RequestError, match="api_key") as raised:
        Client("https://ollama.com")
    assert SECRET not in f"{raised.value!r} {raised.value}"


def test_only_the_host_may_be_given_by_position() -> None:
    """The others are too many to be told apart by their place; a name that is not known is an error."""
    with pytest.raises(TypeError):
        Client("x", "key")  # type: ignore[misc]  # wrong on purpose
    with pytest.raises(TypeError, match="bogus"):
        Client(bogus=1)  # type: ignore[call-arg]  # wrong on purpose


# --- replies


def test_a_reply_is_a_view_of_what_the_server_sent(server: MockOllama, client: Client) -> None:
    """By attribute, by subscript, and with the fields that a newer server adds."""
    server.script([reply(said("hello") | {"done": True, "brand_new": [1], "eval_count": 7})])
    answer = client.chat("m", HI)
    assert isinstance(answer, ChatResponse)
    assert answer.message.content == answer["message"]["content"] == "hello"
    assert (answer.eval_count, answer["brand_new"], answer.done) == (7, [1], True)
    assert isinstance(client.generate("m", "hi"), GenerateResponse)


def test_a_stream_gives_the_same_parts_whichever_way_it_is_read(client: Client) -> None:
    """One by one, in batches, as tokens, by `poll`, or accumulated."""
    parts = list(client.chat("m", HI, stream=True))
    assert [part.message.content for part in parts] == ["A", "A", "A", ""]
    assert all(isinstance(part, ChatResponse) for part in parts)
    batches = list(client.chat("m", HI, stream=True).batches())
    assert [part.message.content for batch in batches for part in batch] == ["A", "A", "A", ""]
    assert text_of(client) == "AAA"
    stream = client.generate("m", "hi", stream=True)
    polled = []
    while not stream.done:
        polled += stream.poll(5)
    assert "".join(part.response for part in polled) == "AAA"
    assert client.generate("m", "hi", stream=True).result().response == "AAA"


def test_loading_a_model_answers_at_once(client: Client) -> None:
    """A call without messages or prompt gets one reply, also when a stream was asked for."""
    assert client.chat("m").done_reason == "load"
    assert client.generate("m", keep_alive=0).done_reason == "unload"
    assert [part.done_reason for part in client.chat("m", stream=True)] == ["load"]


def test_what_a_server_lists(server: MockOllama, client: Client) -> None:
    """The models with their details, and the version."""
    listed = client.list()
    assert isinstance(listed, ListResponse)
    assert listed["models"][0]["model"] == listed.models[0].model == "llama3.2:latest"
    assert listed.models[0].details is not None
    version = client.version()
    assert isinstance(version, VersionResponse)
    assert version.version == version["version"] == "0.33.0"
    server.script([reply({"models": None})], path="/api/tags")
    assert not client.list().models


@pytest.mark.parametrize("body", ["hello", "", '{"version":', "<html>Sign in</html>", b"\xff\xfe"])
def test_a_reply_that_is_no_json_is_shown(
    server: MockOllama, client: Client, body: str | bytes
) -> None:
    """A wrong host or a captive portal answers 200 to everything; one sees by the text what it is."""
    server.script([reply(body)], path="/api/version")
    with pytest.raises(
        StreamBroken, match=r"GET .*/api/version: the reply is not JSON: b'"
    ) as raised:
        client.version()
    shown = repr(body.encode() if isinstance(body, str) else body)
    assert shown in str(raised.value)
    is_page = shown.startswith("b'<")
    assert str(raised.value).endswith("is that the address of Ollama?") == is_page
    assert isinstance(raised.value.__cause__, ValueError)
    assert client.version().version  # the client goes on


@pytest.mark.parametrize("body", ["[]", "null", '"0.33.0"', "5"])
def test_a_reply_that_is_no_object_is_shown(server: MockOllama, client: Client, body: str) -> None:
    """JSON, but not what was asked for."""
    server.script([reply(body)])
    with pytest.raises(StreamBroken, match="the reply is not a JSON object") as raised:
        client.chat("m", HI)
    assert str(raised.value).endswith(repr(body.encode()))


def test_only_the_beginning_of_a_long_reply_is_shown(server: MockOllama, client: Client) -> None:
    """An error is one line to read."""
    server.script([reply("x" * 100_000)])
    with pytest.raises(StreamBroken) as raised:
        client.chat("m", HI)
    assert len(str(raised.value)) < 250


# --- errors


@pytest.mark.parametrize("call", [*VERBS.values()][:4], ids=[*VERBS][:4])
def test_a_model_that_is_missing(call: Callable[[Client], Any]) -> None:
    """The server's own words and status, and what to do."""
    server = MockOllama(models=["other"])
    with server, Client(server.url) as client, pytest.raises(ResponseError) as raised:
        call(client)
    assert (raised.value.error, raised.value.status_code) == ("model 'm' not found", 404)
    assert str(raised.value).startswith("model 'm' not found (status code: 404); pull it first")


@every_verb
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "bad options"}, "bad options"),
        (401, {"error": "unauthorized", "signin_url": "https://ollama.com/x"}, "unauthorized"),
        (404, "404 page not found", "404 page not found"),
        (500, {"error": "llama runner has died"}, "llama runner has died"),
        (500, "plain text", "plain text"),
        (503, {"error": "server busy, please try again"}, "server busy, please try again"),
        (
            502,
            "<html><title>Bad &amp; gone</title></html>",
            "an HTML page instead of an answer: Bad & gone",
        ),
        (429, {"error": {"message": "slow down"}}, "slow down"),
    ],
    ids=str,
)
def test_a_refusal_has_status_and_text(
    server: MockOllama,
    client: Client,
    call: Callable[[Client], Any],
    status: int,
    body: Any,
    error: str,
) -> None:
    """Each status, for each verb, streamed or not, is the same error; the client goes on."""
    for method, path in (("POST", "/api/*"), ("GET", "/api/*")):
        server.on(method, path, [reply(body, status, {"Retry-After": "7"})])
    with pytest.raises(ResponseError) as raised:
        call(client)
    assert (raised.value.error, raised.value.status_code) == (error, status)
    assert f"{error} (status code: {status})" in str(raised.value)
    assert raised.value.headers["Retry-After"] == "7"
    assert raised.value.signin_url == ("https://ollama.com/x" if status == 401 else None)
    server.reset()
    call(client)


def test_an_empty_refusal_names_the_request(server: MockOllama, client: Client) -> None:
    """When the server gives no reason, one knows at least what it refused."""
    server.script([reply("", 500)])
    with pytest.raises(ResponseError, match=r"POST http://.*/api/chat: the server gave no reason"):
        client.chat("m", HI)


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_listens(nowhere: str, stream: bool) -> None:
    """The call itself raises, streamed or not, the builtin error too; it says where it tried and what to do."""
    with Client(nowhere) as client:
        with pytest.raises(ConnectError) as raised:
            client.chat("m", HI, stream=stream)
        text = str(raised.value)
        assert text.startswith(f"POST http://{nowhere}/api/chat: ")
        assert "is Ollama running there?" in text
        assert "OLLAMA_HOST" in text
        assert isinstance(raised.value, ConnectionError)
        assert isinstance(raised.value, OllamaError)
        assert isinstance(raised.value.__cause__, OSError)


def test_a_server_that_comes_back_is_found(server: MockOllama) -> None:
    """A connection that was lost while it lay idle is replaced by the next call."""
    port = server.port
    with Client(server.url) as client:
        client.list()
        server.stop()
        with pytest.raises(ConnectError):
            client.list()
        with MockOllama(port=port):
            assert client.list().models


# --- its life


@every_verb
def test_a_closed_client_says_so(
    server: MockOllama, client: Client, call: Callable[[Client], Any]
) -> None:
    """The error names the request that was not made, and nothing is sent."""
    client.close()
    with pytest.raises(ClosedError, match=r"^(POST|GET) http://.*/api/\w+: this client was closed"):
        call(client)
    assert server.requests == ()


def test_a_client_may_be_closed_twice_and_unused(server: MockOllama) -> None:
    """Closing is final and harmless."""
    client = Client(server.url)
    assert repr(client) == f"<Client {server.url}>"
    client.close()
    client.close()
    assert repr(client) == f"<Client {server.url}, closed>"


def test_a_with_block_closes(server: MockOllama) -> None:
    """Also when it is left by an error."""
    with Client(server.url) as client:
        client.list()
    with pytest.raises(ClosedError):
        client.list()
    with pytest.raises(ZeroDivisionError), Client(server.url) as client:
        raise ZeroDivisionError
    with pytest.raises(ClosedError):
        client.list()


def test_close_ends_the_streams_under_way(server: MockOllama) -> None:
    """What had arrived is still delivered, then they end quietly, and the server sees it."""
    gate = Gate()
    for _ in range(3):
        server.script([head(), chunk(said("a")), chunk(said("b")), wait(gate)])
    client = Client(server.url)
    streams = [client.chat("m", HI, stream=True) for _ in range(3)]
    firsts = [next(stream).message.content for stream in streams]
    client.close()
    server.wait_disconnect(3)
    assert firsts == ["a"] * 3
    for stream in streams:
        assert [part.message.content for part in stream] in ([], ["b"])
        assert stream.done
        assert stream.error is None


def test_close_ends_the_calls_under_way(server: MockOllama) -> None:
    """A caller that waits for a reply is told why none comes."""
    gate = Gate()
    server.script([wait(gate), reply(DONE)])
    client = Client(server.url)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            client.chat("m", HI)
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    gate.wait_reached()
    client.close()
    thread.join(10)
    assert "the client was closed before the reply was complete" in str(errors[0])
    server.wait_disconnect()


def test_closing_one_client_leaves_others_alone(server: MockOllama, client: Client) -> None:
    """They share the hub and nothing else."""
    gate = Gate()
    server.script([head(), chunk(said("a")), wait(gate), chunk(DONE), end()])
    stream = client.chat("m", HI, stream=True)
    assert next(stream).message.content == "a"
    with Client(server.url) as other:
        other.list()
    gate.open()
    assert [part.done for part in stream] == [True]


INTERRUPTED = """
import signal, sys, ollama_sync
# A shell that starts the tests in the background has SIGINT ignored, and this process has inherited that.
signal.signal(signal.SIGINT, signal.default_int_handler)
client = ollama_sync.Client(sys.argv[1])
try:
    client.chat("m", [{"role": "user", "content": "hi"}])
except KeyboardInterrupt:
    print("interrupted", client.version().version, flush=True)
    sys.stdin.read()  # the request is to end because it was cancelled, not because we end
"""


@pytest.mark.own_process
def test_ctrl_c_ends_a_call_that_waits(server: MockOllama) -> None:
    """The caller gets its KeyboardInterrupt at once, the server sees the request go, and the client is good for more."""
    gate = Gate("the call waits")
    server.script([wait(gate), reply(DONE)])
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            gate.wait_reached(20)
            os.kill(program.pid, signal.SIGINT)
            assert program.stdout.readline() == "interrupted 0.33.0\n"
            server.wait_disconnect()
            program.stdin.close()
            assert program.wait(10) == 0
        finally:
            program.kill()


class Interruption:
    """Ctrl-C before a certain line of the SDK that the calling thread runs; counts the lines meanwhile.

    Args:
        at: the number of the line, from 1; 0 for none.
    """

    FILES = ("_client.py", "_exchange.py", "_stream.py")

    def __init__(self, at: int) -> None:
        self.at = at
        self.lines = 0
        self.lines_before_waiting = 0

    def __enter__(self) -> Interruption:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename.endswith("_waiter.py") and frame.f_code.co_name == "wait":
            self.lines_before_waiting = self.lines
        if not frame.f_code.co_filename.endswith(self.FILES):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.parametrize("stream", [False, True])
def test_an_interrupt_leaves_no_call_behind(
    server: MockOllama, client: Client, stream: bool, eventually: Any
) -> None:
    """Wherever Ctrl-C hits the caller on its way into a call: the request is not left running."""
    with Interruption(0) as dry:
        answer: Any = client.chat("m", stream=stream)
    if stream:
        answer.close()
    gate = Gate("never")
    server.on("POST", "/api/chat", lambda request: [wait(gate), reply(DONE)])
    for line in range(1, dry.lines_before_waiting + 1):
        with warnings.catch_warnings():
            # A stream that was made and never given to anybody says so when it is dropped.
            warnings.simplefilter("ignore", ResourceWarning)
            with pytest.raises(KeyboardInterrupt), Interruption(line):
                client.chat("m", stream=stream)
            gc.collect()
        eventually(lambda: shared_hub().jobs == 0)


# --- side by side


def all_at_once(server: MockOllama, number: int) -> None:
    """Answer each chat with its own prompt, but none before `number` of them are under way."""
    gate = Gate(f"{number} requests")

    def answer(request: Request) -> Script:
        if len(server.requests) == number:
            gate.open()
        prompt = request.json["messages"][0]["content"]
        steps: list[Step] = [head(), *(chunk(said(letter)) for letter in prompt), wait(gate)]
        return [*steps, chunk(DONE), end()]

    server.on("POST", "/api/chat", answer)


PROMPTS = [f"prompt {number}" for number in range(20)]


def test_threads_share_a_client(server: MockOllama, client: Client) -> None:
    """20 streams at the same time, each with its own answer."""
    all_at_once(server, 20)
    answers: dict[str, str] = {}

    def ask(prompt: str) -> None:
        answers[prompt] = text_of(client, prompt)

    threads = [threading.Thread(target=ask, args=(prompt,)) for prompt in PROMPTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == {prompt: prompt for prompt in PROMPTS}


def test_greenlets_share_a_client(server: MockOllama, client: Client) -> None:
    """As threads; each blocks itself only."""
    all_at_once(server, 20)
    jobs = [gevent.spawn(text_of, client, prompt) for prompt in PROMPTS]
    gevent.joinall(jobs, timeout=20)
    assert [job.value for job in jobs] == PROMPTS


def test_one_caller_holds_many_streams(server: MockOllama, client: Client) -> None:
    """A call returns before its answer: 20 of them run at once in one thread."""
    all_at_once(server, 20)
    streams = [client.chat("m", [{"role": "user", "content": p}], stream=True) for p in PROMPTS]
    assert [stream.result().message.content for stream in streams] == PROMPTS


def test_calls_one_after_another_share_a_connection(server: MockOllama, client: Client) -> None:
    """A reply read to its end leaves its connection for the next call, streamed or not."""
    for call in VERBS.values():
        call(client)
    assert server.connections == 1


# --- under the responses library


@responses.activate
def test_a_mocked_chat() -> None:
    """Programs test themselves with `responses`; it sees our requests and answers them."""
    responses.post("http://127.0.0.1:11434/api/chat", json=said("hello") | {"done": True})
    with Client() as client:
        assert client.chat("m", HI).message.content == "hello"
    sent = json.loads(responses.calls[0].request.body)
    assert sent == {"model": "m", "messages": HI, "tools": [], "stream": False}


@responses.activate
def test_a_mocked_stream() -> None:
    """It has been registered when the call returns, before anything is read."""
    body = b"".join(json.dumps(part).encode() + b"\n" for part in (said("a"), said("b"), DONE))
    responses.post("http://127.0.0.1:11434/api/chat", body=body)
    with Client() as client:
        stream = client.chat("m", HI, stream=True)
        assert len(responses.calls) == 1
        assert [token for tokens in stream.tokens() for token in tokens] == ["a", "b"]


@responses.activate
@pytest.mark.parametrize("stream", [False, True])
def test_a_mocked_refusal(stream: bool) -> None:
    """An error of the mock is an error of the SDK."""
    url = "http://127.0.0.1:11434/api/chat"
    responses.post(url, json={"error": "model 'm' not found"}, status=404)
    with Client() as client, pytest.raises(ResponseError) as raised:
        list(client.chat("m", HI, stream=stream))
    assert (raised.value.error, raised.value.status_code) == ("model 'm' not found", 404)


@responses.activate
@pytest.mark.parametrize("stream", [False, True])
def test_a_mocked_failure_to_connect(stream: bool) -> None:
    """What is not registered cannot be connected to; a registered exception is mapped as a real one."""
    responses.post("http://127.0.0.1:11434/api/chat", body=ConnectionResetError("gone"))
    with Client() as client:
        with pytest.raises(ConnectError, match="gone"):
            list(client.chat("m", HI, stream=stream))
        with pytest.raises(ConnectError, match="/api/generate"):
            list(client.generate("m", "hi", stream=stream))


@responses.activate
def test_every_mocked_call_is_registered() -> None:
    """100 calls are 100 registered calls, in their order, each before it returns."""
    body = b"".join(json.dumps(part).encode() + b"\n" for part in (said("a"), DONE))
    responses.post("http://127.0.0.1:11434/api/chat", body=body)
    with Client() as client:
        for number in range(100):
            prompt = [{"role": "user", "content": str(number)}]
            stream = client.chat("m", prompt, stream=True)
            assert len(responses.calls) == number + 1
            assert stream.result().message.content == "a"
    prompts = [json.loads(c.request.body)["messages"][0]["content"] for c in responses.calls]
    assert prompts == [str(number) for number in range(100)]


# --- TLS


def test_an_ssl_context_may_be_given() -> None:
    """Anything that the standard library can be told about TLS can be told to the client."""
    with Client("https://example.invalid", verify=ssl.create_default_context()) as client:
        assert repr(client) == "<Client https://example.invalid:443>"


# --- Silence is not an end


def test_a_call_that_is_cancelled_by_the_server_leaving_is_told(
    server: MockOllama, client: Client
) -> None:
    """A server that goes before it answers is a lost connection, not an empty reply."""
    gate = Gate()
    server.script([wait(gate), silence()])
    errors: list[BaseException] = []

    def call() -> None:
        try:
            client.chat("m", HI)
        except ConnectError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    gate.wait_reached()
    server.stop()
    thread.join(10)
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("boom", "boom"),
        ({"message": "boom"}, "boom"),
        ({"why": "é"}, '{"why":"é"}'),
        (["a"], '["a"]'),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
def test_an_error_is_an_error_with_whatever_status(
    status: int, error: object, text: str, server: MockOllama, client: Client
) -> None:
    """One rule for a whole reply, a status and a stream: what `error` says is raised, and read as JSON."""
    server.script([reply({"error": error}, status)], path="/api/version")
    with pytest.raises(ResponseError) as caught:
        client.version()
    assert caught.value.error == text


@pytest.mark.parametrize("error", [None, "", False])
def test_an_error_that_says_nothing_is_none(
    error: object, server: MockOllama, client: Client
) -> None:
    """Some servers send the member with every reply."""
    server.script([reply({"version": "1", "error": error})], path="/api/version")
    assert client.version().version == "1"


def test_a_client_is_pickled_as_its_configuration(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given goes along, and what the environment said does not: a key stays where it is."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    monkeypatch.setenv("OLLAMA_API_KEY", "of-the-environment")
    with Client(timeout=7, retries=2) as client:
        data = pickle.dumps(client)
    assert b"of-the-environment" not in data
    assert server.url.encode() not in data
    with pickle.loads(data) as other:
        assert other.version().version
        assert (other._calls._timeout, other._closed) == (Timeout.of(7), False)
