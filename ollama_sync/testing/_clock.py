"""`FakeClock`: time limits run out without waiting for them.

Used by the test's thread; the clocks themselves are looked at on the shared hub's.
"""

from __future__ import annotations

from types import TracebackType

from ollama_sync._call import clocks
from ollama_sync._hub import shared_hub
from ollama_sync._now import monotonic
from ollama_sync.errors import UsageError


class FakeClock:
    """The time that time limits go by: it stands still, but where a test moves it on.

    It holds for every call of the process from `__enter__` on, and for `Timeout` only: the servers, the batches, `stats` and
    the `timeout` of a wait (`stream.poll`) go by the real time. One at a time.

    Raises:
        UsageError: `advance` outside of the `with` block, or by less than nothing; a second clock beside the first.

    Example:
        >>> from ollama_sync import Client, IdleTimeout
        >>> from ollama_sync.testing import MockOllama, chunk, head, silence
        >>> with FakeClock() as clock, MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "Well"}), silence()], "/api/generate")
        ...     stream = client.generate("llama3.2", "hi", stream=True)
        ...     print(next(stream).response)
        ...     clock.advance(299)
        ...     print(stream.error)
        ...     clock.advance(1)
        ...     try:
        ...         next(stream)
        ...     except IdleTimeout as error:
        ...         print(error.seconds)
        Well
        None
        300.0
    """

    def __init__(self) -> None:
        self._now = 0.0  # the test's thread writes, the hub's reads

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. When this returns, each limit that has run out has ended its call.

        Blocks the thread, or only its greenlet, for a moment.

        Args:
            seconds: how many.
        """
        if _active is not self or seconds < 0:
            raise UsageError(f"FakeClock.advance({seconds!r}): forwards only, in a `with` block")
        self._now += seconds
        shared_hub().call(clocks.look)

    def __enter__(self) -> FakeClock:
        global _active
        if _active is not None:
            raise UsageError("FakeClock: there is one already; two cannot both be the time")
        _active = self
        self._now = monotonic()
        clocks.use_time_of(self._read)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _active
        clocks.use_time_of(monotonic)
        _active = None

    def _read(self) -> float:
        return self._now


_active: FakeClock | None = None
