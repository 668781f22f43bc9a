"""The verbs of a fleet: those of a client, with `affinity`.

Each is a method of `Fleet`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ollama_sync._client.outcomes import Outcomes
from ollama_sync._client.verbs import answers, many, vectors
from ollama_sync._client.verbs import tools as tool_runs
from ollama_sync._client.verbs.answers import ChatMore, GenerateMore, Messages
from ollama_sync._client.verbs.many import Request
from ollama_sync._client.verbs.tools import ToolRun
from ollama_sync._stream.stream import Stream
from ollama_sync.fleet.caller import FleetCaller, Routing
from ollama_sync.types import (
    ChatResponse,
    EmbeddingsResponse,
    EmbedResponse,
    GenerateResponse,
    Options,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ollama_sync.fleet.fleet import Fleet

I = TypeVar("I")  # noqa: E741 - an item


@overload
def chat(
    self: Routing,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: Literal[False] = False,
    affinity: str | None = None,
    **more: Unpack[ChatMore],
) -> ChatResponse: ...


@overload
def chat(
    self: Routing,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: Literal[True],
    affinity: str | None = None,
    **more: Unpack[ChatMore],
) -> Stream[ChatResponse]: ...


@overload
def chat(
    self: Routing,
    model: str = "",
    messages: Messages | None = None,
    *,
    stream: bool,
    affinity: str | None = None,
    **more: Unpack[ChatMore],
) -> ChatResponse | Stream[ChatResponse]: ...


def chat(
    self: Routing,
    model: str = "",
    messages: Messages | None = None,
    *,
    affinity: str | None = None,
    **more: Any,
) -> ChatResponse | Stream[ChatResponse]:
    """Continue a conversation, at the server that suits it best.

    As `Client.chat`, and blocks as that does. Until the first byte of its reply has come, a call that fails at one server goes on
    to another.

    Args:
        model: its name.
        messages: the conversation so far.
        affinity: names the conversation, as "conversation-7": as long as its server has a place for it, it stays there, where the
            prompt so far need not be read again.
        more: what `Client.chat` takes, `stream` included.

    Returns:
        the answer, or a `Stream` of its parts.

    Raises:
        FleetDown: no server could take it; the error says what is wrong with each.
        FleetBusy: as many calls wait for a place as `max_waiting` allows.
        OllamaError: as `Client.chat`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as one, MockOllama(chunks=3) as two, Fleet([one.url, two.url]) as fleet:
        ...     fleet.chat("llama3.2", [{"role": "user", "content": "hi"}], affinity="ada").message.content
        'AAA'
    """
    caller = FleetCaller(self, model, affinity)
    reply: ChatResponse | Stream[ChatResponse] = answers.chat(caller, model, messages, **more)
    return reply


@overload
def generate(
    self: Routing,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: Literal[False] = False,
    affinity: str | None = None,
    **more: Unpack[GenerateMore],
) -> GenerateResponse: ...


@overload
def generate(
    self: Routing,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: Literal[True],
    affinity: str | None = None,
    **more: Unpack[GenerateMore],
) -> Stream[GenerateResponse]: ...


@overload
def generate(
    self: Routing,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    stream: bool,
    affinity: str | None = None,
    **more: Unpack[GenerateMore],
) -> GenerateResponse | Stream[GenerateResponse]: ...


def generate(
    self: Routing,
    model: str = "",
    prompt: str | None = None,
    suffix: str | None = None,
    *,
    affinity: str | None = None,
    **more: Any,
) -> GenerateResponse | Stream[GenerateResponse]:
    """Complete a prompt, at the server that suits it best. As `Client.generate`, with `affinity` as in `chat`.

    Args:
        model: its name.
        prompt: to complete.
        suffix: the text behind the gap, for models that fill gaps.
        affinity: names the conversation that the call belongs to.
        more: what `Client.generate` takes, `stream` included.

    Returns:
        the answer, or a `Stream` of its parts.

    Raises:
        OllamaError: as `chat`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Fleet([server.url]) as fleet:
        ...     fleet.generate("llama3.2", "hi").response
        'AAA'
    """
    caller = FleetCaller(self, model, affinity)
    reply: GenerateResponse | Stream[GenerateResponse] = answers.generate(
        caller, model, prompt, suffix, **more
    )
    return reply


def embed(
    self: Routing,
    model: str = "",
    input: str | Sequence[str] = "",
    truncate: bool | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
    dimensions: int | None = None,
    *,
    chunk: int | None = None,
) -> EmbedResponse:
    """Turn texts into vectors, at the server that suits best. As `Client.embed`.

    Args:
        model: its name.
        input: a text, or a list of texts.
        truncate: whether a text that is too long is cut rather than refused.
        options: of the model; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.
        dimensions: length of the vectors, if shorter than the model's own.
        chunk: send so many texts in a request, and eight requests at a time; None sends all in one.

    Returns:
        the vectors, under `embeddings`.

    Raises:
        OllamaError: as `chat`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Fleet([server.url]) as fleet:
        ...     len(fleet.embed("all-minilm", ["one", "two"]).embeddings)
        2
    """
    caller = FleetCaller(self, model, None)
    return vectors.embed(
        *(caller, model, input, truncate, options, keep_alive, dimensions), chunk=chunk
    )


def embeddings(
    self: Routing,
    model: str = "",
    prompt: str | None = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: float | str | None = None,
) -> EmbeddingsResponse:
    """Turn one text into a vector, at the server that suits best. As `Client.embeddings`.

    Args:
        model: its name.
        prompt: the text.
        options: of the model; see `Options`.
        keep_alive: how long the model stays loaded: seconds, or "5m"; -1 for ever, 0 to unload it.

    Returns:
        the vector, under `embedding`.

    Raises:
        OllamaError: as `chat`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Fleet([server.url]) as fleet:
        ...     len(fleet.embeddings("all-minilm", "one").embedding) > 0
        True
    """
    caller = FleetCaller(self, model, None)
    return vectors.embeddings(caller, model, prompt, options, keep_alive)


def run_tools(
    self: Routing,
    model: str,
    messages: Messages,
    tools: Sequence[Callable[..., Any]],
    *,
    affinity: str | None = None,
    **more: Any,
) -> ToolRun:
    """Chat with a model that may call functions; all rounds of a run go to one server, as long as that has a place.

    As `Client.run_tools`; errors as `chat`.

    Args:
        model: its name.
        messages: the conversation so far.
        tools: functions.
        affinity: names the conversation; else each run has a name of its own.
        more: what `Client.run_tools` takes.

    Returns:
        a `ToolRun`: iterate it for the text as it comes, or ask for its `result()`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Fleet([server.url]) as fleet:
        ...     run = fleet.run_tools("llama3.2", [{"role": "user", "content": "hi"}], [])
        ...     run.result().message.content
        'AAA'
    """
    caller = FleetCaller(self, model, uuid.uuid4().hex if affinity is None else affinity)
    return tool_runs.run_tools(caller, model, messages, tools, **more)


@overload
def map(  # noqa: A001 - what the verb is called
    self: Fleet,
    verb: Literal["chat"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int | None = None,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, ChatResponse]: ...


@overload
def map(  # noqa: A001 - what the verb is called
    self: Fleet,
    verb: Literal["generate"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int | None = None,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, GenerateResponse]: ...


@overload
def map(  # noqa: A001 - what the verb is called
    self: Fleet,
    verb: Literal["embed"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int | None = None,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, EmbedResponse]: ...


def map(  # noqa: A001 - what the verb is called
    self: Fleet,
    verb: Any,
    items: Iterable[Any],
    *,
    request: Request[Any] | None = None,
    parallel: int | None = None,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[Any, Any]:
    """Make one request for each of many items, over all servers. As `Client.map`; errors as that.

    A call whose server breaks is made again at another, also when a part of its reply had come. When every server is down, each
    call waits up to ten seconds for one to come back before it fails.

    Args:
        verb: "chat", "generate" or "embed".
        items: whatever the requests are made for.
        request: returns the parameters of the verb for an item, by name.
        parallel: how many calls are open at a time. By default as many as there are places, and a quarter more, which wait, so that
            no place stays empty.
        ordered: whether outcomes come in the order of the items, or as they end.
        common: parameters of the verb for every item.

    Returns:
        an iterator of `Outcome`, each with the URL of its server as `host`.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> prompts = [{"prompt": "one"}, {"prompt": "two"}]
        >>> with MockOllama(chunks=3) as one, MockOllama(chunks=3) as two, Fleet([one.url, two.url]) as fleet:
        ...     [outcome.get().response for outcome in fleet.map("generate", prompts, model="llama3.2")]
        ['AAA', 'AAA']
    """
    if parallel is None:
        places = sum(server.places for server in self.servers)
        parallel = places + (places + 3) // 4
    return many.map(
        self, verb, items, request=request, parallel=parallel, ordered=ordered, **common
    )
