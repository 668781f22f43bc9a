"""Typed views of what the server sends, and of what is sent to it.

Runs on any thread; starts nothing. A view (`View`) shows a decoded JSON object by attribute and by
subscript, and keeps all of it. `accumulate_*` fold the parts of a stream into one reply.
"""

from __future__ import annotations

from ollama_sync.types._account import (
    BalanceResponse,
    CloudStatusResponse,
    RecommendationsResponse,
    UsageResponse,
    WhoamiResponse,
)
from ollama_sync.types._accumulate import accumulate_chat, accumulate_generate, accumulate_last
from ollama_sync.types._messages import Image, Message, Tool
from ollama_sync.types._models import (
    ListResponse,
    ModelDetails,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    StatusResponse,
    Tensor,
    ThinkingLevels,
    VersionResponse,
)
from ollama_sync.types._options import Options
from ollama_sync.types._raw import unwrap
from ollama_sync.types._replies import (
    BaseGenerateResponse,
    ChatResponse,
    DebugInfo,
    EmbeddingsResponse,
    GenerateResponse,
    Logprob,
    TokenLogprob,
)
from ollama_sync.types._systemone import (
    SystemOneAnswer,
    SystemOneChoiceAnswer,
    SystemOneChoiceQuestion,
    SystemOneContent,
    SystemOneNoulAnswer,
    SystemOneNoulQuestion,
    SystemOneQuestion,
    SystemOneRequest,
    SystemOneResponse,
    SystemOneScoreAnswer,
    SystemOneScoreQuestion,
    SystemOneUsage,
)
from ollama_sync.types._vectors import EmbedResponse
from ollama_sync.types._view import View
from ollama_sync.types._web import WebFetchResponse, WebSearchResponse, WebSearchResult

__all__ = [
    "BalanceResponse",
    "BaseGenerateResponse",
    "ChatResponse",
    "CloudStatusResponse",
    "DebugInfo",
    "EmbedResponse",
    "EmbeddingsResponse",
    "GenerateResponse",
    "Image",
    "ListResponse",
    "Logprob",
    "Message",
    "ModelDetails",
    "Options",
    "ProcessResponse",
    "ProgressResponse",
    "RecommendationsResponse",
    "ShowResponse",
    "StatusResponse",
    "SystemOneAnswer",
    "SystemOneChoiceAnswer",
    "SystemOneChoiceQuestion",
    "SystemOneContent",
    "SystemOneNoulAnswer",
    "SystemOneNoulQuestion",
    "SystemOneQuestion",
    "SystemOneRequest",
    "SystemOneResponse",
    "SystemOneScoreAnswer",
    "SystemOneScoreQuestion",
    "SystemOneUsage",
    "Tensor",
    "ThinkingLevels",
    "TokenLogprob",
    "Tool",
    "UsageResponse",
    "VersionResponse",
    "View",
    "WebFetchResponse",
    "WebSearchResponse",
    "WebSearchResult",
    "WhoamiResponse",
    "accumulate_chat",
    "accumulate_generate",
    "accumulate_last",
    "unwrap",
]
