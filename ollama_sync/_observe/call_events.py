"""Tells hooks and the log what becomes of one call. Imported when somebody looks.

Hooks are told in a greenlet, never in a callback of the hub's loop: the locks of other people's code, of the logging module
for one, may be gevent's, and who waits for such a lock in a callback gets an error instead.

    caller's thread      `began`, before the hub knows of the call
    hub                  everything else
"""

from __future__ import annotations

import re
from collections import deque
from contextvars import copy_context
from functools import partial

from ollama_sync import events
from ollama_sync._hub import Cancelled, End, Failed, Hub, Killed
from ollama_sync._now import monotonic
from ollama_sync._observe.counters import Counts
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.log import call_log, log_event
from ollama_sync._observe.observer import CountingObserver
from ollama_sync._observe.statistics import Totals
from ollama_sync._wire import loads
from ollama_sync.errors import OllamaError

_INFO = 20
_MOST_SAID = 1 << 20  # bytes of a request or a reply that are kept for a hook that wants them

# Our own bodies begin with the model, so that nothing of a prompt is decoded to find it.
_MODEL = re.compile(rb'\{"model":("(?:[^"\\]|\\.)*")')


class TellingObserver:
    """Tells hooks and the log of one call, and counts it.

    Args:
        hub: where the call runs.
        hooks: who is told.
        totals: of the client.
        counting: adds the call to the totals.
        call: which.
        started: when the call began, on the monotonic clock.
        body: of the request.
    """

    sees_blocks = True

    def __init__(
        self,
        hub: Hub,
        hooks: Hooks,
        totals: Totals,
        counting: CountingObserver,
        call: events.Call,
        started: float,
        body: object,
    ) -> None:
        self._call = call
        self._hub = hub
        self._hooks = hooks
        self._totals = totals
        self._counting = counting
        self._is_logged = call_log.isEnabledFor(_INFO)
        self._started = started
        self._last_block = b""
        self._parts = self._bytes = 0  # since the last release
        self._has_part = False
        self._captures = hooks.captures_content
        self._asked = body if self._captures and isinstance(body, bytes) else b""
        self._said: list[bytes] = []  # at most `_MOST_SAID` bytes
        self._said_bytes = 0
        self._untold: deque[events.Event] = deque()
        self._is_telling = False
        self._context = copy_context()

    def began(self) -> None:
        """See `CallObserver.began`."""
        self._counting.began()
        # What is not an Exception is meant for the caller: Ctrl-C, a time limit of its own.
        asked, self._asked = self._asked, b""
        self._tell_all(
            events.Started(self._call, asked if len(asked) <= _MOST_SAID else b""), Exception
        )

    def connected(self, *, kept: bool) -> None:
        """See `CallObserver.connected`."""
        self._tell(events.Connected(self._call, self._seconds(), kept))

    def put(self, block: bytes, parts: int) -> None:
        """See `CallObserver.put`."""
        self._last_block = block
        if self._captures:
            self._said_bytes += len(block)
            if self._said_bytes <= _MOST_SAID:
                self._said.append(block)
        self._parts += parts
        self._bytes += len(block)
        if self._call.stream and not self._has_part:
            self._has_part = True
            self._tell(events.FirstPart(self._call, self._seconds()))

    def released(self) -> None:
        """See `CallObserver.released`."""
        if self._call.stream and self._parts:
            parts, self._parts = self._parts, 0
            size, self._bytes = self._bytes, 0
            self._tell(events.Batch(self._call, self._seconds(), parts, size))

    def retrying(self, attempt: int, error: OllamaError, wait: float) -> None:
        """See `CallObserver.retrying`."""
        event = events.Retried(self._call, self._seconds(), attempt, error, wait)
        self._tell(event)
        if self._is_logged:  # with every other event
            self._totals.retried()
        else:
            self._counting.retrying(attempt, error, wait)

    def ended(self, end: End, counts: Counts) -> None:
        """See `CallObserver.ended`."""
        self._counting.ended(end, counts)
        self.released()
        self._tell(self._last_event(end, counts))

    def _last_event(self, end: End, counts: Counts) -> events.Event:
        call, seconds = self._call, self._seconds()
        last = self._last_block
        first = None
        if call.stream:
            last = last[last.rfind(b"\n", 0, -1) + 1 :]
            first = None if counts.first_part is None else counts.first_part - counts.started
        said = b"".join(self._said) if self._said_bytes <= _MOST_SAID else b""
        received = events.Received(
            *(counts.parts if call.stream else 0, counts.bytes, first, last, said)
        )
        if isinstance(end, Failed):
            return events.Failed(call, seconds, received, end.error)
        if isinstance(end, Cancelled):
            return events.Cancelled(call, seconds, received)
        return events.Finished(call, seconds, received)

    def _tell(self, event: events.Event) -> None:
        self._untold.append(event)
        # The caller's, also where the loop tells. A copy, for another may be in use while a hook waits.
        self._hub.in_job(partial(self._context.copy().run, self._tell_untold))

    def _tell_untold(self) -> None:
        """Tell what has happened, in order, also when a hook waits and another event comes meanwhile."""
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._untold:
                # Nothing that a hook raises may end the hub.
                self._tell_all(self._untold.popleft(), BaseException)
        except Killed:
            # By now the last event is there.
            self._is_telling = False
            self._tell_untold()
            raise
        finally:
            self._is_telling = False

    def _tell_all(self, event: events.Event, faults: type[BaseException]) -> None:
        if self._is_logged:
            log_event(event)
        self._hooks.tell(event, faults)

    def _seconds(self) -> float:
        return monotonic() - self._started


def call_of(number: int, verb: str, tried: str, body: object, *, is_stream: bool) -> events.Call:
    """Return how events name a call; see `observe`."""
    method, _, url = tried.partition(" ")
    return events.Call(number, verb, _model_of(body), method, url, is_stream)


def _model_of(body: object) -> str | None:
    """Return the model of a request's body; None where there is none."""
    found = _MODEL.match(body) if isinstance(body, bytes) else None
    return None if found is None else str(loads(found[1]))
