"""`EmbedResponse`: vectors as lists or as a matrix, decoded when they are read."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any

import pytest

from ollama_sync import Client, StreamBroken
from ollama_sync.testing import MockOllama, reply
from ollama_sync.types import EmbedResponse

VECTORS = [[(row * 31 + column) / 7919 for column in range(300)] for row in range(20)]
FIELDS: dict[str, Any] = {"model": "m", "embeddings": VECTORS, "total_duration": 7}
BODY = json.dumps(FIELDS, separators=(",", ":")).encode()


def lazy() -> EmbedResponse:
    """Return a reply of which nothing was read."""
    found = EmbedResponse.of_body(BODY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "use",
    [
        lambda reply: reply.embeddings,
        lambda reply: reply["embeddings"],
        lambda reply: reply.to_dict()["embeddings"],
        lambda reply: dict(reply)["embeddings"],
        lambda reply: copy.copy(reply).embeddings,
        lambda reply: copy.deepcopy(reply).embeddings,
        lambda reply: pickle.loads(pickle.dumps(reply)).embeddings,
        lambda reply: reply.get("embeddings"),
    ],
    ids=["attribute", "subscript", "to_dict", "dict", "copy", "deepcopy", "pickle", "get"],
)
def test_a_reply_that_was_not_read_is_as_any_other(use: Any) -> None:
    """Whatever is done with it first, the fields are there."""
    assert [list(row) for row in use(lazy())] == VECTORS
    assert lazy() == EmbedResponse.view(FIELDS)
    assert lazy().total_duration == 7
    assert "total_duration" in lazy()
    assert "embeddings" in repr(lazy())


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","embeddings":[[1.0]]}',
        BODY.replace(b"[[", b"[ ["),
        BODY[:-1],
        BODY.replace(b'"model"', b'"error":"boom","model"'),
        b"[" + BODY + b"]",
        b"x" * 100_000,
    ],
    ids=["small", "spaced", "cut", "error", "list", "no JSON"],
)
def test_what_is_not_plainly_vectors_is_decoded_at_once(body: bytes) -> None:
    """So that the call itself says what is wrong with it."""
    assert EmbedResponse.of_body(body) is None


def test_vectors_that_are_no_json_are_said_when_they_are_read() -> None:
    """The rest was looked at by the call; the numbers are not before they are read."""
    broken = EmbedResponse.of_body(BODY.replace(b"],[", b"];["))
    assert broken is not None
    with pytest.raises(StreamBroken, match="embed: the reply is not JSON"):
        broken.embeddings  # noqa: B018 - reading is what fails


def test_the_matrix_has_the_numbers_of_the_lists() -> None:
    """Parsed straight or made of the lists: the same float32, and whoever asks owns it."""
    numpy = pytest.importorskip("numpy")
    expected = numpy.array(VECTORS, dtype=numpy.float32)
    parsed = lazy().to_numpy()
    assert parsed.dtype == numpy.float32
    assert numpy.array_equal(parsed, expected)
    assert numpy.array_equal(EmbedResponse.view(FIELDS).to_numpy(), expected)
    reply_of_ints = json.dumps({"embeddings": [[0, 1]] * 9000}, separators=(",", ":")).encode()
    whole = EmbedResponse.of_body(reply_of_ints)
    assert whole is not None
    assert whole.to_numpy().shape == (9000, 2)
    parsed[0, 0] = 5.0


def test_without_the_parser_it_is_made_of_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numpy alone will do."""
    numpy = pytest.importorskip("numpy")
    monkeypatch.setitem(sys.modules, "simdjson", None)
    assert numpy.array_equal(lazy().to_numpy(), numpy.array(VECTORS, dtype=numpy.float32))


def test_rows_of_different_lengths_are_no_matrix() -> None:
    """Numpy says so; the parser may not make a wrong one of them."""
    pytest.importorskip("numpy")
    ragged = json.dumps({"embeddings": [[1.5] * 5000, [1.5] * 1000]}, separators=(",", ":"))
    found = EmbedResponse.of_body(ragged.encode())
    assert found is not None
    with pytest.raises(ValueError, match="inhomogeneous"):
        found.to_numpy()


def test_a_client_gives_it(server: MockOllama, client: Client) -> None:
    """A large reply of embed is not decoded before it is read."""
    server.script([reply(FIELDS)], path="/api/embed")
    found = client.embed("m", ["a"] * 20)
    assert found.embeddings == VECTORS
