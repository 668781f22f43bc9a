"""What a verb needs of the client: the roads that every call takes.

A protocol, so that the verbs stand below the client and need not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ollama_sync._client.endpoints import Endpoint
from ollama_sync._observe.runs import RunObserver
from ollama_sync._stream.stream import Stream
from ollama_sync._transport.blobs import Blob, OnProgress
from ollama_sync.types import ChatResponse, GenerateResponse, StatusResponse, View

if TYPE_CHECKING:
    from ollama_sync._client.outcomes import Launcher

T = TypeVar("T", bound=View)
A = TypeVar("A", ChatResponse, GenerateResponse)


class Caller(Protocol):
    """A client, as its verbs see it."""

    def _reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        """Call, and return the whole reply."""

    def _upload(
        self, endpoint: Endpoint[StatusResponse], blob: Blob, on_progress: OnProgress | None
    ) -> None:
        """Send a file."""

    def _answer(self, endpoint: Endpoint[A], body: bytes, answer_type: Any) -> A:
        """Call, and return the whole answer of a model, with `parsed` if a type is given."""

    def _cloud_reply(self, endpoint: Endpoint[T], body: bytes | None) -> T:
        """Call ollama.com, whatever the client's host, and return the whole reply."""

    def _launcher(self) -> Launcher:
        """Return who makes many calls."""

    def _observed_run(self, model: str) -> RunObserver:
        """Return who follows a run of tools."""

    def _stream(
        self, endpoint: Endpoint[T], body: bytes | None, answer_type: Any = None
    ) -> Stream[T]:
        """Call, and return the reply as it comes."""
