"""Reads from Redis the answers of other processes that are followed in this one: by one connection, however many follow.

The reader is a thread (a greenlet, where the program is monkey-patched) that runs while somebody follows such an answer. It copies each into a
`Record` of this process, at which those who follow wait, and drops it when nobody has waited for half a second; who comes back, for one after
a slow write to his browser, has it read on.

    under _lock    _mirrors (the dict), _reading; any thread
    the reader     the fields of each mirror, _woken, _looked, _failing
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import Any

import redis

from ollama_sync.flask._entries import LEASE, PREFIX, as_store_error, end_stream, parts_behind
from ollama_sync.flask._errors import AnswerLost, StoreError
from ollama_sync.flask._record import CANCELLED, End, Record, Slice, failed

_LOOK = 0.5  # seconds from one look whether the processes live, and who follows, to the next
_DOUBT = 1.0  # seconds without a lease until an answer is given up: a Redis that was started anew has none at first
_PATIENCE = 10.0  # seconds that those who follow wait for a Redis that does not answer
_PAUSE = 0.005  # seconds from one read to the next: what comes meanwhile is read together


class RemoteAnswer:
    """An answer that another process makes, as one follower or canceller sees it; not shared.

    Args:
        reader: of this process.
        record: what this process has of the answer.
    """

    def __init__(self, reader: Reader, record: Record) -> None:
        self._reader = reader
        self._record = record

    def cancel(self) -> None:
        """End it as its reader wished.

        Raises:
            StoreError: Redis cannot be reached.
        """
        self._reader.stop(self._record.id, CANCELLED)

    def wait(self, number: int, timeout: float) -> Slice:
        """Return what follows the part of that number: blocks up to `timeout` seconds for something."""
        if self._record.end is None:
            self._record = self._reader.follow(self._record)
        return self._record.wait(number, timeout)


class _Mirror:
    """An answer that is read, and what the reader knows of the process that makes it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.count = record.count  # parts that were read
        self.process: str | None = None  # None: not known yet
        self.is_silent = True  # nothing has come since the last look
        self.doubtful = 0.0  # since when nothing says that the process is alive; 0: it is


