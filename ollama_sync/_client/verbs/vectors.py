"""The verbs that turn texts into numbers: embed, its old form embeddings, and systemone.

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ollama_sync._client import arguments, endpoints
from ollama_sync._client.verbs.caller import Caller
from ollama_sync.types import (
    EmbeddingsResponse,
    EmbedResponse,
    Options,
    SystemOneQuestion,
    SystemOneResponse,
)


def embed(
    self: Caller,
    model: str = "",
    input: str | Sequence[str] = "",
    truncate: bool | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
    dimensions: int | None = None,
    *,
    chunk: int | None = None,
) -> EmbedResponse:
    """Turn texts into vectors of length one, in the order of the texts.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.
        input: a text, or a list of texts. "" only loads the model.
        truncate: whether a text that is too long is cut rather than refused.
        options: of the model; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
        dimensions: length of the vectors, if shorter than the model's own.
        chunk: send so many texts in a request, and eight requests at a time; None sends all in one, which a server may refuse, or
            take for too long.

    Returns:
        the vectors, under `embeddings`; with `chunk` as if they had come in one reply, with the times added up.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     reply = client.embed("all-minilm", ["one", "two"])
        >>> len(reply.embeddings)
        2
    """
    if chunk is not None:
        from ollama_sync._client.verbs.chunks import embed_in_chunks  # which stands above this verb

        return embed_in_chunks(
            *(self, input, chunk),
            model=arguments.model_name(model),
            truncate=truncate,
            options=options,
            keep_alive=keep_alive,
            dimensions=dimensions,
        )
    body = arguments.body(
        model=arguments.model_name(model),
        input=arguments.texts("input", input),
        truncate=arguments.flag("truncate", truncate),
        options=arguments.options(options),
        keep_alive=arguments.keep_alive(keep_alive),
        dimensions=arguments.whole("dimensions", dimensions),
    )
    return self._reply(endpoints.EMBED, body)


def embeddings(
    self: Caller,
    model: str = "",
    prompt: str | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
) -> EmbeddingsResponse:
    """Turn one text into a vector that is not normalised. Ollama has replaced this by `embed`.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.
        prompt: the text.
        options: of the model; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.

    Returns:
        the vector, under `embedding`.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     vector = client.embeddings("all-minilm", "one").embedding
        >>> len(vector) > 0
        True
    """
    body = arguments.body(
        model=arguments.model_name(model),
        prompt=arguments.text("prompt", prompt),
        options=arguments.options(options),
        keep_alive=arguments.keep_alive(keep_alive),
    )
    return self._reply(endpoints.EMBEDDINGS, body)


def systemone(
    self: Caller,
    model: str,
    state: str | Mapping[str, Any] | Sequence[Any],
    questions: Mapping[str, SystemOneQuestion | Mapping[str, Any]],
    keep_alive: float | str | None = None,
    *,
    images: Sequence[str | bytes] | None = None,
) -> SystemOneResponse:
    """Have a decision model answer questions about a state, with probabilities. Ollama 0.35 and newer.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.
        state: a text that is not blank, an object or a list.
        questions: by name, 1 to 64 of them.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
        images: that belong to the state; Ollama 0.35.1 and newer.

    Returns:
        the answers, by the names of their questions.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> question = {"type": "noul", "instructions": "Is it urgent?"}
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     reply = client.systemone("decider", "Help!", {"urgent": question})
        >>> reply.answers["urgent"].type
        'noul'
    """
    body = arguments.body(
        model=arguments.model_name(model),
        state=arguments.state(state),
        questions=arguments.mapping("questions", questions),
        keep_alive=arguments.keep_alive(keep_alive),
        images=arguments.images("images", images),
    )
    return self._reply(endpoints.SYSTEMONE, body)
