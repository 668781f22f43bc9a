"""How an answer is written in Redis: one Redis Stream each, which any process may read from any part on.

    PREFIX id             the stream. 0-1: whose it is. 0-2: the process that makes it. N-0: parts up to number N. LAST: its end
    PREFIX id :followed   there while somebody in another process follows it
    PREFIX process :lives the lease of a process, which it renews while it makes answers
    PREFIX process :wake  a stream that wakes the reader of that process

Redis takes no entry whose id is not above the last one's. That makes each write safe to repeat, and the end, whose id is the largest, final: a
process that was taken for dead and comes back can add nothing behind it.

Pure, but for `end_stream`, which asks Redis; any thread or greenlet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from ollama_sync.flask._errors import StoreError
from ollama_sync.flask._record import End

PREFIX = "ollama:answers:"
LAST = f"{2**62}-0"  # above any number of a part
LEASE = (
    2.5  # seconds that a process counts as alive, and an answer as followed, after that was said
)


def is_known(error: redis.RedisError) -> bool:
    """Whether a write was refused because Redis has that entry, or the end."""
    return "equal or smaller" in str(error)


@contextmanager
def as_store_error(where: str) -> Iterator[None]:
    """Turn the errors of redis-py into ours."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreError(
            f"the answers' store {where}: {error}; is the Redis server running?"
        ) from error


def end_stream(connections: Any, id: str, end: End) -> None:
    """Write the end of an answer, for all processes. One that has ended remains as it was.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    try:
        connections.xadd(PREFIX + id, end._asdict(), id=LAST, nomkstream=True)
    except redis.ResponseError as error:
        if not is_known(error):
            raise


def end_of(fields: dict[str, str]) -> End:
    """Return the end that an entry tells."""
    return End(fields["event"], fields["data"])


def parts_behind(
    number: int, entries: Sequence[tuple[str, dict[str, str]]]
) -> tuple[list[str], End | None]:
    """Return what entries of a stream have behind the part of that number: parts, and the end if it is there.

    Example:
        >>> parts_behind(1, [("3-0", {"parts": "a\\nb\\nc"}), (LAST, {"event": "end", "data": "{}"})])
        (['b', 'c'], End(event='end', data='{}'))
    """
    parts: list[str] = []
    for entry, fields in entries:
        if entry == LAST:
            return parts, end_of(fields)
        some = fields["parts"].split("\n")
        # An entry that was begun before that number ends behind it.
        known = number + len(parts) - (int(entry.partition("-")[0]) - len(some))
        parts += some[max(0, known) :]
    return parts, None
