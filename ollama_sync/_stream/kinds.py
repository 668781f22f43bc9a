"""How the parts of each kind of stream are read: their text, their end, and the reply that they add up to.

Pure functions and frozen values; runs on any thread. A new kind of stream starts as a value here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ollama_sync._policies import ANY_OTHER_CALL, STREAMED_ANSWER, Timeout
from ollama_sync.types import accumulate_chat, accumulate_generate, accumulate_last

Parts = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class StreamKind:
    """How the parts of one kind of stream are understood.

    Args:
        texts: the text of each part, empty ones left out; None where parts have no text.
        texts_of_lines: the same of whole lines, without making parts; None where they need a closer look.
        accumulate: folds the parts into one reply.
        is_final: whether a part says that the reply is complete; None where no part does, so that any clean end will do.
        timeout: the defaults of its clocks.
        shows_progress: whether its parts are those of a pull, push or create.
    """

    texts: Callable[[Parts], list[str]] | None
    texts_of_lines: Callable[[bytes], list[str] | None]
    accumulate: Callable[[Parts], dict[str, Any]]
    is_final: Callable[[dict[str, Any]], bool] | None
    timeout: Timeout
    shows_progress: bool = False

    def text_of(self, reply: dict[str, Any]) -> str:
        """Return the text of one reply."""
        return "" if self.texts is None else "".join(self.texts([reply]))


def _chat_texts(parts: Parts) -> list[str]:
    try:
        return [text for part in parts if (text := part["message"]["content"])]
    except (KeyError, TypeError):  # a part without a message, or a message without content
        messages = [part.get("message") for part in parts]
        texts = [message.get("content") for message in messages if isinstance(message, dict)]
        return [text for text in texts if text]


def _chat_texts_of_lines(lines: bytes) -> list[str] | None:
    from ollama_sync._stream.token_decoder import read_chat

    return read_chat(lines)


def _generate_texts(parts: Parts) -> list[str]:
    return [text for part in parts if (text := part.get("response"))]


def _generate_texts_of_lines(lines: bytes) -> list[str] | None:
    from ollama_sync._stream.token_decoder import read_generate

    return read_generate(lines)


def _no_texts(_: bytes) -> None:
    return None


def _answer_is_complete(part: dict[str, Any]) -> bool:
    # Some servers name the reason and forget `done`; a rendered prompt (`_debug_render_only`) is all there is.
    return bool(part.get("done") or part.get("done_reason") or part.get("_debug_info"))


def _work_is_done(part: dict[str, Any]) -> bool:
    return part.get("status") == "success"


CHAT = StreamKind(
    _chat_texts, _chat_texts_of_lines, accumulate_chat, _answer_is_complete, STREAMED_ANSWER
)
GENERATE = StreamKind(
    _generate_texts,
    _generate_texts_of_lines,
    accumulate_generate,
    _answer_is_complete,
    STREAMED_ANSWER,
)
PROGRESS = StreamKind(
    None, _no_texts, accumulate_last, _work_is_done, ANY_OTHER_CALL, shows_progress=True
)

# Whatever the client has no verb for: any clean end will do.
ANY = StreamKind(None, _no_texts, accumulate_last, None, ANY_OTHER_CALL)
