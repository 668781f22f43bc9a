"""The table of endpoints: each verb with its route, its reply, and how its stream is read.

Data only. A new endpoint starts as a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ollama_sync._policies import ANY_OTHER_CALL, Timeout
from ollama_sync._stream import kinds
from ollama_sync._stream.kinds import StreamKind
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
)

T = TypeVar("T", bound=View)


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
        of_body: makes the reply of a body whose decoding can wait; returns None of any other.
        safe: whether it does no harm to make the call again when nobody knows whether the server has done it.
    """

    verb: str
    method: str
    path: str
    reply: type[T]
    stream: StreamKind | None = None
    timeout: Timeout = ANY_OTHER_CALL
    empty: dict[str, Any] | None = None
    of_body: Callable[[bytes], T | None] | None = None
    safe: bool = True


_SUCCESS = {"status": "success"}

# Answers of models.
CHAT = Endpoint("chat", "POST", "/api/chat", ChatResponse, kinds.CHAT)
GENERATE = Endpoint("generate", "POST", "/api/generate", GenerateResponse, kinds.GENERATE)
EMBED = Endpoint("embed", "POST", "/api/embed", EmbedResponse, of_body=EmbedResponse.of_body)
EMBEDDINGS = Endpoint("embeddings", "POST", "/api/embeddings", EmbeddingsResponse)
SYSTEMONE = Endpoint("systemone", "POST", "/v1/systemone", SystemOneResponse)

# Models.
LIST = Endpoint("list", "GET", "/api/tags", ListResponse)
PS = Endpoint("ps", "GET", "/api/ps", ProcessResponse)
SHOW = Endpoint("show", "POST", "/api/show", ShowResponse)
COPY = Endpoint("copy", "POST", "/api/copy", StatusResponse, empty=_SUCCESS)
DELETE = Endpoint("delete", "DELETE", "/api/delete", StatusResponse, empty=_SUCCESS, safe=False)
PULL = Endpoint("pull", "POST", "/api/pull", ProgressResponse, kinds.PROGRESS)
PUSH = Endpoint("push", "POST", "/api/push", ProgressResponse, kinds.PROGRESS, safe=False)
CREATE = Endpoint("create", "POST", "/api/create", ProgressResponse, kinds.PROGRESS, safe=False)
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
