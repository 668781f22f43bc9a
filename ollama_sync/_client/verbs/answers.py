"""The verbs that have a model answer: chat and generate.

Each is a method of `Client`, which lists it in its body. A verb checks its arguments, makes the body, and hands both to one
of the client's two roads. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from ollama_sync._client import arguments, endpoints
from ollama_sync._client.verbs.caller import Caller
from ollama_sync._stream.stream import Stream
from ollama_sync.types import ChatResponse, GenerateResponse, Image, Message, Options, Tool

if TYPE_CHECKING:
    from typing_extensions import Unpack


Messages = Sequence[Mapping[str, Any] | Message]
Format = Literal["", "json"] | Mapping[str, Any] | type[Any]
Tools = Sequence[Mapping[str, Any] | Tool | Callable[..., Any]]


class Common(TypedDict, total=False):
    """What both verbs take, for the overloads: their parameters are spelled out once, at the implementation."""

    think: bool | str | None
    logprobs: bool | None
    top_logprobs: int | None
    format: Format | None
    options: Mapping[str, Any] | Options | None
    keep_alive: float | str | None
    truncate: bool | None
    shift: bool | None
    debug_render_only: bool | None


class ChatMore(Common, total=False):
    """The further parameters of `chat`."""

    tools: Tools | None


class GenerateMore(Common, total=False):
    """The further parameters of `generate`."""

    system: str | None
    template: str | None
    context: Sequence[int] | None
    raw: bool | None
    images: Sequence[str | bytes | Image] | None
    width: int | None
    height: int | None
    steps: int | None


@overload
def chat(
    self: Caller,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: Literal[False] = False,
    **more: Unpack[ChatMore],
) -> ChatResponse: ...


@overload
def chat(
    self: Caller,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: Literal[True],
    **more: Unpack[ChatMore],
) -> Stream[ChatResponse]: ...


@overload
def chat(
    self: Caller,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: bool,
    **more: Unpack[ChatMore],
) -> ChatResponse | Stream[ChatResponse]: ...


def chat(
    self: Caller,
    model: str = "",
    messages: Messages | None = None,
    *,
    tools: Tools | None = None,
    stream: bool = False,
    think: bool | str | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    format: Format | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
    truncate: bool | None = None,
    shift: bool | None = None,
    debug_render_only: bool | None = None,
) -> ChatResponse | Stream[ChatResponse]:
    """Continue a conversation.

    Blocks the caller's thread or greenlet: for the whole answer, or with `stream` until the request is on the wire.

    Args:
        model: its name.
        messages: the conversation so far. None or [] only loads the model.
        tools: that the model may call: functions, or their descriptions. Calling them is up to you; `run_tools` does.
        stream: return a `Stream` of parts instead of one reply.
        think: whether, or how hard, a model that can should think first: true, false, or a level as "high".
        logprobs: return the log probability of each token.
        top_logprobs: and of so many others at its place.
        format: "json", a JSON schema that the answer is to keep to, or a type: a dataclass, TypedDict, msgspec Struct,
            pydantic model, or one as `list[int]`. The answer is then checked, and `parsed` is an object of that type.
        options: of the model, as temperature; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
        truncate: whether a conversation that is too long is cut rather than refused.
        shift: whether the context moves on when it is full, rather than the answer ending.
        debug_render_only: do not run the model; return the prompt that it would be given, as `debug_info`.

    Returns:
        the answer, or a `Stream` of its parts.

    Raises:
        RequestError: an argument is wrong. Nothing was sent.
        ConnectError: nothing listens there.
        ResponseError: the server refuses; of a stream also later, from its first use.
        WaitTimeout: see `Timeout`.
        FormatError: the answer does not fit the type given as `format`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     reply = client.chat("llama3.2", [{"role": "user", "content": "hi"}])
        >>> reply.message.content
        'AAA'
    """
    body = arguments.body(
        model=arguments.model_name(model),
        messages=arguments.messages(messages),
        tools=arguments.tools(tools),
        stream=arguments.stream(stream),
        think=arguments.think(think),
        logprobs=arguments.flag("logprobs", logprobs),
        top_logprobs=arguments.whole("top_logprobs", top_logprobs),
        format=arguments.reply_format(format),
        options=arguments.options(options),
        keep_alive=arguments.keep_alive(keep_alive),
        truncate=arguments.flag("truncate", truncate),
        shift=arguments.flag("shift", shift),
        _debug_render_only=arguments.flag("debug_render_only", debug_render_only),
    )
    answer_type = arguments.answer_type(format)
    if stream:
        return self._stream(endpoints.CHAT, body, answer_type)
    return self._answer(endpoints.CHAT, body, answer_type)


@overload
def generate(
    self: Caller,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: Literal[False] = False,
    **more: Unpack[GenerateMore],
) -> GenerateResponse: ...


@overload
def generate(
    self: Caller,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: Literal[True],
    **more: Unpack[GenerateMore],
) -> Stream[GenerateResponse]: ...


@overload
def generate(
    self: Caller,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: bool,
    **more: Unpack[GenerateMore],
) -> GenerateResponse | Stream[GenerateResponse]: ...


def generate(
    self: Caller,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    system: str | None = None,
    template: str | None = None,
    context: Sequence[int] | None = None,
    stream: bool = False,
    think: bool | str | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    raw: bool | None = None,
    format: Format | None = None,
    images: Sequence[str | bytes | Image] | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    truncate: bool | None = None,
    shift: bool | None = None,
    debug_render_only: bool | None = None,
) -> GenerateResponse | Stream[GenerateResponse]:
    """Complete a prompt.

    Blocks the caller's thread or greenlet: for the whole answer, or with `stream` until the request is on the wire.

    Args:
        model: its name.
        prompt: to complete. None or "" only loads the model.
        suffix: the text behind the gap, for models that fill gaps.
        system: in place of the model's system prompt.
        template: in place of the model's template.
        context: of an earlier reply, to go on from; deprecated by Ollama.
        stream: return a `Stream` of parts instead of one reply.
        think: whether, or how hard, a model that can should think first: true, false, or a level as "high".
        logprobs: return the log probability of each token.
        top_logprobs: and of so many others at its place.
        raw: send the prompt to the model as it is, without a template.
        format: "json", a JSON schema that the answer is to keep to, or a type: a dataclass, TypedDict, msgspec Struct,
            pydantic model, or one as `list[int]`. The answer is then checked, and `parsed` is an object of that type.
        images: for models that see: `Path`, bytes, base64 text, or `Image`.
        options: of the model, as temperature; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
        width: of an image to make, in pixels; servers before 0.32.6.
        height: of an image to make, in pixels; servers before 0.32.6.
        steps: of making an image; servers before 0.32.6.
        truncate: whether a prompt that is too long is cut rather than refused.
        shift: whether the context moves on when it is full, rather than the answer ending.
        debug_render_only: do not run the model; return the prompt that it would be given, as `debug_info`.

    Returns:
        the answer, or a `Stream` of its parts.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     client.generate("llama3.2", "hi").response
        'AAA'
    """
    body = arguments.body(
        model=arguments.model_name(model),
        prompt=arguments.text("prompt", prompt),
        suffix=arguments.text("suffix", suffix),
        system=arguments.text("system", system),
        template=arguments.text("template", template),
        context=arguments.context(context),
        stream=arguments.stream(stream),
        think=arguments.think(think),
        logprobs=arguments.flag("logprobs", logprobs),
        top_logprobs=arguments.whole("top_logprobs", top_logprobs),
        raw=arguments.flag("raw", raw),
        format=arguments.reply_format(format),
        images=arguments.images("images", images) or None,
        options=arguments.options(options),
        keep_alive=arguments.keep_alive(keep_alive),
        width=arguments.whole("width", width),
        height=arguments.whole("height", height),
        steps=arguments.whole("steps", steps),
        truncate=arguments.flag("truncate", truncate),
        shift=arguments.flag("shift", shift),
        _debug_render_only=arguments.flag("debug_render_only", debug_render_only),
    )
    answer_type = arguments.answer_type(format)
    if stream:
        return self._stream(endpoints.GENERATE, body, answer_type)
    return self._answer(endpoints.GENERATE, body, answer_type)
