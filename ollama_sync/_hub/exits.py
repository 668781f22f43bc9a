"""The hubs whose threads run, and what the interpreter's exit does to them.

Every thread is frozen: one that still turned its loop then was seen to crash 15 of 24 processes (cpython#87135).

Any thread; under no lock, for single operations on a set or a dict are atomic.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ollama_sync._hub.loop import Hub

# Hubs whose thread runs, for the exit. In a forked child those of the parent stay in it, so that no finalizer touches their
# loops, which share kernel objects with the parent's.
_running: set[Hub] = set()

# Set once, when the interpreter begins to exit.
_exiting = False


def has_started(hub: Hub) -> None:
    """Note that the thread of `hub` runs."""
    _running.add(hub)


def has_ended(hub: Hub) -> None:
    """Note that it does not run any more."""
    _running.discard(hub)


def is_exiting() -> bool:
    """Whether the interpreter has begun to exit: nobody would park a thread that is started now."""
    return _exiting


def _park_all() -> None:
    global _exiting
    _exiting = True
    for hub in list(_running):
        hub.park()


atexit.register(_park_all)
