"""Files that go to the server as blobs, named by the digest of their content.

Reads files, on the caller's thread; sends nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ollama_sync.errors import RequestError

# Bytes read at once: large enough that the interpreter does not count beside the hash.
_PIECE = 1024 * 1024

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """A file as it was when it was hashed.

    Args:
        path: where it is.
        size: in bytes.
        digest: "sha256:" and 64 hexadecimal digits.
    """

    path: Path
    size: int
    digest: str


OnProgress = Callable[[str, int, int], object]
"""What is told of an upload: "hashing" or "uploading", bytes done, bytes in total."""


def read_blob(path: str | Path, on_progress: OnProgress | None = None) -> Blob:
    """Hash a file, piece by piece.

    Args:
        path: of the file.
        on_progress: called after each piece, on this thread.

    Raises:
        RequestError: it cannot be read.
    """
    if not isinstance(path, (str, Path)):
        raise RequestError(f"path={path!r}: the path of a file, a str or a Path")
    where = Path(path)
    digest = hashlib.sha256()
    size = 0
    try:
        with where.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                if on_progress is not None:
                    on_progress("hashing", size, max(size, total))
    except (OSError, ValueError) as error:
        raise RequestError(f"path={str(path)!r}: the file cannot be read: {error}") from error
    return Blob(where, size, f"sha256:{digest.hexdigest()}")


def checked_digest(digest: object) -> str:
    """Return a digest that may stand in a path.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise RequestError(f"digest={digest!r}: 'sha256:' and 64 hexadecimal digits in lower case")
    return digest
