"""The loggers of the package, one tree; silent until a program asks for them.

    ollama_sync           the root, with a handler that does nothing
    ollama_sync.call      INFO: each call, when it has ended; DEBUG: its life; WARNING: what is tried again; ERROR: a dropped hook
    ollama_sync.hub       ERROR: a bug of ours

No line has a prompt, an answer, a key or a header in it, but what the server says of an error, which may quote them. Any thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ollama_sync import events

# Without it, Python would print warnings to stderr for a program that has not set up logging.
logging.getLogger("ollama_sync").addHandler(logging.NullHandler())

call_log = logging.getLogger("ollama_sync.call")

# Bytes; a longer reply, as of many embeddings, is not decoded for a line of the log: every stream would wait for that.
_LONGEST = 65536
_MEASURED = ("eval_count", "eval_duration", "load_duration")


def log_retry(
    number: int, verb: str, tried: str, attempt: int, error: BaseException, wait: float
) -> None:
    """Write that an attempt of a call failed, and that the next is made in `wait` seconds."""
    # At once: as a rule the server had closed a connection that was kept, which is no fault.
    call_log.log(
        logging.WARNING if wait else logging.DEBUG,
        "call %d: %s, %s: attempt %d failed: %s; the next in %.3f s",
        *(number, verb, tried, attempt, _text(error, tried), wait),
    )


def log_event(event: events.Event) -> None:
    """Write a line about one step of a call: a hook like any other."""
    from ollama_sync import events  # whoever calls has imported it

    call = event.call
    if isinstance(event, events.Retried):
        tried = f"{call.method} {call.url}"
        log_retry(call.id, call.verb, tried, event.attempt, event.error, event.wait)
    elif isinstance(event, events.Started):
        call_log.debug(
            "call %d: %s, model %s, %s %s", call.id, call.verb, call.model, call.method, call.url
        )
    elif isinstance(event, events.Connected):
        how = "a kept connection" if event.kept else "connected"
        call_log.debug("call %d: %s after %.3f s", call.id, how, event.seconds)
    elif isinstance(event, events.FirstPart):
        call_log.debug("call %d: first part after %.3f s", call.id, event.seconds)
    elif isinstance(event, (events.Finished, events.Failed, events.Cancelled)):
        call_log.info(
            "call %d: %s%s, %s %s: %s after %.3f s: %d parts, %d bytes%s",
            *(call.id, call.verb, f", model {call.model}" if call.model else ""),
            *(call.method, call.url, type(event).__name__.lower(), event.seconds),
            *(event.received.parts, event.received.bytes, _ending(event)),
        )


def log_run(event: events.Event) -> None:
    """Write a line about one step of a run of tools. Of an error its type alone: its text may have the arguments in it."""
    from ollama_sync import events  # whoever calls has imported it

    run = event.call
    if isinstance(event, events.RunStarted):
        call_log.debug("run %d: run_tools, model %s", run.id, run.model)
    elif isinstance(event, events.ToolStarted):
        call_log.debug("run %d: round %d calls the tool %s", run.id, event.round, event.tool)
    elif isinstance(event, events.ToolCalled):
        call_log.info(
            "run %d: the tool %s returned after %.3f s", run.id, event.tool, event.seconds
        )
    elif isinstance(event, events.ToolFailed):
        call_log.info(
            "run %d: the tool %s failed after %.3f s: %s",
            *(run.id, event.tool, event.seconds, type(event.error).__name__),
        )
    elif isinstance(event, events.RunEnded):
        call_log.info(
            "run %d: run_tools, model %s: %s after %.3f s: rounds with tools: %d, tools called: %d",
            *(run.id, run.model, "finished" if event.error is None else "ended early"),
            *(event.seconds, event.rounds, event.calls),
        )


def _ending(event: events.Finished | events.Failed | events.Cancelled) -> str:
    """Return what the last line of a call says of the model's work, or of what went wrong."""
    error = getattr(event, "error", None)
    if error is not None:
        return f"; {type(error).__name__}: {_text(error, f'{event.call.method} {event.call.url}')}"
    received = event.received
    final = received.final() if len(received.last) <= _LONGEST else {}
    count, took, load = (_number(final, name) for name in _MEASURED)
    said = f", {count} tokens" if count else ""
    if count and took:
        said += f", {count / took * 1e9:.1f} tokens/s"
    return f"{said}, loaded in {load / 1e9:.3f} s" if load else said


def _number(final: dict[str, Any], name: str) -> int:
    value = final.get(name)
    return value if isinstance(value, int) else 0


def _text(error: BaseException, tried: str) -> str:
    """Return the text of an error without the request with which it begins: the line has named that already."""
    return str(error).removeprefix(f"{tried}: ")
