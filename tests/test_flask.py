"""Flask: the client of an app, and responses that stream; by Flask's test client, and by a real server on a socket."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, Response, request
from werkzeug.serving import make_server

from ollama_sync import BatchPolicy, Client, OllamaError, RequestError, Timeout, UsageError
from ollama_sync.flask import Ollama, current_ollama, error_reply, ndjson, sse, text
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    end,
    head,
    pause,
    reply,
    silence,
    stream,
    wait,
)

Get = Callable[..., http.client.HTTPResponse]

PATH = "/api/generate"
RESPONSES: dict[str, Callable[..., Response]] = {"sse": sse, "ndjson": ndjson, "text": text}
TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson", "text": "text/plain"}
TOKEN = {"model": "m", "response": "A", "done": False}
LAST = {"model": "m", "response": "", "done": True}
IN_JSON = '{"model":"m","response":"A","done":false}'
LAST_IN_JSON = '{"model":"m","response":"","done":true}'
# What a silent model makes each kind write.
BEATS = {"sse": b": nothing yet\n\n", "ndjson": b"\n"}


def make_app(**settings: Any) -> Flask:
    """An app whose page `/sse` streams as server-sent events, and so on; seconds are given as in `/sse?heartbeat=1`."""
    app = Flask("shop")
    app.config.update(settings)
    Ollama(app)
    app.register_error_handler(OllamaError, error_reply)

    @app.get("/<kind>")
    def answer(kind: str) -> Response:
        seconds = {name: float(value) for name, value in request.args.items()}
        return RESPONSES[kind](current_ollama.generate("m", "hi", stream=True), **seconds)

    return app


@pytest.fixture
def make() -> Iterator[Callable[..., Flask]]:
    """Makes apps, and closes their clients in the end."""
    made: list[Flask] = []

    def make_one(**settings: Any) -> Flask:
        made.append(make_app(**settings))
        return made[-1]

    yield make_one
    for app in made:
        with app.app_context():
            current_ollama.close()


@pytest.fixture
def app(server: MockOllama, make: Callable[..., Flask]) -> Flask:
    return make(OLLAMA_HOST=server.url)


@pytest.fixture
def get(app: Flask) -> Iterator[Get]:
    """Fetches a page from a real server, whose threads serve many at once. What is not read to the end is left at the end."""
    site = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    opened: list[http.client.HTTPResponse] = []

    def fetch(path: str, method: str = "GET") -> http.client.HTTPResponse:
        asked = urllib.request.Request(f"http://127.0.0.1:{site.port}{path}", method=method)
        opened.append(urllib.request.urlopen(asked, timeout=10))
        return opened[-1]

    yield fetch
    for answer in opened:
        answer.close()
    site.shutdown()
    serving.join()
    site.server_close()


# The app's client.


def test_each_parameter_of_the_client_is_a_setting() -> None:
    """A setting that the app does not have gets the client's default; one that it has is left alone."""
    app = Flask("shop")
    app.config["OLLAMA_TIMEOUT"] = 5
    Ollama(app)
    assert app.config["OLLAMA_HOST"] is None
    assert app.config["OLLAMA_BATCH"] == BatchPolicy()
    assert app.config["OLLAMA_TIMEOUT"] == 5
    names = {name for name in app.config if name.startswith("OLLAMA_")}
    assert {"OLLAMA_API_KEY", "OLLAMA_HEADERS", "OLLAMA_MAX_BUFFERED", "OLLAMA_VERIFY"} < names


