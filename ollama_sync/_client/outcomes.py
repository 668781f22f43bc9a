"""`Outcomes`: many requests, of which a bounded number is under way. What `map` returns.

The caller's thread, whichever uses the iterator, pulls items, makes their requests, decodes replies and hands outcomes over;
the hub does the rest, and tells by an inbox which calls have ended. One thread uses it at a time; `close` and `progress` may be
used from any.

    the consumer     _running, _finished, _pulled, _handed, and what `progress` shows
    any thread       _closed (set once)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

from ollama_sync._call.exchange import Exchange
from ollama_sync._call.route import Route
from ollama_sync._client.calls import Calls
from ollama_sync._client.outcome import MapProgress, Outcome
from ollama_sync._client.plan import Plan
from ollama_sync._hub import shared_hub
from ollama_sync._now import monotonic
from ollama_sync._process import this_process
from ollama_sync._stream.inbox import Inbox
from ollama_sync._stream.reader import let_signals_in
from ollama_sync.errors import ForkedError, OllamaError
from ollama_sync.types import View

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R", bound=View)

# With `ordered`, so many times as many items as run at once may be ahead of the outcome that comes next.
_WINDOW = 4


@dataclass(frozen=True)
class Launcher:
    """Who makes the calls: a client, or a fleet.

    Args:
        calls: what they have in common.
        route_of: returns where a call goes.
        may_repeat: whether a call that failed by this error, after so many attempts, is made once more.
    """

    calls: Calls
    route_of: Callable[[Plan], Route]
    may_repeat: Callable[[OllamaError, int], bool]

    def prepare(self, plan: Plan) -> Exchange:
        """Return a call that is ready to be launched.

        Raises:
            ClosedError: the client was closed.
        """
        return self.calls.whole(self.route_of(plan), plan.endpoint, plan.body)


class _Running(NamedTuple):
    """A call under way."""

    item: Any
    plan: Plan
    exchange: Exchange
    attempts: int  # of exchanges before this one
    started: float
    since: float


class Outcomes(Generic[I, R]):
    """Iterator of what becomes of many requests, made by `map`.

    `next()` blocks until the next outcome is there. What is open is cancelled by leaving the `with` block, by `close`, and when the
    iterator is dropped.

    Args:
        launcher: who makes the calls.
        plan_of: makes the call for an item.
        items: pulled when there is room for another call, never earlier.
        parallel: how many calls are open at a time.
        ordered: whether outcomes come in the order of their items.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> prompts = ["one", "two", "three"]
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     def request(prompt):
        ...         return {"prompt": prompt}
        ...     with client.map("generate", prompts, request=request, model="llama3.2") as outcomes:
        ...         for outcome in outcomes:
        ...             print(outcome.item, outcome.get().response)
        one AAA
        two AAA
        three AAA
    """

    def __init__(
        self,
        launcher: Launcher,
        plan_of: Callable[[I], Plan],
        items: Iterable[I],
        parallel: int,
        *,
        ordered: bool,
    ) -> None:
        self._launcher = launcher
        self._plan_of = plan_of
        self._total = len(items) if isinstance(items, Sized) else None
        self._items: Iterator[I] = iter(items)
        self._parallel = parallel
        self._ordered = ordered
        self._most_ahead = parallel * _WINDOW if ordered else parallel
        self._inbox = Inbox(shared_hub())
        self._process = this_process()
        self._running: dict[int, _Running] = {}
        self._finished: dict[int, Outcome[I, R]] = {}
        self._pulled = 0
        self._handed = 0
        self._has_pulled = False  # since the last outcome was handed over
        self._is_exhausted = False
        self._fault: BaseException | None = None  # of the items' own iterator
        self._closed = False
        self._began: float | None = None
        self._ended: float | None = None
        self._done = self._failed = self._tokens = 0

    def __len__(self) -> int:
        """How many items there are, where they say so."""
        if self._total is None:
            raise TypeError("the items of this map do not say how many they are")
        return self._total

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Outcome[I, R]]:
        return self

    def __next__(self) -> Outcome[I, R]:
        if self._process != this_process():
            raise ForkedError("map: its calls belong to the parent process; call map in the child")
        while not self._closed:
            self._collect()
            number = self._due()
            # One item for each outcome keeps every place taken, and what is there need not wait for the items after it.
            if self._has_room and not (number is not None and self._has_pulled):
                self._pull()
                self._has_pulled = True
            elif number is not None:
                outcome = self._finished[number]
                let_signals_in()
                # No call from here to the return: an interrupt comes before, and finds the same outcome again, or when the
                # caller has it.
                del self._finished[number]
                self._handed += 1
                self._has_pulled = False
                return outcome
            elif self._running:
                self._inbox.wait()
            else:
                break
        self._ended = self._ended or monotonic()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        raise StopIteration

    @property
    def progress(self) -> MapProgress:
        """How far it has come. Any thread; never blocks. Each number is right, though some may be a moment younger."""
        until = monotonic() if self._ended is None else self._ended
        elapsed = 0.0 if self._began is None else until - self._began
        return MapProgress(
            self._done, self._failed, len(self._running), self._total, self._tokens, elapsed
        )

    def close(self) -> None:
        """Cancel what is open; iteration then ends. Any thread; never blocks."""
        self._closed = True
        for running in list(self._running.values()):
            running.exchange.cancel()

    def __enter__(self) -> Outcomes[I, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_done"):  # else `__init__` did not come so far
            self.close()

    def __repr__(self) -> str:
        of = "" if self._total is None else f" of {self._total}"
        state = ", closed" if self._closed else ""
        return f"<Outcomes: {self._done}{of} done, {self._failed} failed, {len(self._running)} running{state}>"

    @property
    def _has_room(self) -> bool:
        return (
            not self._is_exhausted
            and len(self._running) < self._parallel
            and self._pulled - self._handed < self._most_ahead
        )

    def _due(self) -> int | None:
        """Return the number of the outcome that is handed over next, if it is there."""
        if not self._finished:
            return None
        if self._ordered:
            return self._handed if self._handed in self._finished else None
        return next(iter(self._finished))

    def _pull(self) -> None:
        """Take the next item, and begin its call."""
        try:
            item = next(self._items)
        except StopIteration:
            self._is_exhausted = True
        except Exception as error:  # noqa: BLE001 - the items' own, raised when what is under way has been handed over
            self._is_exhausted, self._fault = True, error
        except BaseException as error:
            # An interrupt ends a generator for good: then the items end here, and not as if there were no more.
            if getattr(self._items, "gi_frame", self) is None:
                self._is_exhausted, self._fault = True, error
            raise
        else:
            self._begin(item)

    def _begin(self, item: I) -> None:
        started, since = time.time(), monotonic()
        if self._began is None:
            self._began = since
        try:
            plan = self._plan_of(item)
            exchange = self._launcher.prepare(plan)
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the outcome of this item
            # Without this frame, which would hold the error.
            cause = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
            self._finish(
                self._pulled, Outcome(item, self._pulled, None, cause, "", 0, started, 0.0)
            )
            self._pulled += 1
        else:
            number = self._pulled
            # Noted before it begins: whatever interrupts the rest, `close` finds it.
            self._running[number] = _Running(item, plan, exchange, 0, started, since)
            self._pulled += 1
            self._launch(number, exchange)

    def _launch(self, number: int, exchange: Exchange) -> None:
        # The hub is given the inbox and not this object, which it would keep alive.
        exchange.launch(partial(self._inbox.post, number))
        if self._closed:  # by another thread, which did not find it yet
            exchange.cancel()

    def _collect(self) -> None:
        """Make outcomes of the calls that have ended."""
        numbers = self._inbox.numbers
        while numbers:
            number = numbers[0]
            running = self._running.get(number)
            if running is not None and running.exchange.channel.ended is not None:
                self._settle(number, running)
            # Behind everything: an interrupt before has the same number looked at again, which does no harm.
            del numbers[0]

    def _settle(self, number: int, running: _Running) -> None:
        item, plan, exchange, before, started, since = running
        reply, failure = None, None
        try:
            reply = plan.reply(exchange.whole(), exchange.tried)
        except OllamaError as error:
            failure = error.with_traceback(None)  # which leads through this frame, and so to itself
        attempts = before + exchange.attempts
        if failure is not None and self._launcher.may_repeat(failure, attempts):
            again = self._launcher.prepare(plan)
            self._running[number] = _Running(item, plan, again, attempts, started, since)
            self._launch(number, again)
            return
        seconds = monotonic() - since
        outcome: Outcome[I, R] = Outcome(
            *(item, number, reply, failure, exchange.host, attempts, started, seconds)
        )
        del self._running[number]
        self._finish(number, outcome)

    def _finish(self, number: int, outcome: Outcome[I, R]) -> None:
        tokens = 0
        if outcome.reply is not None:
            tokens = outcome.reply.get("eval_count") or outcome.reply.get("prompt_eval_count") or 0
        self._finished[number] = outcome
        self._done += 1
        self._failed += not outcome.ok
        self._tokens += tokens
