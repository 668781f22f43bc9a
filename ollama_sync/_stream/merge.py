"""`merge`: one caller follows any number of streams.

The hub calls for each stream that has something, and the caller is woken once per round of the loop, whatever their
number: the streams' numbers gather in an inbox, and the hub wakes its caller when it has served every socket that is ready.

Runs on the caller's thread, but for `Inbox.post`, which runs on the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

from ollama_sync._hub import Channel, shared_hub
from ollama_sync._stream.inbox import Inbox
from ollama_sync._stream.reader import let_signals_in
from ollama_sync._stream.stream import Stream
from ollama_sync.errors import (
    ClosedError,
    ConcurrentUseError,
    OllamaError,
    RequestError,
    StreamsFailed,
    UsageError,
)
from ollama_sync.types import View

T = TypeVar("T", bound=View)


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
        self._streams: dict[int, Stream[T]] = {}
        self._errors: dict[int, OllamaError] = {}
        self._latest: Channel | None = None  # of the stream that was yielded last
        self._closed = False
        self._is_told = False
        self._inbox = Inbox(shared_hub())
        try:
            for stream in streams:
                self.add(stream)
        except BaseException:
            self.close()
            raise

    def add(self, stream: Stream[T]) -> None:
        """Follow one more stream. Does not block. Any thread, also while another waits in `next()`.

        Args:
            stream: of any client.

        Raises:
            RequestError: it is none.
            ConcurrentUseError: the stream has a consumer.
            ClosedError: the stream was closed, or this merge has ended.
        """
        if not isinstance(stream, Stream):
            raise RequestError(
                f"merge: {stream!r:.60} is no stream; a call makes one with stream=True"
            )
        if self._closed:
            raise ClosedError("add: this merge has ended")
        # Of a stream that has ended another may get the number: then that one is looked at once too often.
        number = id(stream)
        if number in self._streams:
            raise ConcurrentUseError("add: this merge follows the stream already")
        # Noted first: whatever interrupts the rest, `close` finds it.
        self._streams[number] = stream
        try:
            # Not by the merge itself, which the stream would keep alive.
            stream.reader.acquire(self._inbox)
        except UsageError:
            del self._streams[number]
            raise
        # The hub is given a number and not the stream, which it would keep alive.
        post: Callable[[], None] = partial(self._inbox.post, number)
        stream.reader.channel.listen(post)
        # What was released before we listened.
        self._inbox.post_from_caller(number)

    def __iter__(self) -> Iterator[tuple[Stream[T], list[T]]]:
        return self

    def __next__(self) -> tuple[Stream[T], list[T]]:
        inbox, streams = self._inbox, self._streams
        if self._latest is not None:
            # What was yielded last has been taken since: its server may go on.
            self._latest.settle()
        while streams:
            if not inbox.numbers:
                inbox.wait()
            number = inbox.numbers[0]
            stream = streams.get(number)
            if stream is None:
                del inbox.numbers[0]
                continue
            reader = stream.reader
            found = reader.look(stream.max_size)
            if found.is_news and not found.is_end:
                # The end comes with the last batch, so that the loop's body may ask for the `result`.
                found = reader.with_end(found)
            batch = stream.view_batch(found.items)
            if found.is_news and not found.is_end:
                # More than one batch, or the end: its next turn comes after the others'.
                inbox.numbers.append(number)
            count, result = len(self._errors), (stream, batch)
            let_signals_in()
            # No call from here to the return: an interrupt comes before, and the same is found again, or when the caller has it.
            # The position may have changed since the look, by a signal handler or by `close`.
            if reader.position is found.before and reader.at == found.before_at:
                reader.position = found.after
                reader.at = found.at
                reader.channel.taken = found.after.taken
                self._latest = reader.channel
                del inbox.numbers[0]
                if found.is_end:
                    if found.error is not None:
                        self._errors[count] = found.error
                    reader.ownership.owners = {}
                    del streams[number]
                    return result
                if batch:
                    return result
        self._closed = True
        errors = [*self._errors.values()]
        if errors and not self._is_told:
            failed = StreamsFailed(errors)
            self._is_told = True
            raise failed
        raise StopIteration

    def close(self) -> None:
        """Let go of the streams that have not ended; each may be used on its own again. Does not cancel them."""
        self._closed = True
        while self._streams:
            _, stream = self._streams.popitem()
            if stream.reader.ownership.holds(self._inbox):
                stream.reader.channel.unlisten()
                stream.reader.ownership.owners = {}

    def __enter__(self) -> Merge[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_inbox"):  # else `__init__` did not come so far
            self.close()


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
