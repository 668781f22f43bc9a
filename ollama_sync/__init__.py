"""A blocking SDK for Ollama that keeps up with the model, however seldom the caller looks.

Importing it runs nothing: no thread, no patch, no look at the environment, and each name below is imported from its
module when it is first used. So `monkey_patch()` can be the first thing that a program does after this import.

Example:
    >>> import ollama_sync as ollama
    >>> from ollama_sync.testing import MockOllama
    >>> with MockOllama(chunks=5) as server, ollama.Client(server.url) as client:
    ...     for tokens in client.chat("llama3.2", [{"role": "user", "content": "hi"}], stream=True).tokens():
    ...         print("".join(tokens), end="")
    AAAAA
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ollama_sync._client import Client
    from ollama_sync._default import chat, generate, list, version  # noqa: A004 - the official package's name
    from ollama_sync._merge import Merge, merge
    from ollama_sync._patch import monkey_patch
    from ollama_sync._policies import BatchPolicy, Timeout
    from ollama_sync._stream import Stream, StreamStats
    from ollama_sync._version import __version__
    from ollama_sync.errors import (
        ClosedError,
        ConcurrentUseError,
        ConnectError,
        ConnectTimeout,
        ErrorLine,
        FirstTimeout,
        ForkedError,
        HubError,
        IdleTimeout,
        OllamaError,
        RequestError,
        ResponseError,
        StreamBroken,
        StreamsFailed,
        TotalTimeout,
        UsageError,
        WaitTimeout,
    )
    from ollama_sync.types import (
        ChatResponse,
        GenerateResponse,
        Image,
        ListResponse,
        Message,
        Options,
        Tool,
        VersionResponse,
    )

# Where each public name lives. A test holds this against the imports above and `__all__`.
_HOMES = {
    "_client": ("Client",),
    "_default": ("chat", "generate", "list", "version"),
    "_merge": ("Merge", "merge"),
    "_patch": ("monkey_patch",),
    "_policies": ("BatchPolicy", "Timeout"),
    "_stream": ("Stream", "StreamStats"),
    "_version": ("__version__",),
    "errors": (
        "ClosedError",
        "ConcurrentUseError",
        "ConnectError",
        "ConnectTimeout",
        "ErrorLine",
        "FirstTimeout",
        "ForkedError",
        "HubError",
        "IdleTimeout",
        "OllamaError",
        "RequestError",
        "ResponseError",
        "StreamBroken",
        "StreamsFailed",
        "TotalTimeout",
        "UsageError",
        "WaitTimeout",
    ),
    "types": (
        "ChatResponse",
        "GenerateResponse",
        "Image",
        "ListResponse",
        "Message",
        "Options",
        "Tool",
        "VersionResponse",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BatchPolicy",
    "ChatResponse",
    "Client",
    "ClosedError",
    "ConcurrentUseError",
    "ConnectError",
    "ConnectTimeout",
    "ErrorLine",
    "FirstTimeout",
    "ForkedError",
    "GenerateResponse",
    "HubError",
    "IdleTimeout",
    "Image",
    "ListResponse",
    "Merge",
    "Message",
    "OllamaError",
    "Options",
    "RequestError",
    "ResponseError",
    "Stream",
    "StreamBroken",
    "StreamStats",
    "StreamsFailed",
    "Timeout",
    "Tool",
    "TotalTimeout",
    "UsageError",
    "VersionResponse",
    "WaitTimeout",
    "__version__",
    "chat",
    "generate",
    "list",
    "merge",
    "monkey_patch",
    "version",
]


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'ollama_sync' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ollama_sync.{module}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> Any:
    return sorted({*globals(), *__all__})
