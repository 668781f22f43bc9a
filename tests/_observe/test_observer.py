"""`Client(observe=...)`: what hooks are told, where, in which order, and what becomes of those that misbehave."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import gevent
import pytest
from urllib3 import Retry

from ollama_sync import (
    BatchPolicy,
    Client,
    ConnectError,
    ErrorLine,
    FirstTimeout,
    ForkedError,
    IdleTimeout,
    RequestError,
    ResponseError,
    StreamBroken,
    Timeout,
    hub_statistics,
)
from ollama_sync._hub import get_ident, shared_hub
from ollama_sync.events import (
    Batch,
    Cancelled,
    Connected,
    Event,
    Failed,
    Finished,
    FirstPart,
    Received,
    Started,
)
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    end,
    head,
    raw,
    reply,
    silence,
    stream,
    wait,
)

Eventually = Callable[[Callable[[], object]], None]

HI = [{"role": "user", "content": "a secret prompt"}]
ENDS = (Finished, Failed, Cancelled)


def part(text: str, **more: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": text}, "done": False, **more}


FINAL = part("", done=True, eval_count=2)


class Seen:
    """A hook that keeps what it is told, and on which thread."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.threads: list[int] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.threads.append(get_ident())

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    @property
    def has_end(self) -> bool:
        return isinstance(self.events[-1], ENDS)


# What is told.


def test_a_stream_is_told_step_by_step(server: MockOllama) -> None:
    """Started, connected, the first part, the batches, the end: in this order, with times that only grow."""
    server.script([stream([part("a"), part("b"), FINAL])])
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        client.chat("llama3.2", HI, stream=True).result()
    started, connected, first, *batches, finished = seen.events
    assert [type(event) for event in (started, connected, first, finished)] == [
        *(Started, Connected, FirstPart, Finished)
    ]
    assert {type(batch) for batch in batches} == {Batch}
    call = started.call
    assert dataclasses.astuple(call)[1:] == (
        *("chat", "llama3.2", "POST", f"{server.url}/api/chat", True),
    )
    assert {event.call for event in seen.events} == {call}
    assert not connected.kept
    times = [event.seconds for event in seen.events[1:]]
    assert times == sorted(times)
    received = finished.received
    assert sum(batch.parts for batch in batches) == received.parts == 3
    assert sum(batch.bytes for batch in batches) == received.bytes
    assert 0 < received.first_part <= first.seconds
    assert received.final() == FINAL


def test_a_reply_that_does_not_stream_has_no_parts(server: MockOllama, client: Client) -> None:
    """It is told as started, connected and finished; the whole of it can be looked at."""
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        client.chat("llama3.2", HI)
    assert seen.kinds == ["Started", "Connected", "Finished"]
    received = seen.events[-1].received
    assert (received.parts, received.first_part) == (0, None)
    assert received.bytes == len(received.last)
    assert received.final()["message"]["content"] == "AAA"
    assert not seen.events[0].call.stream


def test_the_end_is_told_before_the_call_returns(server: MockOllama) -> None:
    """Whoever has the reply finds the hook's work done: no waiting in a program that ends just then."""
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        for count in range(1, 51):
            client.version()
            assert seen.kinds.count("Finished") == count
    assert len({event.call.id for event in seen.events}) == 50
    assert [event.kept for event in seen.events if type(event) is Connected] == [False] + [
        True
    ] * 49


def test_the_start_is_told_on_the_callers_thread_and_the_rest_on_the_hubs(
    server: MockOllama,
) -> None:
    """So a hook finds what is current around the call, and no step waits for the caller."""
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        client.chat("llama3.2", HI, stream=True).result()
    assert seen.threads[0] == get_ident()
    assert set(seen.threads[1:]) == {hub_statistics().thread}


@pytest.mark.parametrize(
    ("call", "verb", "model"),
    [
        (lambda client: client.generate('a"b\\ü', "hi"), "generate", 'a"b\\ü'),
        (lambda client: client.embed("m", "hi"), "embed", "m"),
        (lambda client: client.version(), "version", None),
        (lambda client: client.copy("llama3.2", "b"), "copy", None),
        (
            lambda client: client.request("POST", "/api/me", json={"x": {"model": "m"}}),
            *("request", None),
        ),
    ],
)
def test_calls_are_told_by_verb_and_model(
    server: MockOllama, call: Callable[[Client], object], verb: str, model: str | None
) -> None:
    """The model is that of the request, whatever its name looks like in JSON; None where the request names none."""
    server.script([reply({"response": "ok", "done": True})], path="/api/generate")
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        call(client)
    assert (seen.events[0].call.verb, seen.events[0].call.model) == (verb, model)


