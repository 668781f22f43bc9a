"""The jobs of one hub: greenlets that it runs for others, of whose end somebody is told.

Runs on the hub, which owns everything here; when its loop has ended, on the thread that found out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent

log = logging.getLogger("ollama_sync.hub")

Killed = gevent.GreenletExit
"""Raised in a job that is killed; no error, so `except Exception` does not catch it."""

GRACE = 0.5
"""Seconds that an exit or a stop waits for jobs that were killed to let go of their sockets."""

OnEnd = Callable[[], object]


class Jobs:
    """What one hub runs.

    Args:
        name: of the hub, in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Each with whom to tell of its end.
        self._running: dict[gevent.Greenlet, OnEnd | None] = {}

    def __len__(self) -> int:
        return len(self._running)

    def spawn(
        self, job: Callable[..., object], args: tuple[Any, ...], on_end: OnEnd | None = None
    ) -> None:
        """Start a job; `on_end` is called when it is over, also if it is killed before it runs."""
        greenlet = gevent.Greenlet(self._run, job, args)
        self._running[greenlet] = on_end
        # Links are also called for a greenlet that is killed before it ran.
        greenlet.rawlink(self._has_ended)
        greenlet.start()

    def others(self) -> set[gevent.Greenlet]:
        """Return every job but the one that runs now."""
        return self._running.keys() - {gevent.getcurrent()}

    def end(self) -> None:
        """Kill every other job and wait for them, for a bounded time. Runs in a job."""
        others = self.others()
        gevent.killall(others, block=False)
        gevent.joinall(others, timeout=GRACE)

    def drop(self) -> None:
        """Tell of the end of every job, since the loop that ran them has ended."""
        while self._running:
            _, on_end = self._running.popitem()
            self.tell(on_end)

    def clear(self) -> None:
        """Forget those that did not end in time."""
        self._running.clear()

    def tell(self, on_end: OnEnd | None = None) -> None:
        """Tell of the end of one job."""
        if on_end is not None:
            try:
                on_end()
            except Exception:
                log.exception("%s: the end of a job was not told; please report it", self._name)

    def _has_ended(self, greenlet: gevent.Greenlet) -> None:
        self.tell(self._running.pop(greenlet, None))

    def _run(self, job: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            job(*args)
        except Killed:
            pass  # killed by `stop` or at exit
        except BaseException:  # nothing a job raises may end the hub (SystemExit would)
            log.exception("%s: a job failed; this is a bug, please report it", self._name)
        finally:
            # An error that the job has handed on leads back to this frame, and would keep alive what the job belongs to.
            del job, args
