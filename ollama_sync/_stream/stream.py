"""`Stream`: one running reply, as the caller holds it.

Runs on the caller's thread. The hub knows nothing of a `Stream` and holds no reference to it, so one that is dropped is
collected, and cancels itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ollama_sync._call.exchange import Exchange
from ollama_sync._now import monotonic
from ollama_sync._stream.kept import Part
from ollama_sync._stream.kinds import StreamKind
from ollama_sync._stream.reader import Look, PartReader, let_signals_in
from ollama_sync._stream.stats import StreamStats, stats_of
from ollama_sync.errors import OllamaError, RequestError, UsageError
from ollama_sync.types import BaseGenerateResponse, View

if TYPE_CHECKING:
    from ollama_sync._stream.progress import Progress

T = TypeVar("T", bound=View)
R = TypeVar("R")


class Stream(Generic[T]):
    """A reply that is arriving: an iterator of its parts.

    It is read off the network in the hub's thread, at the model's speed, whether the caller looks or not. A stream has
    one consumer at a time, but may move from thread to thread; `cancel` and `close` may be called from any.

    Args:
        verb: the name of the method that was called.
        kind: how its parts are read.
        reply: the view of each part, and of the accumulated reply.
        exchange: started.
        max_size: the longest list that is handed over.
        answer_type: what the call gave as `format`, if that was a type.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     with client.chat("llama3.2", [{"role": "user", "content": "hi"}], stream=True) as stream:
        ...         text = "".join(token for tokens in stream.tokens() for token in tokens)
        >>> text
        'AAA'
    """

    def __init__(
        self,
        verb: str,
        kind: StreamKind,
        reply: type[T],
        exchange: Exchange,
        max_size: int,
        answer_type: Any = None,
    ) -> None:
        self._verb = verb
        self._kind = kind
        self._view = reply.view
        self._exchange = exchange
        self.max_size = max_size
        self._answer_type = answer_type
        self._batches = 0
        self._reader = PartReader(exchange, kind, self._view)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        reader, found = self._reader, None
        reader.acquire()
        try:
            while True:
                position, at = reader.position, reader.at
                if at < len(position.parts):
                    part = self._view(position.parts[at])
                    # No call from here to the return: an interrupt comes before, or when the caller has the part.
                    if reader.position is position and reader.at == at:
                        reader.at = at + 1
                        self._batches += 1
                        reader.ownership.owners = {}
                        return part
                else:
                    found = reader.wait_for(reader.look_ahead)
                    if reader.position is found.before and reader.at == found.before_at:
                        # The part is not handed over yet, but by the next turn of this loop.
                        reader.position = found.after
                        reader.at = 0
                        reader.channel.taken = found.after.taken
                        if found.error is not None:
                            raise found.error
                        if found.is_end:
                            raise StopIteration
        except BaseException:
            reader.ownership.owners = {}
            del self, reader, found  # an error that the stream holds holds this frame
            raise

    def batches(self) -> Iterator[list[T]]:
        """Iterate over lists of parts: all that was released since the last one, at most `BatchPolicy.max_size`.

        Yields:
            lists that are never empty. `next()` blocks until there is something, or the end.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.
        """
        take = partial(self._take, partial(self._reader.look, self.max_size), self._views)
        return iter(take, None)

    def tokens(self) -> Iterator[list[str]]:
        """Iterate over lists of text: that of each part, empty ones left out. The fastest way through a stream.

        Yields:
            lists that are never empty. `next()` blocks until there is something, or the end.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.
            UsageError: the parts of this stream have no text (pull, push, create).
        """
        if self._kind.texts is None:
            raise UsageError(f"the parts of {self._verb} have no text; use batches()")
        return iter(
            partial(self._take, partial(self._reader.look_texts, self.max_size), list), None
        )

    def poll(self, timeout: float = 0.0) -> list[T]:
        """Return all that has arrived, in one list, however long; [] when nothing has. For loops that draw a UI.

        Args:
            timeout: seconds to wait for a first part; it never waits longer, and loses nothing.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.

        Example:
            >>> from ollama_sync import Client
            >>> from ollama_sync.testing import MockOllama
            >>> with MockOllama(chunks=5) as server, Client(server.url) as client:
            ...     stream = client.generate("llama3.2", "hi", stream=True)
            ...     seen = []
            ...     while not stream.done:
            ...         seen += stream.poll(timeout=0.05)
            >>> len(seen)
            6
        """
        if not isinstance(timeout, (int, float)) or not 0 <= timeout < float("inf"):
            raise RequestError(f"poll(timeout={timeout!r}): seconds, 0 or more")
        reader, found = self._reader, None
        reader.acquire()
        try:
            deadline = monotonic() + timeout
            while True:
                found = reader.look_all()
                left = deadline - monotonic()
                if found.is_news or left <= 0:
                    parts = self._views(found.items)
                    let_signals_in()
                    # No call from here to the return, as in `__next__`.
                    if reader.position is found.before and reader.at == found.before_at:
                        reader.position = found.after
                        reader.at = found.at
                        reader.channel.taken = found.after.taken
                        if found.error is not None:
                            raise found.error
                        if parts:
                            self._batches += 1
                        reader.ownership.owners = {}
                        return parts
                else:
                    reader.wait(partial(getattr, reader, "has_arrived"), left)
        except BaseException:
            reader.ownership.owners = {}
            del self, reader, found  # as in `__next__`
            raise

    @property
    def done(self) -> bool:
        """True when everything has been handed over and nothing will come. An error not yet raised is something."""
        return self._reader.done

    @property
    def error(self) -> OllamaError | None:
        """The error with which it failed, as soon as it is known, also before it is raised; None while there is none."""
        return self._reader.error

    def result(self) -> T:
        """Read to the end, and return one reply accumulated from all parts, also those that were taken before.

        Text and thinking are joined, tool calls and logprobs collected; the metrics are the final ones. Of a cancelled
        stream it is what had arrived. Blocks until the end.

        Raises:
            OllamaError: how the stream failed; a `StreamBroken` has what had arrived as `.partial`.
            FormatError: the answer does not fit the type given as `format`.
        """
        try:
            while self._take(self._reader.look_raw, list) is not None:
                pass
            if self.error is not None:
                raise self.error
        except BaseException:
            del self  # as in `__next__`
            raise
        raw = self._reader.accumulated()
        reply = self._view(raw)
        if self._answer_type is not None and isinstance(reply, BaseGenerateResponse):
            from ollama_sync._schema.structured import parse  # slow to import, and needed here only

            reply.set_parsed(parse(self._kind.text_of(raw), self._answer_type))
        return reply

    def partial(self) -> Any:
        """Return the JSON value of an answer in JSON as far as it has come: for `format`, while streaming.

        What may still change is left out, so strings, lists and objects only grow. Never blocks.

        Returns:
            the value; None when nothing of it is there yet.

        Raises:
            UsageError: the parts of this stream have no text (pull, push, create).

        Example:
            >>> from ollama_sync import Client
            >>> from ollama_sync.testing import MockOllama, stream
            >>> pieces = ['{"na', 'me": "Ad', 'a"}']
            >>> parts = [{"response": piece, "done": False} for piece in pieces] + [{"done": True}]
            >>> with MockOllama() as server, Client(server.url) as client:
            ...     server.script([stream(parts)], path="/api/generate")
            ...     running = client.generate("llama3.2", "Who?", format="json", stream=True)
            ...     for part in running:
            ...         seen = running.partial()
            >>> seen
            {'name': 'Ada'}
        """
        if self._kind.texts is None:
            raise UsageError(f"the parts of {self._verb} have no text")
        from ollama_sync._schema.structured import (
            parse_partial,  # slow to import, and needed here only
        )

        return parse_partial(self._reader.text_so_far())

    def progress(self) -> Iterator[Progress]:
        """Iterate over how far a pull, push or create is, added up over all its layers.

        Yields:
            one `Progress` for each batch of parts: bytes done and in total, speed, time left, phase. `next()` blocks until
            there is one, or the end.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.
            UsageError: the parts of this stream show no progress (chat, generate).

        Example:
            >>> from ollama_sync import Client
            >>> from ollama_sync.testing import MockOllama
            >>> with MockOllama() as server, Client(server.url) as client:
            ...     for progress in client.pull("all-minilm", stream=True).progress():
            ...         last = progress
            >>> last.phase, last.fraction
            ('done', 1.0)
        """
        if not self._kind.shows_progress:
            raise UsageError(
                f"the parts of {self._verb} show no progress; use tokens() or batches()"
            )
        from ollama_sync._stream.progress import ProgressTracker  # only some streams have progress

        tracker = ProgressTracker()

        def added_up(parts: list[Part]) -> Progress:
            now = monotonic()
            for part in parts:
                tracker.add(part, now)
            return tracker.progress(now)

        look = partial(self._reader.look, self.max_size)
        return iter(partial(self._take, look, added_up), None)

    def cancel(self) -> None:
        """Stop: what had arrived is still delivered, then iteration ends quietly.

        The connection is closed, so the server stops generating. Any thread or greenlet, at any time; never blocks.
        """
        self._exchange.cancel()

    def close(self) -> None:
        """Cancel, and drop what is left. Any thread or greenlet, at any time; never blocks."""
        self._reader.close()

    @property
    def stats(self) -> StreamStats:
        """A snapshot of what has happened so far. Any thread."""
        return stats_of(self._exchange.counts, self._batches)

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "done" if self.done else "failed" if self.error else "open"
        stats = self.stats
        return (
            f"<Stream {self._verb}: {state}, {stats.parts} parts in, {self._batches} batches out, "
            f"{stats.buffered} bytes waiting, {stats.elapsed:.2f} s>"
        )

    def __del__(self) -> None:
        # Also after an `__init__` that failed.
        reader = getattr(self, "_reader", None)
        if reader is not None and not (self._exchange.is_cancelled or reader.is_abandonable):
            self._exchange.cancel()
            warnings.warn(
                f"{self!r} was dropped before its end; it was cancelled. "
                "Read it to the end, or close() it, or use it in a with block",
                ResourceWarning,
                source=self,
            )

    if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every name valid

        def __getattr__(self, name: str) -> Any:
            text = f"a Stream has no {name!r}"
            if name in self.__dict__.get("_view", View.view).__self__._fields:
                text += "; its parts have: take them by a loop, or all together by result()"
            raise AttributeError(text, name=name, obj=self)

    @property
    def reader(self) -> PartReader:
        """What `merge` reads from; not for users."""
        return self._reader

    def view_batch(self, parts: list[Part]) -> list[T]:
        """Turn what `reader` found into a batch, and count it; for `merge`, not for users."""
        self._batches += 1
        return self._views(parts)

    def _views(self, parts: list[Part]) -> list[T]:
        view = self._view
        return [view(part) for part in parts]

    def _take(self, look: Look, made_of: Callable[[list[Any]], R]) -> R | None:
        """Wait until `look` finds items, and return what is made of them; None at the end.

        To the iterators this is the outermost frame: it commits what it returns, see `reader`.
        """
        reader, found = self._reader, None
        reader.acquire()
        try:
            while True:
                found = reader.wait_for(look)
                made = made_of(found.items) if found.items else None
                let_signals_in()
                # No call from here to the return, as in `__next__`.
                if reader.position is found.before and reader.at == found.before_at:
                    reader.position = found.after
                    reader.at = found.at
                    reader.channel.taken = found.after.taken
                    if found.error is not None:
                        raise found.error
                    if found.is_end:
                        reader.ownership.owners = {}
                        return None
                    if found.items:
                        self._batches += 1
                        reader.ownership.owners = {}
                        return made
        except BaseException:
            reader.ownership.owners = {}
            del (
                self,
                reader,
                look,
                made_of,
                found,
            )  # an error that the stream holds holds this frame
            raise
