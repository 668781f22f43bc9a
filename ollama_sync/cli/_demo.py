"""The demonstration: one answer shown as it comes, then two callers measured, by the clock of this very run.

Both callers look, then sleep for 50 ms, as a program does that draws a screen. One takes a part a look, the other all that
has arrived. Runs on the main thread; each figure is what the callers saw, not what the stream says of itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from ollama_sync import ChatResponse, Client, Stream
from ollama_sync.cli._render import duration, table

GOAL = 1000
"""Tokens: what "1000 tokens" in the table is about."""

_LOOK_EVERY = 0.05
_QUESTION = [{"role": "user", "content": "Tell me a long story about a lighthouse and its keeper."}]

Look = Callable[[Stream[ChatResponse]], list[ChatResponse]]


@dataclass(frozen=True)
class Measured:
    """What one caller saw.

    Args:
        first: seconds from the call to its first token.
        last: seconds from the call to its last token.
        tokens: how many it took.
        at_once: how many of them with its first look.
    """

    first: float
    last: float
    tokens: int
    at_once: int

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first look; None when nothing came after it."""
        later = self.last - self.first
        return (self.tokens - self.at_once) / later if later > 0 else None

    @property
    def goal(self) -> float | None:
        """Seconds to `GOAL` tokens: as measured, or else extrapolated by `rate`; None when there is no rate."""
        if self.reached:
            return self.last
        return None if self.rate is None else self.first + (GOAL - self.at_once) / self.rate

    @property
    def reached(self) -> bool:
        """Whether `GOAL` tokens came, so that nothing is extrapolated."""
        return self.tokens >= GOAL


def declare_demo(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.add_argument(
        "--model", default="llama3.2", help="of a real server (default: %(default)s)"
    )


def run_demo(args: argparse.Namespace) -> None:
    """Measure two callers at the server of `--host`, or at a mock server."""
    from ollama_sync.testing import MockOllama

    if args.host is not None:
        demonstrate(args.host, args.model)
    else:
        with MockOllama() as server:
            print("No --host was given, so this is a mock server: 1000 tokens, one every 3 ms.")
            demonstrate(server.url, args.model)


def demonstrate(host: str, model: str) -> None:
    """Stream an answer to stdout, measure the two callers, print the table. Blocks for some ten seconds.

    Args:
        host: where the server is.
        model: of that server.

    Raises:
        OllamaError: the server is not there, or refuses.
    """
    with Client(host) as client:
        print("\nAn answer, as it comes:\n")
        _show(client, model)  # also loads the model, which is not to count against the first caller
        print(f"\n\nTwo callers that look {1 / _LOOK_EVERY:.0f} times a second:\n")
        one_by_one = measure(client, model, one_part, seconds=2.0)
        in_batches = measure(client, model, all_arrived, seconds=5.0)
    print(report(one_by_one, in_batches))


def one_part(stream: Stream[ChatResponse]) -> list[ChatResponse]:
    """Look as code that knows no batches: take one part, or none at the end."""
    part = next(stream, None)
    return [] if part is None else [part]


def all_arrived(stream: Stream[ChatResponse]) -> list[ChatResponse]:
    """Look as this SDK lets one: take all that has arrived. Waits for a part, as `one_part` does."""
    return stream.poll(timeout=1.0)


def measure(client: Client, model: str, look: Look, *, seconds: float) -> Measured:
    """Ask, and look until there are `GOAL` tokens, the answer ends, or the time is over.

    Args:
        client: of the server.
        model: of the server.
        look: takes from the stream; [] when nothing came.
        seconds: from the first token on.
    """
    started = time.perf_counter()
    first = last = 0.0
    tokens = at_once = 0
    with client.chat(model, _QUESTION, stream=True) as stream:
        while not stream.done and tokens < GOAL and (not tokens or last - first < seconds):
            found = sum(1 for part in look(stream) if part.message.content)
            if found:
                last = time.perf_counter() - started
                tokens += found
                if not at_once:
                    first, at_once = last, found
            time.sleep(_LOOK_EVERY)
    return Measured(first, last, tokens, at_once)


def report(one_by_one: Measured, in_batches: Measured) -> str:
    """Return the table of the two callers, with a note under it for what is extrapolated."""
    callers = (one_by_one, in_batches)
    lines = [
        table(
            [
                ["", "one part a look", "all that arrived"],
                ["", "next(stream)", "stream.poll()"],
                ["tokens taken", *(str(caller.tokens) for caller in callers)],
                ["in", *(duration(caller.last) for caller in callers)],
                ["tokens/s", *map(_rate, callers)],
                ["first token after", *map(_first, callers)],
                [f"{GOAL} tokens in", *map(_goal, callers)],
            ]
        )
    ]
    if not all(caller.reached for caller in callers):
        lines.append("\n~ extrapolated from the tokens and the time above; all else was measured.")
    return "\n".join(lines)


def _rate(caller: Measured) -> str:
    return "-" if caller.rate is None else f"{caller.rate:.1f}"


def _first(caller: Measured) -> str:
    return duration(caller.first) if caller.tokens else "-"


def _goal(caller: Measured) -> str:
    if caller.goal is None:
        return "-"
    return duration(caller.goal) if caller.reached else f"~ {duration(caller.goal)}"


def _show(client: Client, model: str) -> None:
    """Print an answer as it comes, for three seconds and a bit at most."""
    shown_since = None
    with client.chat(model, _QUESTION, stream=True) as stream:
        for tokens in stream.tokens():
            print("".join(tokens), end="", flush=True)
            shown_since = shown_since or time.perf_counter()
            if time.perf_counter() - shown_since > 3.5:
                print(" …", end="")
                break
