"""`format=` with a type, `parsed`, and `stream.partial()`: through the client."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest

from ollama_sync import Client, FormatError, RequestError, UsageError
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, reply, stream, wait

ASK = [{"role": "user", "content": "Who?"}]


@dataclass
class Person:
    """A dataclass."""

    name: str
    age: int


class PersonDict(TypedDict):
    """A TypedDict."""

    name: str
    age: int


class PersonStruct(msgspec.Struct):
    """A Struct."""

    name: str
    age: int


ADA = '{"name": "Ada", "age": 36}'


def said(text: str, **more: object) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "done": False, **more}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Person, Person("Ada", 36)),
        (PersonDict, {"name": "Ada", "age": 36}),
        (PersonStruct, PersonStruct("Ada", 36)),
        (dict[str, Any], {"name": "Ada", "age": 36}),
    ],
)
def test_the_answer_is_an_object_of_the_type(
    server: MockOllama, client: Client, kind: Any, expected: object
) -> None:
    """The type's schema goes on the wire; `parsed` is the checked object, with and without a stream."""
    server.script([reply(said(ADA, done=True))])
    answer = client.chat("m", ASK, format=kind)
    assert answer.parsed == expected
    assert answer.message.content == ADA
    assert "parsed" not in answer.to_dict()
    schema = server.requests[0].json["format"]
    assert schema["type"] == "object"
    server.script([stream([said(ADA[:9]), said(ADA[9:]), said("", done=True)])])
    assert client.chat("m", ASK, format=kind, stream=True).result().parsed == expected
    server.script([reply({"response": ADA, "done": True})], path="/api/generate")
    assert client.generate("m", "Who?", format=kind).parsed == expected


def test_an_answer_that_does_not_fit_is_an_error_with_the_text(
    server: MockOllama, client: Client
) -> None:
    """The text is not lost, and the error can be pickled."""
    server.script([reply(said('{"name": 7}', done=True))])
    with pytest.raises(FormatError) as caught:
        client.chat("m", ASK, format=Person)
    assert caught.value.text == '{"name": 7}'
    assert pickle.loads(pickle.dumps(caught.value)).text == caught.value.text
    server.script([stream([said("no json"), said("", done=True)])])
    with pytest.raises(FormatError):
        client.chat("m", ASK, format=Person, stream=True).result()


def test_without_a_type_nothing_is_parsed(server: MockOllama, client: Client) -> None:
    """Neither the word "json" nor a schema says into what the answer is to be made."""
    server.script([reply(said(ADA, done=True))])
    assert client.chat("m", ASK, format="json").parsed is None


def test_partial_gives_the_object_as_far_as_it_has_come(server: MockOllama, client: Client) -> None:
    """While the answer is streaming, what has arrived of it can be used."""
    gate = Gate()
    first, rest = chunk(said('{"name": "Ad')), chunk(said('a", "age": 36}'))
    server.script([head(), first, wait(gate), rest, chunk(said("", done=True)), end()])
    running = client.chat("m", ASK, format=Person, stream=True)
    assert running.partial() is None
    next(running)
    assert running.partial() == {"name": "Ad"}
    gate.open()
    assert running.result().parsed == Person("Ada", 36)
    assert running.partial() == {"name": "Ada", "age": 36}


def test_a_type_without_a_schema_is_refused(client: Client) -> None:
    """A class that is no data is named, and nothing is sent."""
    with pytest.raises(RequestError):
        client.chat("m", ASK, format=threading.Thread)


def test_progress_adds_up_the_layers(client: Client) -> None:
    """A pull shows one line for all its layers, and ends done."""
    seen = list(client.pull("all-minilm", stream=True).progress())
    assert seen[-1].phase == "done"
    assert seen[-1].fraction == 1.0
    assert seen[-1].completed == seen[-1].total > 0


def test_progress_and_text_are_of_different_streams(client: Client) -> None:
    """A chat shows no progress, and a pull has no text."""
    with client.chat("m", ASK, stream=True) as running, pytest.raises(UsageError, match="tokens"):
        running.progress()
    with client.pull("m", stream=True) as pulling:
        with pytest.raises(UsageError):
            pulling.tokens()
        with pytest.raises(UsageError):
            pulling.partial()
