"""What the mock says when no script was given: the few endpoints of a small, very regular Ollama.

Runs on the server's hub thread. Shapes and texts are those of a real server (0.33); the model behind them says "A", a fixed
number of times, on a fixed schedule. May not block: it returns scripts.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ollama_sync.testing._connection import Connection
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script, Step, json_bytes

log = logging.getLogger("ollama_sync.testing")

VERSION = "0.33.0"
_WORD = "A"
_LOAD_NS = 1_150_000
_PROMPT_NS_PER_WORD = 170_000
_LOGGED_FIRST, _LOGGED_EVERY = 20, 10


@dataclass(frozen=True)
class FakeModel:
    """The replies of a server whose model makes `chunks` tokens, one every `delay` seconds.

    Args:
        chunks: parts with text in a reply; the final part comes on top.
        delay: seconds between two parts.
        models: the names that exist; None lets every name exist.
    """

    chunks: int
    delay: float
    models: tuple[str, ...] | None

    def answer(self, request: Request) -> Script:
        """Return the script that answers `request`."""
        methods = _ROUTES.get(request.path)
        if methods is None:
            return [reply("404 page not found", 404)]
        if request.method not in methods:
            return [reply("405 method not allowed", 405, {"Allow": ", ".join(methods)})]
        return [methods[request.method](self, request)]

    def root(self, _: Request) -> Step:
        """Answer `GET /`."""
        return reply("Ollama is running")

    def version(self, _: Request) -> Step:
        """Answer `GET /api/version`."""
        return reply({"version": VERSION})

    def tags(self, _: Request) -> Step:
        """Answer `GET /api/tags`: the list of models."""
        names = ("llama3.2:latest",) if self.models is None else self.models
        return reply({"models": [_listed(name) for name in names]})

    def chat(self, request: Request) -> Step:
        """Answer `POST /api/chat`."""
        return self._generated("chat", request)

    def generate(self, request: Request) -> Step:
        """Answer `POST /api/generate`."""
        return self._generated("generate", request)

    def _generated(self, kind: str, request: Request) -> Step:
        problem = _json_problem(request.body)
        if problem:
            return reply({"error": problem}, 400)
        asked = request.json
        name = asked.get("model") or ""
        if not name and kind == "chat":
            return reply({"error": "model is required"}, 400)
        if not name or not self._exists(name):
            return reply({"error": f"model '{name}' not found"}, 404)
        if not asked.get("messages" if kind == "chat" else "prompt"):
            reason = "unload" if asked.get("keep_alive") == 0 else "load"
            return reply(part_of(kind, name, "") | {"done": True, "done_reason": reason})
        tokens = TokenStream(kind, name, self.chunks, self.delay, _count_tokens(asked))
        return tokens if asked.get("stream") is not False else reply(tokens.whole())

    def _exists(self, name: str) -> bool:
        return self.models is None or _tagged(name) in map(_tagged, self.models)


_ROUTES: dict[str, dict[str, Callable[[FakeModel, Request], Step]]] = {
    "/": {"GET": FakeModel.root, "HEAD": FakeModel.root},
    "/api/version": {"GET": FakeModel.version, "HEAD": FakeModel.version},
    "/api/tags": {"GET": FakeModel.tags, "HEAD": FakeModel.tags},
    "/api/chat": {"POST": FakeModel.chat},
    "/api/generate": {"POST": FakeModel.generate},
}


@dataclass(frozen=True)
class TokenStream:
    """The step that streams the fake model's tokens: made, encoded, timed and logged one by one.

    Args:
        kind: "chat" or "generate".
        model: the name that the parts bear.
        chunks: parts with text.
        delay: seconds; part `i` is due `i * delay` after the first, and the final part is the last of that row.
        prompt_tokens: counted in the request.
    """

    kind: str
    model: str
    chunks: int
    delay: float
    prompt_tokens: int

    def run(self, connection: Connection) -> None:
        logs = log.isEnabledFor(logging.INFO)
        connection.begin_stream()
        start = time.perf_counter()
        for number in connection.schedule(self.chunks + 1, self.delay):
            if number == self.chunks:
                break  # this is when the final part is due
            began = time.perf_counter()
            part = part_of(self.kind, self.model, _WORD)
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
        return self._final(_WORD * self.chunks, self.chunks * self.delay)

    def _final(self, text: str, seconds: float) -> dict[str, Any]:
        evaluating = int(seconds * 1e9)
        prompting = self.prompt_tokens * _PROMPT_NS_PER_WORD
        final = part_of(self.kind, self.model, text) | {"done": True, "done_reason": "stop"}
        if self.kind == "generate":
            final["context"] = [1, 2, 3]
        return final | {
            "total_duration": _LOAD_NS + prompting + evaluating,
            "load_duration": _LOAD_NS,
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": prompting,
            "eval_count": self.chunks,
            "eval_duration": evaluating,
        }


def part_of(kind: str, model: str, text: str) -> dict[str, Any]:
    """Return one part of a reply, as Ollama words it."""
    if kind == "chat":
        message = {"role": "assistant", "content": text}
        return {"model": model, "created_at": timestamp(), "message": message, "done": False}
    return {"model": model, "created_at": timestamp(), "response": text, "done": False}


def timestamp() -> str:
    """Return the time now as Ollama writes it: RFC 3339 in UTC, nanoseconds without trailing zeros."""
    seconds, ns = divmod(time.time_ns(), 1_000_000_000)
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


def _json_problem(body: bytes) -> str | None:
    """Say what is wrong with a request's body, in the words of the real server's decoder, or None."""
    if not body:
        return "missing request body"
    try:
        text = body.decode()
        asked = json.loads(text)
    except UnicodeDecodeError as error:
        return f"invalid character {chr(body[error.start])!r} looking for beginning of value"
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg:
            return "unexpected EOF"
        place = "object key string" if "property name" in error.msg else "value"
        return f"invalid character {text[error.pos]!r} looking for beginning of {place}"
    if isinstance(asked, dict):
        return None
    kind = {list: "array", str: "string", bool: "bool"}.get(type(asked), "number")
    return f"json: cannot unmarshal {kind} into Go value of type api.ChatRequest"


def _count_tokens(asked: dict[str, Any]) -> int:
    """Count words, which is near enough to tokens."""
    texts = [asked.get("prompt"), *(m.get("content") for m in asked.get("messages") or [])]
    return max(1, sum(len(text.split()) for text in texts if isinstance(text, str)))


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _listed(name: str) -> dict[str, Any]:
    """Return one entry of `/api/tags`; the same for the same name, whatever the process."""
    name = _tagged(name)
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-11-22T13:08:36.290404892Z",
        "size": 2019393189,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
            "context_length": 131072,
            "embedding_length": 3072,
        },
        "capabilities": ["completion", "tools"],
    }
