"""The OpenTelemetry hook: spans and metrics by the semantic conventions, and nothing of what was said."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync import Client, ErrorLine, ResponseError, events
from ollama_sync.testing import Gate, MockOllama, answer, chunk, head, reply, silence, stream, wait

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ollama_sync.otel import _OPERATIONS, OpenTelemetry

Eventually = Callable[[Callable[[], object]], None]

HI = [{"role": "user", "content": "a secret prompt"}]
PART = {"message": {"role": "assistant", "content": "a secret answer"}, "done": False}
FINAL = {
    "model": "llama3.2:latest",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 11,
    "eval_count": 2,
}


CONTENT = [
    *("input.messages", "output.messages", "system_instructions"),
    *("tool.call.arguments", "tool.call.result"),
]


def double(n: int) -> int:
    """Double a number."""
    return 2 * n


class Telemetry:
    """A hook with everything it records kept in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.hook = OpenTelemetry(self.tracers, MeterProvider([self._reader]))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def points(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        """Give the sum and the attributes of each point of a metric."""
        data = self._reader.get_metrics_data()
        scopes = [] if data is None else data.resource_metrics[0].scope_metrics
        return [
            (point.sum, dict(point.attributes))
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def common(server: MockOllama) -> dict[str, object]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "gen_ai.request.model": "llama3.2",
        "gen_ai.response.model": "llama3.2:latest",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }


def test_a_stream_is_a_span(server: MockOllama, telemetry: Telemetry) -> None:
    """With the model, the tokens, the reason of its end and the time to its first part."""
    server.script([stream([PART, FINAL])])
    with Client(server.url, observe=telemetry.hook) as client:
        client.chat("llama3.2", HI, stream=True).result()
    (span,) = telemetry.spans
    assert (span.name, span.kind) == ("chat llama3.2", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    attributes = dict(span.attributes or {})
    first = attributes.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(first, float)
    assert first > 0
    assert attributes == {
        **common(server),
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 2,
    }
    assert "secret" not in span.to_json()


def test_a_reply_that_does_not_stream_is_a_span(server: MockOllama, telemetry: Telemetry) -> None:
    """Ended by the time the call returns; it has no first part, and nothing of the answer."""
    server.script([reply({**FINAL, **PART, "done": True})])
    with Client(server.url, observe=telemetry.hook) as client:
        client.chat("llama3.2", HI)
        (span,) = telemetry.spans
    assert dict(span.attributes or {}) == {
        **common(server),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 2,
    }
    assert "secret" not in span.to_json()


def test_the_metrics_of_a_stream(server: MockOllama, telemetry: Telemetry) -> None:
    """Duration, time to the first part, and tokens in and out, with few attributes."""
    server.script([stream([PART, FINAL])])
    with Client(server.url, observe=telemetry.hook) as client:
        client.chat("llama3.2", HI, stream=True).result()
    ((seconds, attributes),) = telemetry.points("gen_ai.client.operation.duration")
    assert seconds > 0
    assert attributes == common(server)
    ((first, attributes),) = telemetry.points("gen_ai.client.operation.time_to_first_chunk")
    assert 0 < first <= seconds
    assert attributes == common(server)
    assert {
        attributes["gen_ai.token.type"]: (count, attributes.keys() - {"gen_ai.token.type"})
        for count, attributes in telemetry.points("gen_ai.client.token.usage")
    } == {"input": (11, common(server).keys()), "output": (2, common(server).keys())}


def test_the_span_is_a_child_of_the_callers(server: MockOllama, telemetry: Telemetry) -> None:
    """The call is made on one thread and ends on another: the parent is what was current where it was made."""
    tracer = telemetry.tracers.get_tracer("test")
    with Client(server.url, observe=telemetry.hook) as client:
        with tracer.start_as_current_span("outer") as outer:
            running = client.chat("llama3.2", HI, stream=True)
            assert trace.get_current_span() is outer
        running.result()
    spans = {span.name: span for span in telemetry.spans}
    parent = spans["chat llama3.2"].parent
    assert parent is not None
    assert parent.span_id == outer.get_span_context().span_id
    assert context.get_current() == {}


@pytest.mark.parametrize(
    ("call", "path", "name", "answer", "tokens"),
    [
        (
            lambda client: client.generate("m", "hi"),
            "/api/generate",
            "text_completion m",
            {"response": "a", "done": True, "prompt_eval_count": 3, "eval_count": 1},
            {"input": 3, "output": 1},
        ),
        (
            lambda client: client.embed("m", "hi"),
            "/api/embed",
            "embeddings m",
            {"embeddings": [[1.0]], "prompt_eval_count": 3},
            {"input": 3},
        ),
        (
            lambda client: client.embed("m", "hi"),
            "/api/embed",
            "embeddings m",
            {"embeddings": [[0.125] * 20_000], "prompt_eval_count": 3},
            {},  # too long to be decoded on the hub
        ),
        (
            lambda client: client.embeddings("m", "hi"),
            "/api/embeddings",
            "embeddings m",
            {"embedding": [1.0]},
            {},
        ),
    ],
)
def test_each_operation_is_a_span(
    server: MockOllama,
    telemetry: Telemetry,
    call: Callable[[Client], object],
    path: str,
    name: str,
    answer: dict[str, object],
    tokens: dict[str, int],
) -> None:
    """By the operation's name in the conventions, with the tokens that its reply tells."""
    server.script([reply(answer)], path=path)
    with Client(server.url, observe=telemetry.hook) as client:
        call(client)
    (span,) = telemetry.spans
    attributes = span.attributes or {}
    assert (span.name, attributes["gen_ai.operation.name"]) == (name, name.split(maxsplit=1)[0])
    usage = telemetry.points("gen_ai.client.token.usage")
    assert {attributes["gen_ai.token.type"]: count for count, attributes in usage} == tokens


def test_a_run_of_tools_is_a_tree_of_spans(server: MockOllama, telemetry: Telemetry) -> None:
    """The run holds its rounds and tools, a tool what is done in it; nothing of what was said is in them."""
    tracer = telemetry.tracers.get_tracer("test")

    def look_up(word: str) -> str:
        """Look up a word."""
        with tracer.start_as_current_span("database"):
            return "a secret result"

    def fail() -> None:
        """Fail."""
        raise ValueError("a secret reason")

    calls = [("look_up", {"word": "a secret argument"}), ("fail", {})]
    server.script([answer(tool_calls=calls)])
    server.script([answer(["a secret answer"])])
    with Client(server.url, observe=telemetry.hook) as client:
        with tracer.start_as_current_span("outer"):
            client.run_tools("m", HI, [look_up, fail]).result()
        assert not trace.get_current_span().is_recording()
    spans = telemetry.spans
    names = {span.context.span_id: span.name for span in spans if span.context}
    tree = [(span.name, names[span.parent.span_id] if span.parent else "") for span in spans]
    assert tree == [
        ("chat m", "invoke_agent"),
        ("database", "execute_tool look_up"),
        ("execute_tool look_up", "invoke_agent"),
        ("execute_tool fail", "invoke_agent"),
        ("chat m", "invoke_agent"),
        ("invoke_agent", "outer"),
        ("outer", ""),
    ]
    assert dict(spans[3].attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "ollama",
        "gen_ai.tool.name": "fail",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": server.requests[1].json["messages"][-1]["tool_call_id"],
        "error.type": "ValueError",
    }
    assert dict(spans[5].attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "ollama",
        "gen_ai.request.model": "m",
    }
    assert [span.status.status_code for span in spans[2:4]] == [StatusCode.UNSET, StatusCode.ERROR]
    assert {span.kind for span in spans if "_" in span.name} == {SpanKind.INTERNAL}
    assert not any("secret" in span.to_json() for span in spans)
    assert telemetry.hook._spans == telemetry.hook._tools == {}


def content(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span has of what was said, decoded where it is JSON."""
    names = ("messages", "instructions", "arguments", "result")
    found = {name: value for name, value in (span.attributes or {}).items() if name.endswith(names)}
    return {
        name.removeprefix("gen_ai."): value if name.endswith("result") else json.loads(str(value))
        for name, value in found.items()
    }


@pytest.fixture
def capturing(telemetry: Telemetry) -> Telemetry:
    """One that also records what is said."""
    telemetry.hook.captures_content = True
    return telemetry


@pytest.mark.parametrize("is_stream", [False, True])
def test_content_is_captured_when_asked_for(
    server: MockOllama, capturing: Telemetry, is_stream: bool
) -> None:
    """In the form of the conventions: what was asked, and the whole answer, also of a stream."""
    server.script(answer(["Tea ", "is hot"], thinking=["Hm", "m"]))
    told = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]
    with Client(server.url, observe=capturing.hook) as client:
        reply = client.chat("m", told, stream=is_stream)
        if is_stream:
            reply.result()
    (span,) = capturing.spans
    assert content(span) == {
        "input.messages": [
            {"role": "system", "parts": [{"type": "text", "content": "Be short."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Why?"}]},
        ],
        "output.messages": [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Hmm"},
                    {"type": "text", "content": "Tea is hot"},
                ],
                "finish_reason": "stop",
            }
        ],
    }


def test_content_of_a_generate_is_captured(server: MockOllama, capturing: Telemetry) -> None:
    """Its prompt is a message, its system prompt the instructions. Of embeddings there is none."""
    with Client(server.url, observe=capturing.hook) as client:
        client.generate("m", "Why?", system="Be short.", stream=True).result()
        client.embed("m", "Why?")
    asked, embedded = capturing.spans
    assert content(asked) == {
        "input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
        "system_instructions": [{"type": "text", "content": "Be short."}],
        "output.messages": [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "AAA"}],
                "finish_reason": "stop",
            }
        ],
    }
    assert content(embedded) == {}


def test_content_of_tools_is_captured(server: MockOllama, capturing: Telemetry) -> None:
    """What a tool was given and returned, in its span and in the conversation."""
    server.script([answer(tool_calls=[("double", {"n": 4})])])
    server.script([answer(["8"])])
    with Client(server.url, observe=capturing.hook) as client:
        client.run_tools("m", HI, [double]).result()
    first, tool, second, _ = capturing.spans
    assert content(tool) == {"tool.call.arguments": {"n": 4}, "tool.call.result": "8"}
    (called,) = content(first)["output.messages"]
    (part,) = called["parts"]
    call_id = part.pop("id")
    assert part == {"type": "tool_call", "name": "double", "arguments": {"n": 4}}
    assert content(second)["input.messages"][2] == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": "8", "id": call_id}],
    }


def test_very_long_content_is_left_out(server: MockOllama, capturing: Telemetry) -> None:
    """Above 1 MiB, each by itself; tokens and the rest are there."""
    server.script([stream([*[{"message": {"content": "x" * 100_000}}] * 11, FINAL])])
    server.script(answer(["short"]))
    with Client(server.url, observe=capturing.hook) as client:
        client.chat("m", HI, stream=True).result()
        client.chat("m", [{"role": "user", "content": "x" * (1 << 20)}])
    long_answer, long_question = capturing.spans
    assert list(content(long_answer)) == ["input.messages"]
    assert (long_answer.attributes or {})["gen_ai.usage.output_tokens"] == 2
    assert list(content(long_question)) == ["output.messages"]


@pytest.mark.parametrize(
    ("value", "given", "captures"),
    [
        (None, None, False),
        ("true", None, True),
        ("SPAN_ONLY", None, True),
        ("event_only", None, False),
        ("true", False, False),
        (None, True, True),
    ],
)
def test_content_is_opted_in(
    monkeypatch: pytest.MonkeyPatch, value: str | None, given: bool | None, captures: bool
) -> None:
    """By the argument, else by the variable of the conventions; else nothing is captured."""
    name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    assert OpenTelemetry(capture_content=given).captures_content is captures


def test_other_hooks_see_no_content_unless_one_asks(server: MockOllama) -> None:
    """An event that is passed on has nothing in it that nobody wanted, and no `repr` has it ever."""
    told: list[Any] = []

    class Curious:
        captures_content = True

        def __call__(self, event: object) -> None:
            told.append(event)

    for hook in (told.append, Curious()):
        with Client(server.url, observe=hook) as client:
            client.chat("m", HI)
    started = [event for event in told if isinstance(event, events.Started)]
    ended = [event for event in told if isinstance(event, events.Finished)]
    assert started[0].asked == ended[0].received.said == b""
    assert b"a secret prompt" in started[1].asked
    assert b"AAA" in ended[1].received.said
    assert "secret" not in repr(told)


def test_a_run_that_its_caller_leaves_is_no_error(server: MockOllama, telemetry: Telemetry) -> None:
    """One that fails is, by the kind of its error."""
    with Client(server.url, observe=telemetry.hook) as client:
        run = client.run_tools("m", HI, [])
        next(run)
        run._tokens.close()
        server.script([reply({"error": "no"}, 400)])
        with pytest.raises(ResponseError):
            client.run_tools("m", HI, []).result()
    left, failed = (span for span in telemetry.spans if span.name == "invoke_agent")
    assert left.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "ResponseError"


def test_other_calls_are_no_spans(server: MockOllama, telemetry: Telemetry) -> None:
    """The conventions have no place for a list of models, and it would only be noise."""
    with Client(server.url, observe=telemetry.hook) as client:
        client.list()
        client.pull("all-minilm", stream=True).result()
    assert telemetry.spans == ()
    assert telemetry.points("gen_ai.client.operation.duration") == []
    assert telemetry.hook._spans == {}


@pytest.mark.parametrize(
    ("script", "error", "status"),
    [
        ([reply({"error": "a secret prompt is bad"}, status=400)], ResponseError, 400),
        ([stream([PART, {"error": "a secret prompt is bad"}])], ErrorLine, None),
    ],
)
def test_a_failure_is_an_error_of_the_span(
    server: MockOllama,
    telemetry: Telemetry,
    eventually: Eventually,
    script: Any,
    error: type[Exception],
    status: int | None,
) -> None:
    """By its kind and status; not by its text, in which a server may quote the prompt."""
    server.script(script)
    with Client(server.url, observe=telemetry.hook) as client:
        with pytest.raises(error):
            client.chat("llama3.2", HI, stream=True).result()
        eventually(lambda: telemetry.spans)
    (span,) = telemetry.spans
    attributes = span.attributes or {}
    assert span.status.status_code is StatusCode.ERROR
    assert attributes["error.type"] == error.__name__
    assert attributes.get("http.response.status_code") == status
    assert "secret" not in span.to_json()
    ((_, of_duration),) = telemetry.points("gen_ai.client.operation.duration")
    assert of_duration["error.type"] == error.__name__
    assert "http.response.status_code" not in of_duration


def test_a_cancelled_stream_is_no_error(
    server: MockOllama, telemetry: Telemetry, eventually: Eventually
) -> None:
    """It is marked; one of which the caller had the whole answer, and did not wait for the end of the body, is not."""
    gate = Gate()
    server.script([head(), chunk(PART), silence()])
    server.script([head(), chunk(PART), chunk(FINAL), wait(gate)])
    with Client(server.url, observe=telemetry.hook) as client:
        for parts in (1, 2):
            running = client.chat("llama3.2", HI, stream=True)
            eventually(lambda: running.stats.parts == parts)  # noqa: B023 - called within the round
            running.close()
            eventually(lambda: len(telemetry.spans) == parts)  # noqa: B023 - called within the round
    gate.open()
    cut, whole = (span.attributes or {} for span in telemetry.spans)
    assert [span.status.status_code for span in telemetry.spans] == [StatusCode.UNSET] * 2
    assert cut["ollama_sync.cancelled"] is True
    assert "ollama_sync.cancelled" not in whole
    assert whole["gen_ai.usage.output_tokens"] == 2


def test_retries_are_counted(server: MockOllama, telemetry: Telemetry) -> None:
    """In the one span of the call."""
    from urllib3 import Retry

    for _ in range(2):
        server.script([reply({"error": "busy"}, status=503)])
    policy = Retry(2, status_forcelist=[503], backoff_factor=0)
    with Client(server.url, retries=policy, observe=telemetry.hook) as client:
        client.chat("llama3.2", HI)
    (span,) = telemetry.spans
    assert (span.attributes or {})["http.request.resend_count"] == 2


def test_a_unix_socket_is_an_address(telemetry: Telemetry) -> None:
    """Its path stands for the host, and there is no port."""
    with (
        Client("unix:///no/such/socket", observe=telemetry.hook) as client,
        pytest.raises(ConnectionError),
    ):
        client.chat("llama3.2", HI)
    (span,) = telemetry.spans
    attributes = span.attributes or {}
    assert attributes["server.address"] == "/no/such/socket"
    assert "server.port" not in attributes


def test_a_port_that_the_scheme_implies_is_told(telemetry: Telemetry) -> None:
    """It is not in the URL, but belongs to the place all the same."""
    from ollama_sync import events
    from ollama_sync.otel import _of_call

    call = events.Call(1, "chat", None, "POST", "https://ollama.com/api/chat", False)
    assert _of_call(call) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "server.address": "ollama.com",
        "server.port": 443,
    }


def test_nothing_is_left_behind(server: MockOllama, telemetry: Telemetry) -> None:
    """A hook that serves for months keeps nothing of the calls that have ended."""
    with Client(server.url, observe=telemetry.hook) as client:
        for _ in range(10):
            client.chat("llama3.2", HI)
    assert len(telemetry.spans) == 10
    assert telemetry.hook._spans == {}


def test_the_names_are_those_of_the_conventions(server: MockOllama, telemetry: Telemetry) -> None:
    """Each attribute and metric but our own is in the package of the conventions."""
    semconv = "opentelemetry.semconv"
    pytest.importorskip(semconv)
    known = {
        value
        for module in (
            f"{semconv}._incubating.attributes.gen_ai_attributes",
            f"{semconv}._incubating.metrics.gen_ai_metrics",
            f"{semconv}.attributes.error_attributes",
            f"{semconv}.attributes.http_attributes",
            f"{semconv}.attributes.server_attributes",
            f"{semconv}._incubating.attributes.http_attributes",
        )
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, str)
    }
    if "gen_ai.response.time_to_first_chunk" not in known:
        pytest.skip("older conventions, from before the names that are used here")
    server.script([stream([PART, FINAL])])
    server.script([reply({"error": "no"}, status=400)])
    with Client(server.url, observe=telemetry.hook) as client:
        client.chat("llama3.2", HI, stream=True).result()
        with pytest.raises(ResponseError):
            client.chat("llama3.2", HI)
    server.script([answer(tool_calls=[("double", {"n": 1})])])
    with Client(server.url, observe=telemetry.hook) as client:
        client.run_tools("llama3.2", HI, [double]).result()
    used = {name for span in telemetry.spans for name in span.attributes or {}}
    used |= {"http.request.resend_count", "gen_ai.token.type", "gen_ai.client.token.usage"}
    used |= {f"gen_ai.client.operation.{name}" for name in ("duration", "time_to_first_chunk")}
    used |= {f"gen_ai.{name}" for name in CONTENT}
    assert used <= known
    operations = importlib.import_module(f"{semconv}._incubating.attributes.gen_ai_attributes")
    values = {value.value for value in operations.GenAiOperationNameValues}
    assert {*_OPERATIONS.values(), "invoke_agent", "execute_tool"} <= values
