"""Tells hooks and the log of one run of tools: its beginning and end, and each tool. Its rounds are calls, and told as such.

Runs on the caller's thread, which runs the tools.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from ollama_sync._now import monotonic
from ollama_sync._observe.hooks import Hooks
from ollama_sync._observe.log import call_log, log_run
from ollama_sync._observe.observer import next_number

if TYPE_CHECKING:
    from ollama_sync import events

R = TypeVar("R")

_INFO = 20


class RunObserver:
    """Who follows one run of tools.

    Where there are hooks, the rounds and tools run in a copy of the context in which the run began, so that a hook may set there
    what is around them, as a span, and the caller sees nothing of it.

    Args:
        hooks: of the client.
        model: that is asked.
    """

    def __init__(self, hooks: Hooks, model: str) -> None:
        self._hooks = hooks
        self._model = model
        self._is_logged = call_log.isEnabledFor(_INFO)
        self._context: Context | None = None
        self._call: events.Call | None = None
        self._started = 0.0

    def began(self) -> None:
        """The run begins."""
        if not self._hooks and not self._is_logged:
            return
        from ollama_sync import events  # most runs are not observed

        self._started = monotonic()
        self._call = events.Call(next_number(), "run_tools", self._model, "", "", True)
        if self._hooks:
            self._context = copy_context()
        self._tell(self._context, events.RunStarted(self._call))

    def within(self, function: Callable[..., R], *args: Any) -> R:
        """Call a function within the run."""
        return function(*args) if self._context is None else self._context.run(function, *args)

    def tool(
        self,
        name: str,
        call_id: str | None,
        number: int,
        arguments: Any,
        function: Callable[[], str],
    ) -> str:
        """Call a tool, and tell what becomes of it. What it raises is passed on.

        Args:
            name: of the tool.
            call_id: what the model calls the call, if anything.
            number: of the round, from 1.
            arguments: as the model gave them.
            function: makes the call.
        """
        if self._call is None:
            return function()
        from ollama_sync import events

        context = None if self._context is None else self._context.copy()
        is_captured = self._hooks.captures_content
        said = (self._call, name, call_id, number)
        self._tell(context, events.ToolStarted(*said, arguments if is_captured else None))
        started = monotonic()
        try:
            result = function() if context is None else context.run(function)
        except BaseException as error:
            self._tell(context, events.ToolFailed(*said, monotonic() - started, error))
            raise
        seconds = monotonic() - started
        self._tell(context, events.ToolCalled(*said, seconds, result if is_captured else None))
        return result

    def ended(self, rounds: int, calls: int, error: BaseException | None) -> None:
        """The run is over: by itself, by an error, or because its caller has left it."""
        if self._call is None:
            return
        from ollama_sync import events

        seconds = monotonic() - self._started
        self._tell(self._context, events.RunEnded(self._call, seconds, rounds, calls, error))

    def _tell(self, context: Context | None, event: events.Event) -> None:
        if self._is_logged:
            log_run(event)
        if context is not None:
            # What is not an Exception is meant for the caller: Ctrl-C, a time limit of its own.
            context.run(self._hooks.tell, event, Exception)
