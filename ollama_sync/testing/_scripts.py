"""What a mock server says: the scripts and handlers that its test has given, else what it says by itself.

The test gives scripts and handlers on any thread; the server's hub thread takes scripts out. Single operations on dicts and
deques are atomic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ollama_sync.errors import UsageError
from ollama_sync.testing import _expected
from ollama_sync.testing._request import Request
from ollama_sync.testing._routes import PATHS, Routes, is_open
from ollama_sync.testing._steps import Handler, Script, Step


def steps_of(given: object) -> Script:
    """Return a script: one as it is, a single step as a script of one.

    Raises:
        UsageError: it is neither.
    """
    if hasattr(given, "run"):
        return [cast("Step", given)]
    wrong = [given]
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping)):
        # What is made while it is said, as by a generator, is not looked into.
        wrong = [one for one in given if not hasattr(one, "run")] if isinstance(given, list) else []
    if wrong:
        raise UsageError(
            f"{wrong[0]!r} is no step of a script; a text is said by answer(['Tea']), a status by reply({{…}}, 503)"
        )
    return cast("Script", given)


def _is_function(handler: object) -> bool:
    return callable(handler) and not hasattr(handler, "run")


class Scripts:
    """The scripts and handlers of one server.

    Args:
        own: what the server says by itself.
        strict: whether a script that is not used, and a request that nobody expected, are faults.
    """

    def __init__(self, own: Routes, *, strict: bool) -> None:
        self.own = own
        self.strict = strict
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._queues: dict[str, deque[Script]] = {}

    def on(self, method: str, path: str, handler: Handler | None) -> None:
        """See `MockOllama.on`."""
        if handler is None:
            self._handlers.pop((method.upper(), path), None)
            return
        self._handlers[method.upper(), path] = (
            handler if _is_function(handler) else steps_of(handler)
        )

    def add(self, steps: Script | Step, path: str) -> None:
        """See `MockOllama.script`."""
        steps = steps_of(steps)
        if self.strict and not is_open(path):
            _expected.known(path, PATHS)
        self._queues.setdefault(path, deque()).append(steps)

    def reset(self, own: Routes) -> None:
        """Forget all, and say from now on what `own` says."""
        self.own = own
        self._handlers.clear()
        self._queues.clear()

    def complaint(self, asked: Sequence[Request]) -> str | None:
        """Say once which scripts were not used, or None."""
        if not self.strict:
            return None
        left = {path: len(queue) for path, queue in self._queues.items()}
        found = _expected.unused(left, asked)
        if found is not None:
            self._queues.clear()
        return found

    def needs_body(self, request: Request) -> bool:
        """Tell whether to read a body before answering: scripts and handlers of the test always get it."""
        is_ours = not self._queues.get(request.path) and self._handler(request) is None
        return not (is_ours and self.own.needs_no_body(request))

    def answer(self, request: Request) -> Script:
        """Return what answers a request, and use it up when it is a script.

        Raises:
            NotAsExpected: the server is strict, and nothing was said for this request.
        """
        try:
            return self._queues[request.path].popleft()
        except (KeyError, IndexError):
            pass  # no script waits for this path
        handler = self._handler(request)
        if handler is not None:
            return steps_of(handler(request) if callable(handler) else handler)
        if self.strict and not is_open(request.path):
            complaint = _expected.unexpected(request, list(self._queues), PATHS)
            if complaint is not None:
                raise _expected.NotAsExpected(complaint)
        return self.own.answer(request)

    def _handler(self, request: Request) -> Handler | None:
        handler = self._handlers.get((request.method, request.path))
        if handler is not None:
            return handler
        for (method, path), handler in list(self._handlers.items()):
            prefix, star, _ = path.partition("*")
            if star and method == request.method and request.path.startswith(prefix):
                return handler
        return None
