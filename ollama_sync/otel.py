"""OpenTelemetry: a hook that turns the calls of a client into spans and metrics. Needs the extra `otel`.

They follow the semantic conventions for generative AI, for the calls that have a place there: chat, generate, embed and
embeddings. A span is a child of the one that is current where the call was made. A run of tools is a span around those of its
rounds and of its tools. No prompt, no answer, and nothing that a tool is given or returns is recorded, unless that is asked for.

Runs where events are told: the beginning of a span on the caller's thread, the rest on the hub's.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, metrics, trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from ollama_sync import __version__, _otel_content, events
from ollama_sync.errors import ResponseError

__all__ = ["OpenTelemetry"]

# As the conventions name them. `generate` completes a text; a chat template may make a chat of it, which nobody here knows.
_OPERATIONS = {
    "chat": "chat",
    "generate": "text_completion",
    "embed": "embeddings",
    "embeddings": "embeddings",
}

# Bytes; a longer reply, as of many embeddings, is not decoded for its tokens: every stream would wait for that.
_LONGEST = 65536

# Seconds and tokens; from the conventions.
_SECONDS = [0.01 * 2**n for n in range(14)]
_TOKENS = [4.0**n for n in range(14)]

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON_SPANS = {"true", "1", "span_only", "span_and_event"}

Attributes = dict[str, Any]
Ended = events.Finished | events.Failed | events.Cancelled


class OpenTelemetry:
    """A hook for `Client(observe=...)`. One may serve any number of clients.

    Args:
        tracer_provider: where spans go; None for the program's own.
        meter_provider: where metrics go; None for the program's own.
        capture_content: whether spans also have what was asked and said, and what tools were given and returned. None: as
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says when this is made ("true", "span_only"), else not.

    Attributes:
        captures_content: whether they do.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url, observe=OpenTelemetry()) as client:
        ...     reply = client.generate("llama3.2", "Why is the sky blue?")
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        *,
        capture_content: bool | None = None,
    ) -> None:
        wanted = os.environ.get(_CAPTURE, "").lower() in _ON_SPANS
        self.captures_content = wanted if capture_content is None else capture_content
        self._tracer = trace.get_tracer("ollama_sync", __version__, tracer_provider)
        meter = metrics.get_meter("ollama_sync", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk of a stream.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        # By the call: begun on the caller's thread, ended on the hub's. By the run: all on its caller's.
        self._spans: dict[int, Span] = {}
        self._tools: dict[int, Span] = {}  # a run calls one tool at a time

    def __call__(self, event: events.Event) -> None:
        """Take an event."""
        if event.call.verb == "run_tools":
            self._take_of_run(event)
            return
        if event.call.verb not in _OPERATIONS:
            return
        if isinstance(event, events.Started):
            self._begin(event.call)
            if event.asked:
                asked = _otel_content.asked(event.call.verb, event.asked)
                self._spans[event.call.id].set_attributes(asked)
        elif isinstance(event, events.Retried):
            self._spans[event.call.id].set_attribute("http.request.resend_count", event.attempt)
        elif isinstance(event, Ended):
            self._end(event)

    def _begin(self, call: events.Call) -> None:
        attributes = _of_call(call)
        name = " ".join(filter(None, (attributes["gen_ai.operation.name"], call.model)))
        if call.stream:
            attributes["gen_ai.request.stream"] = True
        self._spans[call.id] = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=attributes
        )

    def _take_of_run(self, event: events.Event) -> None:
        """Make a span of a run, and of each of its tools; those of its rounds are the spans of their calls."""
        if isinstance(event, events.RunStarted):
            attributes = {"gen_ai.request.model": event.call.model}
            self._spans[event.call.id] = self._enter("invoke_agent", "", attributes)
        elif isinstance(event, events.ToolStarted):
            attributes = {"gen_ai.tool.name": event.tool, "gen_ai.tool.type": "function"}
            if event.tool_call_id:
                attributes["gen_ai.tool.call.id"] = event.tool_call_id
            if event.arguments is not None:
                attributes |= _otel_content.arguments(event.arguments)
            self._tools[event.call.id] = self._enter("execute_tool", event.tool, attributes)
        elif isinstance(event, events.ToolCalled):
            tool = self._tools.pop(event.call.id)
            if event.result is not None:
                tool.set_attributes(_otel_content.result(event.result))
            _leave(tool, None)
        elif isinstance(event, events.ToolFailed):
            _leave(self._tools.pop(event.call.id), event.error)
        elif isinstance(event, events.RunEnded):
            _leave(self._spans.pop(event.call.id), event.error)

    def _enter(self, operation: str, what: str, attributes: Attributes) -> Span:
        """Begin a span, and make it the current one: of the context that belongs to the run or the tool, and ends with it."""
        common = {"gen_ai.operation.name": operation, "gen_ai.provider.name": "ollama"}
        span = self._tracer.start_span(
            f"{operation} {what}".rstrip(),
            kind=SpanKind.INTERNAL,
            attributes=common | attributes,
        )
        context.attach(trace.set_span_in_context(span))
        return span

    def _end(self, event: Ended) -> None:
        received = event.received
        final = received.final() if len(received.last) <= _LONGEST else {}
        span = self._spans.pop(event.call.id)
        common = _of_call(event.call) | _found(final, model="gen_ai.response.model")
        usage = _found(
            final,
            prompt_eval_count="gen_ai.usage.input_tokens",
            eval_count="gen_ai.usage.output_tokens",
        )
        span.set_attributes(common | usage | _of_end(event, final))
        if received.said:
            span.set_attributes(_otel_content.said(event.call.verb, received.said))
        fault = _of_fault(event)
        if fault:
            span.set_attributes(fault)
            span.set_status(StatusCode.ERROR)
        # Within the span's context, so that a metric can name the span as its exemplar.
        around = trace.set_span_in_context(span)
        error = {name: value for name, value in fault.items() if name == "error.type"}
        self._duration.record(event.seconds, common | error, around)
        if received.first_part is not None:
            self._first_chunk.record(received.first_part, common, around)
        for name, count in usage.items():
            kind = "input" if name.endswith("input_tokens") else "output"
            self._tokens.record(count, common | {"gen_ai.token.type": kind}, around)
        span.end()


