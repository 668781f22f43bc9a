"""Answers in Redis, where every process finds them: one Redis Stream each, which any of them may read from any part on.

    PREFIX id             the stream. 0-1: whose it is. 0-2: the process that makes it. N-0: parts up to number N. LAST: its end
    PREFIX id :followed   there while somebody in another process follows it
    PREFIX process :lives the lease of a process, which it renews while it makes answers

Redis takes no entry whose id is not above the last one's. That makes each write safe to repeat, and the end, whose id is the largest, final: a process that was taken for dead and comes back can add nothing behind it.

Runs on any thread or greenlet, which each call blocks for at most some seconds. What is mutable belongs to redis-py, which may be shared.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ollama_sync.errors import RequestError, UsageError
from ollama_sync.flask._errors import AnswerLost, AnswerNotFound, StoreError
from ollama_sync.flask._record import CANCELLED, End, Record, Slice, failed

_PREFIX = "ollama:answers:"
_LAST = f"{2**62}-0"  # above any number of a part
_LEASE = 2.5  # seconds that a process counts as alive after it renewed its lease
_LOOK = 0.5  # seconds until somebody who follows looks whether the process lives, and says that he follows
_DOUBT = 1.0  # seconds without a lease until an answer is given up: a Redis that was started anew has none at first
_PATIENCE = 10.0  # seconds that somebody who follows waits for a Redis that does not answer
_MOST = 500  # parts in one entry


def _is_known(error: redis.RedisError) -> bool:
    """Whether a write was refused because Redis has that entry, or the end."""
    return "equal or smaller" in str(error)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn the errors of redis-py into ours."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreError(
            f"the answers' store {where}: {error}; is the Redis server running?"
        ) from error


class RedisStore:
    """Writes the answers of this process, and finds those of others.

    Args:
        url: of Redis, as `redis.Redis.from_url` takes it.
        keep: seconds from the last write of an answer until Redis forgets it.

    Raises:
        RequestError: the URL is wrong.
    """

    def __init__(self, url: str, keep: float) -> None:
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=2.0,
                socket_connect_timeout=2.0,
                # Once more at once: the connection may be one of before Redis was started anew.
                retry=Retry(NoBackoff(), 1),
            )
        except ValueError as error:
            raise RequestError(f"OLLAMA_ANSWERS: {error}") from error
        known = self._redis.connection_pool.connection_kwargs
        # For messages: without the password.
        self.where = str(known.get("path") or f"{known.get('host')}:{known.get('port', 6379)}")
        self._process = secrets.token_urlsafe(12)
        self._seconds = max(1, round(keep))
        self._is_new = True  # the next save finds out what Redis has; the keeper's

    # Whoever starts an answer.

    def reserve(self, id: str, owner: str | None) -> None:
        """Note whose an answer is that some process will make.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with _told(self.where), self._redis.pipeline(transaction=True) as batch:
            batch.xadd(_PREFIX + id, {"owner": json.dumps(owner)}, id="0-1")
            batch.expire(_PREFIX + id, self._seconds)
            batch.execute()

    def begin(self, record: Record) -> bool:
        """Note that this process makes the answer.

        Returns:
            False when it has ended already: cancelled since it was reserved, or made by a task that was delivered twice.

        Raises:
            StoreError: Redis cannot be reached.
            UsageError: another process makes it already.
            AnswerNotFound: it was not reserved.
        """
        key = _PREFIX + record.id
        with _told(self.where), self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            batch.xadd(key, {"process": self._process}, id="0-2", nomkstream=True)
            batch.xrange(key, _LAST, _LAST)
            batch.expire(key, self._seconds)
            _, begun, ended, _ = batch.execute(raise_on_error=False)
        if ended:
            return False
        if begun is None:
            raise AnswerNotFound("no such answer")
        if isinstance(begun, redis.ResponseError) and _is_known(begun):
            raise UsageError(f"the answer {record.id} was started already")
        if isinstance(begun, redis.RedisError):
            with _told(self.where):
                raise begun
        return True

    def fail(self, id: str, end: End) -> None:
        """End an answer that was reserved and that nobody makes; one that somebody makes, or that has ended, remains as it is.

        Raises:
            StoreError: Redis cannot be reached.
        """
        key = _PREFIX + id
        with _told(self.where):
            try:
                # As `begin` does it: of two that come at once one is refused.
                self._redis.xadd(key, {"process": self._process}, id="0-2", nomkstream=True)
                self._redis.xadd(key, end._asdict(), id=_LAST, nomkstream=True)
            except redis.ResponseError as error:
                if not _is_known(error):
                    raise

    # The keeper.

    def look(self, records: Sequence[Record]) -> None:
        """Renew the lease, note which answers are followed elsewhere, and stop those that were ended elsewhere.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with self._noting_failure(), self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            batch.mget([f"{_PREFIX}{record.id}:followed" for record in records])
            for record in records:
                batch.xrange(_PREFIX + record.id, _LAST, _LAST)
                batch.expire(_PREFIX + record.id, self._seconds)
            _, followed, *rest = batch.execute()
        for record, is_followed, ended in zip(records, followed, rest[::2], strict=True):
            if is_followed:
                record.followed = time.monotonic()
            if ended:
                record.stop(_end_of(ended[0][1]))
                record.note_stored()
        if not all(rest[1::2]):
            self._is_new = True  # Redis has lost some of them

    def save(self, records: Sequence[Record]) -> None:
        """Write what is new.

        Raises:
            StoreError: Redis cannot be reached, or takes nothing; the next call writes what this one could not.
        """
        with self._noting_failure():
            if self._is_new:
                self._find_out(records)
                self._is_new = False
            with self._redis.pipeline(transaction=False) as batch:
                writes = [write for record in records for write in self._write(batch, record)]
                replies = batch.execute(raise_on_error=False) if writes else []
            for (record, upto), reply in zip(writes, replies, strict=True):
                if reply is None or isinstance(reply, redis.RedisError):
                    # Lost, ended elsewhere, or written before: the next call looks. Anything else is an outage.
                    self._is_new = True
                    if reply is not None and not _is_known(reply):
                        raise reply
                elif upto is None:
                    record.note_stored()
                else:
                    record.stored = upto

    def _write(self, batch: Any, record: Record) -> Iterator[tuple[Record, int | None]]:
        """Put what is new of one answer into the batch; give for each entry the number of parts up to it, None for the end."""
        if record.is_stored:
            return
        key = _PREFIX + record.id
        _, parts, end = record.after(record.stored)
        for start in range(0, len(parts), _MOST):
            some = parts[start : start + _MOST]
            upto = record.stored + start + len(some)
            batch.xadd(key, {"parts": "\n".join(some)}, id=f"{upto}-0", nomkstream=True)
            yield record, upto
        if end is not None:
            batch.xadd(key, end._asdict(), id=_LAST, nomkstream=True)
            yield record, None

    def _find_out(self, records: Sequence[Record]) -> None:
        """Learn what Redis has of each answer after it could not be reached, and begin those anew that it has lost."""
        with self._redis.pipeline(transaction=False) as batch:
            for record in records:
                batch.xrevrange(_PREFIX + record.id, count=1)
            newest = batch.execute()
        with self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            for record, entries in zip(records, newest, strict=True):
                key = _PREFIX + record.id
                if not entries:
                    record.stored = 0
                    batch.xadd(key, {"owner": json.dumps(record.owner)}, id="0-1")
                    batch.xadd(key, {"process": self._process}, id="0-2")
                    batch.expire(key, self._seconds)
                elif entries[0][0] == _LAST:
                    record.stop(_end_of(entries[0][1]))
                    record.note_stored()
                else:
                    record.stored = int(entries[0][0].partition("-")[0])
            batch.execute()

    def _renew_lease(self, batch: Any) -> None:
        batch.set(f"{_PREFIX}{self._process}:lives", 1, px=round(_LEASE * 1000))

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            with _told(self.where):
                yield
        except StoreError:
            self._is_new = True
            raise

    # Whoever follows.

    def find(self, id: str, owner: str | None) -> RemoteAnswer:
        """Return the answer of any process.

        Raises:
            AnswerNotFound: there is none of that owner.
            StoreError: Redis cannot be reached.
        """
        with _told(self.where):
            head = self._redis.xrange(_PREFIX + id, "0-1", "0-1")
        if not head or json.loads(head[0][1]["owner"]) != owner:
            raise AnswerNotFound("no such answer")
        return RemoteAnswer(self._redis, self.where, id)


class RemoteAnswer:
    """An answer that another process makes, as one follower or canceller sees it; not shared.

    Args:
        connections: of redis-py.
        where: Redis is, for messages.
        id: of the answer.
    """

    def __init__(self, connections: Any, where: str, id: str) -> None:
        self._redis = connections
        self._where = where
        self._key = _PREFIX + id
        self._process: str | None = None  # that makes it; None: not known yet
        self._looked = 0.0
        self._doubtful = 0.0  # since when nothing says that it is alive; 0: it is
        self._failing = 0.0  # since when Redis does not answer; 0: it does

    def stop(self, end: End) -> None:
        """End it, for all processes. One that has ended remains as it was.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with _told(self._where):
            try:
                self._redis.xadd(self._key, end._asdict(), id=_LAST, nomkstream=True)
            except redis.ResponseError as error:
                if not _is_known(error):
                    raise

    def cancel(self) -> None:
        """End it as its reader wished."""
        self.stop(CANCELLED)

    def wait(self, number: int, timeout: float) -> Slice:
        """Return what follows the part of that number: blocks up to some `timeout` seconds for something."""
        milliseconds = max(1, round(min(timeout, _LOOK) * 1000))
        now = time.monotonic()
        try:
            # Behind every entry of that number: parts have N-0, the head 0-1 and 0-2.
            got = self._redis.xread({self._key: f"{number}-9"}, count=100, block=milliseconds)
            end = None if now - self._looked < _LOOK else self._look(is_silent=not got)
            self._failing = 0.0
        except redis.RedisError as error:
            self._failing = self._failing or now
            if now - self._failing > _PATIENCE:
                lost = StoreError(f"the answers' store {self._where}: {error}")
                lost.__cause__ = error
                return Slice(number + 1, [], failed(lost))
            time.sleep(milliseconds / 1000)
            return Slice(number + 1, [], None)
        return _slice(number, got[0][1]) if got else Slice(number + 1, [], end)

    def _look(self, *, is_silent: bool) -> End | None:
        """Say that somebody follows; return how it ended if its process is gone."""
        self._looked = time.monotonic()
        with self._redis.pipeline(transaction=False) as batch:
            batch.set(f"{self._key}:followed", 1, px=round(_LEASE * 1000))
            batch.exists(self._key)
            batch.xrange(self._key, "0-2", "0-2")
            batch.exists(f"{_PREFIX}{self._process}:lives")
            _, is_there, begun, lives = batch.execute()
        before, self._process = self._process, begun[0][1]["process"] if begun else None
        # Of an answer that is only reserved nobody knows yet who will make it.
        is_alive = is_there and (before is None or lives)
        if is_alive or not is_silent:
            self._doubtful = 0.0
            return None
        self._doubtful = self._doubtful or self._looked
        if self._looked - self._doubtful < _DOUBT:
            return None
        lost = "the process that made this answer has ended" if is_there else "this answer was lost"
        end = failed(AnswerLost(lost))
        self.stop(end)
        return end


def _slice(number: int, entries: Sequence[tuple[str, dict[str, str]]]) -> Slice:
    """Return what entries of a stream have behind the part of that number."""
    parts: list[str] = []
    for entry, fields in entries:
        if entry == _LAST:
            return Slice(number + 1, parts, _end_of(fields))
        some = fields["parts"].split("\n")
        # An entry that was begun before that number ends behind it.
        known = number + len(parts) - (int(entry.partition("-")[0]) - len(some))
        parts += some[max(0, known) :]
    return Slice(number + 1, parts, None)


def _end_of(fields: dict[str, str]) -> End:
    return End(fields["event"], fields["data"])