def test_the_settings_reach_the_client(server: MockOllama, make: Callable[..., Flask]) -> None:
    """Host, key, headers and time limits are those of the config."""
    app = make(
        OLLAMA_HOST=server.url,
        OLLAMA_API_KEY="secret",
        OLLAMA_HEADERS={"X-Shop": "7"},
        OLLAMA_TIMEOUT=Timeout(first=0.2),
    )
    assert app.test_client().get("/text").text == "AAA"
    headers = server.requests[0].headers
    assert (headers["Authorization"], headers["X-Shop"]) == ("Bearer secret", "7")
    server.script([silence()], path=PATH)
    answer = app.test_client().get("/sse?grace=10")
    assert (answer.status_code, answer.json["type"]) == (504, "FirstTimeout")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("OLLAMA_HOST", "ftp://x", "host 'ftp://x'"),
        ("OLLAMA_TIMEOUT", "soon", "timeout='soon'"),
        ("OLLAMA_BATCH", 3, "batch=3"),
        ("OLLAMA_MAX_BUFFERED", 0, "max_buffered=0"),
    ],
)
def test_a_wrong_setting_is_an_error_of_init_app(setting: str, value: object, said: str) -> None:
    """It is known when the app is made, and not in its first request."""
    app = Flask("shop")
    app.config[setting] = value
    with pytest.raises(RequestError, match=f"OLLAMA_.*{said}"):
        Ollama().init_app(app)


def test_the_client_is_made_at_its_first_use(
    server: MockOllama, make: Callable[..., Flask]
) -> None:
    """`init_app` connects to nothing, and what the config says later still counts."""
    app = make(OLLAMA_HOST="127.0.0.1:1")
    app.config["OLLAMA_HOST"] = server.url
    assert server.connections == 0
    with app.app_context():
        assert current_ollama.version().version
    assert server.connections == 1


def test_an_app_has_one_client() -> None:
    """Every context of an app, in whatever thread, has the same client; another app has another, also of one extension."""
    extension = Ollama()
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        extension.init_app(app)

    def client_of(app: Flask) -> Client:
        with app.app_context():
            return current_ollama._get_current_object()  # type: ignore[attr-defined]  # it is a proxy

    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(client_of, apps * 8))
    assert len({id(client) for client in clients[::2]}) == 1
    assert len({id(client) for client in clients}) == 2


def test_an_app_without_the_extension_says_so() -> None:
    """The error names the app and what is missing; outside of any app it is Flask's own."""
    with Flask("shop").app_context(), pytest.raises(UsageError, match=r"'shop'.*Ollama\(app\)"):
        current_ollama.version()
    with pytest.raises(RuntimeError, match="outside of application context"):
        current_ollama.version()


def test_the_commands_ask_the_client_of_the_app(app: Flask, server: MockOllama) -> None:
    """`flask ollama` has the commands of `ollama-sync`, with the app's settings; their options and exit codes are theirs."""
    app.config["OLLAMA_HEADERS"] = {"X-Shop": "7"}
    flask = app.test_cli_runner()
    assert (
        flask.invoke(args=["ollama", "generate", "m", "hi", "--option", "seed=1"]).output == "AAA\n"
    )
    assert server.requests[0].headers["X-Shop"] == "7"
    assert server.requests[0].json["options"] == {"seed": 1}
    assert flask.invoke(args=["ollama", "list"]).output.startswith("NAME")
    server.script([reply({"error": "no such model"}, status=404)], path="/api/show")
    assert flask.invoke(args=["ollama", "show", "x"]).exit_code == 1
    assert flask.invoke(args=["ollama", "show"]).exit_code == 2
    assert "--verbose" in flask.invoke(args=["ollama", "show", "--help"]).output
    assert "pull" in flask.invoke(args=["ollama", "--help"]).output


# Responses.


@pytest.mark.parametrize("kind", RESPONSES)
def test_the_answer_is_whole(app: Flask, kind: str, server: MockOllama) -> None:
    """Each part is an event, a line or its text; the headers keep proxies from holding it back."""
    server.script([head(), *[chunk(TOKEN)] * 3, chunk(LAST), end()], path=PATH)
    answer = app.test_client().get(f"/{kind}")
    parts = [IN_JSON] * 3 + [LAST_IN_JSON]
    whole = {
        "sse": "".join(f"data: {part}\n\n" for part in parts) + "event: end\ndata: {}\n\n",
        "ndjson": "".join(f"{part}\n" for part in parts),
        "text": "AAA",
    }
    assert answer.get_data(as_text=True) == whole[kind]
    assert answer.mimetype == TYPES[kind]
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"


