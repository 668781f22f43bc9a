"""ollama-haystack, llm-ollama, agno and autogen-ext."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ollama_sync.testing import MockOllama


def test_haystack_chat(server: MockOllama) -> None:
    """A chat, at once and in parts."""
    generators = pytest.importorskip("haystack_integrations.components.generators.ollama")
    data = pytest.importorskip("haystack.dataclasses")
    parts: list[str] = []
    chat = generators.OllamaChatGenerator(
        model="llama3.2", url=server.url, streaming_callback=lambda part: parts.append(part.content)
    )
    answer = chat.run([data.ChatMessage.from_user("hi")])
    assert answer["replies"][0].text == "AAA"
    assert "".join(parts) == "AAA"
    plain = generators.OllamaChatGenerator(model="llama3.2", url=server.url)
    assert plain.run([data.ChatMessage.from_user("hi")])["replies"][0].text == "AAA"
    assert server.requests[-1].headers["User-Agent"].startswith("ollama_sync/")


def test_haystack_embedders(server: MockOllama) -> None:
    """Of a text, and of documents."""
    embedders = pytest.importorskip("haystack_integrations.components.embedders.ollama")
    data = pytest.importorskip("haystack")
    text = embedders.OllamaTextEmbedder(model="all-minilm", url=server.url)
    assert text.run("a")["embedding"]
    documents = embedders.OllamaDocumentEmbedder(
        model="all-minilm", url=server.url, progress_bar=False
    )
    found = documents.run([data.Document(content="a"), data.Document(content="b")])["documents"]
    assert all(document.embedding for document in found)


def test_llm(server: MockOllama, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The plugin of Simon Willison's llm lists the models of the server and asks them."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    pytest.importorskip("llm_ollama")
    llm = pytest.importorskip("llm")
    model = llm.get_model("ollama/llama3.2")
    assert model.prompt("hi").text() == "AAA"
    assert "".join(model.prompt("hi")) == "AAA"


def test_agno(server: MockOllama) -> None:
    """An agent of agno's asks, at once and in parts."""
    ollama_of_agno = pytest.importorskip("agno.models.ollama")
    agents = pytest.importorskip("agno.agent")
    agent = agents.Agent(
        model=ollama_of_agno.Ollama(id="llama3.2", host=server.url), telemetry=False
    )
    assert agent.run("hi").content == "AAA"
    parts = [
        event.content for event in agent.run("hi", stream=True) if getattr(event, "content", None)
    ]
    assert "".join(map(str, parts)).startswith("AAA")


def test_autogen(server: MockOllama) -> None:
    """The client of AutoGen's is async, and so the official one's."""
    ollama_of_autogen = pytest.importorskip("autogen_ext.models.ollama")
    models = pytest.importorskip("autogen_core.models")

    async def ask() -> Any:
        client = ollama_of_autogen.OllamaChatCompletionClient(model="llama3.2", host=server.url)
        return await client.create([models.UserMessage(content="hi", source="user")])

    assert asyncio.run(ask()).content == "AAA"
