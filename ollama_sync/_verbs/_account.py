"""The verbs about the server itself.

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from ollama_sync import _endpoints
from ollama_sync._verbs._roads import Roads
from ollama_sync.types import VersionResponse


def version(self: Roads) -> VersionResponse:
    """Return the server's version.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError: nothing listens there.
        ResponseError: the server refuses.
        WaitTimeout: see `Timeout`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.version().version
        '0.33.0'
    """
    return self._reply(_endpoints.VERSION, None)
