"""Every route of the mock, as a table: what answers which method and path when no script was given.

Runs on the server's hub thread; returns scripts, so nothing here may block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ollama_sync.testing import _blobs, _cloud, _embeddings, _models, _transfers
from ollama_sync.testing._body import Refused
from ollama_sync.testing._fake import Failures, FakeModel
from ollama_sync.testing._library import Library
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script

VERSION = "0.33.0"

Route = Callable[[Library, Request], Script]


def is_open(path: str) -> bool:
    """Tell whether a path holds a name: of a blob, or of a key."""
    return path.startswith((_blobs.PREFIX, _KEYS))


def _root(_: Library, __: Request) -> Script:
    return [reply("Ollama is running")]


def _version(_: Library, __: Request) -> Script:
    return [reply({"version": VERSION})]


_ROUTES: dict[str, dict[str, Route]] = {
    "/": {"GET": _root, "HEAD": _root},
    "/api/version": {"GET": _version, "HEAD": _version},
    "/api/tags": {"GET": _models.tags, "HEAD": _models.tags},
    "/api/ps": {"GET": _models.ps},
    "/api/show": {"POST": _models.show},
    "/api/copy": {"POST": _models.copy},
    "/api/delete": {"DELETE": _models.delete},
    "/api/embed": {"POST": _embeddings.embed},
    "/api/embeddings": {"POST": _embeddings.embeddings},
    "/api/me": {"POST": _cloud.me},
    "/api/signout": {"POST": _cloud.sign_out},
    "/api/status": {"GET": _cloud.status},
    "/api/experimental/model-recommendations": {"GET": _cloud.recommendations},
    "/api/experimental/web_search": {"POST": _cloud.web_search},
    "/api/experimental/web_fetch": {"POST": _cloud.web_fetch},
    "/api/web_search": {"POST": _cloud.web_search},
    "/api/web_fetch": {"POST": _cloud.web_fetch},
    "/api/balance": {"GET": _cloud.balance},
    "/api/usage": {"GET": _cloud.usage},
    "/v1/systemone": {"POST": _cloud.decide},
}
_UPLOADS: dict[str, Route] = {"HEAD": _blobs.is_there, "POST": _blobs.upload}
_TELLING = {
    "/api/pull": _transfers.pull,
    "/api/push": _transfers.push,
    "/api/create": _transfers.create,
}


PATHS = frozenset({*_ROUTES, *_TELLING, "/api/chat", "/api/generate"})
"""Every path of Ollama's that holds no name."""

_KEYS = "/api/user/keys/"


@dataclass(frozen=True)
class Routes:
    """What one server says by itself.

    Args:
        fake: the model that answers.
        library: the models that there are.
        failures: which requests fail.
    """

    fake: FakeModel
    library: Library
    failures: Failures = field(default_factory=lambda: Failures(0.0))

    def answer(self, request: Request) -> Script:
        """Return the script that answers `request`."""
        methods = self._methods(request.path)
        if methods is None:
            return [reply("404 page not found", 404)]
        if request.method not in methods:
            return [reply("405 method not allowed", 405, {"Allow": ", ".join(methods)})]
        try:
            failed = self.failures.script(request)
            return failed or methods[request.method](self.library, request)
        except Refused as refused:
            return refused.script()

    def needs_no_body(self, request: Request) -> bool:
        """Tell whether a request is answered before its body is read."""
        return _blobs.needs_no_body(self.library, request)

    def _methods(self, path: str) -> dict[str, Route] | None:
        if path in ("/api/chat", "/api/generate"):
            return {"POST": self.fake.answer}
        if path in _TELLING:
            telling, delay = _TELLING[path], self.fake.delay
            return {"POST": lambda library, request: telling(library, request, delay)}
        if path.startswith(_blobs.PREFIX):
            return _UPLOADS
        if path.startswith(_KEYS):
            return {"DELETE": _cloud.sign_out}
        return _ROUTES.get(path)
