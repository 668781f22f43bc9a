"""What the mock server received, as frozen records that a test may read at leisure.

Made on the server's hub thread, read on any thread. May not do I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class Headers(Mapping[str, str]):
    """The headers of a request: an immutable mapping that ignores the case of names.

    Args:
        pairs: names and values as they came. A name that came twice reads as its last value; `pairs` has both.

    Example:
        >>> Headers([("Content-Type", "application/json")])["content-type"]
        'application/json'
    """

    __slots__ = ("_values", "pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)
        self._values = {name.lower(): value for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"


@dataclass(frozen=True)
class Request:
    """One request as the server read it.

    Attributes:
        method: "POST".
        path: the path without its query, still percent-encoded: "/api/chat".
        query: what followed the `?`, or "".
        headers: see `Headers`.
        body: the whole body; chunked transfer coding is already removed.
        http: "1.1" or "1.0".
        connection: which connection brought it, counted from 1: two requests with the same number shared one.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     reply = client.generate("llama3.2", "hi")
        >>> request = server.requests[0]
        >>> request.method, request.path, request.json["prompt"]
        ('POST', '/api/generate', 'hi')
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    http: str
    connection: int

    @property
    def json(self) -> Any:
        """The decoded body.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.body)
