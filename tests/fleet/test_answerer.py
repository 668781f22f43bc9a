"""`Answerer`: many requests as one function that can be sent to another process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from ollama_sync import Answerer, Client, RequestError
from ollama_sync.testing import Gate, MockOllama, Request, reply, wait


class _TwoWords(Exception):
    """As many people write one: pickled, and then it cannot be loaded."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def as_prompt(row: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters for a row."""
    if "text" not in row:
        raise _TwoWords("no", "text")
    return {"prompt": row["text"]}


@pytest.fixture
def upper(server: MockOllama) -> MockOllama:
    """A server that says a prompt in capitals."""

    def say(request: Request) -> Any:
        return [reply({"model": "m", "response": request.json["prompt"].upper(), "done": True})]

    server.on("POST", "/api/generate", say)
    return server


def answerer_of(server: MockOllama, **more: Any) -> Answerer:
    return Answerer([server.url], "generate", 2, request=as_prompt, model="m", **more)


def rows(*texts: str) -> list[dict[str, str]]:
    return [{"text": text} for text in texts]


def test_each_item_has_its_outcome(upper: MockOllama) -> None:
    """In the order of the items, also after it was pickled, and as often as it is called."""
    sent = pickle.loads(pickle.dumps(answerer_of(upper)))
    for texts in (["a", "b", "c"], ["d"], []):
        outcomes = list(sent(rows(*texts)))
        assert [outcome.item["text"] for outcome in outcomes] == texts
        assert [outcome.get().response for outcome in outcomes] == [text.upper() for text in texts]


def test_servers_may_be_an_iterator(upper: MockOllama) -> None:
    """It is read once, when the answerer is made."""
    answerer = Answerer(iter([upper.url]), "generate", model="m")
    for _ in range(2):
        assert [one.get().response for one in answerer([{"prompt": "a"}])] == ["A"]


def test_an_outcome_can_be_pickled_whatever_went_wrong(upper: MockOllama) -> None:
    """An error that pickle cannot make anew would cost an engine all answers of the partition."""
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(_TwoWords("no", "text")))
    good, bad = pickle.loads(pickle.dumps(list(answerer_of(upper)([{"text": "a"}, {"no": 1}]))))
    assert good.get().response == "A"
    with pytest.raises(RequestError, match="_TwoWords: no text"):
        bad.get()


def test_a_key_of_the_environment_is_not_sent(
    upper: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has its own, or none."""
    monkeypatch.setenv("OLLAMA_API_KEY", "secret-of-this-machine")
    with Client(upper.url) as client:
        for servers in ([upper.url], [client]):
            sent = pickle.dumps(Answerer(servers, "generate", model="m"))
            assert b"secret" not in sent


def test_the_clients_parameters_are_kept(upper: MockOllama) -> None:
    """What `client` has is given to the client of every server."""
    answerer = pickle.loads(pickle.dumps(answerer_of(upper, client={"headers": {"X-Job": "7"}})))
    assert all(outcome.ok for outcome in answerer(rows("a")))
    (asked,) = [request for request in upper.requests if request.path == "/api/generate"]
    assert asked.headers["X-Job"] == "7"


def test_dropping_the_iterator_cancels_what_is_open(server: MockOllama) -> None:
    """Whoever takes no more outcomes leaves no server at work."""
    gate = Gate()

    def say(request: Request) -> Any:
        if request.json["prompt"] == "a":
            return [reply({"model": "m", "response": "x", "done": True})]
        return [wait(gate)]

    server.on("POST", "/api/generate", say)
    outcomes = answerer_of(server)(rows(*"abcdef"))
    assert next(outcomes).ok
    gate.wait_reached()
    before = server.disconnects
    outcomes.close()
    server.wait_disconnect(before + 1)


def test_items_are_not_pulled_all_at_once(upper: MockOllama) -> None:
    """A partition may be longer than memory."""
    pulled = []

    def endless() -> Iterator[dict[str, str]]:
        while True:
            pulled.append(1)
            yield {"text": "a"}

    outcomes = answerer_of(upper)(endless())
    for _ in range(100):
        assert next(outcomes).ok
    assert len(pulled) < 120
    outcomes.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"verb": "sing"}, "sing"),
        ({"verb": "generate", "promt": "x"}, "promt"),
        ({"verb": "generate", "parallel": 0}, "parallel"),
        ({"verb": "generate", "servers": []}, "at least one server"),
        ({"verb": "generate", "servers": "gpu1"}, "list of servers"),
        ({"verb": "generate", "request": 3}, "request"),
        ({"verb": "generate", "options": 3}, "options"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else None,
)
def test_a_wrong_argument_is_told_where_the_answerer_is_made(
    wrong: dict[str, Any], says: str
) -> None:
    """And not by a worker on another machine."""
    with pytest.raises(RequestError, match=says):
        Answerer(**{"servers": ["127.0.0.1:9"], "model": "m", **wrong})
