"""`EmbedResponse`: vectors, as lists of floats or as a matrix of numpy, decoded when they are first read.

A large reply is kept as it came until something of it is read. Whoever reads the lists pays for one decode by msgspec; whoever
asks for a matrix never makes them. Any thread; a reply belongs to whoever holds it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ollama_sync.errors import StreamBroken
from ollama_sync.types._replies import BaseGenerateResponse

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from typing_extensions import Self

__all__ = ["EmbedResponse"]

# Bytes; a smaller reply is decoded at once.
_SMALL = 16 * 1024

_VECTORS = b'"embeddings":[['


class EmbedResponse(BaseGenerateResponse, beside=("_body",)):
    """Reply of embed.

    Attributes:
        embeddings: one vector of length 1 for each input, in the order of the inputs.

    Example:
        >>> reply = EmbedResponse(embeddings=[[0.6, 0.8]], prompt_eval_count=2)
        >>> len(reply.embeddings), reply.embeddings[0]
        (1, [0.6, 0.8])
    """

    embeddings: Sequence[Sequence[float]]

    if TYPE_CHECKING:
        _body: bytes | None

    @classmethod
    def of_body(cls, body: bytes) -> Self | None:
        """Show a reply that is decoded when it is first read; for the client, not for users.

        Args:
            body: as it came.

        Returns:
            None when the body is small, or is not plainly vectors between other fields.
        """
        start = body.find(_VECTORS, 0, _SMALL)
        if len(body) < _SMALL or start < 0:
            return None
        end = body.rfind(b"]]")
        try:
            rest = json.loads(body[:start] + b'"embeddings":[]' + body[end + 2 :])
        except ValueError:
            return None
        if not isinstance(rest, dict) or rest.get("error"):
            return None
        self = cls.__new__(cls)
        self._body = body
        return self

    def to_numpy(self) -> NDArray[numpy.float32]:
        """Return the vectors as a matrix of float32: a row for each input.

        A large reply of which nothing was read yet is parsed straight into the matrix where pysimdjson is installed
        (`pip install ollama-sync[numpy]`), in less than half of the time that the lists take.

        Returns:
            an array of shape (inputs, dimensions), which belongs to the caller.

        Raises:
            ImportError: numpy is not installed.
            StreamBroken: the reply is not JSON.

        Example:
            >>> reply = EmbedResponse(embeddings=[[0.6, 0.8], [1.0, 0.0]])
            >>> reply.to_numpy().shape
            (2, 2)
        """
        import numpy

        body: bytes | None = getattr(self, "_body", None)
        matrix = None if body is None else _parsed(body)
        return numpy.array(self.embeddings, dtype=numpy.float32) if matrix is None else matrix

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # The slot of the decoded object is empty until it is asked for.
            if name == "_raw" and (body := getattr(self, "_body", None)) is not None:
                raw = self._raw = _decoded(body)
                self._body = None
                return raw
            return super().__getattr__(name)


def _decoded(body: bytes) -> dict[str, Any]:
    import msgspec  # slow to import, and of use for large replies only

    try:
        value: dict[str, Any] = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise StreamBroken(f"embed: the reply is not JSON: {error}") from error
    return value


def _parsed(body: bytes) -> NDArray[numpy.float32] | None:
    """Parse vectors into a matrix without a Python object for each number; None where that cannot be done."""
    import numpy

    try:
        import simdjson
    except ImportError:
        return None
    try:
        reply: Any = simdjson.Parser().parse(body)
        rows = reply["embeddings"]
        if len({len(row) for row in rows}) != 1:
            return None
        flat = numpy.frombuffer(rows.as_buffer(of_type="d"), dtype=numpy.float64)
    except (ValueError, TypeError, KeyError):  # what is wrong with it, the lists say
        return None
    return flat.reshape(len(rows), -1).astype(numpy.float32)
