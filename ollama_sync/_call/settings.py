"""How one call is to run: a frozen value. Any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ollama_sync._call.retries import Retry
from ollama_sync._policies import BatchPolicy, Timeout


@dataclass(frozen=True)
class Settings:
    """How an exchange is to run.

    Args:
        timeout: its clocks, with every default filled in.
        batch: when what has arrived is released.
        max_buffered: bytes that may wait for the caller before reading pauses.
        retries: how often it may be tried again, and when.
        safe: whether it may be tried again when the server had begun to work on it.
        is_final: whether a part says that the reply is complete; None where no part does, so that any clean end will do.
        method: of HTTP.
    """

    timeout: Timeout
    batch: BatchPolicy
    max_buffered: int
    retries: Retry
    safe: bool
    is_final: Callable[[dict[str, Any]], bool] | None = None
    method: str = "POST"
