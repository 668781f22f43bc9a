"""What a hook given as `Client(observe=...)` is told: one frozen value for each step of a call.

No event has a key or a header in it, and none a prompt, unless a hook asks for what is said by an attribute `captures_content`
that is true: then `Started.asked`, `Received.said`, `ToolStarted.arguments` and `ToolCalled.result` have it for all hooks of the
client. Else the answer of a model is only in `Received.last`. No `repr` shows any of it.

Pure: values, and the decoding of one line for who asks. `Started`, and what is told of a run of tools, comes on the caller's
thread, the others on the hub's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ollama_sync._wire import loads
from ollama_sync.errors import OllamaError

__all__ = [
    "Batch",
    "Call",
    "Cancelled",
    "Connected",
    "Event",
    "Failed",
    "Finished",
    "FirstPart",
    "Hook",
    "Received",
    "Retried",
    "RunEnded",
    "RunStarted",
    "Started",
    "ToolCalled",
    "ToolFailed",
    "ToolStarted",
]


JSON: TypeAlias = bytes


@dataclass(frozen=True, slots=True)
class Call:
    """Which call an event is about. Each event of a call has the same one.

    A run of tools is named by one, too, with the verb "run_tools". Its rounds are calls of their own.

    Args:
        id: unique within the process.
        verb: the method of the client, as "chat".
        model: as the request names it; None where it names none.
        method: of HTTP; "" for a run of tools.
        url: of the first request, without user name and password; "" for a run of tools.
        stream: whether the reply is read part by part.
    """

    id: int
    verb: str
    model: str | None
    method: str
    url: str
    stream: bool


@dataclass(frozen=True, slots=True)
class Received:
    """What had arrived when a call ended.

    Args:
        parts: of a stream; 0 for a reply that does not stream.
        bytes: of the body, without its framing.
        first_part: seconds from the call to the first part of a stream; None before, and where there are no parts.
        last: the last part of a stream, or the whole of a reply that does not stream, as it came; b"" when nothing did.
        said: the whole reply as it came, where a hook captures content, and up to 1 MiB; else b"".
    """

    parts: int
    bytes: int
    first_part: float | None
    last: JSON = field(repr=False)
    said: JSON = field(default=b"", repr=False)

    def final(self) -> dict[str, Any]:
        """Decode `last`: of an answer's end it has the reason, the tokens and the durations. {} when it is no object.

        Takes time in proportion to the length of `last`, and on the hub's thread every stream waits meanwhile.

        Example:
            >>> from ollama_sync.events import Received
            >>> Received(1, 40, 0.5, b'{"done":true,"eval_count":7}').final()["eval_count"]
            7
        """
        try:
            value = loads(self.last)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Started:
    """A call begins. Told on the thread that called, within the call.

    Args:
        call: which.
        asked: the body of the request, where a hook captures content, and up to 1 MiB; else b"".
    """

    call: Call
    asked: JSON = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Connected:
    """A call has a connection. Told again after a redirect or a retry.

    Args:
        call: which.
        seconds: since the call began.
        kept: whether an earlier call has left it.
    """

    call: Call
    seconds: float
    kept: bool


@dataclass(frozen=True, slots=True)
class FirstPart:
    """The first part of a stream has arrived.

    Args:
        call: which.
        seconds: since the call began.
    """

    call: Call
    seconds: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Parts of a stream have been released to the caller.

    Args:
        call: which.
        seconds: since the call began.
        parts: how many, together.
        bytes: of them.
    """

    call: Call
    seconds: float
    parts: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """An attempt failed, and another will be made.

    Args:
        call: which.
        seconds: since the call began.
        attempt: the number of the one that failed; the first is 1.
        error: how it failed.
        wait: seconds until the next.
    """

    call: Call
    seconds: float
    attempt: int
    error: OllamaError
    wait: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply was read to its end. The last event of a call.

    Args:
        call: which.
        seconds: since the call began.
        received: what arrived.
    """

    call: Call
    seconds: float
    received: Received


@dataclass(frozen=True, slots=True)
class Failed:
    """The call failed, by an error of the tree; an error line in mid-stream is one. The last event of a call.

    Args:
        call: which.
        seconds: since the call began.
        received: what had arrived.
        error: what the caller is raised.
    """

    call: Call
    seconds: float
    received: Received
    error: OllamaError


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The call was cancelled before its end was read: by its caller, or with its client. The last event of a call.

    Args:
        call: which.
        seconds: since the call began.
        received: what had arrived. It may be all of an answer: a caller who has seen its end may not wait for the body's.
    """

    call: Call
    seconds: float
    received: Received


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run of tools begins. Told, as all of a run, on the thread that iterates it.

    What the hook sets in the context variables holds for the rounds and tools of the run, and not for its caller.

    Args:
        call: which run.
    """

    call: Call


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is about to be called. What the hook sets in the context variables holds for this tool.

    Args:
        call: which run.
        tool: its name, as the model says it.
        tool_call_id: what the model calls the call; None where it does not.
        round: which, from 1.
        arguments: of the model, where a hook captures content; else None.
    """

    call: Call
    tool: str
    tool_call_id: str | None
    round: int
    arguments: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool has returned.

    Args:
        call: which run.
        tool: its name.
        tool_call_id: as in `ToolStarted`.
        round: which, from 1.
        seconds: that it took.
        result: what the model is told, where a hook captures content; else None.
    """

    call: Call
    tool: str
    tool_call_id: str | None
    round: int
    seconds: float
    result: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ToolFailed:
    """A tool has raised, does not exist, or was given arguments that do not fit. The model is told, and may try again.

    Args:
        call: which run.
        tool: its name, as the model says it.
        tool_call_id: as in `ToolStarted`.
        round: which, from 1.
        seconds: that it took.
        error: what was raised.
    """

    call: Call
    tool: str
    tool_call_id: str | None
    round: int
    seconds: float
    error: BaseException


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run of tools is over. The last event of a run.

    Args:
        call: which run.
        seconds: since the run began, with the time that its caller took.
        rounds: how often results were fed back.
        calls: how many calls of tools were answered.
        error: what ended it early; `GeneratorExit` where its caller has left it; None when it came to its end or was cancelled.
    """

    call: Call
    seconds: float
    rounds: int
    calls: int
    error: BaseException | None


Event: TypeAlias = (
    Started
    | Connected
    | FirstPart
    | Batch
    | Retried
    | Finished
    | Failed
    | Cancelled
    | RunStarted
    | ToolStarted
    | ToolCalled
    | ToolFailed
    | RunEnded
)
"""What a hook is told, one of these a time."""

Hook: TypeAlias = Callable[[Event], object]
"""What `Client(observe=...)` takes, one or several of them. What it returns is dropped."""
