"""`chat_arguments`: what a browser may ask for, and what it is told of anything else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, request

from ollama_sync import UsageError
from ollama_sync.flask import Ollama, chat_arguments, current_ollama
from ollama_sync.testing import MockOllama

MESSAGES = [{"role": "user", "content": "Hi"}]
QUESTION = {"model": "m", "messages": MESSAGES}
ALL = ["format", "images", "keep_alive", "logprobs", "options", "system", "think", "tools"]
PICTURE = base64.b64encode(b"a picture").decode()


@pytest.fixture
def app(server: MockOllama) -> Any:
    """An app that allows everything at /all, and nothing at /none."""
    app = Flask("shop")
    app.config["OLLAMA_HOST"] = server.url
    Ollama(app)

    @app.post("/<what>")
    def ask(what: str) -> Any:
        allow = [*ALL, "top_logprobs"] if what == "all" else []
        return current_ollama.chat(**chat_arguments(request, allow=allow))

    yield app
    with app.app_context():
        current_ollama.close()


def test_what_is_allowed_reaches_the_model(app: Flask, server: MockOllama) -> None:
    """Each argument and member of a message comes through as it was sent, null as if it were not there."""
    call = {"function": {"name": "today", "arguments": {}}}
    asked = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "ürgh 🙂", "images": [PICTURE]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_name": "today", "content": "Monday"},
        ],
        "options": {"seed": 1, "stop": ["x"], "temperature": 0.5},
        "format": {"type": "object"},
        "keep_alive": "5m",
        "think": None,
        "tools": [{"type": "function", "function": {"name": "today"}}],
    }
    got = app.test_client().post("/all", json=asked)
    assert got.status_code == 200, got.text
    sent = server.requests[0].json
    for name in ("options", "format", "keep_alive", "model"):
        assert sent[name] == asked[name]
    assert [message["role"] for message in sent["messages"]] == [
        *("system", "user", "assistant", "tool")
    ]
    assert sent["messages"][1]["images"] == [PICTURE]
    assert "think" not in sent


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"options": {"num_ctx": 10**6}}, "options"),
        ({"tools": []}, "tools"),
        ({"stream": True}, "stream"),
        ({"messages": [{**MESSAGES[0], "images": [PICTURE]}]}, "images"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role: one of user, assistant"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{**MESSAGES[0], "tool_calls": []}]}, "tool_calls"),
        ({"x" * 10_000: 1}, "xxx"),
    ],
)
def test_what_is_not_allowed_is_refused(
    app: Flask, server: MockOllama, more: dict[str, Any], reason: str
) -> None:
    """Without leave nothing but users' and assistants' texts passes: 400, with a short reason."""
    got = app.test_client().post("/none", json={**QUESTION, **more})
    assert got.status_code == 400
    assert reason in got.json["error"]
    assert len(got.json["error"]) < 200
    assert server.requests == ()


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"model": "m"},
        {"model": "", "messages": MESSAGES},
        {"model": 1, "messages": MESSAGES},
        {"model": "m", "messages": "Hi"},
        {"model": "m", "messages": []},
        {"model": "m", "messages": ["Hi"]},
        {"model": "m", "messages": [{"role": ["user"], "content": "x"}]},
        {"model": "m", "messages": [{"role": "user"}]},
        {"model": "m", "messages": [{"role": "user", "content": None}]},
        {"model": "m", "messages": [{"role": "user", "content": "half \ud83d"}]},
        {"model": "m", "messages": [{**MESSAGES[0], "images": ["/etc/passwd"]}]},
        {"model": "m", "messages": [{**MESSAGES[0], "images": PICTURE}]},
        {"model": "m", "messages": [{**MESSAGES[0], "images": ["é"]}]},
        {**QUESTION, "options": [1]},
        {**QUESTION, "options": {"stop": {"a": 1}}},
        {**QUESTION, "options": {"temperature": float("nan")}},
        {**QUESTION, "options": {"temperature": float("inf")}},
        {**QUESTION, "options": {"seed": 10**30}},
        {**QUESTION, "think": 7},
        {**QUESTION, "tools": ["x"]},
        {**QUESTION, "top_logprobs": 1.5},
        {**QUESTION, "top_logprobs": True},
        {**QUESTION, "keep_alive": []},
        {**QUESTION, "format": "yaml"},
    ],
)
def test_what_is_wrong_is_the_browsers_mistake(app: Flask, server: MockOllama, wrong: Any) -> None:
    """400 with a reason, whatever the view allows; the model's server sees nothing of it."""
    got = app.test_client().post("/all", json=wrong)
    assert (got.status_code, got.json["type"]) == (400, "InvalidRequest")
    assert server.requests == ()


@pytest.mark.parametrize("depth", [50, 600, 5000, 100_000])
def test_depth_is_no_error_of_the_server(app: Flask, depth: int) -> None:
    """However deep an object is nested: it is 200 or 400, and not 500."""
    body = json.dumps(QUESTION)[:-1] + ', "format": {"a": ' + "[" * depth + "]" * depth + "}}"
    got = app.test_client().post("/all", data=body, content_type="application/json")
    assert got.status_code == (200 if depth == 50 else 400)


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"1" * 5000])
def test_what_is_no_json(app: Flask, body: bytes) -> None:
    """It is 400, and JSON too."""
    got = app.test_client().post("/none", data=body, content_type="application/json")
    assert got.status_code == 400
    assert "application/json" in got.json["error"]


def test_a_form_of_another_page_is_refused(app: Flask, server: MockOllama) -> None:
    """JSON that says that it is text, which a page of elsewhere may send without being asked, is not taken."""
    got = app.test_client().post("/none", data=json.dumps(QUESTION), content_type="text/plain")
    assert got.status_code == 400
    assert server.requests == ()


def test_options_and_models_are_allowed_by_name() -> None:
    """`options.seed` lets that one option pass; `models` says which may be asked for."""
    app = Flask("shop")

    def arguments(**more: Any) -> Any:
        with app.test_request_context(json={**QUESTION, **more}):
            return chat_arguments(request, allow=["options.seed"], models=["m"])

    assert arguments(options={"seed": 1}) == {**QUESTION, "options": {"seed": 1}}
    with pytest.raises(Exception, match="options takes seed, and no 'num_ctx'"):
        arguments(options={"num_ctx": 1})
    with pytest.raises(Exception, match="model: one of m"):
        arguments(model="other")


def test_a_wrong_leave_is_the_programs_mistake() -> None:
    """A name that cannot be allowed is said at once, with those that can."""
    with (
        Flask("shop").test_request_context(json=QUESTION),
        pytest.raises(UsageError, match=r"'option'.*there are.*'options'"),
    ):
        chat_arguments(request, allow=["option"])