class Reader:
    """Reads what is followed.

    Args:
        connections: of redis-py.
        where: Redis is, for messages.
        process: the name of this one.
    """

    def __init__(self, connections: Any, where: str, process: str) -> None:
        self._redis = connections
        self._where = where
        self._wake_key = f"{PREFIX}{process}:wake"
        self._lock = threading.Lock()
        self._mirrors: dict[str, _Mirror] = {}
        self._reading = False
        self._woken = "0"  # the last entry of the stream that wakes
        self._looked = 0.0
        self._failing = 0.0  # since when Redis does not answer; 0: it does

    def answer(self, id: str, owner: str | None) -> RemoteAnswer:
        """Return an answer of that owner, who was checked. Asks nothing yet."""
        return RemoteAnswer(self, Record(id, owner, sys.maxsize, lambda: None))

    def stop(self, id: str, end: End) -> None:
        """End an answer, for all processes. One that has ended remains as it was.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with as_store_error(self._where):
            end_stream(self._redis, id, end)

    def follow(self, record: Record) -> Record:
        """Have an answer read, and return the record to wait at: another one, when somebody follows that answer already."""
        with self._lock:
            known = self._mirrors.get(record.id)
            if known is not None:
                return known.record
            record.followed = time.monotonic()  # it is kept until its follower waits
            self._mirrors[record.id] = _Mirror(record)
            is_reading, self._reading = self._reading, True
        if is_reading:
            self._wake()
        else:
            threading.Thread(target=self._run, name="ollama-answers-reader", daemon=True).start()
        return record

    def _wake(self) -> None:
        # Where this fails the reader comes round after half a second, and learns by itself what is wrong with Redis.
        with (
            contextlib.suppress(redis.RedisError),
            self._redis.pipeline(transaction=False) as batch,
        ):
            batch.xadd(self._wake_key, {"news": 1}, maxlen=1, approximate=False)
            batch.expire(self._wake_key, 60)
            batch.execute()

    def _run(self) -> None:
        try:
            while mirrors := self._followed():
                try:
                    is_news = self._read(mirrors)
                    if time.monotonic() - self._looked >= _LOOK:
                        self._look(mirrors)
                    self._failing = 0.0
                except redis.RedisError as error:
                    self._note_failure(mirrors, error)
                    time.sleep(_LOOK)
                    continue
                if is_news:
                    time.sleep(_PAUSE)
        except BaseException:
            self._give_up()
            raise

    def _followed(self) -> dict[str, _Mirror]:
        """Return what is to be read, by its key; when that is nothing, the thread ends."""
        with self._lock:
            for mirror in list(self._mirrors.values()):
                if mirror.record.end is not None or mirror.record.is_abandoned(_LOOK):
                    del self._mirrors[mirror.record.id]
            self._reading = bool(self._mirrors)
            return {PREFIX + mirror.record.id: mirror for mirror in self._mirrors.values()}

    def _read(self, mirrors: dict[str, _Mirror]) -> bool:
        """Take what has come, and block up to half a second for something; says whether there was something."""
        # Behind every entry of that number: parts have N-0, the head 0-1 and 0-2.
        keys = {key: f"{mirror.count}-9" for key, mirror in mirrors.items()}
        keys[self._wake_key] = self._woken
        got = self._redis.xread(keys, count=100, block=round(_LOOK * 1000))
        for key, entries in got:
            if key == self._wake_key:
                self._woken = entries[-1][0]
                continue
            mirror = mirrors[key]
            parts, end = parts_behind(mirror.count, entries)
            mirror.count += len(parts)
            mirror.is_silent = False
            mirror.record.add(parts)
            if end is not None:
                mirror.record.finish(end)
        return bool(got)

    def _look(self, mirrors: dict[str, _Mirror]) -> None:
        """Say that the answers are followed, and end those whose process is gone."""
        self._looked = time.monotonic()
        with self._redis.pipeline(transaction=False) as batch:
            for key, mirror in mirrors.items():
                batch.set(f"{key}:followed", 1, px=round(LEASE * 1000))
                batch.exists(key)
                batch.xrange(key, "0-2", "0-2")
                batch.exists(f"{PREFIX}{mirror.process}:lives")
            replies = batch.execute()
        for number, mirror in enumerate(mirrors.values()):
            _, is_there, begun, lives = replies[4 * number : 4 * number + 4]
            before, mirror.process = mirror.process, begun[0][1]["process"] if begun else None
            # Of an answer that is only reserved nobody knows yet who will make it.
            self._judge(mirror, is_there, bool(is_there and (before is None or lives)))

    def _judge(self, mirror: _Mirror, is_there: bool, is_alive: bool) -> None:
        is_silent, mirror.is_silent = mirror.is_silent, True
        if is_alive or not is_silent or mirror.record.end is not None:
            mirror.doubtful = 0.0
            return
        mirror.doubtful = mirror.doubtful or self._looked
        if self._looked - mirror.doubtful >= _DOUBT:
            lost = (
                "the process that made this answer has ended"
                if is_there
                else "this answer was lost"
            )
            end = failed(AnswerLost(lost))
            end_stream(self._redis, mirror.record.id, end)
            mirror.record.finish(end)

    def _note_failure(self, mirrors: dict[str, _Mirror], error: redis.RedisError) -> None:
        now = time.monotonic()
        self._failing = self._failing or now
        if now - self._failing > _PATIENCE:
            lost = StoreError(f"the answers' store {self._where}: {error}")
            lost.__cause__ = error
            for mirror in mirrors.values():
                mirror.record.finish(failed(lost))
            self._failing = 0.0

    def _give_up(self) -> None:
        """Tell all who follow that nobody reads any more; the next to follow starts another reader."""
        with self._lock:
            mirrors, self._mirrors = self._mirrors, {}
            self._reading = False
        for mirror in mirrors.values():
            mirror.record.finish(failed(StoreError("the reader of the answers' store has ended")))
