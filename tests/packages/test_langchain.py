"""langchain-ollama: its chat model, its completions and its embeddings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ollama_sync import ResponseError
from ollama_sync.testing import MockOllama, chunk, head, reply, stream
from ollama_sync.testing import end as end_

langchain = pytest.importorskip("langchain_ollama")
messages = pytest.importorskip("langchain_core.messages")


@pytest.fixture
def model(server: MockOllama) -> Any:
    """A chat model of LangChain's at the mock server, which says "AAA"."""
    return langchain.ChatOllama(model="llama3.2", base_url=server.url)


def by_us(server: MockOllama) -> bool:
    """Whether the last request came from this SDK."""
    return server.requests[-1].headers["User-Agent"].startswith("ollama_sync/")


def test_invoke(server: MockOllama, model: Any) -> None:
    """An answer is a message of LangChain's, with its numbers."""
    answer = model.invoke("hi")
    assert answer.content == "AAA"
    assert answer.usage_metadata["output_tokens"] == 3
    assert by_us(server)


def test_stream(server: MockOllama, model: Any) -> None:
    """Parts come as they are made."""
    assert [part.content for part in model.stream("hi")][:3] == ["A", "A", "A"]
    assert by_us(server)


def test_batch(model: Any) -> None:
    """Several prompts at once, by threads of LangChain's."""
    assert [answer.content for answer in model.batch(["a", "b", "c"])] == ["AAA"] * 3


def test_tools(server: MockOllama, model: Any) -> None:
    """A tool that is bound is sent, and the model's call comes back as LangChain's."""

    def add(a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: one.
            b: the other.
        """
        return a + b

    call = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
    part = {"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False}
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    server.script([head(), chunk(part), chunk(last), end_()])
    answer = model.bind_tools([add]).invoke("1 + 2?")
    (found,) = answer.tool_calls
    assert (found["name"], found["args"]) == ("add", {"a": 1, "b": 2})
    assert server.requests[-1].json["tools"][0]["function"]["name"] == "add"


def test_structured_output(server: MockOllama, model: Any) -> None:
    """A pydantic model is asked for by its schema, and comes back as an object."""
    pydantic = pytest.importorskip("pydantic")

    class Person(pydantic.BaseModel):  # type: ignore[misc, name-defined] # pydantic is not installed where types are checked
        name: str
        age: int

    said = {"message": {"role": "assistant", "content": '{"name": "Ada", "age": 36}'}, "done": True}
    server.script([stream([said])])
    found = model.with_structured_output(Person, method="json_schema").invoke("Who?")
    assert (found.name, found.age) == ("Ada", 36)
    assert server.requests[-1].json["format"]["properties"]["age"]["type"] == "integer"


def test_async(server: MockOllama, model: Any) -> None:
    """The async half is the official client's."""

    async def ask() -> Any:
        return await model.ainvoke("hi")

    assert asyncio.run(ask()).content == "AAA"
    assert not by_us(server)


def test_an_error_is_one_for_both_halves(server: MockOllama, model: Any) -> None:
    """A refusal is our `ResponseError`, whoever made the call."""
    import ollama

    assert ollama.ResponseError is ResponseError

    async def ask() -> Any:
        return await model.ainvoke("hi")

    for call in (lambda: model.invoke("hi"), lambda: asyncio.run(ask())):
        server.script([reply({"error": "model 'x' not found"}, 404)])
        with pytest.raises(ResponseError, match="not found"):
            call()


def test_completions(server: MockOllama) -> None:
    """The older kind of model."""
    model = langchain.OllamaLLM(model="llama3.2", base_url=server.url)
    assert model.invoke("hi") == "AAA"
    assert "".join(model.stream("hi")) == "AAA"
    assert by_us(server)


def test_embeddings(server: MockOllama) -> None:
    """Of one text and of several."""
    model = langchain.OllamaEmbeddings(model="all-minilm", base_url=server.url)
    assert len(model.embed_documents(["a", "b"])) == 2
    assert model.embed_query("a")
    assert by_us(server)


def test_a_model_is_looked_for(server: MockOllama) -> None:
    """`validate_model_on_init` asks for the list, and says what is missing."""
    langchain.ChatOllama(model="llama3.2", base_url=server.url, validate_model_on_init=True)
    with pytest.raises(ValueError, match="not found"):
        langchain.ChatOllama(model="nowhere", base_url=server.url, validate_model_on_init=True)
