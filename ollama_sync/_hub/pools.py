"""The threads in which a hub has done what would block its loop: names looked up, and files read.

Two pools, so that names that hang keep no file waiting. Runs on the hub.
"""

from __future__ import annotations

from typing import Any

from gevent.threadpool import ThreadPool

# Names that may be looked up at once: a resolver that hangs keeps a thread for each.
_MOST_LOOKUPS = 64

# Files that may be read at once.
_MOST_READERS = 8


def make_pools(hub: Any) -> ThreadPool:
    """Give gevent's hub its pools, without a thread yet; return the one that the hub does not close itself."""
    hub.threadpool_size = _MOST_LOOKUPS
    files = hub.ollama_sync_files = ThreadPool(_MOST_READERS, hub)
    return files
