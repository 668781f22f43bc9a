"""What becomes of many requests: an `Outcome` for each, and `MapProgress` for all. Frozen values; any thread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from ollama_sync.types import View

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R", bound=View)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[I, R]):
    """What became of one of many requests.

    Args:
        item: that it was made for.
        index: which of the items that is, from 0.
        reply: the whole reply; None where it failed.
        error: why there is none: of the call, or of what was to make the request out of the item.
        host: the URL of the server that answered, or was asked last; "" where none was.
        attempts: how often it was sent, or tried to; 0 where it was not.
        started: when it began, in seconds since the epoch.
        seconds: from then to its end.

    Example:
        >>> outcome = Outcome("hi", 0, None, ValueError("no"), "", 0, 1.8e9, 0.0)
        >>> outcome.ok
        False
    """

    item: I
    index: int
    reply: R | None
    error: Exception | None
    host: str
    attempts: int
    started: float
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is a reply."""
        return self.error is None

    def get(self) -> R:
        """Return the reply.

        Raises:
            Exception: `error`, where it failed.
        """
        if self.error is not None:
            raise self.error
        assert self.reply is not None
        return self.reply

    def __json__(self) -> dict[str, Any]:
        """Return the facts by name, for serializers that ask by this name; the error as its text."""
        return {
            "item": self.item,
            "index": self.index,
            "reply": None if self.reply is None else self.reply.to_dict(),
            "error": None if self.error is None else str(self.error),
            "host": self.host,
            "attempts": self.attempts,
            "started": self.started,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class MapProgress:
    """How far a `map` has come.

    Args:
        done: calls that have ended, failed ones among them.
        failed: calls that have failed.
        running: calls under way.
        total: how many there will be; None where the items do not say.
        tokens: that the replies so far are made of; of embeddings, those of the texts.
        elapsed: seconds since the first call.

    Example:
        >>> progress = MapProgress(done=10, failed=1, running=4, total=40, tokens=500, elapsed=5.0)
        >>> progress.tokens_per_second, progress.seconds_left
        (100.0, 15.0)
    """

    done: int
    failed: int
    running: int
    total: int | None
    tokens: int
    elapsed: float

    def __json__(self) -> dict[str, Any]:
        """Return the numbers by name, for serializers that ask by this name."""
        return asdict(self)

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second, on average."""
        return self.tokens / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def per_second(self) -> float:
        """Calls a second, on average."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all is done, if it goes on as so far; None where that cannot be said."""
        if self.total is None or not self.done:
            return None
        return max(0, self.total - self.done) * self.elapsed / self.done
