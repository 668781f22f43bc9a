"""What keeps one loop alive, or at least tells that it is not.

gevent stops the watcher of a file descriptor whose callback raised: here it is started again. A loop whose descriptors the
host has closed, as libraries for daemons do, sleeps for ever: its callers look at the descriptor, and while jobs are under way the
loop looks up by itself.

Runs on the hub, which owns everything here, but for `is_intact`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any

log = logging.getLogger("ollama_sync.hub")

# Seconds between two looks of a loop that has jobs and nothing else to wake it.
_BEAT = 1.0


class Lifeline:
    """Watches over one loop.

    Args:
        hub: gevent's, of this thread.
        has_jobs: whether anybody waits for the loop.
        is_over: whether another loop has taken its place.
    """

    def __init__(
        self, hub: Any, has_jobs: Callable[[], object], is_over: Callable[[], bool]
    ) -> None:
        self._hub = hub
        self._loop = hub.loop
        self._has_jobs = has_jobs
        self._is_over = is_over
        self._gevents_own: Callable[..., object] = hub.handle_error
        hub.handle_error = self._failed
        # By watchers of the transport, which knows gevent's hub and not ours.
        self._restarts: dict[Any, Callable[[], object]] = {}
        hub.ollama_sync_restarts = self._restarts
        self._identity = self._look()
        self._timer: Any = None

    def is_intact(self) -> bool:
        """Whether the loop's descriptor is still its own. Any thread; a system call."""
        return self._look() in (self._identity, None)

    def beat(self) -> None:
        """Have the loop look up now and then, as long as it has jobs."""
        if self._timer is None:
            self._timer = self._hub.loop.timer(_BEAT, _BEAT)
            self._timer.start(self._looked_up)

    def _looked_up(self) -> None:
        # The look is what matters: a descriptor that was closed makes it fail, which ends the loop. One that another loop has got since
        # does not, and may not be looked at any more.
        if self._is_over():
            error = SystemError("its file descriptors were closed")
            self._hub.handle_system_error(SystemError, error)
        if not self._has_jobs():
            self._timer.close()
            self._timer = None

    def _look(self) -> tuple[int, ...] | None:
        # Asked anew each time: libev replaces its descriptor when it hears of sockets of which a forked child holds a copy.
        # It does so with the interpreter's lock held, so here it is always one of the two.
        descriptor: int | None = self._loop.fileno()  # None when it has been destroyed
        if descriptor is None:
            return None
        try:
            found = os.fstat(descriptor)
        except OSError:
            return ()
        return found.st_mode, found.st_ino, found.st_dev

    def _failed(
        self,
        context: Any,
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Handle what a callback of the loop raised, in gevent's place."""
        if issubclass(kind, self._hub.SYSTEM_ERROR):
            self._hub.handle_system_error(kind, error, trace)  # which ends the loop
            return
        # Among what is no error to gevent is that a name is not known: whoever asked is told.
        if not issubclass(kind, Exception) or issubclass(kind, self._hub.NOT_ERROR):
            self._gevents_own(context, kind, error, trace)
            return
        log.error(
            "a callback of the hub failed; please report it",
            exc_info=(kind, error, trace) if error is not None else None,
        )
        restart = self._restarts.get(context)
        if restart is not None:
            # Not at once: gevent stops the watcher when this returns.
            self._hub.loop.run_callback(restart)
