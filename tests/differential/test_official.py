"""The drop-in promise: the official client and ours make the same calls of one server, and do the same.

The tables of calls are in `calls/`; a row names what differs on purpose, by an id that docs/differences.md explains.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
import responses

import ollama_sync
from ollama_sync._client import default
from ollama_sync.testing import MockOllama

WHY = "the official package is not installed: pip install ollama==0.6.3"
official = pytest.importorskip("ollama", reason=WHY)
httpx = pytest.importorskip("httpx", reason=WHY)

METHODS = [
    name
    for name, member in inspect.getmembers(official.Client, inspect.isfunction)
    if not name.startswith("_")
]
FUNCTIONS = [name for name in METHODS if name not in ("close", "create_blob")]
HI = [{"role": "user", "content": "hi"}]


def test_a_call_does_the_same(row: Any, outcomes: Any, differences: Any) -> None:
    """Requests, reply or parts, and error are the same, but at the places that the row names: there they do differ."""
    theirs, mine = outcomes(row, official, ollama_sync)
    expected = {place for places in row.differs.values() for place in places}
    assert differences(theirs, mine) == expected, (theirs, mine)


@pytest.mark.parametrize("name", ["FUNCTIONS", "METHODS"])
def test_each_verb_is_called(name: str, tables: Any) -> None:
    """There are rows for every public method of the official client, and for its every parameter."""
    assert {"chat", "create_blob", "systemone", "web_fetch"} <= set(METHODS)
    called: dict[str, set[str]] = {}

    class Seen:
        def __getattr__(self, verb: str) -> Callable[..., Any]:
            signature = inspect.signature(getattr(official.Client, verb))

            def note(*arguments: Any, **more: Any) -> Any:
                given = signature.bind(self, *arguments, **more).arguments
                called.setdefault(verb, set()).update(given)
                return official.ChatResponse(message={"role": "assistant"})

            return note

    rows = [row for table in tables.values() for row in table.values()]
    for row in rows:
        row.call(official, Seen())
    verbs = [verb for verb in globals()[name] if verb != "close"]
    assert called.keys() >= {*verbs}
    for verb in verbs:
        assert called[verb] == set(inspect.signature(getattr(official.Client, verb)).parameters)
    assert len(rows) >= 200


def test_the_web_is_asked_the_same(
    web_row: Any, outcome: Any, differences: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The web verbs go to https://ollama.com with the key of the environment, whatever the host, and do the same."""
    status, said = web_row.reply if isinstance(web_row.reply, tuple) else (200, web_row.reply)
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(_seen(request, request.content))
        return httpx.Response(status, json=said)

    with official.Client("http://127.0.0.1:1", transport=httpx.MockTransport(answer)) as client:
        theirs = outcome().run(lambda: web_row.call(official, client))
    theirs.sent, sent = sent, []
    with responses.RequestsMock() as mock, ollama_sync.Client("http://127.0.0.1:1") as ours:
        for path in ("web_search", "web_fetch"):
            url = f"https://ollama.com/api/{path}"
            mock.add(responses.POST, url, json=said, status=status)
        mock.assert_all_requests_are_fired = False
        mine = outcome().run(lambda: web_row.call(ollama_sync, ours))
        mine.sent = [_seen(call.request, call.request.body) for call in mock.calls]
    assert differences(theirs, mine) == set(), (theirs, mine)
    assert theirs.sent[0]["url"].startswith("https://ollama.com/api/web_")


def _seen(request: Any, body: Any) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": str(request.url),
        "body": json.loads(body),
        "key": request.headers["authorization"],
    }


@pytest.mark.parametrize("name", METHODS)
def test_the_signature_has_the_official_one(name: str) -> None:
    """Parameters have the official names, order, kinds and defaults; ours come behind them, by name only."""
    theirs = inspect.signature(getattr(official.Client, name)).parameters
    mine = inspect.signature(getattr(ollama_sync.Client, name)).parameters
    _is_prefix([*theirs.values()], [*mine.values()])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_function_has_the_official_signature(name: str) -> None:
    """As for methods; module functions are the methods of a client, without `self`."""
    theirs = inspect.signature(getattr(official, name)).parameters
    mine = inspect.signature(getattr(ollama_sync, name)).parameters
    _is_prefix([*theirs.values()], [*mine.values()])


