"""The body of a request that is a file: read from the disk piece by piece while it is sent.

`Upload` is made on the caller's thread and iterated on the hub, which must not wait for a disk: a thread of gevent's pool
reads. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent

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
        self._path = path
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self.sent = 0
        hub = gevent.get_hub()
        # Not where names are looked up, all of which may hang.
        pool = getattr(hub, "ollama_sync_files", None) or hub.threadpool
        file = pool.apply(self._path.open, ("rb",))
        try:
            while piece := pool.apply(file.read, (_PIECE,)):
                yield piece
                self.sent += len(piece)
        finally:
            file.close()
