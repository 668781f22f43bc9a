"""The shared hub of each process.

A fork leaves the parent's alone, whose thread the child does not have: the child makes one of its own.

Any thread; under no lock, for single operations on a dict are atomic.
"""

from __future__ import annotations

import os

from ollama_sync._hub.loop import Hub

# The shared hub of each process, by its id; after a fork also that of the parent. A child is known by its id and not by a hook
# of `os.fork`: uWSGI forks its workers without running any.
_shared: dict[int, Hub] = {}


def shared_hub() -> Hub:
    """Return the hub that all clients of this process share. Its thread starts at the first `submit`. Any thread."""
    process = os.getpid()
    # Of two threads that come here first, both get the hub of one; the other's has not been started.
    return _shared.get(process) or _shared.setdefault(process, Hub("ollama_sync hub"))
