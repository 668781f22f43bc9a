"""How does one test code that calls a model, without a model? With the `responses` library, as for any code on requests.

Run it by `pytest test_with_responses.py`. For streams that pause, break or never end, see `ollama_sync.testing`.
"""

from __future__ import annotations

import json

import pytest
import responses

import ollama_sync as ollama

client = ollama.Client("http://localhost:11434")
CHAT = "http://localhost:11434/api/chat"


def title_of(text: str) -> str:
    """The code under test: yours."""
    reply = client.chat("llama3.2", [{"role": "user", "content": f"Give a title: {text}"}])
    return (reply.message.content or "").strip()


@responses.activate
def test_the_title_is_stripped() -> None:
    """What the model says around the title is not part of it."""
    message = {"role": "assistant", "content": " Tea \n"}
    responses.post(CHAT, json={"model": "llama3.2", "message": message, "done": True})
    assert title_of("About tea.") == "Tea"
    asked = json.loads(responses.calls[0].request.body or "")
    assert "About tea." in asked["messages"][0]["content"]


@responses.activate
def test_an_unknown_model_is_reported() -> None:
    """A refusal of the server is the SDK's own error, with the server's words."""
    responses.post(CHAT, json={"error": "model 'llama3.2' not found"}, status=404)
    with pytest.raises(ollama.ResponseError, match="not found"):
        title_of("About tea.")
