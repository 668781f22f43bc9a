"""The table of what the server offers: each verb with its route, its reply, and how its stream is read.

Data and pure functions; runs on any thread. A new endpoint starts as a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ollama_sync._policies import ANY_OTHER_CALL, STREAMED_ANSWER, Timeout
from ollama_sync.types import (
    BalanceResponse,
    ChatResponse,
    CloudStatusResponse,
    EmbeddingsResponse,
    EmbedResponse,
    GenerateResponse,
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    RecommendationsResponse,
    ShowResponse,
    StatusResponse,
    SystemOneResponse,
    UsageResponse,
    VersionResponse,
    View,
    WebFetchResponse,
    WebSearchResponse,
    WhoamiResponse,
    accumulate_chat,
    accumulate_generate,
    accumulate_last,
)

if TYPE_CHECKING:
    from ollama_sync._lean import Lean

T = TypeVar("T", bound=View)

Parts = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class StreamKind:
    """How the parts of one kind of stream are understood.

    Args:
        texts: the text of each part, empty ones left out; None where parts have no text.
        lean_texts: the same of whole lines, without making parts; its result is None where they need a closer look.
        accumulate: folds the parts into one reply.
        is_terminal: whether a part says that the reply is complete; None where no part does, so that any clean end will do.
        timeout: the defaults of its clocks.
        shows_progress: whether its parts are those of a pull, push or create.
    """

    texts: Callable[[Parts], list[str]] | None
    lean_texts: Callable[[bytes], Lean | None] | None
    accumulate: Callable[[Parts], dict[str, Any]]
    is_terminal: Callable[[dict[str, Any]], bool] | None
    timeout: Timeout
    shows_progress: bool = False

    def text_of(self, reply: dict[str, Any]) -> str:
        """Return the text of one reply."""
        return "" if self.texts is None else "".join(self.texts([reply]))


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
        empty: the reply that an empty body, or a bare null, stands for; None where such a body is a fault.
        safe: whether it does no harm to make the call again when nobody knows whether the server has done it.
    """

    verb: str
    method: str
    path: str
    reply: type[T]
    stream: StreamKind | None = None
    timeout: Timeout = ANY_OTHER_CALL
    empty: dict[str, Any] | None = None
    safe: bool = True


def _chat_texts(parts: Parts) -> list[str]:
    try:
        return [text for part in parts if (text := part["message"]["content"])]
    except (KeyError, TypeError):  # a part without a message, or a message without content
        messages = [part.get("message") for part in parts]
        texts = [message.get("content") for message in messages if isinstance(message, dict)]
        return [text for text in texts if text]


def _lean_chat_texts(lines: bytes) -> Lean | None:
    from ollama_sync._lean import read_chat

    return read_chat(lines)


def _generate_texts(parts: Parts) -> list[str]:
    return [text for part in parts if (text := part.get("response"))]


def _lean_generate_texts(lines: bytes) -> Lean | None:
    from ollama_sync._lean import read_generate

    return read_generate(lines)


def _answer_is_complete(part: dict[str, Any]) -> bool:
    # Some servers name the reason and forget `done`; a rendered prompt (`_debug_render_only`) is all there is.
    return bool(part.get("done") or part.get("done_reason") or part.get("_debug_info"))


def _work_is_done(part: dict[str, Any]) -> bool:
    return part.get("status") == "success"


_CHAT_STREAM = StreamKind(
    _chat_texts, _lean_chat_texts, accumulate_chat, _answer_is_complete, STREAMED_ANSWER
)
_GENERATE_STREAM = StreamKind(
    _generate_texts, _lean_generate_texts, accumulate_generate, _answer_is_complete, STREAMED_ANSWER
)
_PROGRESS = StreamKind(
    None, None, accumulate_last, _work_is_done, ANY_OTHER_CALL, shows_progress=True
)

_SUCCESS = {"status": "success"}

# Whatever the client has no verb for: any clean end will do.
ANY_STREAM = StreamKind(None, None, accumulate_last, None, ANY_OTHER_CALL)

# Answers of models.
CHAT = Endpoint("chat", "POST", "/api/chat", ChatResponse, _CHAT_STREAM)
GENERATE = Endpoint("generate", "POST", "/api/generate", GenerateResponse, _GENERATE_STREAM)
EMBED = Endpoint("embed", "POST", "/api/embed", EmbedResponse)
EMBEDDINGS = Endpoint("embeddings", "POST", "/api/embeddings", EmbeddingsResponse)
SYSTEMONE = Endpoint("systemone", "POST", "/v1/systemone", SystemOneResponse)

# Models.
LIST = Endpoint("list", "GET", "/api/tags", ListResponse)
PS = Endpoint("ps", "GET", "/api/ps", ProcessResponse)
SHOW = Endpoint("show", "POST", "/api/show", ShowResponse)
COPY = Endpoint("copy", "POST", "/api/copy", StatusResponse, empty=_SUCCESS)
DELETE = Endpoint("delete", "DELETE", "/api/delete", StatusResponse, empty=_SUCCESS, safe=False)
PULL = Endpoint("pull", "POST", "/api/pull", ProgressResponse, _PROGRESS)
PUSH = Endpoint("push", "POST", "/api/push", ProgressResponse, _PROGRESS, safe=False)
CREATE = Endpoint("create", "POST", "/api/create", ProgressResponse, _PROGRESS, safe=False)
CREATE_BLOB = Endpoint("create_blob", "POST", "/api/blobs", StatusResponse, empty=_SUCCESS)
BLOB_EXISTS = Endpoint("blob_exists", "HEAD", "/api/blobs", StatusResponse, empty=_SUCCESS)

# The server and its account.
VERSION = Endpoint("version", "GET", "/api/version", VersionResponse)
STATUS = Endpoint("status", "GET", "/api/status", CloudStatusResponse)
WHOAMI = Endpoint("whoami", "POST", "/api/me", WhoamiResponse)
SIGNOUT = Endpoint("signout", "POST", "/api/signout", StatusResponse, empty=_SUCCESS, safe=False)
RECOMMENDATIONS = Endpoint(
    "recommendations", "GET", "/api/experimental/model-recommendations", RecommendationsResponse
)
LOCAL_WEB_SEARCH = Endpoint(
    "local_web_search", "POST", "/api/experimental/web_search", WebSearchResponse
)
LOCAL_WEB_FETCH = Endpoint(
    "local_web_fetch", "POST", "/api/experimental/web_fetch", WebFetchResponse
)

# ollama.com.
WEB_SEARCH = Endpoint("web_search", "POST", "/api/web_search", WebSearchResponse)
WEB_FETCH = Endpoint("web_fetch", "POST", "/api/web_fetch", WebFetchResponse)
BALANCE = Endpoint("balance", "GET", "/api/balance", BalanceResponse)
USAGE = Endpoint("usage", "GET", "/api/usage", UsageResponse)