def test_no_event_shows_a_prompt_an_answer_or_a_key(server: MockOllama) -> None:
    """What hooks print and log of events is fit for a log."""
    seen = Seen()
    url = server.url.replace("//", "//user:pass@")
    with Client(url, observe=seen, headers={"X-Own": "a secret header"}) as client:
        client.chat("llama3.2", HI)
        client.chat("llama3.2", HI, stream=True).result()
    shown = repr(seen.events)
    assert "secret" not in shown
    assert "pass" not in shown
    assert "AAA" not in shown


# How a call ends.


def test_a_refusal_is_told_as_a_failure(server: MockOllama) -> None:
    """With the error that the caller is raised."""
    server.script([reply({"error": "no such model"}, status=404)], path="/api/show")
    seen = Seen()
    with Client(server.url, observe=seen) as client, pytest.raises(ResponseError) as caught:
        client.show("m")
    assert seen.kinds == ["Started", "Connected", "Failed"]
    assert seen.events[-1].error is caught.value
    assert seen.events[-1].received == Received(0, 0, None, b"")


def test_no_connection_is_told_as_a_failure(server: MockOllama) -> None:
    """There is no Connected then."""
    port = server.port
    server.stop()
    seen = Seen()
    with Client(f"127.0.0.1:{port}", observe=seen) as client, pytest.raises(ConnectError):
        client.version()
    assert seen.kinds == ["Started", "Failed"]


def test_a_clock_is_told_as_a_failure(server: MockOllama, eventually: Eventually) -> None:
    """With what had arrived until then."""
    server.script([head(), chunk(part("a")), silence()])
    seen = Seen()
    with Client(server.url, observe=seen, timeout=Timeout(idle=0.1)) as client:
        running = client.chat("m", HI, stream=True)
        with pytest.raises(IdleTimeout):
            running.result()
        eventually(lambda: seen.has_end)
    assert isinstance(seen.events[-1].error, IdleTimeout)
    assert seen.events[-1].received.parts == 1


@pytest.mark.parametrize("ends", [True, False])
def test_an_error_line_is_told_as_a_failure(
    server: MockOllama, eventually: Eventually, *, ends: bool
) -> None:
    """Whether the body then ends by itself or by the caller, who cancels when it sees the line."""
    gate = Gate()
    lines = [head(), chunk(part("a")), chunk({"error": "out of memory", "StatusCode": 500})]
    server.script([*lines, end() if ends else wait(gate)])
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        with pytest.raises(ErrorLine):
            client.chat("m", HI, stream=True).result()
        eventually(lambda: seen.has_end)
    gate.open()
    error = seen.events[-1].error
    assert (type(error), error.error, error.status_code) == (ErrorLine, "out of memory", 500)
    assert seen.kinds.count("Failed") == 1


@pytest.mark.parametrize("last", [{"status": "error"}, {"pad": "x" * 1_100_000, "error": "e"}])
def test_what_is_no_short_error_line_is_no_failure(
    server: MockOllama, eventually: Eventually, last: dict[str, str]
) -> None:
    """A text that speaks of an error is none; a long line is not decoded on the hub, where every stream would wait."""
    server.script([stream([last])], path="/api/version")
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        running = client.request("GET", "/api/version", stream=True)
        eventually(lambda: seen.has_end)
        running.close()
    assert seen.kinds[-1] == "Finished"


def test_a_cancelled_stream_is_told_as_cancelled(
    server: MockOllama, eventually: Eventually
) -> None:
    """With what had arrived, once, however often it is cancelled."""
    gate = Gate()
    server.script([head(), chunk(part("a")), chunk(FINAL), wait(gate)])
    seen = Seen()
    with Client(server.url, observe=seen, batch=BatchPolicy(window=0)) as client:
        running = client.chat("m", HI, stream=True)
        eventually(lambda: running.stats.parts == 2)
        gate.wait_reached()  # where the server looks for the end of the connection
        running.cancel()
        running.cancel()
        running.close()
        eventually(lambda: seen.has_end)
    server.wait_disconnect()  # the gate stays shut: behind it the reply would come to its end
    assert type(seen.events[-1]) is Cancelled
    assert seen.events[-1].received.final() == FINAL
    assert sum(kind in ("Cancelled", "Finished", "Failed") for kind in seen.kinds) == 1


