"""What one process has of the answers: the records of those that it makes, the pump that fills them, and the keeper.

The keeper is a thread (a greenlet, where the program is monkey-patched) that looks every half second whether an answer is abandoned, and
copies what is new to the store, where there is one. A store that does not answer holds up the keeper alone: the pump and those who follow
in this process go on. It runs while an answer is under way, or not yet stored as far as it has come.

    under _lock    _records (the dict), _keeping; any thread
    the keeper     what the store has of each record
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ollama_sync import RequestError, Stream
from ollama_sync.flask._errors import StoreError
from ollama_sync.flask._pump import Pump
from ollama_sync.flask._record import ABANDONED, Record

if TYPE_CHECKING:
    from ollama_sync.flask._redis import RedisStore

_log = logging.getLogger("ollama_sync.flask")

_TICK = 0.5  # seconds between two looks at who follows
_PAUSE = (
    0.005  # seconds from one write to the store to the next: what comes meanwhile goes together
)


@dataclass(frozen=True)
class Limits:
    """What answers may cost; see `Answers`."""

    abandon_after: float
    keep: float
    max_bytes: int
    max_answers: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise RequestError(f"OLLAMA_ANSWERS_{name.upper()}={value!r}: a number above 0")


class Worker:
    """The answers of this process.

    Args:
        limits: for all of them.
        store: where they are kept for other processes; None: nowhere.
    """

    def __init__(self, limits: Limits, store: RedisStore | None) -> None:
        self.store = store
        self.limits = limits
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}
        self._keeping = False
        self._news = threading.Event()
        # Without a store the keeper has nothing to do with news.
        self._pump = Pump(self._news.set if store else lambda: None)

    def get(self, id: str) -> Record | None:
        """Return the record of an answer that this process has. Does not block."""
        with self._lock:
            self._drop_old(self.limits.max_answers)
            record = self._records.get(id)
            # One that is being started may yet turn out to be made elsewhere.
            return record if record is not None and record.is_begun else None

    def admit(self, record: Record) -> None:
        """Take a place for a new answer.

        Raises:
            StoreError: there are as many under way as there may be.
        """
        with self._lock:
            self._drop_old(self.limits.max_answers - 1)
            if len(self._records) >= self.limits.max_answers:
                raise StoreError(
                    f"{len(self._records)} answers are under way in this process, as many as there may be"
                )
            self._records[record.id] = record

    def leave(self, record: Record) -> None:
        """Give the place back: the answer could not be started."""
        with self._lock:
            self._records.pop(record.id, None)

    def start(self, record: Record, stream: Stream[Any]) -> None:
        """Fill the record from the stream. Does not block.

        Raises:
            UsageError: the stream has a consumer, or was closed.
        """
        if record.end is None:
            self._pump.start(stream, record)
        else:
            stream.close()
        if self.store is None:
            record.note_stored()
        with self._lock:
            record.is_begun = True
            if not self._keeping:
                threading.Thread(
                    target=self._keep, name="ollama-answers-keeper", daemon=True
                ).start()
                self._keeping = True

    def _drop_old(self, most: int) -> None:
        """Let go of what ended long ago, and of what ended first when there are more than `most`."""
        since = time.monotonic() - self.limits.keep
        ended = [each for each in self._records.values() if each.end is not None]
        excess = len(self._records) - most
        for number, record in enumerate(sorted(ended, key=lambda each: each.ended)):
            if record.ended < since or number < excess:
                del self._records[record.id]

    def _keep(self) -> None:
        look = 0.0
        is_reached = True
        try:
            while records := self._kept():
                is_time_to_look = time.monotonic() >= look
                if is_time_to_look:
                    look = time.monotonic() + _TICK
                was_reached, is_reached = is_reached, self._store(records, is_time_to_look)
                if was_reached and not is_reached:
                    _log.warning("answers are stored when the store can be reached again")
                if is_time_to_look:
                    # Only now: the look has found out who follows elsewhere.
                    self._stop_abandoned(records)
                # What comes within the pause goes together; a store that is away is not asked at every token.
                time.sleep(_PAUSE if is_reached else _TICK)
                self._news.wait(max(0.0, look - time.monotonic()))
                self._news.clear()
        finally:
            with self._lock:
                self._keeping = False

    def _store(self, records: list[Record], is_time_to_look: bool) -> bool:
        """Copy what is new to the store; False when it could not be reached, which is made up for next time."""
        if self.store is None:
            return True
        try:
            if is_time_to_look:
                self.store.look(records)
            self.store.save(records)
        except StoreError as error:
            _log.debug("%s", error)
            return False
        return True

    def _kept(self) -> list[Record]:
        """Return the answers that need the keeper; when there are none, its thread ends."""
        with self._lock:
            if self.store is not None:
                # The store has all of them; those who follow one here hold it themselves.
                for old in [each.id for each in self._records.values() if each.is_stored]:
                    del self._records[old]
            self._drop_old(self.limits.max_answers)
            records = [
                each
                for each in self._records.values()
                if each.is_begun and (each.end is None or not each.is_stored)
            ]
            self._keeping = bool(records)
            return records

    def _stop_abandoned(self, records: list[Record]) -> None:
        for record in records:
            if record.is_abandoned(self.limits.abandon_after):
                record.stop(ABANDONED)
