"""The shared hub of each process.

A fork leaves the parent's alone, whose thread the child does not have: the child makes one of its own. One whose loop has
ended by itself is followed by another.

Any thread; under no lock, for single operations on a dict are atomic.
"""

from __future__ import annotations

import itertools

from ollama_sync._hub.loop import Hub
from ollama_sync._process import Process, this_process

# By process, and which one of it. Those of a parent, and those that are over, stay: so no finalizer touches their descriptors,
# whose numbers may be somebody else's by now.
_shared: dict[tuple[Process, int], Hub] = {}


def shared_hub() -> Hub:
    """Return the hub that all clients of this process share. Its thread starts at the first `submit`. Any thread."""
    process = this_process()
    for number in itertools.count():
        # Of two threads that come here first, both get the hub of one; the other's has not been started.
        hub = _shared.get((process, number)) or _shared.setdefault(
            (process, number), Hub("ollama_sync hub")
        )
        if not hub.has_ended():
            return hub
    raise AssertionError("it counts without an end")
