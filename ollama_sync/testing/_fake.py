"""The mock's model: what it answers to chat and generate when no script was given.

Runs on the server's hub thread. May not block: it returns scripts. It says "A" a fixed number of times on a fixed schedule, or
a text; asked for JSON, it says a value that fits.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ollama_sync.testing._answer import answer
from ollama_sync.testing._body import Refused, decoded, text_of
from ollama_sync.testing._library import Library, is_name
from ollama_sync.testing._replies import TokenStream, count_tokens, part_of
from ollama_sync.testing._request import Request
from ollama_sync.testing._schemas import example
from ollama_sync.testing._script import head, pause, reply, reset
from ollama_sync.testing._steps import Script

_WORDS = ("A",)
_WORD = re.compile(r"\s*\S+")
_TOKEN = 4  # characters of a token of JSON
_BROKEN = "an error was encountered while running the model: signal: killed"
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_THAT_TALK = ("/api/chat", "/api/generate")
_RUN_A_MODEL = (*_THAT_TALK, "/api/embed", "/api/embeddings")


@dataclass(frozen=True)
class FakeModel:
    """The replies of a server whose models make `chunks` tokens, or a text, one token every `delay` seconds.

    Args:
        chunks: parts with text in a reply; the final part comes on top. A structured reply has as many as its text needs.
        delay: seconds between two parts.
        text: what is said in place of `chunks` times "A". With a text, the model calls a tool where it is given tools.
        load: seconds that it takes to load a model that is not in memory.
    """

    chunks: int
    delay: float
    text: str | None = None
    load: float = 0.0

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
        words = self._words(asked)
        load = 0.0 if library.is_loaded(name) else self.load
        library.load(name, asked.get("keep_alive"))
        loading = [pause(load)] if load else []
        if not asked.get("messages" if kind == "chat" else "prompt"):
            reason = "unload" if asked.get("keep_alive") == 0 else "load"
            said = part_of(kind, name, "") | {"done": True, "done_reason": reason}
            return [*loading, reply(said)]
        if self.text is not None and _wants_call(asked):
            return [*loading, answer(tool_calls=[_call(asked)], delay=self.delay)]
        count = self.chunks if words == _WORDS else len(words)
        most = _limit(asked)
        reason = "stop" if most is None or count <= most else "length"
        count = count if most is None else min(count, most)
        prompt = count_tokens(asked)
        tokens = TokenStream(kind, name, count, self.delay, prompt, words, reason, load)
        return [*loading, tokens if asked.get("stream") is not False else reply(tokens.whole())]

    def _words(self, asked: dict[str, Any]) -> tuple[str, ...]:
        """Return the tokens of the answer. In a format they are JSON that fits the schema, some characters at a time."""
        wanted = asked.get("format")
        if wanted in (None, ""):
            return _WORDS if self.text is None else tuple(_WORD.findall(_heard(asked) or self.text))
        if wanted != "json" and not isinstance(wanted, dict):
            shown = json.dumps(json.dumps(wanted))
            said = f'invalid format: {shown}; expected "json" or a valid JSON Schema object'
            raise Refused(500, said)
        text = json.dumps({"A": "A"} if wanted == "json" else example(wanted), ensure_ascii=False)
        return tuple(text[at : at + _TOKEN] for at in range(0, len(text), _TOKEN))


@dataclass(frozen=True)
class Failures:
    """Which requests that run a model fail, and how: refused, cut off, and broken in the middle of the answer, in turn.

    Args:
        rate: the share of them, from 0 to 1. The failures are spread evenly, so that each run has the same.
    """

    rate: float
    _asked: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def script(self, request: Request) -> Script | None:
        """Return how this request fails, or None."""
        if request.method != "POST" or request.path not in _RUN_A_MODEL or not self.rate:
            return None
        number = next(self._asked)
        failed = int(number * self.rate)
        if failed == int((number - 1) * self.rate):
            return None
        if failed % 3 == 1:
            return [reply({"error": _BUSY}, 503)]
        if failed % 3 == 2:
            return [head(), reset()]
        if request.path in _THAT_TALK:
            return [answer(["Sunlight", " looks"], error=_BROKEN)]
        return [reply({"error": _BROKEN}, 500)]


def _limit(asked: dict[str, Any]) -> int | None:
    """Return how many tokens a request allows, or None where it sets no limit."""
    options = asked.get("options")
    most = options.get("num_predict") if isinstance(options, dict) else None
    return most if isinstance(most, int) and most > 0 else None


def _messages(asked: dict[str, Any]) -> list[dict[str, Any]]:
    found = asked.get("messages") or []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _wants_call(asked: dict[str, Any]) -> bool:
    """Tell whether there are tools, and the conversation does not end with what one of them has returned."""
    last = _messages(asked)[-1:]
    return bool(asked.get("tools")) and bool(last) and last[0].get("role") != "tool"


def _call(asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the call of a tool: of the one that the question names, else of the first."""
    question = text_of(_messages(asked)[-1], "content").lower()
    tools = [tool.get("function") or {} for tool in asked["tools"]]
    named = [tool for tool in tools if _is_named(str(tool.get("name", "")), question)]
    tool = (named or tools)[0]
    arguments = example(tool.get("parameters") or {"type": "object"})
    return str(tool.get("name", "")), arguments if isinstance(arguments, dict) else {}


def _is_named(name: str, question: str) -> bool:
    """Tell whether a question has one of the longer words of a tool's name."""
    return any(len(word) > 3 and word in question for word in name.lower().split("_"))


def _heard(asked: dict[str, Any]) -> str:
    """Return an answer that repeats what the tools have returned, or "" where the conversation does not end with that."""
    reversed_messages = reversed(_messages(asked))
    heard = list(itertools.takewhile(lambda one: one.get("role") == "tool", reversed_messages))
    said = [f"{one.get('tool_name') or 'The tool'} says: {one.get('content')}" for one in heard]
    return "\n".join(reversed(said))