def test_text_is_that_of_a_chat_too(server: MockOllama, client: Client) -> None:
    """The text of a chat's part is the content of its message, in whatever language, and thinking is none."""
    said = [{"thinking": "hm"}, {"content": "Grüß "}, {"content": "\u65e5\u672c"}, {"content": ""}]
    parts = [chunk({"message": message, "done": False}) for message in said]
    server.script([head(), *parts, chunk({"done": True}), end()])
    with text(client.chat("m", [], stream=True)) as response:
        assert response.get_data(as_text=True) == "Grüß 日本"


def test_text_needs_text(server: MockOllama, client: Client) -> None:
    """A pull has no text: that is an error of the call, and the stream is closed."""
    server.script([silence()], path="/api/pull")
    with pytest.raises(UsageError, match="the parts of pull have no text"):
        text(client.pull("m", stream=True))
    server.wait_disconnect()


def test_a_batch_is_one_write(server: MockOllama, client: Client) -> None:
    """What comes within a window of the client's policy is written together: a fast model makes no write for each token."""
    server.script([head(), chunk(TOKEN), *[chunk(TOKEN)] * 500, chunk(LAST), end()], path=PATH)
    answer = client.generate("m", "hi", stream=True)
    with sse(answer) as response:
        writes = list(response.response)
    assert len(writes) < 100
    assert sum(write.count("data: {") for write in writes) == 503
    assert answer.stats.batches == len(writes) - 1


@pytest.mark.parametrize("kind", RESPONSES)
def test_tokens_come_one_by_one(get: Get, kind: str, server: MockOllama) -> None:
    """A token is in the browser before the model makes the next."""
    gates = [Gate(), Gate()]
    server.script(
        [head(), chunk(TOKEN), wait(gates[0]), chunk(TOKEN), wait(gates[1]), chunk(LAST), end()],
        path=PATH,
    )
    answer = get(f"/{kind}")
    for gate in gates:
        got = b""
        while b"A" not in got:
            more = answer.read1()
            assert more, got
            got += more
        gate.open()
    assert b"A" not in answer.read()


@pytest.mark.parametrize("kind", BEATS)
def test_a_silent_model_is_bridged(get: Get, kind: str, server: MockOllama) -> None:
    """While the model loads there are the headers and a heartbeat at once, then one each `heartbeat` seconds."""
    loaded = Gate()
    server.script([wait(loaded), head(), chunk(LAST), end()], path=PATH)
    answer = get(f"/{kind}?heartbeat=0.05&grace=0.01")
    assert answer.status == 200
    beats = BEATS[kind] * 3
    assert answer.read(len(beats)) == beats
    loaded.open()
    assert answer.read().lstrip(BEATS[kind]).startswith((b"data: {", b"{"))


def test_a_model_that_talks_needs_no_heartbeat(app: Flask) -> None:
    """A heartbeat is for silence only."""
    for kind, beat in BEATS.items():
        data = app.test_client().get(f"/{kind}").data
        assert not data.startswith(beat)
        assert b"\n" + beat not in data.replace(b"}\n\n", b"}")


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_browser_that_leaves_stops_the_model(get: Get, kind: str, server: MockOllama) -> None:
    """In mid-answer, the connection to the model's server is closed."""
    server.script([stream([TOKEN] * 100_000, delay=0.005)], path=PATH)
    answer = get(f"/{kind}")
    assert answer.read(1)
    answer.close()
    server.wait_disconnect(timeout=20)


@pytest.mark.parametrize("kind", BEATS)
@pytest.mark.parametrize("said", [[], [head(), chunk(TOKEN)]], ids=["loads", "has begun"])
def test_a_browser_that_leaves_in_silence_is_noticed(
    get: Get, kind: str, said: list[Any], server: MockOllama
) -> None:
    """A heartbeat finds out that nobody reads, also when no token comes."""
    server.script([*said, silence()], path=PATH)
    answer = get(f"/{kind}?heartbeat=0.02&grace=0.01")
    assert answer.read(1)
    answer.close()
    server.wait_disconnect(timeout=20)


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_response_that_is_never_read_is_closed(get: Get, kind: str, server: MockOllama) -> None:
    """A HEAD request has no body, so nobody begins the stream; it is closed all the same."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    assert get(f"/{kind}", "HEAD").read() == b""
    server.wait_disconnect()


@pytest.mark.parametrize("kind", BEATS)
@pytest.mark.parametrize("heartbeat", [0, -1, "1", float("nan"), float("inf")])
def test_a_wrong_number_of_seconds_is_an_error_of_the_call(
    kind: str, heartbeat: Any, server: MockOllama, client: Client
) -> None:
    """It is said before anything is sent, and the stream is closed."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    with pytest.raises(RequestError, match="heartbeat="):
        RESPONSES[kind](client.generate("m", "hi", stream=True), heartbeat=heartbeat)
    server.wait_disconnect()


