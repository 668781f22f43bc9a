"""The extension: the client of an app, its settings, and its commands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask

from ollama_sync import BatchPolicy, Client, Fleet, RequestError, Timeout, UsageError
from ollama_sync.flask import Ollama, current_ollama
from ollama_sync.testing import (
    MockOllama,
    reply,
    silence,
)

PATH = "/api/generate"


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


@pytest.mark.parametrize("as_text", [True, False])
def test_several_hosts_make_a_fleet(as_text: bool, make: Callable[..., Flask]) -> None:
    """With `OLLAMA_HOSTS` calls go over several servers, each with its places; a view sees no difference."""
    with (
        MockOllama(models=["m"], chunks=3, delay=0) as one,
        MockOllama(models=["m"], chunks=3, delay=0) as two,
    ):
        hosts: object = f"{one.url}=3, {two.url}" if as_text else {one.url: 3, two.url: None}
        app = make(OLLAMA_HOSTS=hosts, OLLAMA_PARALLEL=2, OLLAMA_MAX_WAITING=5)
        assert app.test_client().get("/text").text == "AAA"
        with app.app_context():
            fleet: Any = current_ollama
            assert isinstance(fleet._get_current_object(), Fleet)
            assert [server.places for server in fleet.servers] == [3, 2]
            assert app.json.loads(app.json.dumps(fleet.servers[0]))["places"] == 3
            fleet.close()


def test_a_fleet_that_cannot_answer_is_a_503(make: Callable[..., Flask]) -> None:
    """With when to come back: the servers may be there again by then."""
    app = make(OLLAMA_HOSTS=["127.0.0.1:1", "127.0.0.1:2"])
    answer = app.test_client().get("/text")
    assert (answer.status_code, answer.json["type"]) == (503, "FleetDown")
    assert answer.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in answer.text


@pytest.mark.parametrize("hosts", ["gpu1=x", "", [], {"gpu1": 0}])
def test_wrong_hosts_are_refused_where_the_app_is_made(hosts: object) -> None:
    """Not in the first request."""
    app = Flask("shop")
    app.config["OLLAMA_HOSTS"] = hosts
    with pytest.raises(RequestError, match="is wrong"):
        Ollama(app)
    app.config.update(OLLAMA_HOSTS=["gpu1"], OLLAMA_HOST="gpu2")
    with pytest.raises(RequestError, match="only one of them"):
        Ollama(app)
