"""llama-index-llms-ollama and llama-index-embeddings-ollama."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ollama_sync.testing import MockOllama, stream

llms = pytest.importorskip("llama_index.llms.ollama")
embeddings = pytest.importorskip("llama_index.embeddings.ollama")
core = pytest.importorskip("llama_index.core.llms")


@pytest.fixture
def model(server: MockOllama) -> Any:
    """A model of LlamaIndex's at the mock server, which says "AAA"."""
    return llms.Ollama(model="llama3.2", base_url=server.url, context_window=4096)


def test_complete_and_chat(server: MockOllama, model: Any) -> None:
    """Both ways to ask give the text."""
    assert model.complete("hi").text == "AAA"
    message = core.ChatMessage(role="user", content="hi")
    assert model.chat([message]).message.content == "AAA"
    assert server.requests[-1].headers["User-Agent"].startswith("ollama_sync/")


def test_stream(model: Any) -> None:
    """The text grows part by part."""
    message = core.ChatMessage(role="user", content="hi")
    parts = [part.message.content for part in model.stream_chat([message])]
    assert parts[0] == "A"
    assert parts[-1] == "AAA"
    assert [part.text for part in model.stream_complete("hi")][-1] == "AAA"


def test_tools(server: MockOllama, model: Any) -> None:
    """A call of the model comes back as LlamaIndex's."""
    tools = pytest.importorskip("llama_index.core.tools")

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    call = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
    said = {"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": True}
    server.script([stream([said])])
    tool = tools.FunctionTool.from_defaults(add)
    answer = model.chat_with_tools([tool], "1 + 2?")
    (found,) = model.get_tool_calls_from_response(answer)
    assert (found.tool_name, found.tool_kwargs) == ("add", {"a": 1, "b": 2})


def test_structured_output(server: MockOllama, model: Any) -> None:
    """A pydantic model is asked for, and comes back as an object."""
    pydantic = pytest.importorskip("pydantic")
    prompts = pytest.importorskip("llama_index.core.prompts")

    class Person(pydantic.BaseModel):  # type: ignore[misc, name-defined] # pydantic is not installed where types are checked
        name: str

    said = {"message": {"role": "assistant", "content": '{"name": "Ada"}'}, "done": True}
    server.script([stream([said])])
    found = model.structured_predict(Person, prompts.PromptTemplate("Who?"))
    assert found.name == "Ada"


def test_async(model: Any) -> None:
    """The async half is the official client's."""

    async def ask() -> Any:
        return await model.acomplete("hi")

    assert asyncio.run(ask()).text == "AAA"


def test_embeddings(server: MockOllama) -> None:
    """Of one text and of several, both ways."""
    model = embeddings.OllamaEmbedding(model_name="all-minilm", base_url=server.url)
    one = model.get_text_embedding("a")
    assert one
    assert len(model.get_text_embedding_batch(["a", "b"])) == 2
    assert asyncio.run(model.aget_text_embedding("a")) == one