def test_a_closed_client_tells_of_what_it_ends(server: MockOllama, eventually: Eventually) -> None:
    """Each call under way is told as cancelled."""
    seen = Seen()
    for _ in range(3):
        server.script([head(), silence()])
    with Client(server.url, observe=seen) as client:
        running = [client.chat("m", HI, stream=True) for _ in range(3)]
    eventually(lambda: seen.kinds.count("Cancelled") == 3)
    assert [list(one) for one in running] == [[]] * 3


def test_the_hub_imports_nothing_for_a_retry() -> None:
    """A child that is forked in the midst of an import on the hub's thread would wait for ever for the same module."""
    code = """
import sys
from ollama_sync import Client
from ollama_sync.testing import MockOllama, close
with MockOllama(chunks=1) as server, Client(server.url, retries=1) as client:
    client.version()
    before = {*sys.modules}
    server.script([close()], "/api/version")
    client.version()
    assert client.statistics().retried == 1
    print(*{*sys.modules} - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    )
    assert done.stdout.split() == []


def test_a_retry_is_told(server: MockOllama) -> None:
    """With the number of the attempt that failed, its error and the wait; then the next attempt's connection."""
    server.script([reply({"error": "busy"}, status=503)])
    server.script([stream([FINAL])])
    seen = Seen()
    with Client(server.url, observe=seen, retries=Retry(1, status_forcelist=[503])) as client:
        client.chat("m", HI, stream=True).result()
    assert seen.kinds[:5] == ["Started", "Connected", "Retried", "Connected", "FirstPart"]
    retried = seen.events[2]
    assert (retried.attempt, retried.error.status_code, retried.wait) == (1, 503, 0.0)


