"""A small program of a user: it gives a text a title, and writes a summary while it comes."""

from __future__ import annotations

from collections.abc import Iterator

import ollama_sync as ollama

MODEL = "llama3.2"


def title_of(text: str) -> str:
    """Return a title for a text, without quotes around it."""
    reply = ollama.generate(MODEL, f"Give this text a title: {text}")
    return (reply.response or "").strip().strip('"')


def summary_of(text: str, client: ollama.Client) -> Iterator[str]:
    """Yield a summary as it is made. A model that falls silent or breaks ends it with a word of excuse."""
    asked = [{"role": "user", "content": f"Summarise: {text}"}]
    try:
        for tokens in client.chat(MODEL, asked, stream=True).tokens():
            yield "".join(tokens)
    except ollama.WaitTimeout:
        yield " (the model fell silent)"
    except ollama.ResponseError as error:
        yield f" (no summary: {error.error})"
