"""Collects a body that is one JSON text, with the same two methods as the framer of lines.

Pure; runs on the hub.
"""

from __future__ import annotations

from ollama_sync._wire.chunked import BadFraming

MAX_BODY = 512 * 1024 * 1024
"""Bytes; the default cap on a reply that does not stream. A batch of embeddings can be tens of megabytes."""


class WholeBody:
    """Bytes in, nothing out until the end.

    Args:
        max_body: bytes; the largest body that is accepted.

    Example:
        >>> whole = WholeBody()
        >>> whole.feed(b'{"version":')
        b''
        >>> whole.feed(b'"0.33.0"}')
        b''
        >>> whole.close()
        b'{"version":"0.33.0"}'
    """

    __slots__ = ("_max_body", "_pieces", "_size")

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """Keep `data`; return b"".

        Raises:
            BadFraming: the body is larger than the cap.
        """
        self._size += len(data)
        if self._size > self._max_body:
            raise BadFraming(f"a body of more than {self._max_body} bytes")
        self._pieces.append(data)
        return b""

    def close(self) -> bytes:
        """Return the whole body."""
        return b"".join(self._pieces)
