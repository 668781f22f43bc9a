"""Who follows one call: always the statistics of its client, and whoever looks.

Whether anybody looks is seen when the call begins.

    caller's thread      `began`, before the hub knows of the call
    hub                  everything else
"""

from __future__ import annotations

import itertools
from typing import Protocol

from ollama_sync._hub import End, Hub
from ollama_sync._now import monotonic
from ollama_sync._observe.counters import Counts
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.log import call_log, log_retry
from ollama_sync._observe.statistics import Totals
from ollama_sync.errors import OllamaError

_INFO = 20

_ids = itertools.count(1)


def next_number() -> int:
    """Return the number of a call, or of a run of tools: unique within the process."""
    return next(_ids)


class CallObserver(Protocol):
    """Is told what becomes of one call."""

    sees_blocks: bool
    """Whether it wants to know of each block; as a rule nobody does."""

    def began(self) -> None:
        """The call begins. The caller's thread: a hook finds there what is going on around the call."""

    def connected(self, *, kept: bool) -> None:
        """There is a connection, a new one or one that an earlier call has left."""

    def put(self, block: bytes, parts: int) -> None:
        """A block has arrived."""

    def released(self) -> None:
        """What had arrived was given to the caller."""

    def retrying(self, attempt: int, error: OllamaError, wait: float) -> None:
        """An attempt failed, and the next is made in so many seconds."""

    def ended(self, end: End, counts: Counts) -> None:
        """The call is over, in this way. Told once."""


class CountingObserver:
    """Adds one call to the statistics of its client. Where nobody looks it is the only one.

    Args:
        totals: of the client.
        number: of the call.
        verb: the method of the client.
        tried: the request, as "POST http://host/path".
        is_stream: whether the reply is read part by part.
    """

    sees_blocks = False

    def __init__(
        self, totals: Totals, number: int, verb: str, tried: str, *, is_stream: bool
    ) -> None:
        self._totals = totals
        self._number = number
        self._verb = verb
        self._tried = tried
        self._is_stream = is_stream

    def began(self) -> None:
        """See `CallObserver.began`."""
        self._totals.began(self._number)

    def connected(self, *, kept: bool) -> None:
        """Count nothing."""

    def put(self, block: bytes, parts: int) -> None:
        """Count nothing: the call has counters of its own."""

    def released(self) -> None:
        """Count nothing."""

    def retrying(self, attempt: int, error: OllamaError, wait: float) -> None:
        """Count the retry, and log it: it is a warning, so there may be a reader although nobody looks at the call."""
        self._totals.retried()
        log_retry(self._number, self._verb, self._tried, attempt, error, wait)

    def ended(self, end: End, counts: Counts) -> None:
        """See `CallObserver.ended`."""
        self._totals.ended(self._number, end, counts.parts if self._is_stream else 0, counts.bytes)


def observe(
    hub: Hub,
    hooks: Hooks,
    totals: Totals,
    *,
    verb: str,
    tried: str,
    body: object,
    is_stream: bool,
) -> CallObserver:
    """Return the observer of a call that is about to begin. The caller's thread.

    Args:
        hub: where the call runs.
        hooks: of the client.
        totals: of the client.
        verb: the method of the client.
        tried: the request, as "POST http://host/path".
        body: of the request; looked at for the model only.
        is_stream: whether the reply is read part by part.
    """
    number = next_number()
    counting = CountingObserver(totals, number, verb, tried, is_stream=is_stream)
    if not hooks and not call_log.isEnabledFor(_INFO):
        return counting
    # Imported lazily, since most calls are not observed; and on the caller's thread, since a fork in the middle of an import on
    # the hub's would leave the child with a module that never comes.
    from ollama_sync._observe.call_events import TellingObserver, call_of

    call = call_of(number, verb, tried, body, is_stream=is_stream)
    return TellingObserver(hub, hooks, totals, counting, call, monotonic(), body)
