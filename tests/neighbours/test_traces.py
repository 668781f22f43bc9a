"""Beside what follows a program's calls: what it records belongs to the caller's trace."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ollama_sync import Client
from ollama_sync.testing import MockOllama


@pytest.mark.own_process
def test_sentry_has_the_call_in_the_callers_trace(server: MockOllama) -> None:
    """The call goes out with the trace of the transaction around it, also when Sentry comes after the first call."""
    pytest.importorskip("sentry_sdk")
    program = f"""
import warnings
warnings.simplefilter("ignore")
import sentry_sdk
import ollama_sync as ollama
class Keep(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope): pass
with ollama.Client({server.url!r}) as client:
    client.version()
    sentry_sdk.init("http://key@sentry.invalid/1", traces_sample_rate=1.0, transport=Keep)
    with sentry_sdk.start_transaction(name="test") as transaction:
        client.version()
    print(transaction.trace_id)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout, done.stderr
    assert server.requests[1].headers["sentry-trace"].startswith(done.stdout.strip())


def test_opentelemetrys_urllib3_spans_are_children(server: MockOllama, client: Client) -> None:
    """A span made in the hub's thread has the caller's as its parent, and `traceparent` names the trace."""
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.urllib3")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.URLLib3Instrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        with provider.get_tracer("test").start_as_current_span("caller") as span:
            client.version()
        found = exporter.get_finished_spans()
        children = [one for one in found if one.name != "caller"]
        assert children
        assert all(one.parent.span_id == span.get_span_context().span_id for one in children)
        trace_id = f"{span.get_span_context().trace_id:032x}"
        assert trace_id in server.requests[0].headers["traceparent"]
    finally:
        instrumentor.uninstrument()
