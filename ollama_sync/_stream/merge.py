"""`merge`: one caller follows any number of streams.

The hub calls for each stream that has something, and the caller is woken once per round of the loop, whatever their
number: the streams' numbers gather in an inbox, and the loop rings it when it has served every socket that is ready.

Runs on the caller's thread, but for `_Inbox.post` and `_ring`, which run on the hub.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

from ollama_sync._hub import Hub, Waiter, new_waiter, shared_hub
from ollama_sync._stream.stream import Stream
from ollama_sync.errors import ClosedError, OllamaError, StreamsFailed
from ollama_sync.types import View

T = TypeVar("T", bound=View)


class _Inbox:
    """Numbers of streams that have something.

    hub writes       numbers (append), _ringing
    caller writes    numbers (popleft, and append for a stream that has more), waiter
    others write     numbers (append, for a stream that is added)
    """

    def __init__(self, hub: Hub) -> None:
        self.numbers: deque[int] = deque()
        self.waiter: Waiter | None = None
        self._hub = hub
        self._ringing = False

    def post(self, number: int) -> None:
        self.numbers.append(number)
        if not self._ringing:
            self._ringing = True
            self._hub.call_at_round_end(self._ring)

    def post_from_caller(self, number: int) -> None:
        """Post from any thread. Only the hub may wake a waiter: it is asked to post the number again, which does no harm."""
        self.numbers.append(number)
        # A consumer that sets its waiter after this line looks at the numbers afterwards.
        if self.waiter is not None:
            self._hub.call_soon(self.post, number)

    def _ring(self) -> None:
        self._ringing = False
        # Read once: the caller clears it when it goes on, which may be now.
        waiter = self.waiter
        if waiter is not None:
            waiter.wake()

    def wait(self) -> None:
        """Sleep until there is a number. The caller's thread."""
        waiter = new_waiter()
        self.waiter = waiter
        try:
            # Looked at after the waiter was set: a number that came before could not wake us.
            while not self.numbers:
                waiter.wait(None)
        finally:
            self.waiter = None


class Merge(Generic[T]):
    """Iterator of `(stream, batch)` over many streams, as batches arrive. Made by `merge`.

    It is the one consumer of its streams, of each until that ends or the merge is closed. One thread uses it at a time; only `add`
    may be called by another while that one waits in `next()`, by one at a time.

    Args:
        streams: to follow.

    Example:
        >>> from ollama_sync import Client, merge
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     first = client.generate("llama3.2", "hi", stream=True)
        ...     with merge([first]) as streams:
        ...         streams.add(client.generate("llama3.2", "ho", stream=True))
        ...         parts = sum(len(batch) for stream, batch in streams)
        >>> parts
        8
    """

    def __init__(self, streams: Iterable[Stream[T]]) -> None:
        self._inbox = _Inbox(shared_hub())
        self._streams: dict[int, Stream[T]] = {}
        self._count = 0
        self._errors: list[OllamaError] = []
        self._closed = False
        for stream in streams:
            self.add(stream)

    def add(self, stream: Stream[T]) -> None:
        """Follow one more stream. Does not block. Any thread, also while another waits in `next()`.

        Args:
            stream: of any client.

        Raises:
            ConcurrentUseError: the stream has a consumer.
            ClosedError: the stream was closed, or this merge has ended.
        """
        if self._closed:
            raise ClosedError("add: this merge has ended")
        stream.reader.acquire()
        number, self._count = self._count, self._count + 1
        self._streams[number] = stream
        # The hub is given a number and not the stream, which it would keep alive.
        post: Callable[[], None] = partial(self._inbox.post, number)
        stream.reader.listen(post)
        # What was released before we listened.
        self._inbox.post_from_caller(number)

    def __iter__(self) -> Iterator[tuple[Stream[T], list[T]]]:
        return self

    def __next__(self) -> tuple[Stream[T], list[T]]:
        while self._streams:
            if not self._inbox.numbers:
                self._inbox.wait()
            number = self._inbox.numbers.popleft()
            stream = self._streams.get(number)
            if stream is not None and (batch := self._take(number, stream)):
                return stream, batch
        self._closed = True
        if self._errors:
            errors, self._errors = self._errors, []
            raise StreamsFailed(errors)
        raise StopIteration

    def close(self) -> None:
        """Let go of the streams that have not ended; each may be used on its own again. Does not cancel them."""
        self._closed = True
        while self._streams:
            self._let_go(next(iter(self._streams)))

    def __enter__(self) -> Merge[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _take(self, number: int, stream: Stream[T]) -> list[T]:
        try:
            parts = stream.reader.take(stream.max_size)
        except OllamaError as error:
            self._errors.append(error)
            parts = None
        if parts is None:
            self._let_go(number)
            return []
        if stream.reader.done:
            self._let_go(number)  # so that the loop's body may ask for its `result`
        elif stream.reader.is_ready:
            # More than one batch, or the end: its next turn comes after the others'.
            self._inbox.numbers.append(number)
        return stream.view_batch(parts) if parts else []

    def _let_go(self, number: int) -> None:
        stream = self._streams.pop(number)
        stream.reader.unlisten()
        stream.reader.release()


def merge(streams: Iterable[Stream[T]]) -> Merge[T]:
    """Follow many streams from one thread or greenlet.

    The caller is woken once per round of the hub, whatever the number of streams. A stream that fails does not end the
    others: `stream.error` holds its error at once, and after the last stream all errors are raised together.

    Args:
        streams: of any clients; more can be added with `add` while it runs.

    Returns:
        an iterator of `(stream, batch)`; `next()` blocks until there is a batch, or the end of the last stream.

    Raises:
        StreamsFailed: from `next()`, after the last stream, when some failed.
        ConcurrentUseError: a stream has a consumer.

    Example:
        >>> from ollama_sync import Client, merge
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     streams = [client.generate("llama3.2", "hi", stream=True) for _ in range(10)]
        ...     parts = sum(len(batch) for stream, batch in merge(streams))
        >>> parts
        40
    """
    return Merge(streams)
