"""The mock's vectors: made from the words, so that equal texts have equal vectors, of the length that they should have.

Runs on the server's hub thread; pure, but that the model is loaded.
"""

from __future__ import annotations

import math
import random
from typing import Any

from ollama_sync.testing._body import Refused, decoded, text_of
from ollama_sync.testing._library import CONTEXT, Library
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script

_LENGTH = 384
_NORM = 7.25  # the old route does not divide by it


def embed(library: Library, request: Request) -> Script:
    """Answer `POST /api/embed`."""
    asked = decoded(request)
    name = _load(library, asked)
    texts = _texts(asked.get("input"))
    if not texts:
        return [reply({"model": name, "embeddings": []})]
    counts = [len(text.split()) for text in texts]
    if asked.get("truncate") is False and max(counts) > CONTEXT:
        raise Refused(400, "the input length exceeds the context length")
    dimensions = asked.get("dimensions") or _LENGTH
    answer = {
        "model": name,
        "embeddings": [_unit(_vector(text)[:dimensions]) for text in texts],
        "total_duration": 1_500_000 * len(texts),
        "load_duration": 762_485,
        "prompt_eval_count": sum(counts),
    }
    return [reply(answer)]


def embeddings(library: Library, request: Request) -> Script:
    """Answer `POST /api/embeddings`, the old route: one text, and its vector as it is."""
    asked = decoded(request)
    _load(library, asked)
    prompt = text_of(asked, "prompt")
    vector = [round(x * _NORM, 9) for x in _unit(_vector(prompt))] if prompt else []
    return [reply({"embedding": vector})]


def _load(library: Library, asked: dict[str, Any]) -> str:
    name = text_of(asked, "model")
    if library.find(name) is None:
        raise Refused(404, f'model "{name}" not found, try pulling it first')
    library.load(name, asked.get("keep_alive"))
    return name


def _texts(given: object) -> list[str]:
    if given is None or given == "":
        return []
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused(400, "invalid input type")
    return texts


def _vector(text: str) -> list[float]:
    made = random.Random(text)  # noqa: S311 - no secret: the same text has the same vector
    return [made.gauss(0.0, 1.0) for _ in range(_LENGTH)]


def _unit(vector: list[float]) -> list[float]:
    norm = math.sqrt(sum(x * x for x in vector))
    return [round(x / norm, 9) for x in vector]
