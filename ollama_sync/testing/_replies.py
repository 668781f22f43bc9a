"""What the mock's model says: answers to chat and generate, token by token, as of a very regular Ollama.

Runs on the server's hub thread. Shapes and texts are those of a real server (0.33); the model behind them says "A", a fixed
number of times, on a fixed schedule; asked for JSON, it says a value that fits. May not block: it returns scripts.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from dataclasses import dataclass
from typing import Any

from ollama_sync.testing._body import Refused, decoded
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._library import Library, is_name
from ollama_sync.testing._request import Request
from ollama_sync.testing._schemas import example
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script, json_bytes

log = logging.getLogger("ollama_sync.testing")

_WORDS = ("A",)
_TOKEN = 4  # characters of a token of JSON
_LOAD_NS = 1_150_000
_PROMPT_NS_PER_WORD = 170_000
_LOGGED_FIRST, _LOGGED_EVERY = 20, 10


@dataclass(frozen=True)
class FakeModel:
    """The replies of a server whose models make `chunks` tokens, one every `delay` seconds.

    Args:
        chunks: parts with text in a reply; the final part comes on top. A structured reply has as many as its text needs.
        delay: seconds between two parts.
    """

    chunks: int
    delay: float

    def answer(self, library: Library, request: Request) -> Script:
        """Answer `POST /api/chat` and `POST /api/generate`."""
        kind = request.path.rpartition("/")[2]
        asked = decoded(request)
        name = asked.get("model") or ""
        if not name and kind == "chat":
            raise Refused(400, "model is required")
        if name and not is_name(name):
            raise Refused(400, "invalid model name")
        if library.find(name) is None:
            raise Refused(404, f"model '{name}' not found")
        words = self._words(asked.get("format"))
        library.load(name, asked.get("keep_alive"))
        if not asked.get("messages" if kind == "chat" else "prompt"):
            reason = "unload" if asked.get("keep_alive") == 0 else "load"
            return [reply(part_of(kind, name, "") | {"done": True, "done_reason": reason})]
        count = self.chunks if words == _WORDS else len(words)
        tokens = TokenStream(kind, name, count, self.delay, count_tokens(asked), words)
        return [tokens if asked.get("stream") is not False else reply(tokens.whole())]

    def _words(self, wanted: object) -> tuple[str, ...]:
        """Return the tokens of an answer in a format: JSON that fits the schema, some characters at a time."""
        if wanted in (None, ""):
            return _WORDS
        if wanted != "json" and not isinstance(wanted, dict):
            shown = json.dumps(json.dumps(wanted))
            said = f'invalid format: {shown}; expected "json" or a valid JSON Schema object'
            raise Refused(500, said)
        text = json.dumps({"A": "A"} if wanted == "json" else example(wanted), ensure_ascii=False)
        return tuple(text[at : at + _TOKEN] for at in range(0, len(text), _TOKEN))


@dataclass(frozen=True)
class TokenStream:
    """The step that streams the fake model's tokens: made, encoded, timed and logged one by one.

    Args:
        kind: "chat" or "generate".
        model: the name that the parts bear.
        chunks: parts with text.
        delay: seconds; part `i` is due `i * delay` after the first, and the final part is the last of that row.
        prompt_tokens: counted in the request.
        words: the texts of the parts, one after the other and again from the first.
    """

    kind: str
    model: str
    chunks: int
    delay: float
    prompt_tokens: int
    words: tuple[str, ...]

    def run(self, connection: Connection) -> None:
        logs = log.isEnabledFor(logging.INFO)
        connection.begin_stream()
        start = time.perf_counter()
        for number in connection.schedule(self.chunks + 1, self.delay):
            if number == self.chunks:
                break  # this is when the final part is due
            began = time.perf_counter()
            part = part_of(self.kind, self.model, self.words[number % len(self.words)])
            made = time.perf_counter()
            data = json_bytes(part) + b"\n"
            if logs and (number < _LOGGED_FIRST or (number + 1) % _LOGGED_EVERY == 0):
                _log_chunk(number, start, began, made)
            connection.queue_part(data)
        final = self._final("", time.perf_counter() - start)
        connection.queue_part(json_bytes(final) + b"\n")
        connection.end_stream()

    def whole(self) -> dict[str, Any]:
        """Return the reply of a request that does not stream. It comes at once; its metrics tell the stream's time."""
        text = "".join(self.words) * (self.chunks // len(self.words))
        return self._final(text, self.chunks * self.delay)

    def _final(self, text: str, seconds: float) -> dict[str, Any]:
        part = part_of(self.kind, self.model, text)
        return finished(self.kind, part, self.prompt_tokens, self.chunks, seconds)


def part_of(kind: str, model: str, text: str) -> dict[str, Any]:
    """Return one part of a reply, as Ollama words it."""
    if kind == "chat":
        message = {"role": "assistant", "content": text}
        return {"model": model, "created_at": timestamp(), "message": message, "done": False}
    return {"model": model, "created_at": timestamp(), "response": text, "done": False}


def finished(
    kind: str, part: dict[str, Any], prompt_tokens: int, tokens: int, seconds: float
) -> dict[str, Any]:
    """Return a part as the last of its reply: with the reason and the metrics of `tokens` made in `seconds`."""
    evaluating = int(seconds * 1e9)
    prompting = prompt_tokens * _PROMPT_NS_PER_WORD
    context = {"context": [1, 2, 3]} if kind == "generate" else {}
    metrics = {
        "total_duration": _LOAD_NS + prompting + evaluating,
        "load_duration": _LOAD_NS,
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
    encoded = time.perf_counter()
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
