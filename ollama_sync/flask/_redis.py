"""Answers in Redis, where every process finds them: writes those of this process, and finds those of others.

`_entries` has how they are written, `_reader` reads those of others. Runs on any thread or greenlet, which each call blocks for at most some
seconds. What is mutable belongs to redis-py, which may be shared, but for `_is_new`, which is the keeper's.
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
from ollama_sync.flask._entries import (
    LAST,
    LEASE,
    PREFIX,
    as_store_error,
    end_of,
    end_stream,
    is_known,
)
from ollama_sync.flask._errors import AnswerNotFound, StoreError
from ollama_sync.flask._reader import Reader, RemoteAnswer
from ollama_sync.flask._record import End, Record

_CONNECTIONS = 16  # of one process, however many start and follow; who finds none free waits
_MOST = 500  # parts in one entry


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
            pool = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=2,
                decode_responses=True,
                socket_timeout=2.0,
                socket_connect_timeout=2.0,
                # Once more at once: the connection may be one of before Redis was started anew.
                retry=Retry(NoBackoff(), 1),
            )
        except ValueError as error:
            raise RequestError(f"OLLAMA_ANSWERS: {error}") from error
        self._redis: Any = redis.Redis(connection_pool=pool)
        known = pool.connection_kwargs
        # For messages: without the password.
        self.where = str(known.get("path") or f"{known.get('host')}:{known.get('port', 6379)}")
        self._process = secrets.token_urlsafe(12)
        self._reader = Reader(self._redis, self.where, self._process)
        self._seconds = max(1, round(keep))
        self._is_new = True  # the next save finds out what Redis has; the keeper's

    # Whoever starts an answer.

    def reserve(self, id: str, owner: str | None) -> None:
        """Note whose an answer is that some process will make.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with as_store_error(self.where), self._redis.pipeline(transaction=True) as batch:
            batch.xadd(PREFIX + id, {"owner": json.dumps(owner)}, id="0-1")
            batch.expire(PREFIX + id, self._seconds)
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
        key = PREFIX + record.id
        with as_store_error(self.where), self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            batch.xadd(key, {"process": self._process}, id="0-2", nomkstream=True)
            batch.xrange(key, LAST, LAST)
            batch.expire(key, self._seconds)
            _, begun, ended, _ = batch.execute(raise_on_error=False)
        if ended:
            return False
        if begun is None:
            raise AnswerNotFound("no such answer")
        if isinstance(begun, redis.ResponseError) and is_known(begun):
            raise UsageError(f"the answer {record.id} was started already")
        if isinstance(begun, redis.RedisError):
            with as_store_error(self.where):
                raise begun
        return True

    def fail(self, id: str, end: End) -> None:
        """End an answer that was reserved and that nobody makes; one that somebody makes, or that has ended, remains as it is.

        Raises:
            StoreError: Redis cannot be reached.
        """
        key = PREFIX + id
        with as_store_error(self.where):
            try:
                # As `begin` does it: of two that come at once one is refused.
                self._redis.xadd(key, {"process": self._process}, id="0-2", nomkstream=True)
                end_stream(self._redis, id, end)
            except redis.ResponseError as error:
                if not is_known(error):
                    raise

    # The keeper.

    def look(self, records: Sequence[Record]) -> None:
        """Renew the lease, note which answers are followed elsewhere, and stop those that were ended elsewhere.

        Raises:
            StoreError: Redis cannot be reached.
        """
        with self._noting_failure(), self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            batch.mget([f"{PREFIX}{record.id}:followed" for record in records])
            for record in records:
                batch.xrange(PREFIX + record.id, LAST, LAST)
                batch.expire(PREFIX + record.id, self._seconds)
            _, followed, *rest = batch.execute()
        for record, is_followed, ended in zip(records, followed, rest[::2], strict=True):
            if is_followed:
                record.followed = time.monotonic()
            if ended:
                record.stop(end_of(ended[0][1]))
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
                    if reply is not None and not is_known(reply):
                        raise reply
                elif upto is None:
                    record.note_stored()
                else:
                    record.stored = upto

    def _write(self, batch: Any, record: Record) -> Iterator[tuple[Record, int | None]]:
        """Put what is new of one answer into the batch; give for each entry the number of parts up to it, None for the end."""
        if record.is_stored:
            return
        key = PREFIX + record.id
        _, parts, end = record.after(record.stored)
        for start in range(0, len(parts), _MOST):
            some = parts[start : start + _MOST]
            upto = record.stored + start + len(some)
            batch.xadd(key, {"parts": "\n".join(some)}, id=f"{upto}-0", nomkstream=True)
            yield record, upto
        if end is not None:
            batch.xadd(key, end._asdict(), id=LAST, nomkstream=True)
            yield record, None

    def _find_out(self, records: Sequence[Record]) -> None:
        """Learn what Redis has of each answer after it could not be reached, and begin those anew that it has lost."""
        with self._redis.pipeline(transaction=False) as batch:
            for record in records:
                batch.xrevrange(PREFIX + record.id, count=1)
            newest = batch.execute()
        with self._redis.pipeline(transaction=False) as batch:
            self._renew_lease(batch)
            for record, entries in zip(records, newest, strict=True):
                key = PREFIX + record.id
                if not entries:
                    record.stored = 0
                    batch.xadd(key, {"owner": json.dumps(record.owner)}, id="0-1")
                    batch.xadd(key, {"process": self._process}, id="0-2")
                    batch.expire(key, self._seconds)
                elif entries[0][0] == LAST:
                    record.stop(end_of(entries[0][1]))
                    record.note_stored()
                else:
                    record.stored = int(entries[0][0].partition("-")[0])
            batch.execute()

    def _renew_lease(self, batch: Any) -> None:
        batch.set(f"{PREFIX}{self._process}:lives", 1, px=round(LEASE * 1000))

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            with as_store_error(self.where):
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
        with as_store_error(self.where):
            head = self._redis.xrange(PREFIX + id, "0-1", "0-1")
        if not head or json.loads(head[0][1]["owner"]) != owner:
            raise AnswerNotFound("no such answer")
        return self._reader.answer(id, owner)