def test_what_fails_before_the_hub_has_it_is_told_all_the_same(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that cannot run, as one of the parent's process: the call fails on the caller's thread, and says so."""
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        client.version()
        monkeypatch.setattr(shared_hub(), "_process", None)
        with pytest.raises(ForkedError):
            client.version()
        monkeypatch.undo()
        assert seen.kinds[-2:] == ["Started", "Failed"]
        assert isinstance(seen.events[-1].error, ForkedError)
        assert client.statistics().running == 0


# Hooks that misbehave.


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Started, ValueError),
        (Connected, ValueError),
        (Batch, SystemExit),
        (Finished, ValueError),
        (Finished, SystemExit),
    ],
)
def test_a_hook_that_raises_is_dropped_and_logged_once(
    server: MockOllama,
    caplog: pytest.LogCaptureFixture,
    kind: type[Any],
    fault: type[BaseException],
) -> None:
    """Calls and other hooks go on as if nothing were; on the hub's thread not even SystemExit ends anything."""
    before, after = Seen(), Seen()
    told: list[object] = []

    def bad(event: Event) -> None:
        told.append(event)
        if isinstance(event, kind):
            raise fault("a bad hook")

    with Client(server.url, observe=[before, bad, after]) as client:
        for _ in range(2):
            assert client.chat("m", HI, stream=True).result().message.content == "AAA"
    assert isinstance(told[-1], kind)
    assert sum(isinstance(event, kind) for event in told) == 1
    assert before.events == after.events
    assert before.kinds.count("Finished") == 2
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.name == "ollama_sync.call"
    assert "bad" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is fault


def test_what_is_meant_for_the_caller_goes_through_a_hook(server: MockOllama) -> None:
    """Ctrl-C in the hook that the caller runs ends the call, which is told as cancelled."""
    seen = Seen()

    def interrupted(event: Event) -> None:
        if isinstance(event, Started) and len(seen.events) > 4:
            raise KeyboardInterrupt

    with Client(server.url, observe=[seen, interrupted]) as client:
        client.version()
        client.version()
        with pytest.raises(KeyboardInterrupt):
            client.version()
        client.statistics()
    assert len(server.requests) == 2
    shared_hub().call(int)
    assert seen.kinds[-2:] == ["Started", "Cancelled"]


def test_a_hook_that_waits_delays_its_own_call_only(
    server: MockOllama, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook should not wait; one that does, for a lock of gevent's, keeps the order and loses nothing, also when cancelled."""
    server.script([head(), chunk(part("a")), silence()])
    slow, seen = Seen(), Seen()
    waiting = threading.Event()

    def waits(event: Event) -> None:
        slow(event)
        if isinstance(event, FirstPart):
            waiting.set()
            gevent.sleep(30)

    with Client(server.url, observe=[waits, seen]) as client, Client(server.url) as other:
        running = client.chat("m", HI, stream=True)
        waiting.wait(30)
        assert other.version().version
        running.cancel()
        eventually(lambda: seen.events and seen.has_end)
        assert len(list(running)) == 1
        server.wait_disconnect()
    assert seen.kinds == ["Started", "Connected", "FirstPart", "Batch", "Cancelled"]
    assert slow.kinds == seen.kinds
    assert caplog.records == []  # that it was woken is no fault of the hook's


def test_a_call_ends_once_also_while_a_hook_waits(server: MockOllama) -> None:
    """What is cancelled while its end is told has ended already."""
    seen = Seen()
    waiting = threading.Event()

    def waits(event: Event) -> None:
        if isinstance(event, Finished):
            waiting.set()
            gevent.sleep(30)

    with Client(server.url, observe=[seen, waits]) as client:
        running = client.chat("m", HI, stream=True)
        waiting.wait(30)
        running.cancel()
        assert len(list(running)) == 4
        now = client.statistics()
    assert [kind for kind in seen.kinds if kind in ("Finished", "Cancelled")] == ["Finished"]
    assert (now.finished, now.cancelled, now.running) == (1, 0, 0)


def test_hooks_run_in_a_greenlet_also_when_a_timer_releases(server: MockOllama) -> None:
    """A lock of gevent's, of the logging module in a patched program, may be waited for at each event."""
    problems: list[BaseException] = []
    seen = Seen()

    def locks(event: Event) -> None:
        try:
            gevent.sleep(0)
        except BaseException as error:
            problems.append(error)

    second, last = Gate(), Gate()
    steps = [
        head(),
        chunk(part("a")),
        wait(second),
        chunk(part("b")),
        wait(last),
        chunk(FINAL),
        end(),
    ]
    server.script(steps)
    with Client(server.url, observe=[locks, seen], batch=BatchPolicy(window=0.2)) as client:
        running = client.chat("m", HI, stream=True)
        next(running)
        second.open()
        next(running)  # released by the timer
        last.open()
        running.result()
    assert problems == []
    assert seen.kinds.count("Batch") >= 2


def test_what_is_no_hook_is_refused() -> None:
    """An observer that cannot be called is said so when the client is made."""
    for wrong in ([print, 3], "hook", 3, [print, print]):
        with pytest.raises(RequestError, match="observe="):
            Client("127.0.0.1", observe=wrong)  # type: ignore[arg-type] # the wrong type is what is tested
    Client("127.0.0.1", observe=None).close()


def test_who_does_not_look_costs_nothing_a_part(server: MockOllama) -> None:
    """Without a hook and without a log nothing is called for a block."""
    with Client(server.url) as client:
        running = client.chat("m", HI, stream=True)
        running.result()
    assert not running._exchange._observer.sees_blocks


def test_a_broken_reply_is_told_with_what_had_come(server: MockOllama) -> None:
    """A connection that is cut in mid-stream is a failure, after the parts before it."""
    server.script([head(), chunk(part("a")), raw(b"zz"), close()])
    seen = Seen()
    with Client(server.url, observe=seen) as client:
        running = client.chat("m", HI, stream=True)
        with pytest.raises(StreamBroken):
            running.result()
    assert seen.kinds[-1] == "Failed"
    assert seen.events[-1].received.parts == 1


def test_a_call_runs_in_a_copy_of_its_callers_context(server: MockOllama) -> None:
    """What a program keeps in context variables is there for each event, also for those that the loop tells."""
    request: ContextVar[str] = ContextVar("request", default="-")
    seen: list[tuple[str, str]] = []

    def note(event: object) -> None:
        seen.append((type(event).__name__, request.get()))

    with Client(server.url, observe=note) as client:
        context = copy_context()
        context.run(request.set, "seven")
        stream = context.run(client.chat, "m", HI, stream=True)
        list(stream)
        server.script([silence()])
        with pytest.raises(FirstTimeout):  # told by a callback of the loop
            context.run(Client(server.url, observe=note, timeout=Timeout(first=0.05)).chat, "m", HI)
        client.version()
    names = {name for name, value in seen if value == "seven"}
    assert names >= {"Started", "Connected", "FirstPart", "Batch", "Finished", "Failed"}
    assert seen[-1] == ("Finished", "-")
