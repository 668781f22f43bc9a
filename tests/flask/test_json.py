"""Replies and statistics as JSON of Flask: returned by views, given to `jsonify`, written by `app.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Flask, jsonify
from flask.json.provider import DefaultJSONProvider

from ollama_sync import ChatResponse, Outcome, hub_statistics
from ollama_sync.flask import current_ollama
from ollama_sync.testing import MockOllama, reply

REPLY = ChatResponse.view(
    {"model": "m", "message": {"role": "assistant", "content": "half \ud83d of it"}, "newer": [1]}
)


def asked(app: Flask, *views: Callable[[], Any]) -> list[Any]:
    """What a browser gets of each of these views."""
    for number, view in enumerate(views):
        app.add_url_rule(f"/view/{number}", view_func=view, endpoint=f"view {number}")
    return [app.test_client().get(f"/view/{number}") for number in range(len(views))]


def test_a_view_returns_a_reply(app: Flask) -> None:
    """Alone or with a status and headers; all that the server sent is in it."""
    got, alone = asked(
        app, lambda: (REPLY, 201, {"X-Shop": "7"}), lambda: current_ollama.generate("m", "hi")
    )
    assert (got.status_code, got.headers["X-Shop"], got.mimetype) == (201, "7", "application/json")
    assert got.json == REPLY.to_dict()
    assert (alone.status_code, alone.json["response"]) == (200, "AAA")


@pytest.mark.parametrize(
    "wrapped", [lambda value: [value], lambda value: {"reply": value}], ids=["list", "dict"]
)
def test_replies_within_other_values(app: Flask, wrapped: Callable[[Any], Any]) -> None:
    """At any depth, by `jsonify` and by what Flask does with lists and dicts."""
    for got in asked(app, lambda: jsonify(wrapped(REPLY)), lambda: wrapped(REPLY)):
        assert got.json == wrapped(REPLY.to_dict())


def test_statistics(app: Flask) -> None:
    """Those of a stream, of a client and of the hub are objects of their numbers."""
    with app.app_context():
        stream = current_ollama.generate("m", "hi", stream=True)
        stream.result()
        values = [stream.stats, current_ollama.statistics(), hub_statistics()]
    got = asked(app, lambda: values)[0].json
    assert [sorted(each) for each in got] == [sorted(vars(value)) for value in values]
    assert (got[0]["parts"], got[1]["finished"]) == (4, 1)


def test_outcomes(app: Flask, server: MockOllama) -> None:
    """Those of `map` are objects of their facts, whatever their items are: the reply whole, an error as its text; so is how far it is."""
    server.script([reply({"error": "not today"}, status=400)], path="/api/generate")

    def view() -> Any:
        items = [{"row": 1}, REPLY]
        with current_ollama.map(
            "generate", items, request=lambda item: {"prompt": "hi"}, model="m", parallel=1
        ) as outcomes:
            got = list(outcomes)
            return {"progress": outcomes.progress, "outcomes": got, "first": jsonify(got[0]).json}

    alone, told = asked(app, lambda: Outcome("a", 0, None, ValueError("no"), "", 0, 1.0, 0.5), view)
    assert (alone.json["item"], alone.json["error"], alone.json["reply"]) == ("a", "no", None)
    failed, fine = told.json["outcomes"]
    assert (failed["item"], failed["reply"], failed["attempts"]) == ({"row": 1}, None, 1)
    assert "not today" in failed["error"]
    assert told.json["first"] == failed
    assert (fine["item"], fine["index"], fine["error"]) == (REPLY.to_dict(), 1, None)
    assert (fine["reply"]["response"], fine["host"]) == ("AAA", server.url)
    assert (told.json["progress"]["done"], told.json["progress"]["failed"]) == (2, 1)


def test_outcomes_in_a_task() -> None:
    """Celery's serializer of JSON writes them as Flask does."""
    serializer = pytest.importorskip("kombu.utils.json")
    outcome: Outcome[Any, Any] = Outcome(REPLY, 0, REPLY, None, "http://gpu", 1, 1.0, 0.5)
    got = serializer.loads(serializer.dumps({"outcomes": [outcome]}))["outcomes"][0]
    assert got["item"] == got["reply"] == REPLY.to_dict()


def test_what_the_app_writes_is_as_before(app: Flask) -> None:
    """A provider of the app's own goes on, and what nothing knows is Flask's own error."""

    class Own(DefaultJSONProvider):
        def default(self, value: Any) -> Any:
            return "mine" if isinstance(value, set) else super().default(value)

    from ollama_sync.flask import Ollama

    own = Flask("own")
    own.json = Own(own)
    Ollama(own)
    assert json.loads(own.json.dumps([{1}, REPLY])) == ["mine", REPLY.to_dict()]
    with pytest.raises(TypeError, match="not JSON serializable"):
        app.json.dumps(object())
