"""The table of what the server offers: each verb with its route, its reply, and how its stream is read.

Data and pure functions; runs on any thread. A new endpoint starts as a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ollama_sync._policies import ANY_OTHER_CALL, STREAMED_ANSWER, Timeout
from ollama_sync.types import (
    ChatResponse,
    GenerateResponse,
    ListResponse,
    VersionResponse,
    View,
    accumulate_chat,
    accumulate_generate,
)

T = TypeVar("T", bound=View)

Parts = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class StreamKind:
    """How the parts of one kind of stream are understood.

    Args:
        texts: the text of each part, empty ones left out; None where parts have no text.
        accumulate: folds the parts into one reply.
        is_terminal: whether a part says that the reply is complete.
        timeout: the defaults of its clocks.
    """

    texts: Callable[[Parts], list[str]] | None
    accumulate: Callable[[Parts], dict[str, Any]]
    is_terminal: Callable[[dict[str, Any]], bool]
    timeout: Timeout


@dataclass(frozen=True)
class Endpoint(Generic[T]):
    """One verb of the API.

    Args:
        verb: the name of the client's method.
        method: of HTTP.
        path: from the root of the server.
        reply: the view of the reply and of each part.
        stream: how its stream is read; None where it does not stream.
        timeout: the defaults of the clocks without a stream.
    """

    verb: str
    method: str
    path: str
    reply: type[T]
    stream: StreamKind | None = None
    timeout: Timeout = ANY_OTHER_CALL


def _chat_texts(parts: Parts) -> list[str]:
    try:
        return [text for part in parts if (text := part["message"]["content"])]
    except (KeyError, TypeError):  # a part without a message, or a message without content
        messages = [part.get("message") for part in parts]
        texts = [message.get("content") for message in messages if isinstance(message, dict)]
        return [text for text in texts if text]


def _generate_texts(parts: Parts) -> list[str]:
    return [text for part in parts if (text := part.get("response"))]


def _answer_is_complete(part: dict[str, Any]) -> bool:
    # Some servers name the reason and forget `done`; a rendered prompt (`_debug_render_only`) is all there is.
    return bool(part.get("done") or part.get("done_reason") or part.get("_debug_info"))


_CHAT_STREAM = StreamKind(_chat_texts, accumulate_chat, _answer_is_complete, STREAMED_ANSWER)
_GENERATE_STREAM = StreamKind(
    _generate_texts, accumulate_generate, _answer_is_complete, STREAMED_ANSWER
)

CHAT = Endpoint("chat", "POST", "/api/chat", ChatResponse, _CHAT_STREAM)
GENERATE = Endpoint("generate", "POST", "/api/generate", GenerateResponse, _GENERATE_STREAM)
LIST = Endpoint("list", "GET", "/api/tags", ListResponse)
VERSION = Endpoint("version", "GET", "/api/version", VersionResponse)
