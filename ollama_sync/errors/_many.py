"""What became of many streams, or of many servers. Any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ollama_sync.errors._base import OllamaError
from ollama_sync.errors._server import ConnectError


class StreamsFailed(OllamaError):
    """Some of the streams given to `merge` failed; the others were delivered whole.

    Args:
        errors: the error of each stream that failed, in the order of failing.

    Example:
        >>> from ollama_sync import ErrorLine
        >>> print(StreamsFailed([ErrorLine("out of memory"), ConnectError("refused")]))
        2 of the merged streams failed; the first: ErrorLine: out of memory
    """

    def __init__(self, errors: Sequence[BaseException]) -> None:
        super().__init__(*errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        first = self.errors[0]
        return f"{len(self.errors)} of the merged streams failed; the first: {type(first).__name__}: {first}"


class FleetDown(ConnectError):
    """No server of a fleet could take a call: each refused it, broke, or rests after it did.

    Args:
        tried: the request, as "POST /api/chat".
        reasons: what is wrong with each server, by its URL.

    Example:
        >>> print(FleetDown("POST /api/chat", {"http://gpu1:11434": "refused", "http://gpu2:11434": "resting"}))
        POST /api/chat: none of 2 servers could take it; http://gpu1:11434: refused; http://gpu2:11434: resting
    """

    def __init__(self, tried: str, reasons: Mapping[str, str]) -> None:
        each = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
        super().__init__(f"{tried}: none of {len(reasons)} servers could take it; {each}")
        self.reasons = dict(reasons)


class FleetBusy(OllamaError):
    """As many calls wait for a free place of a fleet as `max_waiting` allows.

    Args:
        waiting: how many wait.

    Example:
        >>> print(FleetBusy(100))
        100 calls wait for a free place already; try again later, or allow more by Fleet(max_waiting=...)
    """

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"{waiting} calls wait for a free place already; try again later, or allow more by Fleet(max_waiting=...)"
        )
        self.waiting = waiting
