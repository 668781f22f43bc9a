"""`Answers`: answers that outlive their request, to be followed by any number of browsers, from any event on.

Its methods run on the threads or greenlets of the WSGI server, in a context of the app. What a process has of the answers is its `Worker`,
made at the first use in that process: never at import, and anew after a fork. The one mutable thing here is the dict of workers by
process in `app.extensions["ollama_answers"]`. It has no lock: a child forked while another thread held it would wait for ever.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from flask import Flask, Response, current_app, request

from ollama_sync import (
    ChatResponse,
    GenerateResponse,
    OllamaError,
    RequestError,
    Stream,
    UsageError,
)
from ollama_sync.flask._errors import AnswerNotFound, InvalidRequest, handle_errors
from ollama_sync.flask._json import part_json
from ollama_sync.flask._record import FINISHED, Record, Slice, failed
from ollama_sync.flask._responses import STREAM_HEADERS, check_heartbeat
from ollama_sync.flask._settings import ANSWERS
from ollama_sync.flask._worker import Limits, Worker

_ID = re.compile(r"[\w-]{22}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,15}")
_LOOK = 1.0  # seconds that a follower waits at a time
_RETRY = 1000  # milliseconds until a browser that lost its connection asks again

Owner = str | int | None


class _Source(Protocol):
    """An answer as its followers see it, of this process or of another."""

    def wait(self, number: int, timeout: float) -> Slice:
        """Return what follows the part of that number; blocks up to `timeout` seconds for something."""

    def cancel(self) -> None:
        """End it, and stop the model."""


@dataclass(frozen=True)
class Answer:
    """An answer that was started, or reserved.

    Args:
        id: by which it is followed and cancelled; 128 random bits, fit for a URL.

    Example:
        >>> Answer("4EkNkVeOQ8-LXZ5BoFbHLA").id
        '4EkNkVeOQ8-LXZ5BoFbHLA'
    """

    id: str


class Answers:
    """Answers that go on without the request that began them: a reload, a second tab or another network goes on where it was.

    The setting `OLLAMA_ANSWERS` says where they are kept. With "memory", the default, that is the process: right for a server with one
    process and many threads or greenlets. With the URL of a Redis server ("redis://localhost:6379/0"; needs the extra `redis`) any
    process may follow and cancel what another began, a Celery worker for one.

    An answer that nobody follows is cancelled, so the model stops. When the process that makes an answer dies, those who follow it get an
    error event within 5 seconds. Each process has one thread (or greenlet) that reads all of its answers, and one that looks after them,
    both only while there are answers.

    | setting | default | |
    |---|---|---|
    | `OLLAMA_ANSWERS` | `"memory"` | or the URL of a Redis server |
    | `OLLAMA_ANSWERS_ABANDON_AFTER` | 30 | seconds without a follower until an answer is cancelled |
    | `OLLAMA_ANSWERS_KEEP` | 600 | seconds that an answer can be followed after its end |
    | `OLLAMA_ANSWERS_MAX_BYTES` | 4 MiB | of JSON that an answer may have; one that grows beyond is ended with an error |
    | `OLLAMA_ANSWERS_MAX_ANSWERS` | 500 | that a process holds; the oldest that have ended make room, and when none has, `start` refuses |

    Args:
        app: the same as `init_app(app)` later.

    Raises:
        RequestError: a setting is wrong.

    Example:
        >>> from ollama_sync.flask import Ollama, current_ollama
        >>> from ollama_sync.testing import MockOllama
        >>> app = Flask("example")
        >>> with MockOllama(chunks=2) as server:
        ...     app.config["OLLAMA_HOST"] = server.url
        ...     extension, answers = Ollama(app), Answers(app)
        ...     with app.test_request_context():
        ...         answer = answers.start(current_ollama.generate("m", "hi", stream=True), owner="ada")
        ...         events = answers.sse(answer.id, owner="ada").get_data(as_text=True).split("\\n\\n")
        >>> events[1].startswith('id: 1\\ndata: {"model":"m",'), events[-2]
        (True, 'event: end\\ndata: {}')
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the app its answers. Connects to nothing.

        Args:
            app: may be one of several; each has answers of its own.

        Raises:
            RequestError: a setting is wrong.
        """
        for key, default in ANSWERS.items():
            app.config.setdefault(key, default)
        # Made and dropped: whether the settings are right is known now, and not in the first request.
        _new_worker(app)
        app.extensions["ollama_answers"] = {}
        handle_errors(app)

    def start(
        self,
        stream: Stream[ChatResponse] | Stream[GenerateResponse],
        *,
        owner: Owner,
        id: str | None = None,
        grace: float = 0.25,
    ) -> Answer:
        """Take over a stream; it goes on when the request is over.

        Blocks up to `grace` seconds for the first part, so that what the model's server refuses at once is an error of the view, with
        its status, and not an event.

        Args:
            stream: the answer; owned from now on, and closed if this fails.
            owner: who may follow and cancel it: a user's id, a session's. None: whoever knows the id of the answer.
            id: of an answer that was reserved, for that owner. If it has ended since, the stream is closed, and that is all.
            grace: seconds to wait for the first part; 0 does not wait.

        Raises:
            OllamaError: the stream failed within `grace`.
            StoreError: Redis cannot be reached, or too many answers are under way in this process.
            AnswerNotFound: none was reserved with that id for that owner.
            UsageError: the reserved answer was started already, or the stream has a consumer.
        """
        try:
            return self._start(stream, _name(owner), id, grace)
        except BaseException:
            stream.close()
            raise

    def _start(
        self,
        stream: Stream[ChatResponse] | Stream[GenerateResponse],
        owner: str | None,
        id: str | None,
        grace: float,
    ) -> Answer:
        worker = self._worker()
        if id is not None:
            self._find(id, owner)
        first = [part_json(part) for part in stream.poll(timeout=grace)]
        record = Record(id or _new_id(), owner, worker.limits.max_bytes, stream.cancel)
        record.add(first)
        if stream.done:
            record.finish(FINISHED)
        worker.admit(record)
        try:
            if worker.store is not None:
                if id is None:
                    worker.store.reserve(record.id, owner)
                if not worker.store.begin(record):
                    stream.close()
                    worker.leave(record)
                    return Answer(record.id)
            worker.start(record, stream)
        except BaseException:
            worker.leave(record)
            raise
        return Answer(record.id)

    def reserve(self, *, owner: Owner) -> Answer:
        """Return an answer that another process will start, by this id: a task of Celery, for one. It can be followed at once.

        Args:
            owner: as for `start`.

        Raises:
            StoreError: Redis cannot be reached.
            UsageError: `OLLAMA_ANSWERS` is "memory", where no other process finds it.
        """
        store = self._worker().store
        if store is None:
            raise UsageError(
                'reserve: with OLLAMA_ANSWERS="memory" no other process finds the answer; use a redis:// URL'
            )
        answer = Answer(_new_id())
        store.reserve(answer.id, _name(owner))
        return answer

    def fail(self, id: str, error: OllamaError, *, owner: Owner) -> None:
        """Tell those who follow a reserved answer that it could not be started: they get the event `error`.

        Does nothing to an answer that a process makes, or that has ended.

        Args:
            id: of an answer that was reserved.
            error: why; what is told of it is what `error_reply` tells.
            owner: as for `reserve`.

        Raises:
            AnswerNotFound: none was reserved with that id for that owner.
            StoreError: Redis cannot be reached.
        """
        self._find(id, _name(owner))
        store = self._worker().store
        if store is not None:
            store.fail(id, failed(error))

    def sse(self, id: str, *, owner: Owner, after: int = 0, heartbeat: float = 15.0) -> Response:
        r"""Return a response of server-sent events: the answer, from the first event on that the browser has not had.

        Each part is an event with its number as `id:`. A browser that lost its connection asks again by itself, with the number of the
        last one in the header `Last-Event-ID`, and goes on from there. The last event is `end`, with `{}`, `{"cancelled":true}` or `{"abandoned":true}`, or
        `error`, with `{"type": ..., "message": ..., "status": ...}`; at both the page should close its `EventSource`. In silence a
        comment is written every `heartbeat` seconds, and one at once.

        Args:
            id: of the answer, as it came from the browser.
            owner: who asks.
            after: the number of the last part that the page has, when it does not come from `Last-Event-ID`.
            heartbeat: seconds of silence until a comment is written.

        Raises:
            AnswerNotFound: there is no such answer of that owner.
            InvalidRequest: the `Last-Event-ID` is no number.
            StoreError: Redis cannot be reached.
            RequestError: a number is wrong.
        """
        check_heartbeat(heartbeat)
        source = self._find(id, _name(owner))
        seen = request.headers.get("Last-Event-ID") or str(after)
        if not _NUMBER.fullmatch(seen):
            raise InvalidRequest("Last-Event-ID, or after: the number of an event")
        events = _events(source, int(seen), heartbeat)
        return Response(events, mimetype="text/event-stream", headers=STREAM_HEADERS)

    def cancel(self, id: str, *, owner: Owner) -> None:
        """Stop an answer, whichever process makes it; those who follow it get `end`. One that has ended remains as it was.

        Args:
            id: of the answer, as it came from the browser.
            owner: who asks.

        Raises:
            AnswerNotFound: there is no such answer of that owner.
            StoreError: Redis cannot be reached.
        """
        self._find(id, _name(owner)).cancel()

    def wait(self, id: str, *, owner: Owner, timeout: float | None = None) -> bool:
        """Block until an answer has ended, and is in Redis if that keeps it: for a task of Celery, whose process may end with it.

        That is not following it: an answer that nobody follows is cancelled all the same.

        Args:
            id: of an answer that this process makes.
            owner: as for `start`.
            timeout: seconds; None: as long as it takes.

        Returns:
            whether it has ended.
        """
        source = self._find(id, _name(owner))
        return not isinstance(source, Record) or source.wait_end(timeout)

    def _find(self, id: str, owner: str | None) -> _Source:
        worker = self._worker()
        if _ID.fullmatch(id):
            record = worker.get(id)
            if record is not None and record.owner == owner:
                return record
            if record is None and worker.store is not None:
                return worker.store.find(id, owner)
        raise AnswerNotFound("no such answer")

    def _worker(self) -> Worker:
        workers: dict[int, Worker] | None = current_app.extensions.get("ollama_answers")
        if workers is None:
            raise UsageError(
                f"the app {current_app.name!r} has no answers; call Answers(app) where the app is made"
            )
        worker = workers.get(os.getpid())
        if worker is None:
            # What a forked child finds here is its parent's, whose threads it does not have.
            for process in list(workers):
                workers.pop(process, None)
            # Of two threads that come here at once the first wins; the other's worker has done nothing yet.
            worker = workers.setdefault(os.getpid(), _new_worker(current_app))
        return worker


def _new_worker(app: Flask) -> Worker:
    where, *numbers = (app.config[key] for key in ANSWERS)
    limits = Limits(*numbers)
    if where == "memory":
        return Worker(limits, None)
    if not isinstance(where, str) or not where.startswith(("redis://", "rediss://", "unix://")):
        raise RequestError(f'OLLAMA_ANSWERS={where!r}: "memory", or the URL of a Redis server')
    try:
        from ollama_sync.flask._redis import RedisStore
    except ImportError as error:
        raise RequestError(
            "OLLAMA_ANSWERS: Redis needs its client; pip install 'ollama-sync[redis]'"
        ) from error
    return Worker(limits, RedisStore(where, limits.keep))


def _new_id() -> str:
    return secrets.token_urlsafe(16)


def _name(owner: Owner) -> str | None:
    return None if owner is None else str(owner)


def _events(source: _Source, seen: int, heartbeat: float) -> Iterator[str]:
    """Give the events behind number `seen`; the first thing at once, so that the headers go out."""
    yield f"retry: {_RETRY}\n\n"
    written = time.monotonic()
    while True:
        quiet = time.monotonic() - written
        first, parts, end = source.wait(seen, max(0.0, min(_LOOK, heartbeat - quiet)))
        events = [f"id: {number}\ndata: {part}\n\n" for number, part in enumerate(parts, first)]
        if end is not None:
            events.append(f"event: {end.event}\ndata: {end.data}\n\n")
        if events or time.monotonic() - written >= heartbeat:
            yield "".join(events) or ": nothing yet\n\n"
            written = time.monotonic()
        if end is not None:
            return
        seen += len(parts)
