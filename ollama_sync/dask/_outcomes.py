"""`DaskOutcomes`: many requests, of which some partitions are at a cluster. What `DaskFleet.map` returns.

The caller's thread cuts the items into partitions, keeps some of them at the cluster, and hands over outcomes; it owns everything that
changes. A worker answers a partition by an `Answerer`. When a worker dies, Dask gives what it had to another.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ollama_sync import Answerer, MapProgress, Outcome
from ollama_sync.errors import OllamaError

if TYPE_CHECKING:
    import distributed

Outcomes = list[Outcome[Any, Any]]

# A partition has so many items for each call that a worker may have open, at most: its last calls leave places empty.
_ROUNDS = 32

# So many partitions are at the cluster for each thread of a worker, so that none waits for the next.
_AHEAD = 2


class DaskOutcomes:
    """Iterator of what becomes of many requests, which `DaskFleet.map` returns. One thread uses it.

    Args:
        client: of the cluster.
        answerer: makes what a worker gets, for so many threads that share the places.
        places: of each server.
        items: pulled as partitions end.
        ordered: whether outcomes come in the order of the items.

    Example:
        >>> from ollama_sync.dask import DaskFleet
        >>> fleet = DaskFleet(["gpu1"], "local:2")
        >>> def main():                       # called below `if __name__ == "__main__":`
        ...     with fleet, fleet.map("generate", [{"prompt": "Hi"}], model="llama3.2") as outcomes:
        ...         return [outcome.get().response for outcome in outcomes]
    """

    def __init__(
        self,
        client: distributed.Client,
        answerer: Callable[[int], Answerer],
        places: list[int],
        items: Iterable[Any],
        *,
        ordered: bool,
    ) -> None:
        self._client = client
        self._answerer = lru_cache(answerer)
        self._places = places
        self._total = len(items) if isinstance(items, Sized) else None
        self._items: Iterator[Any] = iter(items)
        self._ordered = ordered
        # In the order of their items: a partition under way, the number of its first item, and its items.
        self._parts: dict[Any, tuple[int, list[Any]]] = {}
        self._ready: deque[Outcome[Any, Any]] = deque()
        self._pulled = 0
        self._fault: Exception | None = None  # of the items' own iterator
        self._is_exhausted = False
        self._began = time.monotonic()
        self._ended: float | None = None
        self._done = self._failed = self._tokens = 0

    def __len__(self) -> int:
        """How many items there are, where they say so."""
        if self._total is None:
            raise TypeError("the items of this map do not say how many they are")
        return self._total

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Outcome[Any, Any]]:
        return self

    def __next__(self) -> Outcome[Any, Any]:
        while not self._ready:
            self._submit()
            if not self._parts:
                break
            self._collect(self._next_ended())
        if self._ready:
            return self._ready.popleft()
        self._ended = self._ended or time.monotonic()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        raise StopIteration

    @property
    def progress(self) -> MapProgress:
        """How far it has come; what is at the cluster counts as running. Any thread; never blocks."""
        elapsed = (self._ended or time.monotonic()) - self._began
        running = self._pulled - self._done
        return MapProgress(self._done, self._failed, running, self._total, self._tokens, elapsed)

    def close(self) -> None:
        """Give up what is open: what no worker has begun is dropped, and workers stop at the next answer."""
        self._is_exhausted = True
        parts, self._parts = list(self._parts), {}
        self._ready.clear()
        if parts:
            self._client.cancel(parts, force=True)

    def __enter__(self) -> DaskOutcomes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _submit(self) -> None:
        """Keep as many partitions at the cluster as its threads need."""
        threads = max(1, sum(self._client.nthreads().values()))
        # More threads than places would be more calls than places.
        share = min(threads, *self._places)
        most = share * _AHEAD if share == threads else share
        calls = sum(max(1, places // share) for places in self._places)
        while len(self._parts) < most and not self._is_exhausted:
            size = calls * _ROUNDS
            if self._total is not None:
                # Smaller ones at the end, so that all workers come to it at the same time.
                left = self._total - self._pulled
                size = max(calls, min(size, left // (share * _AHEAD)))
            items = self._pull(size)
            if items:
                part = self._client.submit(_answered, self._answerer(share), items, pure=False)
                self._parts[part] = (self._pulled, items)
                self._pulled += len(items)

    def _pull(self, size: int) -> list[Any]:
        items: list[Any] = []
        try:
            items.extend(islice(self._items, size))
            self._is_exhausted = len(items) < size
        except Exception as error:  # noqa: BLE001 - the items' own, raised when what is under way has been handed over
            self._is_exhausted, self._fault = True, error
        return items

    def _next_ended(self) -> Any:
        if self._ordered:
            part = next(iter(self._parts))
            self._wait([part])
            return part
        self._wait(list(self._parts))
        return next(part for part in self._parts if part.status != "pending")

    def _wait(self, parts: list[Any]) -> None:
        import distributed

        distributed.wait(parts, return_when="FIRST_COMPLETED")

    def _collect(self, part: Any) -> None:
        """Make outcomes of a partition that has ended."""
        first, items = self._parts.pop(part)
        if part.status == "finished":
            made = [
                replace(outcome, item=items[outcome.index], index=first + outcome.index)
                for outcome in part.result()
            ]
        else:
            error = _lost(part, len(items))
            made = [
                Outcome(item, index, None, error, "", 0, time.time(), 0.0)
                for index, item in enumerate(items, first)
            ]
        for outcome in made:
            self._count(outcome)
        self._ready.extend(sorted(made, key=lambda one: one.index) if self._ordered else made)

    def _count(self, outcome: Outcome[Any, Any]) -> None:
        self._done += 1
        self._failed += not outcome.ok
        if outcome.reply is not None:
            reply = outcome.reply
            self._tokens += reply.get("eval_count") or reply.get("prompt_eval_count") or 0


def _answered(answerer: Answerer, items: list[Any]) -> Outcomes:
    """Answer a partition, as far as it is still wanted. Runs in a worker."""
    from distributed.worker import get_worker, thread_state

    tasks, key = get_worker().state.tasks, thread_state.key
    outcomes = []
    for outcome in answerer(items):
        # The items stay where they came from.
        outcomes.append(replace(outcome, item=None))
        task = tasks.get(key)
        if task is None or task.state == "cancelled":
            break
    return outcomes


def _lost(part: Any, count: int) -> OllamaError:
    """Return the error of a partition that came to nothing."""
    cause = part.exception() if part.status == "error" else None
    what = f"{type(cause).__name__}: {cause}" if cause is not None else part.status
    error = OllamaError(
        f"Dask: a partition of {count} requests was lost ({what}); ask these again, and see the logs of the workers"
    )
    error.__cause__ = cause
    return error
