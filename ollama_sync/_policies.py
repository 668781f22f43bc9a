"""Values that decide: when a batch is released, and when waiting has been long enough.

Frozen, pure, without a clock: time is an argument, so they are tested with numbers. Run on any thread. May not import
gevent, requests or time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, TypeGuard

from ollama_sync.errors import RequestError


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class BatchPolicy:
    """When parts that have arrived are released to the caller.

    A lone part is released at once; of parts that follow each other faster than `window`, those of one window go
    together; `max_size` parts go at once.

    Args:
        window: seconds; the longest that a part waits for others. 0 releases each part as it comes.
        max_size: parts; the longest list that `next()` hands over.

    Raises:
        RequestError: a negative window, or a size below 1.

    Example:
        >>> policy = BatchPolicy(window=0.004, max_size=100)
        >>> policy.due(pending=1, since_release=0.010)
        0.0
        >>> policy.due(pending=1, since_release=0.003)
        0.001
        >>> policy.due(pending=100, since_release=0.003)
        0.0
    """

    window: float = 0.004
    max_size: int = 100

    def __post_init__(self) -> None:
        if not _is_number(self.window) or not 0 <= self.window < float("inf"):
            raise RequestError(f"BatchPolicy(window={self.window!r}): seconds, 0 or more")
        if (
            not isinstance(self.max_size, int)
            or isinstance(self.max_size, bool)
            or self.max_size < 1
        ):
            raise RequestError(
                f"BatchPolicy(max_size={self.max_size!r}): a whole number of parts, 1 or more"
            )

    def due(self, pending: int, since_release: float) -> float:
        """Return in how many seconds what is pending is to be released; 0.0 means now.

        Args:
            pending: parts that have arrived since the last release.
            since_release: seconds since the last release; infinite before the first.
        """
        if pending >= self.max_size or since_release >= self.window:
            return 0.0
        # Rounded, so that a sum of small floats does not leave a rest that no timer can wait for.
        return round(self.window - since_release, 9)


class Marks(NamedTuple):
    """What has happened to an exchange so far, in seconds of one monotonic clock; None: not yet.

    Args:
        started: the call began.
        connected: there is a connection.
        sent: the request was written, or its writing has begun to wait for the server.
        active: the last byte of the reply's body came, or a pause for a slow caller ended.
        paused: reading is paused now, because the caller is slow.
        repeated: the latest attempt began, or will begin, where it is not the first.
    """

    started: float
    connected: float | None = None
    sent: float | None = None
    active: float | None = None
    paused: bool = False
    repeated: float | None = None


class Expiry(NamedTuple):
    """The next clock to run out: when, which, and what it was set to in seconds."""

    at: float
    phase: str
    seconds: float


class Default(enum.Enum):
    """The type of `DEFAULT`: not given, so the default of the kind of call holds."""

    DEFAULT = "DEFAULT"

    def __repr__(self) -> str:
        return self.name


DEFAULT: Final = Default.DEFAULT


@dataclass(frozen=True)
class Timeout:
    """How long a call may wait, by phase. Seconds; None is no limit; what is not given has the default of the call.

    The defaults: connect 10; first 600 and idle 300 for a chat or generate that streams; no other limit, for a reply
    that does not stream is generated whole before its first byte, and verifying or converting a model can be silent long.

    Ollama sends nothing, not even a status line, before the first token, so `first` bounds the loading of the model and
    the server's queue as well, and is apart from `idle`. Nothing here bounds how long an answer may go on, except
    `total`: a model that keeps talking keeps both others satisfied. The clocks run in the hub, whether the caller looks
    or not. Time in which reading was paused for a slow caller does not count as idle.

    Args:
        connect: until there is a connection: name, TCP, proxy and TLS. Each attempt has its own.
        first: from then, or from the end of sending, until the first byte of the reply's body.
        idle: between two bytes of the body.
        total: from the call to the end of the reply, with every attempt and the waits between them.

    Raises:
        RequestError: a value that is neither None nor a number above 0.

    Example:
        >>> Timeout(first=120, idle=None)
        Timeout(connect=DEFAULT, first=120, idle=None, total=DEFAULT)
        >>> Timeout.of(30)
        Timeout(connect=30, first=30, idle=30, total=DEFAULT)
    """

    connect: float | Default | None = DEFAULT
    first: float | Default | None = DEFAULT
    idle: float | Default | None = DEFAULT
    total: float | Default | None = DEFAULT

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if (
                seconds is not None
                and seconds is not DEFAULT
                and not (_is_number(seconds) and 0 < seconds < float("inf"))
            ):
                raise RequestError(
                    f"Timeout({field.name}={seconds!r}): seconds above 0, or None for no limit"
                )

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """Return `value` as a `Timeout`: a number means connect, first and idle alike, None no limit at all.

        Raises:
            RequestError: anything else.
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None, None)
        if not _is_number(value):
            raise RequestError(
                f"timeout={value!r}: a Timeout, a number of seconds, or None for no limit"
            )
        return cls(value, value, value)

    def or_else(self, other: Timeout) -> Timeout:
        """Return this timeout with what is not given taken from `other`.

        Example:
            >>> Timeout(first=120).or_else(Timeout(10, 600, 300, None))
            Timeout(connect=10, first=120, idle=300, total=None)
        """
        missing: dict[str, Any] = {
            field.name: getattr(other, field.name)
            for field in fields(self)
            if getattr(self, field.name) is DEFAULT
        }
        return other if len(missing) == len(fields(self)) else replace(self, **missing)

    def next_expiry(self, marks: Marks) -> Expiry | None:
        """Return which clock runs out first as things stand, or None when none runs. What is not given does not run.

        Args:
            marks: what has happened so far; the hub keeps them, so this is not for users.

        Example:
            >>> Timeout(connect=10, first=60).next_expiry(Marks(started=100.0))
            Expiry(at=110.0, phase='connect', seconds=10)
            >>> Timeout(connect=10, first=60).next_expiry(Marks(started=100.0, connected=101.0))
            Expiry(at=161.0, phase='first', seconds=60)
        """
        if marks.active is not None:
            phase, since, seconds = "idle", marks.active, None if marks.paused else self.idle
        elif marks.connected is not None:
            since = marks.connected if marks.sent is None else marks.sent
            phase, seconds = "first", self.first
        else:
            since = marks.started if marks.repeated is None else marks.repeated
            phase, seconds = "connect", self.connect
        total = self.total
        if isinstance(total, (int, float)) and not (
            isinstance(seconds, (int, float)) and since + seconds <= marks.started + total
        ):
            phase, since, seconds = "total", marks.started, total
        if not isinstance(seconds, (int, float)):
            return None
        return Expiry(since + seconds, phase, seconds)


STREAMED_ANSWER = Timeout(connect=10.0, first=600.0, idle=300.0, total=None)
"""The defaults for a chat or generate that streams."""

ANY_OTHER_CALL = Timeout(connect=10.0, first=None, idle=None, total=None)
"""The defaults for everything else."""