def _leave(span: Span, error: BaseException | None) -> None:
    """End the span of a run or a tool. A caller that leaves a run early is no error."""
    if error is not None and not isinstance(error, GeneratorExit):
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(StatusCode.ERROR)
    span.end()


def _of_call(call: events.Call) -> Attributes:
    """Return what is known before a call."""
    attributes: Attributes = {
        "gen_ai.operation.name": _OPERATIONS[call.verb],
        "gen_ai.provider.name": "ollama",
    }
    if call.model is not None:
        attributes["gen_ai.request.model"] = call.model
    place = urlsplit(call.url)
    if place.hostname:
        attributes["server.address"] = place.hostname
        attributes["server.port"] = place.port or {"http": 80, "https": 443}[place.scheme]
    else:  # a Unix socket: its path, then that of the API
        attributes["server.address"] = place.path.partition(":")[0]
    return attributes


def _of_end(event: Ended, final: dict[str, Any]) -> Attributes:
    """Return what is known of the answer, of the span only."""
    attributes: Attributes = {}
    if final.get("done_reason"):
        attributes["gen_ai.response.finish_reasons"] = [final["done_reason"]]
    if event.received.first_part is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = event.received.first_part
    if isinstance(event, events.Cancelled) and not final.get("done"):
        attributes["ollama_sync.cancelled"] = True
    return attributes


def _of_fault(event: Ended) -> Attributes:
    """Return what is known of a failure: its kind, and not its text, which a server may take from the prompt."""
    if not isinstance(event, events.Failed):
        return {}
    attributes: Attributes = {"error.type": type(event.error).__name__}
    if isinstance(event.error, ResponseError) and event.error.status_code > 0:
        attributes["http.response.status_code"] = event.error.status_code
    return attributes


def _found(final: dict[str, Any], **names: str) -> Attributes:
    """Return the fields that a reply has, under the names of the conventions."""
    return {name: final[field] for field, name in names.items() if final.get(field) is not None}
