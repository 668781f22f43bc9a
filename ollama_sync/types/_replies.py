"""Replies of the verbs that run a model: chat, generate, embed, embeddings.

Plain data, on any thread. All durations of the server are whole nanoseconds; the properties that end
in `_s` give them in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ollama_sync.types._messages import Message
from ollama_sync.types._view import View

__all__ = [
    "BaseGenerateResponse",
    "ChatResponse",
    "DebugInfo",
    "EmbeddingsResponse",
    "GenerateResponse",
    "Logprob",
    "TokenLogprob",
]

_NANO = 1e9


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / _NANO


class TokenLogprob(View):
    """A token and how likely the model found it.

    Attributes:
        token: its text; a token that is part of a character may read as a replacement mark.
        logprob: natural logarithm of its probability.
        bytes: its exact bytes, each as a number.

    Example:
        >>> TokenLogprob(token="Hi", logprob=-0.5, bytes=[72, 105]).logprob
        -0.5
    """

    token: str
    logprob: float
    bytes: Sequence[int] | None = None


class Logprob(TokenLogprob):
    """The token that was chosen, with its rivals.

    Attributes:
        top_logprobs: the likeliest tokens at that place, when `top_logprobs` asked for them.

    Example:
        >>> rivals = [{"token": "Hi", "logprob": -0.5}, {"token": "Yo", "logprob": -1.5}]
        >>> chosen = Logprob(token="Hi", logprob=-0.5, top_logprobs=rivals)
        >>> [rival.token for rival in chosen.top_logprobs]
        ['Hi', 'Yo']
    """

    top_logprobs: Sequence[TokenLogprob] | None = None


class DebugInfo(View):
    """What a request with `_debug_render_only` gets instead of an answer.

    Attributes:
        rendered_template: the prompt as the model would have read it.
        image_count: number of images in it.
    """

    rendered_template: str | None = None
    image_count: int | None = None


class BaseGenerateResponse(View, beside=("_parsed",)):
    """What the replies of chat, generate and embed have in common.

    The server leaves a counter out when it is 0 or unknown. Durations and counters come with the last
    part of a stream.

    Attributes:
        model: the model that answered.
        created_at: when, as RFC 3339 text.
        done: True on the last part.
        done_reason: why it ended: "stop", "length", "load" or "unload".
        total_duration: whole time of the request, ns.
        load_duration: time to load the model, ns.
        prompt_eval_count: tokens in the prompt.
        prompt_eval_cached_count: how many of them were in a cache; None when the server does not say.
        prompt_eval_duration: time to read the prompt, ns.
        eval_count: tokens generated.
        eval_duration: time to generate them, ns.
        remote_model: the model's name where it runs, when that is another server.
        remote_host: the server where it runs, when that is another one.
    """

    model: str | None = None
    created_at: str | None = None
    done: bool | None = None
    done_reason: str | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    remote_model: str | None = None
    remote_host: str | None = None

    @property
    def parsed(self) -> Any:
        """The answer as an object of the type that the call gave as `format`; None when it gave no type."""
        return getattr(self, "_parsed", None)

    def set_parsed(self, value: Any) -> None:
        """Set `parsed`; for the client, not for users. It is no member of the JSON object."""
        object.__setattr__(self, "_parsed", value)

    @property
    def total_duration_s(self) -> float | None:
        """Whole time of the request, in seconds."""
        return _seconds(self.total_duration)

    @property
    def load_duration_s(self) -> float | None:
        """Time to load the model, in seconds."""
        return _seconds(self.load_duration)

    @property
    def prompt_eval_duration_s(self) -> float | None:
        """Time to read the prompt, in seconds."""
        return _seconds(self.prompt_eval_duration)

    @property
    def eval_duration_s(self) -> float | None:
        """Time to generate the answer, in seconds."""
        return _seconds(self.eval_duration)

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens generated per second of generating; None unless the server sent both numbers."""
        if self.eval_count is None or not self.eval_duration:
            return None
        return self.eval_count / self.eval_duration * _NANO


class GenerateResponse(BaseGenerateResponse, wire={"debug_info": "_debug_info"}):
    """Reply of generate, or one part of it.

    Attributes:
        response: the text, or a piece of it.
        thinking: what the model thought before it answered, or a piece of it.
        context: the conversation so far as tokens, for a next request (the server deprecates it).
        logprobs: how likely each token was, when asked for.
        tool_calls: calls that the model asks for.
        image: a generated image in base64, of old servers that made images.
        completed: steps done, of old servers that made images.
        total: steps in all, of old servers that made images.
        debug_info: the rendered prompt (`_debug_info` in JSON).

    Example:
        >>> reply = GenerateResponse(response="Hello", done=True, total_duration=1_500_000_000)
        >>> reply.response, reply.total_duration_s
        ('Hello', 1.5)
    """

    response: str | None = None
    thinking: str | None = None
    context: Sequence[int] | None = None
    logprobs: Sequence[Logprob] | None = None
    tool_calls: Sequence[Message.ToolCall] | None = None
    image: str | None = None
    completed: int | None = None
    total: int | None = None
    debug_info: DebugInfo | None = None


class ChatResponse(BaseGenerateResponse, wire={"debug_info": "_debug_info"}):
    """Reply of chat, or one part of it.

    Attributes:
        message: the model's message, or a piece of it.
        logprobs: how likely each token was, when asked for.
        debug_info: the rendered prompt (`_debug_info` in JSON).

    Example:
        >>> reply = ChatResponse(message={"role": "assistant", "content": "Hello"}, eval_count=2, eval_duration=10**9)
        >>> reply.message.content, reply["message"]["role"], reply.tokens_per_second
        ('Hello', 'assistant', 2.0)
    """

    message: Message
    logprobs: Sequence[Logprob] | None = None
    debug_info: DebugInfo | None = None


class EmbeddingsResponse(View):
    """Reply of embeddings, the older verb.

    Attributes:
        embedding: the vector, not normalised.

    Example:
        >>> EmbeddingsResponse(embedding=[3.0, 4.0]).embedding
        [3.0, 4.0]
    """

    embedding: Sequence[float]
