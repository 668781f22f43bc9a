"""The demonstration: two callers ask the same at the same time, and one screen shows what each has got so far.

Both look, then do something else for 50 ms, as a program does that draws a screen. One takes a part a look, the other all that has
arrived. Each has a thread of its own; the main thread draws. Each figure is what a caller saw, not what the stream says of itself.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ollama_sync import ChatResponse, Client, Stream
from ollama_sync.cli._demo_screen import Screen, open_screen
from ollama_sync.cli._render import duration, folded
from ollama_sync.cli._streams import width

TOKENS = 160
"""How long an answer may be."""

_LOOK_EVERY = 0.05
_PATIENCE = 30.0  # seconds from a caller's first token on
_DRAW_EVERY = 0.1  # seconds
_DELAY = 0.01  # seconds a token of the mock server
_QUESTION = [{"role": "user", "content": "Why is the sky blue? Explain it at length."}]

Look = Callable[[Stream[ChatResponse]], list[ChatResponse]]


@dataclass(frozen=True)
class Seen:
    """What one caller has got so far.

    Args:
        text: of the answer.
        tokens: how many.
        at_once: how many of them with the first look that found any.
        first: seconds from the call to that look.
        last: seconds from the call to the latest look that found any.
    """

    text: str = ""
    tokens: int = 0
    at_once: int = 0
    first: float = 0.0
    last: float = 0.0

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first look; None when nothing came after it."""
        later = self.last - self.first
        return (self.tokens - self.at_once) / later if later > 0 else None

    def with_more(self, texts: list[str], now: float) -> Seen:
        """Return this with what another look has found.

        Args:
            texts: of the tokens, at least one.
            now: seconds since the call.
        """
        tokens, text = self.tokens + len(texts), self.text + "".join(texts)
        if self.tokens:
            return Seen(text, tokens, self.at_once, self.first, now)
        return Seen(text, tokens, len(texts), now, now)


class Caller:
    """One of the two.

    Args:
        name: what it does.
        code: how that is written.
        look: takes from the stream; [] when nothing came.

    Attributes:
        seen: what it has got so far. Only the thread that asks sets it, to another frozen value each time, so any may read it.
    """

    def __init__(self, name: str, code: str, look: Look) -> None:
        self.name = name
        self.code = code
        self.seen = Seen()
        self._look = look
        self._stopped = threading.Event()
        self._stream: Stream[ChatResponse] | None = None  # set before `_stopped` is looked at

    def ask(self, client: Client, model: str) -> None:
        """Ask, and look until the answer ends, the time is over, or somebody has stopped it. Blocks."""
        started = time.perf_counter()
        with client.chat(model, _QUESTION, stream=True, options={"num_predict": TOKENS}) as stream:
            self._stream = stream
            while not (stream.done or self._is_over()):
                texts = [part.message.content or "" for part in self._look(stream)]
                if found := [text for text in texts if text]:
                    self.seen = self.seen.with_more(found, time.perf_counter() - started)
                self._stopped.wait(_LOOK_EVERY)

    def stop(self) -> None:
        """End it, also while it waits for the server. Any thread."""
        self._stopped.set()
        if self._stream is not None:
            self._stream.cancel()

    def _is_over(self) -> bool:
        return self._stopped.is_set() or self.seen.last - self.seen.first > _PATIENCE


def declare_demo(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.add_argument(
        "--model", default="llama3.2", help="of a real server (default: %(default)s)"
    )


def run_demo(args: argparse.Namespace) -> None:
    """Show two callers at the server of `--host`, or at a mock server."""
    from ollama_sync.testing import SAMPLE_TEXT, MockOllama

    if args.host is not None:
        demonstrate(args.host, args.model)
    else:
        with MockOllama(text=SAMPLE_TEXT, delay=_DELAY) as server:
            print(
                f"No --host was given, so this is a mock server: {TOKENS} tokens,"
                f" one every {_DELAY * 1e3:.0f} ms."
            )
            demonstrate(server.url, args.model)


def demonstrate(host: str, model: str) -> None:
    """Show two callers while they run, then a table of what each has got. Blocks for some ten seconds.

    Args:
        host: where the server is.
        model: of that server.

    Raises:
        OllamaError: the server is not there, or refuses.
    """
    callers = (
        Caller("one part a look", "next(stream)", one_part),
        Caller("all that has arrived", "stream.poll()", all_arrived),
    )
    with Client(host) as client:
        client.load(model)  # which is not to count against either
        print(f"Two callers that look {1 / _LOOK_EVERY:.0f} times a second:\n", flush=True)
        with _asking(callers, client, model) as asked, open_screen(TOKENS) as screen:
            _watch(callers, asked, screen)
    print(f"\n{report(callers, width())}")


def one_part(stream: Stream[ChatResponse]) -> list[ChatResponse]:
    """Look as code that knows no batches: take one part, or none at the end."""
    part = next(stream, None)
    return [] if part is None else [part]


def all_arrived(stream: Stream[ChatResponse]) -> list[ChatResponse]:
    """Look as this SDK lets one: take all that has arrived. Waits for a part, as `one_part` does."""
    return stream.poll(timeout=1.0)


def report(callers: tuple[Caller, ...], columns: int | None) -> str:
    """Return what each caller has got as a table, or as a list where that is too wide.

    Args:
        callers: whose `seen` is complete.
        columns: of the terminal; None is without end.
    """
    titles = ["LOOKS BY", "TOKENS", "IN", "TOKENS/S", "FIRST AFTER"]
    rows = [
        [
            caller.code,
            str(caller.seen.tokens),
            duration(caller.seen.last) if caller.seen.tokens else "-",
            "-" if caller.seen.rate is None else f"{caller.seen.rate:.1f}",
            duration(caller.seen.first) if caller.seen.tokens else "-",
        ]
        for caller in callers
    ]
    return folded([titles, *rows], columns)


@contextmanager
def _asking(
    callers: tuple[Caller, ...], client: Client, model: str
) -> Iterator[list[Future[None]]]:
    """Have each caller ask on a thread of its own. They are stopped in the end, and what one of them met is raised."""
    with ThreadPoolExecutor(len(callers)) as threads:
        asked = [threads.submit(caller.ask, client, model) for caller in callers]
        try:
            yield asked
        finally:
            for caller in callers:
                caller.stop()
    for future in asked:
        future.result()


def _watch(callers: tuple[Caller, ...], asked: list[Future[None]], screen: Screen) -> None:
    """Draw until both have ended, or one has failed."""
    while not all(future.done() for future in asked):
        if any(future.done() and future.exception() for future in asked):
            return
        screen.draw([(caller.name, caller.code, caller.seen) for caller in callers])
        time.sleep(_DRAW_EVERY)
    screen.draw([(caller.name, caller.code, caller.seen) for caller in callers])
