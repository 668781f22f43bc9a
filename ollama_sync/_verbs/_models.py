"""The verbs about the models that a server has.

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from ollama_sync import _endpoints
from ollama_sync._verbs._roads import Roads
from ollama_sync.types import ListResponse


def list(self: Roads) -> ListResponse:  # noqa: A001 - the official package's name
    """Return the models that the server has, the latest changed first.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError: nothing listens there.
        ResponseError: the server refuses.
        WaitTimeout: see `Timeout`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     names = [model.model for model in client.list().models]
        >>> "llama3.2:latest" in names
        True
    """
    return self._reply(_endpoints.LIST, None)
