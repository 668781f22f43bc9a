"""The shared hub of each process.

A fork leaves the parent's alone, whose thread the child does not have: the child makes one of its own.

Any thread; under no lock, for single operations on a dict are atomic.
"""

from __future__ import annotations

from ollama_sync._hub.loop import Hub
from ollama_sync._process import Process, this_process

# After a fork also that of the parent.
_shared: dict[Process, Hub] = {}


def shared_hub() -> Hub:
    """Return the hub that all clients of this process share. Its thread starts at the first `submit`. Any thread."""
    process = this_process()
    # Of two threads that come here first, both get the hub of one; the other's has not been started.
    return _shared.get(process) or _shared.setdefault(process, Hub("ollama_sync hub"))