def _is_prefix(theirs: list[Any], mine: list[Any]) -> None:
    by_name = {parameter.name: parameter for parameter in mine}
    for parameter in theirs:
        ours = by_name[parameter.name]
        assert (ours.kind, ours.default) == (parameter.kind, parameter.default), parameter.name
    by_position = [one.name for one in theirs if one.kind is not one.KEYWORD_ONLY]
    assert [one.name for one in mine][: len(by_position)] == by_position
    further = [one for one in mine if one.name not in {one.name for one in theirs}]
    assert all(one.kind is one.KEYWORD_ONLY for one in further)
    assert all(one.default is not one.empty for one in further)


def test_the_names_are_there() -> None:
    """Every public name of the official package that is not of its async half is in ours, and is offered by `*`."""
    names = {name for name in official.__all__ if not name.startswith("Async")} | {*FUNCTIONS}
    assert names - {*ollama_sync.__all__} == set()
    for name in names:
        assert getattr(ollama_sync, name) is not None


def test_the_nested_types_are_there() -> None:
    """What a program may name below a type of the official package has the same name below ours, with its fields."""
    for path in (
        "Message.ToolCall",
        "Message.ToolCall.Function",
        "Tool.Function",
        "Tool.Function.Parameters",
        "Tool.Function.Parameters.Property",
        "ListResponse.Model",
        "ProcessResponse.Model",
    ):
        theirs: Any = official
        mine: Any = ollama_sync
        for name in path.split("."):
            theirs, mine = getattr(theirs, name), getattr(mine, name)
        assert [name for name in theirs.model_fields if not hasattr(mine, name)] == []


@pytest.mark.parametrize(
    "name", [name for name in official.__all__ if hasattr(getattr(official, name), "model_fields")]
)
def test_a_type_has_the_official_fields(name: str) -> None:
    """Each field of each exported type can be read from ours by the same name."""
    theirs, mine = getattr(official, name), getattr(ollama_sync, name)
    if name == "Image":
        assert mine(value=b"a").value == theirs(value=b"a").value
    else:
        assert [field for field in theirs.model_fields if not hasattr(mine, field)] == []


@pytest.mark.parametrize("package", [official, ollama_sync], ids=["official", "ours"])
def test_a_view_is_written_as_a_model(package: Any) -> None:
    """Messages are made by name, written by attribute and by subscript, and say what they have in the same way."""
    message = package.Message(role="user", content="hi")
    message.content = "ho"
    message["thinking"] = "hm"
    message.tool_calls = [package.Message.ToolCall(function={"name": "f", "arguments": {"a": 1}})]
    assert (message["content"], message.thinking) == ("ho", "hm")
    assert message.tool_calls[0]["function"]["arguments"] == {"a": 1}
    assert ("images" in message, "role" in message, "no" in message) == (False, True, False)
    assert (message.get("images"), message.get("no", 3)) == (None, 3)
    with pytest.raises(KeyError):
        message["images"]
    with pytest.raises(AttributeError):
        _ = message.no
    assert message.model_dump(exclude_none=True) == {
        "role": "user",
        "content": "ho",
        "thinking": "hm",
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
    }


@pytest.mark.parametrize("package", [official, ollama_sync], ids=["official", "ours"])
def test_the_functions_are_of_one_client(
    package: Any, recorder: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`chat(...)` and the others of the module are those of a client; here its host is set, which both read in secret."""
    recorder.reset()
    client = package.Client(recorder.url)
    if package is official:
        monkeypatch.setattr(official._client, "_client", client._client)
    else:
        monkeypatch.setattr(default, "_made", {"client": client})
    with client:
        assert package.list().models[0].model == "llama3.2:latest"
        assert package.chat("m", HI, options={"num_predict": 2}).done
        assert package.generate("m", "hi", options={"num_predict": 2}).response is not None
        assert [part.status for part in package.pull("m", stream=True)][-1] == "success"
        assert package.pull("m").status == package.create("n", from_="m").status == "success"
        assert package.push("n").status == package.copy("m", "o").status == "success"
        assert package.show("m").modelinfo is not None
        assert len(package.embed("m", ["a", "b"]).embeddings) == 2
        assert len(package.embeddings("m", "a").embedding) > 0
        question = {"type": "noul", "instructions": "?"}
        assert package.systemone("m", "x", {"a": question}).answers["a"].type == "noul"
        assert package.ps().models is not None
        assert package.delete("o").status == "success"
    assert len(recorder.requests) == 14


def test_errors_are_made_as_the_official_ones() -> None:
    """A program's own tests make them by position; their attributes have the same names."""
    for package in (official, ollama_sync):
        error = package.ResponseError("no", 404)
        assert (error.error, error.status_code, str(error)) == ("no", 404, "no (status code: 404)")
        assert package.ResponseError("no").status_code == -1
        assert package.RequestError("no").error == "no"
