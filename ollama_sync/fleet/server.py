"""`Server`: one server of a fleet, as its dispatcher keeps it.

The hub writes everything; any thread may read a single field, which may be outdated by the time it is used.
"""

from __future__ import annotations

from typing import Any

from ollama_sync._client.client import Client
from ollama_sync.errors import OllamaError, ResponseError
from ollama_sync.fleet.policy import rest_after
from ollama_sync.fleet.state import ServerState

_NEVER = float("-inf")


class Server:
    """What is known of one server, and what it does now. It is what the policy looks at.

    Args:
        client: of that server.
        places: how many calls it may work on at a time.
    """

    def __init__(self, client: Client, places: int) -> None:
        self.client = client
        self.transport = client.transport
        self.host = self.transport.host.url
        self.places = places
        self.running = 0
        self.calls = 0
        self.models: frozenset[str] | None = None
        self.loaded: frozenset[str] = frozenset()
        self.is_resting = False
        self.failures = 0
        self.error: OllamaError | None = None
        self.failed_at = _NEVER
        self.rest_until = _NEVER
        self.is_tried = False  # by a call, although it rests
        self.looked_at = _NEVER
        self.is_looking = False
        self.timer: Any = None  # until it is asked again

    def state(self, now: float) -> ServerState:
        """Return what is known. Any thread.

        Args:
            now: seconds of the monotonic clock.
        """
        return ServerState(
            self.host,
            self.places,
            self.running,
            self.models,
            self.loaded,
            self.is_resting,
            max(0.0, self.rest_until - now) if self.is_resting else 0.0,
            self.failures,
            str(self.error) if self.error is not None and self.is_resting else None,
            self.calls,
        )

    def has_failed(self, error: OllamaError, began: float, now: float) -> float:
        """Note that a call, or a question of the fleet's own, has failed; return how many seconds it rests.

        Args:
            error: how.
            began: when that attempt began. Those that were under way when it failed already say nothing new.
            now: seconds of the monotonic clock.
        """
        if began >= self.failed_at:
            self.failures += 1
        self.failed_at = now
        self.error = error
        self.is_resting = True
        rest = rest_after(max(1, self.failures), _retry_after(error))
        self.rest_until = max(self.rest_until, now + rest)
        return rest

    def has_answered(self) -> None:
        """Note that it is there again. How often it failed is forgotten only when it has done some work."""
        self.is_resting = False
        self.rest_until = _NEVER

    def has_served(self, model: str) -> None:
        """Note that a call has succeeded."""
        self.has_answered()
        self.failures = 0
        self.error = None
        self.loaded |= {model}
        if self.models is not None:
            self.models |= {model}

    def has_not(self, model: str) -> None:
        """Note that it does not have a model."""
        self.models = (self.models or frozenset()) - {model}
        self.loaded -= {model}


def _retry_after(error: OllamaError) -> float:
    """Return the seconds of a `Retry-After`; 0.0 where there is none in seconds."""
    if not isinstance(error, ResponseError):
        return 0.0
    try:
        return max(0.0, float(error.headers.get("Retry-After", 0.0)))
    except ValueError:  # a date
        return 0.0
