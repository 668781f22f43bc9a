"""The verb that lets a model use tools: it calls the functions and feeds their results back, round after round.

`run_tools` is a method of `Client`, which lists it in its body. Everything here runs on the caller's thread, also the
tools; a `ToolRun` belongs to one thread at a time, but `cancel` may be called from any.

    caller writes      messages, reply, rounds, calls, stopped_at_bound, _stream
    any thread         _cancelled (set once)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ollama_sync._client import arguments
from ollama_sync._client.verbs.answers import Common, Messages, chat
from ollama_sync._client.verbs.caller import Caller
from ollama_sync._observe.runs import RunObserver
from ollama_sync._stream.stream import Stream
from ollama_sync.errors import OllamaError, RequestError
from ollama_sync.types import ChatResponse, Message, unwrap

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ToolRun:
    """A conversation in which the model uses tools: an iterator of its text, in batches, through all rounds.

    Made by `Client.run_tools`. Iterating runs it; the tools are called in between, on the same thread.

    Args:
        ask: starts a streamed chat with the messages that it is given.
        messages: the conversation so far.
        functions: the tools by name.
        max_rounds: how often the results of tools are fed back.
        max_calls: how many calls may be made in all.
        observer: follows the run.

    Attributes:
        messages: the whole conversation, with the calls and their results.
        reply: the latest complete reply of the model; None before the first.
        rounds: how often results were fed back.
        calls: how many calls of the model were answered.
        stopped_at_bound: whether it ended although the model had asked for more calls.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     run = client.run_tools("llama3.2", [{"role": "user", "content": "hi"}], [])
        ...     print("".join(token for tokens in run for token in tokens))
        ...     print(run.rounds, [message.role for message in run.messages])
        AAA
        0 ['user', 'assistant']
    """

    def __init__(
        self,
        ask: Callable[[list[Message]], Stream[ChatResponse]],
        messages: Sequence[Mapping[str, Any] | Message],
        functions: Mapping[str, Callable[..., Any]],
        max_rounds: int,
        max_calls: int,
        observer: RunObserver,
    ) -> None:
        self._ask = ask
        self._functions = functions
        self._max_rounds = max_rounds
        self._max_calls = max_calls
        self._observer = observer
        self._stream: Stream[ChatResponse] | None = None
        self._cancelled = False
        self._tokens = self._run()
        self.messages = [Message(**message) for message in messages]
        self.reply: ChatResponse | None = None
        self.rounds = 0
        self.calls = 0
        self.stopped_at_bound = False

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        return next(self._tokens)

    def result(self) -> ChatResponse:
        """Run to the end and return the model's last reply. Blocks until then.

        Raises:
            OllamaError: how a round failed, or the model asked for more than `max_calls` calls.
        """
        for _ in self:
            pass
        assert self.reply is not None
        return self.reply

    def cancel(self) -> None:
        """End it: what had arrived of the answer is still delivered, and no further tool is called. Any thread."""
        self._cancelled = True
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def _run(self) -> Iterator[list[str]]:
        self._observer.began()
        try:
            yield from self._rounds()
        except BaseException as error:
            self._observer.ended(self.rounds, self.calls, error)
            raise
        self._observer.ended(self.rounds, self.calls, None)

    def _rounds(self) -> Iterator[list[str]]:
        while True:
            with self._observer.within(self._ask, self.messages) as stream:
                self._stream = stream
                if self._cancelled:  # before there was a stream to cancel
                    stream.cancel()
                yield from stream.tokens()
                self.reply = stream.result()
            message = self.reply.message
            self.messages.append(message)
            calls = message.tool_calls or ()
            if not calls or self._cancelled:
                return
            if self.rounds == self._max_rounds:
                self.stopped_at_bound = True
                return
            if len(calls) > self._max_calls - self.calls:
                raise OllamaError(
                    f"run_tools: the model asked for {len(calls)} tool calls at once, after {self.calls} before; "
                    f"max_calls={self._max_calls} allows no more, and none of the {len(calls)} was made. "
                    "Raise max_calls if this many are meant"
                )
            for call in calls:
                self.messages.append(self._answer(call))
                self.calls += 1
            self.rounds += 1

    def _answer(self, call: Message.ToolCall) -> Message:
        """Call a tool and return what it says. What goes wrong is told to the model, which may try again."""
        name = call.function.name
        try:
            text = self._observer.tool(
                name,
                call.id,
                self.rounds + 1,
                unwrap(call.function.arguments),
                partial(self._call, call),
            )
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the model's to hear
            kind = f"{type(error).__name__}: " if name in self._functions else ""
            text = f"error: {kind}{error}"
        return Message(role="tool", content=text, tool_name=name, tool_call_id=call.id)

    def _call(self, call: Message.ToolCall) -> str:
        """Call a tool, and return its result as text."""
        from ollama_sync.tools import (
            call_tool,
            tool_result_text,
        )  # slow to import, and needed here only

        name = call.function.name
        function = self._functions.get(name)
        if function is None:
            known = ", ".join(sorted(self._functions))
            raise RequestError(f"there is no tool {name!r}; there are: {known}")
        return tool_result_text(call_tool(function, call.function.arguments))


def run_tools(
    self: Caller,
    model: str,
    messages: Messages,
    tools: Sequence[Callable[..., Any]],
    *,
    max_rounds: int = 10,
    max_calls: int = 1000,
    **more: Unpack[Common],
) -> ToolRun:
    """Chat with a model that may call functions: call them, feed the results back, until it has no more calls.

    Nothing is sent before the run is iterated. A tool that the model invents, arguments that do not fit, and a function
    that raises are reported to the model and do not end the run.

    Args:
        model: its name.
        messages: the conversation so far.
        tools: functions; what the model learns of them is described at `ollama_sync.tools.tool_schema`. They are called on
            the thread that iterates.
        max_rounds: how often results are fed back; a model that then asks for more is not obeyed.
        max_calls: how many calls may be made in all. A reply that asks for more fails the run before any of its calls is made.
        more: what `chat` takes: options, think, keep_alive, …

    Returns:
        a `ToolRun`: iterate it for the text as it comes, or ask for its `result()`.

    Raises:
        RequestError: an argument is wrong. Nothing was sent.
        OllamaError: from the run: how a round failed, or the model asked for more than `max_calls` calls.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> def add(a: int, b: int) -> int:
        ...     '''Add two numbers.'''
        ...     return a + b
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     run = client.run_tools("llama3.2", [{"role": "user", "content": "2 + 3?"}], [add])
        ...     print(run.result().message.content)
        AAA
    """
    from ollama_sync.tools import check_blocks, tool_schema  # slow to import, and needed here only

    for name, bound in (("max_rounds", max_rounds), ("max_calls", max_calls)):
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 0:
            raise arguments.refusal(name, bound, "a whole number, 0 or more")
    if isinstance(tools, (str, bytes, Mapping)) or not isinstance(tools, Sequence):
        raise arguments.refusal("tools", tools, "a list of functions")
    functions: dict[str, Callable[..., Any]] = {}
    for number, function in enumerate(tools):
        if not callable(function):
            raise arguments.refusal(
                f"tools[{number}]", function, "a function; chat() takes descriptions"
            )
        check_blocks(function)
        name = str(tool_schema(function).to_dict()["function"]["name"])
        if name in functions:
            raise RequestError(f"tools[{number}]: a second tool named {name!r}")
        functions[name] = function
    arguments.model_name(model)
    conversation = [Message(**message) for message in arguments.messages(messages)]
    schemas = [tool_schema(function) for function in functions.values()]

    def ask(so_far: list[Message]) -> Stream[ChatResponse]:
        stream: Stream[ChatResponse] = chat(self, model, so_far, tools=schemas, stream=True, **more)
        return stream

    observer = self._observed_run(model)
    return ToolRun(ask, conversation, functions, max_rounds, max_calls, observer)
