"""The body of a request that is a file: read from the disk piece by piece while it is sent.

`Upload` is made on the caller's thread and iterated on the hub, which must not wait for a disk: a thread of gevent's pool
reads. Memory does not grow with the file.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent

# Files that may be read at once.
_MOST_READERS = 8

# Bytes read and sent at once.
_PIECE = 256 * 1024


class Upload:
    """A file to be sent, once or, at a redirect, again.

    Args:
        path: of the file.
        size: in bytes, which is announced to the server.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.sent = (
            0  # bytes handed to the connection so far; the hub writes it, any thread may read it
        )
        # Imported on the caller's thread, and by those only who upload: it takes as long as the rest of gevent.
        self._make_pool = importlib.import_module("gevent.threadpool").ThreadPool
        self._path = path
        self._size = size

    def __len__(self) -> int:
        return self._size

    def _pool(self) -> Any:
        """Return the threads in which this hub reads files. Not those in which it looks up names, all of which may hang."""
        hub = gevent.get_hub()
        if not hasattr(hub, "ollama_sync_files"):
            hub.ollama_sync_files = self._make_pool(_MOST_READERS, hub)
        return hub.ollama_sync_files

    def __iter__(self) -> Iterator[bytes]:
        self.sent = 0
        pool = self._pool()
        file = pool.apply(self._path.open, ("rb",))
        try:
            while piece := pool.apply(file.read, (_PIECE,)):
                yield piece
                self.sent += len(piece)
        finally:
            file.close()
