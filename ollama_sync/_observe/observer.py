"""Follows one call: for the statistics of its client, and for whoever looks.

Whether anybody does is seen when the call begins.

    caller's thread      `began`, before the hub knows of the call
    hub                  everything else
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from ollama_sync._hub import End, Hub
from ollama_sync._observe.counters import Counts
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.log import call_log, log_retry
from ollama_sync._observe.statistics import Totals
from ollama_sync.errors import OllamaError

if TYPE_CHECKING:
    from ollama_sync._observe.call_events import Teller

_DEBUG = 10

_ids = itertools.count(1)


class Watch:
    """Follows one call: counts it, and has it told where anybody looks.

    Args:
        hub: where the call runs.
        hooks: of the client.
        totals: of the client.
        verb: the method of the client.
        tried: the request, as "POST http://host/path".
        body: of the request; looked at for the model only.
        is_stream: whether the reply is read part by part.
    """

    def __init__(
        self,
        hub: Hub,
        hooks: Hooks,
        totals: Totals,
        *,
        verb: str,
        tried: str,
        body: object,
        is_stream: bool,
    ) -> None:
        self._id = next(_ids)
        self._totals = totals
        self._is_stream = is_stream
        self._has_ended = False
        self._verb = verb
        self._tried = tried
        # Looked at for each block of a stream; whoever begins to look in mid-call sees the next one.
        self.is_on = call_log.isEnabledFor(_DEBUG) or bool(hooks)
        self._teller: Teller | None = None
        if self.is_on:
            # As a rule nobody looks: then neither this nor the events are imported. On the caller's thread: a fork in the midst of an
            # import on the hub's would leave the child with a module that never comes.
            from ollama_sync._observe.call_events import Teller

            self._teller = Teller(
                *(hub, hooks, self._id, verb, tried, body, time.monotonic()), is_stream=is_stream
            )

    def began(self) -> None:
        """Note that the call begins. The caller's thread: a hook finds there what is going on around the call."""
        self._totals.began(self._id)
        if self._teller is not None:
            self._teller.began()

    def connected(self, *, kept: bool) -> None:
        """Note that there is a connection, a new one or one that an earlier call has left."""
        if self._teller is not None:
            self._teller.connected(kept=kept)

    def put(self, block: bytes, parts: int) -> None:
        """Note that a block has arrived. For a call that `is_on`, only."""
        if self._teller is not None:
            self._teller.put(block, parts)

    def released(self) -> None:
        """Note that what had arrived was given to the caller. For a call that `is_on`, only."""
        if self._teller is not None:
            self._teller.released()

    def retrying(self, attempt: int, error: OllamaError, wait: float) -> None:
        """Note that an attempt failed, and in how many seconds the next is made."""
        self._totals.retried()
        if self._teller is not None:
            self._teller.retrying(attempt, error, wait)
        else:  # a warning, so there may be a reader although nobody looks at the call
            log_retry(self._id, self._verb, self._tried, attempt, error, wait)

    def ended(self, end: End, counts: Counts) -> None:
        """Note how the call ended. The first time counts."""
        if self._has_ended:
            return
        self._has_ended = True
        self._totals.ended(self._id, end, counts.parts if self._is_stream else 0, counts.bytes)
        if self._teller is not None:
            self._teller.ended(end, counts)
