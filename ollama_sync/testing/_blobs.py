"""The mock's routes for uploads: whether a blob is there, and putting one there.

Runs on the server's hub thread. Only digests and sizes are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ollama_sync.testing._body import EMPTY, Refused
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._library import Library, digest_of
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import half_close, head
from ollama_sync.testing._steps import Script

PREFIX = "/api/blobs/"

# A body larger than this is not read when nobody needs it, as by Go's HTTP server, ...
_READ_ANYWAY = 256 * 1024
# ... which then leaves the client some time to see the answer, before what it goes on sending is answered by a reset.
_LINGER = 0.5


@dataclass(frozen=True)
class _Linger:
    def run(self, connection: Connection) -> None:
        connection.sleep(_LINGER)


def is_there(library: Library, request: Request) -> Script:
    """Answer `HEAD /api/blobs/:digest`."""
    digest = _digest(request)
    if digest not in library.blobs:
        raise Refused(404, f'blob "{digest}" not found')
    return [head(200, {}, framing="none")]


def upload(library: Library, request: Request) -> Script:
    """Answer `POST /api/blobs/:digest`."""
    digest = _digest(request)
    if needs_no_body(library, request):
        closing = head(200, {"Connection": "close"}, framing="length")
        return [closing, half_close(), _Linger()]
    if digest in library.blobs:
        return EMPTY
    found = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
    if found != digest:
        raise Refused(400, f'digest mismatch, expected "{digest}", got "{found}"')
    library.blobs[digest] = len(request.body)
    return [head(201, {}, framing="length")]


def needs_no_body(library: Library, request: Request) -> bool:
    """Tell whether a request is an upload of what is there, and too large to be read for nothing."""
    if request.method != "POST" or not request.path.startswith(PREFIX):
        return False
    length = request.headers.get("Content-Length", "")
    is_large = length.isdecimal() and int(length) > _READ_ANYWAY
    return is_large and digest_of(request.path.removeprefix(PREFIX)) in library.blobs


def _digest(request: Request) -> str:
    digest = digest_of(request.path.removeprefix(PREFIX))
    if digest is None:
        raise Refused(400, "invalid digest format")
    return digest