# Errors.


@pytest.mark.parametrize("kind", RESPONSES)
def test_what_the_server_refuses_is_a_status(get: Get, kind: str, server: MockOllama) -> None:
    """An unknown model is known before the status is sent, so the status says it."""
    refusal = reply({"error": "model 'm' not found"}, status=404)
    server.script([pause(0.02), refusal], path=PATH)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"/{kind}?grace=10")
    with caught.value as answer:
        assert answer.code == 404
        told = {"error": "model 'm' not found", "type": "ResponseError", "status": 404}
        assert json.load(answer) == told


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_server_that_is_not_there_is_a_status(kind: str, make: Callable[..., Flask]) -> None:
    """The browser learns that there is no answer, and not at which address."""
    answer = make(OLLAMA_HOST="127.0.0.1:1").test_client().get(f"/{kind}")
    assert answer.status_code == 502
    assert answer.json["type"] == "ConnectError"
    assert "127.0.0.1" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("ending", "kind", "message", "status"),
    [
        ([chunk({"error": "out of memory"})], "ErrorLine", "out of memory", 502),
        ([chunk({"error": "spent", "StatusCode": 429})], "ErrorLine", "spent", 429),
        ([close()], "StreamBroken", "the answer broke off", 502),
        ([silence()], "IdleTimeout", "the model's server did not answer in time", 504),
    ],
    ids=["error line", "error line with a status", "cut", "silent"],
)
def test_what_fails_later_is_an_event(
    ending: list[Any],
    kind: str,
    message: str,
    status: int,
    server: MockOllama,
    make: Callable[..., Flask],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the status has gone, the error is the last event or line, behind everything that had come; the log has it in full."""
    http = make(OLLAMA_HOST=server.url, OLLAMA_TIMEOUT=Timeout(idle=0.1)).test_client()
    for _ in range(2):
        server.script([head(), chunk(TOKEN), *ending], path=PATH)
    events = http.get("/sse").get_data(as_text=True).split("\n\n")
    assert events[0] == f"data: {IN_JSON}"
    name, data = events[-2].split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": kind,
        "message": message,
        "status": status,
    }
    first, *_, last = http.get("/ndjson").get_data(as_text=True).splitlines()
    assert first == IN_JSON
    assert json.loads(last) == {"error": message, "type": kind, "status": status}
    assert [record.name for record in caplog.records] == ["ollama_sync.flask"] * 2
    assert kind in caplog.text


def test_an_error_of_text_cuts_the_connection(get: Get, server: MockOllama) -> None:
    """Plain text has no place for an error: the browser sees a body that is not complete."""
    gate = Gate()
    server.script([head(), chunk(TOKEN), wait(gate), chunk({"error": "spent"})], path=PATH)
    answer = get("/text")
    assert answer.read(1) == b"A"
    gate.open()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_a_cancelled_answer_ends_as_any(server: MockOllama, client: Client) -> None:
    """A stop button elsewhere in the program ends the events, and is no error."""
    server.script([head(), chunk(TOKEN), silence()], path=PATH)
    answer = client.generate("m", "hi", stream=True)
    with sse(answer) as response:
        body = iter(response.response)
        assert next(body) == f"data: {IN_JSON}\n\n"
        answer.cancel()
        assert list(body) == ["event: end\ndata: {}\n\n"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("POST http://10.0.0.5/: wrong"), 500), (OllamaError("http://10.0.0.5/"), 500)],
)
def test_a_mistake_of_the_program_is_not_told(error: OllamaError, status: int) -> None:
    """What the browser can do nothing about is a plain 500."""
    told, code = error_reply(error)
    assert code == told["status"] == status
    assert "10.0.0.5" not in told["error"]
