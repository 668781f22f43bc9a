"""`embed(chunk=)`: many texts, several requests, one reply."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_sync import Client, Fleet, RequestError, ResponseError
from ollama_sync.testing import MockOllama, reply


@pytest.fixture
def counted(server: MockOllama) -> MockOllama:
    """A server whose vectors say which text they are of."""

    def respond(request: Any) -> Any:
        texts = request.json["input"]
        if "bad" in texts:
            return [reply({"error": "no"}, 400)]
        vectors = [[float(text)] for text in texts]
        return [reply({"model": "m", "embeddings": vectors, "prompt_eval_count": len(texts)})]

    server.on("POST", "/api/embed", respond)
    return server


@pytest.mark.parametrize("count", [1, 9, 10, 11, 100])
def test_all_texts_are_there_in_their_order(counted: MockOllama, count: int) -> None:
    """In requests of at most so many texts, and as if they had come in one reply."""
    texts = [str(number) for number in range(count)]
    with Client(counted.url) as client:
        found = client.embed("m", texts, chunk=10, truncate=True)
    assert found.embeddings == [[float(number)] for number in range(count)]
    assert found.prompt_eval_count == count
    assert len(counted.requests) == -(-count // 10)
    assert all(request.json["truncate"] is True for request in counted.requests)
    assert max(len(request.json["input"]) for request in counted.requests) <= 10


def test_a_fleet_has_it_too(counted: MockOllama) -> None:
    """And spreads the requests."""
    with Fleet([counted.url]) as fleet:
        assert len(fleet.embed("m", ["1", "2", "3"], chunk=1).embeddings) == 3


def test_a_request_that_fails_is_the_error(counted: MockOllama) -> None:
    """Half of the vectors would be taken for all of them."""
    with Client(counted.url) as client, pytest.raises(ResponseError, match="no"):
        client.embed("m", ["1", "2", "bad", "4"], chunk=2)


@pytest.mark.parametrize("chunk", [0, -1, True, "2", 1.5])
def test_a_wrong_chunk_is_refused(counted: MockOllama, chunk: Any) -> None:
    """Before anything is sent."""
    with Client(counted.url) as client:
        with pytest.raises(RequestError, match="chunk="):
            client.embed("m", ["1"], chunk=chunk)
        with pytest.raises(RequestError, match="input="):
            client.embed("m", [1], chunk=2)  # type: ignore[list-item] # that is what is tested
    assert not counted.requests
