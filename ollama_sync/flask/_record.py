"""One answer as this process holds it: its parts as JSON, in order, and its end.

Written by the pump (or by whoever stops the answer), read by any number of followers, each on its own thread or greenlet. All of it is
guarded by the one condition, on which followers sleep; nothing is done under it that can block.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ollama_sync.errors import OllamaError
from ollama_sync.flask._errors import AnswerTooLong, told


class End(NamedTuple):
    """The last event of an answer: its name, `end` or `error`, and its data as JSON."""

    event: str
    data: str


class Slice(NamedTuple):
    """What a follower has not seen: parts as JSON, the first of which has the number `first`, and the end if it has come."""

    first: int
    parts: Sequence[str]
    end: End | None


def to_json(value: Any) -> str:
    """Return JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def failed(error: OllamaError) -> End:
    """Return the end of an answer that failed, in words that may leave the process."""
    return End("error", to_json(told(error)._asdict()))


FINISHED = End("end", "{}")
CANCELLED = End("end", '{"cancelled":true}')
ABANDONED = End("end", '{"abandoned":true}')


class Record:
    """The parts of one answer, from number 1 on, and how it ended.

    Args:
        id: that of the answer.
        owner: whose it is; None: of whoever knows the id.
        max_bytes: of JSON that it may have; an answer that grows beyond is ended with an error.
        cancel: stops the model; any thread, does not block.
    """

    def __init__(
        self, id: str, owner: str | None, max_bytes: int, cancel: Callable[[], object]
    ) -> None:
        self.id = id
        self.owner = owner
        self._max_bytes = max_bytes
        self._cancel = cancel
        self._changed = threading.Condition()
        self._parts: list[str] = []
        self._bytes = 0
        self._end: End | None = None
        self._waiting = 0  # followers that wait at the moment
        self.followed = time.monotonic()  # when somebody last looked
        self.ended = 0.0  # when it ended
        self.is_begun = False  # the store knows of it, so that the keeper may write
        self.stored = 0  # parts that the store has, which the keeper alone knows
        self.is_stored = False  # nothing is left to be stored

    @property
    def end(self) -> End | None:
        """How it ended; None while it goes on."""
        return self._end

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    def add(self, parts: Sequence[str]) -> bool:
        """Append parts; False when the answer has ended, and its stream is to be stopped."""
        with self._changed:
            # Whoever stops an answer and its pump may be at it at once: what comes behind the end is dropped.
            if self._end is None and parts:
                self._append(parts)
                self._changed.notify_all()
            return self._end is None

    def _append(self, parts: Sequence[str]) -> None:
        for part in parts:
            self._parts.append(part)
            self._bytes += len(part)
            if self._bytes > self._max_bytes:
                # The rest of the parts is dropped: so many may have come together as the stream holds.
                limit = f"the answer became longer than {self._max_bytes} bytes"
                self._finish(failed(AnswerTooLong(limit)))
                return

    def finish(self, end: End) -> bool:
        """End the answer; False when it had ended already, and remains as it was."""
        with self._changed:
            is_first = self._end is None
            if is_first:
                self._finish(end)
                self._changed.notify_all()
            return is_first

    def cancel(self) -> None:
        """End it as its reader wished. Any thread; does not block."""
        self.stop(CANCELLED)

    def stop(self, end: End) -> None:
        """End the answer and stop its model. Any thread; does not block."""
        if self.finish(end):
            self._cancel()

    def _finish(self, end: End) -> None:
        self._end = end
        self.ended = time.monotonic()

    def after(self, number: int) -> Slice:
        """Return what follows the part of that number, for the store. Does not block."""
        with self._changed:
            return Slice(number + 1, self._parts[number:], self._end)

    def wait(self, number: int, timeout: float) -> Slice:
        """Return what follows the part of that number, as a follower: blocks up to `timeout` seconds for something."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._end is not None or len(self._parts) > number, timeout
                )
            finally:
                self._waiting -= 1
                self.followed = time.monotonic()
            return Slice(number + 1, self._parts[number:], self._end)

    def is_abandoned(self, seconds: float) -> bool:
        """Whether it goes on, and nobody has looked for that long."""
        with self._changed:
            is_alone = not self._waiting and time.monotonic() - self.followed > seconds
            return is_alone and self._end is None

    def note_stored(self) -> None:
        """Note that the store has all of it, the end too."""
        with self._changed:
            self.is_stored = True
            self._changed.notify_all()

    def wait_end(self, timeout: float | None) -> bool:
        """Block until it has ended and is stored, at most `timeout` seconds; says whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._end is not None and self.is_stored, timeout)
