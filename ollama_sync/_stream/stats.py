"""`StreamStats`: what a stream has done so far. A frozen value; any thread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ollama_sync._now import monotonic
from ollama_sync._observe.counters import Counts


@dataclass(frozen=True)
class StreamStats:
    """What a stream has done so far.

    Args:
        parts: how many have arrived.
        batches: lists handed to the caller.
        bytes: of the body that have arrived.
        first_part: seconds from the call to the first part; None before.
        longest_gap: seconds; the longest time between two arrivals of parts.
        elapsed: seconds from the call to the end, or to now.
        buffered: bytes that wait for the caller.
        tokens_per_second: parts per second from the first to the last; None before the second. As a rule, a part of a chat
            is a token.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     stream = client.generate("llama3.2", "hi", stream=True)
        ...     reply = stream.result()
        >>> stream.stats.parts, stream.stats.buffered
        (4, 0)
    """

    parts: int
    batches: int
    bytes: int
    first_part: float | None
    longest_gap: float
    elapsed: float
    buffered: int
    tokens_per_second: float | None

    def __json__(self) -> dict[str, Any]:
        """Return the numbers by name, for serializers that ask by this name."""
        return asdict(self)


def stats_of(counts: Counts, batches: int) -> StreamStats:
    """Return what the hub has counted as what a user is told, with the number of lists handed over."""
    rate = None
    if counts.first_part is not None and counts.last_part is not None:
        spread = counts.last_part - counts.first_part
        rate = (counts.parts - 1) / spread if spread > 0 else None
    return StreamStats(
        parts=counts.parts,
        batches=batches,
        bytes=counts.bytes,
        first_part=None if counts.first_part is None else counts.first_part - counts.started,
        longest_gap=counts.longest_gap,
        elapsed=(counts.ended or monotonic()) - counts.started,
        buffered=counts.buffered,
        tokens_per_second=rate,
    )
