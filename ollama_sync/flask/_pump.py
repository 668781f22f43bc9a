"""The pump: one thread of a process, which takes the parts of every answer from its stream into its record.

The thread (a greenlet, where the program is monkey-patched) begins with the first stream and ends with the last. It may wait for nothing
but streams: whoever stores or sends what it took does so on another thread.

    under _lock    _records, _merged, _running; `start` runs on any thread
    the pump       all that `merge` gives
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ollama_sync import Merge, Stream, merge
from ollama_sync.errors import ClosedError, HubError, OllamaError, StreamsFailed, UsageError
from ollama_sync.flask._json import part_json
from ollama_sync.flask._record import FINISHED, Record, failed


class Pump:
    """Takes streams into records.

    Args:
        news: called on the pump's thread when records have changed; may not block.
    """

    def __init__(self, news: Callable[[], object]) -> None:
        self._news = news
        self._lock = threading.Lock()
        self._records: dict[Stream[Any], Record] = {}
        self._merged: Merge[Any] | None = None
        self._running = False

    def start(self, stream: Stream[Any], record: Record) -> None:
        """Take this stream from now on. Any thread; does not block.

        Raises:
            UsageError: the stream has a consumer, or was closed.
        """
        with self._lock:
            # Known before the stream is: its first batch may come before the next line.
            self._records[stream] = record
            try:
                self._follow(stream)
            except UsageError:
                del self._records[stream]
                raise
            if not self._running:
                threading.Thread(target=self._run, name="ollama-answers", daemon=True).start()
                self._running = True

    def _follow(self, stream: Stream[Any]) -> None:
        if self._merged is None:
            self._merged = merge([stream])
            return
        try:
            self._merged.add(stream)
        except ClosedError:
            # Either the stream is closed, or the merge has just ended: then the pump makes the next one, of what is left.
            if stream.done:
                raise

    def _run(self) -> None:
        while (merged := self._current()) is not None:
            try:
                for stream, batch in merged:
                    self._take(stream, batch)
                    self._news()
            except StreamsFailed:
                pass  # each stream has its own error, which is told to those who follow it
            except OllamaError as error:
                self._give_up(error)
            self._leave(merged)
            self._news()

    def _current(self) -> Merge[Any] | None:
        """Return what to read from; None when no stream is left, and the thread ends."""
        with self._lock:
            self._running = self._merged is not None
            return self._merged

    def _take(self, stream: Stream[Any], batch: list[Any]) -> None:
        record = self._records[stream]
        if not record.add([part_json(part) for part in batch]):
            # Stopped by somebody. What the stream still has is dropped; the merge comes to its end.
            stream.cancel()
        if stream.done or stream.error is not None:
            self._finish(stream)

    def _finish(self, stream: Stream[Any]) -> None:
        with self._lock:
            record = self._records.get(stream)
        # A failure is known before the parts in front of it are handed over; it is the end only when nothing is left of them.
        if record is not None and stream.done:
            record.finish(FINISHED if stream.error is None else failed(stream.error))
            with self._lock:
                del self._records[stream]

    def _leave(self, merged: Merge[Any]) -> None:
        """Finish what has ended, and have what was added in the last moment read by a next merge."""
        with self._lock:
            merged.close()
            streams = list(self._records)
        for stream in streams:
            self._finish(stream)
        with self._lock:
            self._merged = merge(self._records) if self._records else None

    def _give_up(self, error: OllamaError) -> None:
        """Tell all followers of an error that is not of one stream: the hub has ended."""
        with self._lock:
            records, self._records = self._records, {}
        for stream, record in records.items():
            stream.close()
            record.finish(failed(error if isinstance(error, HubError) else HubError(str(error))))
