"""Answers that outlive their request: a thread reads each from the model, and any number of pages follow it, from any event on.

They are in the memory of this process, so the chat is served by one process, with threads. A pump runs on a thread of its own for each
answer, and a follower on a thread of the WSGI server. All that changes in an answer is behind its condition, and the table of answers
behind the lock.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, abort, request

from ollama_sync import OllamaError, Stream
from ollama_sync.flask import error_reply

LOOK = 0.1  # seconds after which a pump looks whether anybody follows
HEARTBEAT = 1.0  # seconds of silence until a follower's connection is tried
KEEP = 600.0  # seconds that an answer is kept behind its end
MOST = 1000  # answers that are kept, the oldest go first


@dataclass
class Answer:
    """One answer: the events that a browser is sent, in their order."""

    stream: Stream[Any]
    owner: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    events: list[str] = field(default_factory=list)
    followers: int = 0
    since: float = field(default_factory=time.monotonic)  # nobody follows, or it has ended
    has_ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)


class Answers:
    """The answers of an app. One that nobody follows for `CHAT_ABANDON_AFTER` seconds (30) is cancelled, so the model stops."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        app.config.setdefault("CHAT_ABANDON_AFTER", 30.0)

    def start(self, stream: Stream[Any], *, owner: str) -> Answer:
        """Own that stream from now on. Does not block."""
        answer = Answer(stream, owner)
        with self._lock:
            self._forget()
            self._answers[answer.id] = answer
        threading.Thread(target=self._pump, args=(answer,), name="answer", daemon=True).start()
        return answer

    def sse(self, name: str, *, owner: str) -> Response:
        """Respond with its events, from the one on that the browser has not had."""
        had = request.headers.get("Last-Event-ID", "0")
        events = _follow(self._find(name, owner), int(had) if had.isdecimal() else 0)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Response(events, mimetype="text/event-stream", headers=headers)

    def cancel(self, name: str, *, owner: str) -> None:
        """Stop the model. What has come stays, and its followers are told the end."""
        self._find(name, owner).stream.cancel()

    def _find(self, name: str, owner: str) -> Answer:
        answer = self._answers.get(name)
        if answer is None or not secrets.compare_digest(answer.owner, owner):
            abort(404)
        return answer

    def _forget(self) -> None:
        """Drop what is old. An answer that is dropped while it runs goes on for those who follow it."""
        limit = time.monotonic() - KEEP
        old = [each.id for each in self._answers.values() if each.has_ended and each.since < limit]
        excess = list(self._answers)[: max(0, len(self._answers) - MOST + 1)]
        for name in {*old, *excess}:
            del self._answers[name]

    def _pump(self, answer: Answer) -> None:
        with answer.stream as stream:
            try:
                while not stream.done:
                    parts = stream.poll(timeout=LOOK)
                    _add(answer, [f"data: {part.model_dump_json()}" for part in parts])
                    with answer.changed:
                        alone = 0.0 if answer.followers else time.monotonic() - answer.since
                    if alone > self._app.config["CHAT_ABANDON_AFTER"]:
                        stream.cancel()
                last = "event: end\ndata: {}"
            except OllamaError as error:
                said, _ = error_reply(error)
                last = f"event: error\ndata: {json.dumps({'message': said['error']})}"
        _add(answer, [last], has_ended=True)


def _add(answer: Answer, events: list[str], *, has_ended: bool = False) -> None:
    if not events:
        return
    with answer.changed:
        answer.events += events
        if has_ended:
            answer.has_ended, answer.since = True, time.monotonic()
        answer.changed.notify_all()


def _follow(answer: Answer, at: int) -> Iterator[str]:
    with answer.changed:
        answer.followers += 1
    try:
        yield "retry: 500\n\n"  # ms until the browser comes back to a lost connection
        while True:
            with answer.changed:
                if at >= len(answer.events) and not answer.has_ended:
                    answer.changed.wait(HEARTBEAT)
                new, has_ended = answer.events[at:], answer.has_ended
            numbered = enumerate(new, at + 1)
            yield "".join(f"id: {number}\n{event}\n\n" for number, event in numbered) or ":\n\n"
            at += len(new)
            if has_ended:
                return
    finally:
        with answer.changed:
            answer.followers -= 1
            if not answer.has_ended:
                answer.since = time.monotonic()
