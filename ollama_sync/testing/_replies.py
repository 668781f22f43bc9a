"""The shapes of the replies to chat and generate, as a real server (0.33) words them, and the step that streams them.

Runs on the server's hub thread, in the greenlet of one request. May not block: it waits by the connection.
"""

from __future__ import annotations

import functools
import itertools
import logging
import time
from dataclasses import dataclass
from typing import Any

from ollama_sync._now import perf_counter
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._steps import json_bytes

log = logging.getLogger("ollama_sync.testing")

_LOAD_NS = 1_150_000
_PROMPT_NS_PER_WORD = 170_000
_LOGGED_FIRST, _LOGGED_EVERY = 20, 10


@dataclass(frozen=True)
class TokenStream:
    """The step that streams a model's tokens: made, encoded, timed and logged one by one.

    Args:
        kind: "chat" or "generate".
        model: the name that the parts bear.
        chunks: parts with text.
        delay: seconds; part `i` is due `i * delay` after the first, and the final part is the last of that row.
        prompt_tokens: counted in the request.
        words: the texts of the parts, one after the other and again from the first.
        done_reason: "stop", or "length" where the request's limit ended the reply.
        load: seconds that loading the model took before.
    """

    kind: str
    model: str
    chunks: int
    delay: float
    prompt_tokens: int
    words: tuple[str, ...]
    done_reason: str = "stop"
    load: float = 0.0

    def run(self, connection: Connection) -> None:
        logs = log.isEnabledFor(logging.INFO)
        connection.begin_stream()
        start = perf_counter()
        for number in connection.schedule(self.chunks + 1, self.delay):
            if number == self.chunks:
                break  # this is when the final part is due
            began = perf_counter()
            part = part_of(self.kind, self.model, self.words[number % len(self.words)])
            made = perf_counter()
            data = json_bytes(part) + b"\n"
            if logs and (number < _LOGGED_FIRST or (number + 1) % _LOGGED_EVERY == 0):
                _log_chunk(number, start, began, made)
            connection.queue_part(data)
        final = self._final("", perf_counter() - start)
        connection.queue_part(json_bytes(final) + b"\n")
        connection.end_stream()

    def whole(self) -> dict[str, Any]:
        """Return the reply of a request that does not stream. It comes at once; its metrics tell the stream's time."""
        text = "".join(itertools.islice(itertools.cycle(self.words), self.chunks))
        return self._final(text, self.chunks * self.delay)

    def _final(self, text: str, seconds: float) -> dict[str, Any]:
        part = part_of(self.kind, self.model, text)
        final = finished(self.kind, part, self.prompt_tokens, self.chunks, seconds, self.load)
        return final | {"done_reason": self.done_reason}


def part_of(kind: str, model: str, text: str) -> dict[str, Any]:
    """Return one part of a reply, as Ollama words it."""
    if kind == "chat":
        message = {"role": "assistant", "content": text}
        return {"model": model, "created_at": timestamp(), "message": message, "done": False}
    return {"model": model, "created_at": timestamp(), "response": text, "done": False}


def finished(
    kind: str,
    part: dict[str, Any],
    prompt_tokens: int,
    tokens: int,
    seconds: float,
    load: float = 0.0,
) -> dict[str, Any]:
    """Return a part as the last of its reply: with the reason and the metrics of `tokens` made in `seconds`."""
    loading = _LOAD_NS + int(load * 1e9)
    evaluating = int(seconds * 1e9)
    prompting = prompt_tokens * _PROMPT_NS_PER_WORD
    context = {"context": [1, 2, 3]} if kind == "generate" else {}
    metrics = {
        "total_duration": loading + prompting + evaluating,
        "load_duration": loading,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": prompting,
        "eval_count": tokens,
        "eval_duration": evaluating,
    }
    return part | {"done": True, "done_reason": "stop"} | context | metrics


def timestamp() -> str:
    """Return the time now as Ollama writes it: RFC 3339 in UTC, nanoseconds without trailing zeros."""
    return rfc3339(time.time_ns())


def rfc3339(since_1970: int) -> str:
    """Return a time in ns since 1970 as Ollama writes it."""
    seconds, ns = divmod(since_1970, 1_000_000_000)
    fraction = f".{ns:09d}".rstrip("0").rstrip(".")
    return f"{_whole_second(seconds)}{fraction}Z"


@functools.lru_cache(maxsize=2)  # thousands of parts bear the same second
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _log_chunk(number: int, start: float, began: float, made: float) -> None:
    encoded = perf_counter()
    log.info(
        "chunk %d: made in %.4f ms, encoded in %.4f ms, %.3f ms since the start",
        number + 1,
        (made - began) * 1e3,
        (encoded - made) * 1e3,
        (encoded - start) * 1e3,
    )


def count_tokens(asked: dict[str, Any]) -> int:
    """Count words, which is near enough to tokens."""
    texts = [asked.get("prompt"), *(m.get("content") for m in asked.get("messages") or [])]
    return max(1, sum(len(text.split()) for text in texts if isinstance(text, str)))
