"""What hooks and the log are told of a run of tools."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

import pytest

from ollama_sync import Client, Fleet, OllamaError
from ollama_sync._hub import get_ident
from ollama_sync.events import (
    Event,
    Finished,
    RunEnded,
    RunStarted,
    Started,
    ToolCalled,
    ToolFailed,
    ToolStarted,
)
from ollama_sync.testing import MockOllama, answer

ASK = [{"role": "user", "content": "a secret prompt"}]
OF_RUN = (RunStarted, ToolStarted, ToolCalled, ToolFailed, RunEnded)

around: ContextVar[str] = ContextVar("around", default="nothing")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail() -> None:
    """Fail."""
    raise ValueError("a secret reason")


def asks_for(server: MockOllama, *calls: tuple[str, dict[str, Any]]) -> None:
    """Have the model ask for tools in the first round, and say something in the second."""
    server.script([answer(tool_calls=calls)])
    server.script([answer(["done"])])


def test_a_run_is_told_step_by_step(server: MockOllama) -> None:
    """Its beginning and end and each tool, all with the call that stands for the run, on the thread that iterates."""
    told: list[tuple[Event, int]] = []
    asks_for(server, ("add", {"a": 1, "b": 2}), ("fail", {}), ("invented", {}), ("add", {"a": "x"}))
    with Client(server.url, observe=lambda event: told.append((event, get_ident()))) as client:
        client.run_tools("m", ASK, [add, fail]).result()
    steps = [event for event, _ in told if isinstance(event, OF_RUN)]
    assert [type(event).__name__ for event in steps] == [
        "RunStarted",
        *("ToolStarted", "ToolCalled"),
        *("ToolStarted", "ToolFailed") * 3,
        "RunEnded",
    ]
    assert {thread for event, thread in told if isinstance(event, OF_RUN)} == {get_ident()}
    (run,) = {event.call for event in steps}
    assert (run.verb, run.model, run.method, run.url) == ("run_tools", "m", "", "")
    assert run not in {event.call for event, _ in told if isinstance(event, Started)}
    called, failed = steps[2], steps[4]
    assert isinstance(called, ToolCalled)
    assert (called.tool, called.round) == ("add", 1)
    assert called.tool_call_id == server.requests[1].json["messages"][2].get("tool_call_id")
    assert isinstance(failed, ToolFailed)
    assert isinstance(failed.error, ValueError)
    end = steps[-1]
    assert isinstance(end, RunEnded)
    assert (end.rounds, end.calls, end.error) == (1, 4, None)
    assert "secret prompt" not in repr(steps)


def test_rounds_are_calls_of_their_own(server: MockOllama) -> None:
    """Told as before, between the steps of the run."""
    told: list[str] = []
    asks_for(server, ("add", {"a": 1, "b": 2}))
    with Client(server.url, observe=lambda event: told.append(type(event).__name__)) as client:
        client.run_tools("m", ASK, [add]).result()
    kinds = [
        name for name in told if name in {"Started", "Finished"} or "Run" in name or "Tool" in name
    ]
    assert kinds == [
        "RunStarted",
        *("Started", "Finished", "ToolStarted", "ToolCalled"),
        *("Started", "Finished", "RunEnded"),
    ]


def test_what_a_hook_sets_holds_within(server: MockOllama) -> None:
    """For the rounds and the tools of a run, and not for its caller: so a trace may be put around them."""
    seen: list[tuple[str, str]] = []

    def hook(event: Event) -> None:
        if isinstance(event, RunStarted):
            around.set("run")
        elif isinstance(event, ToolStarted):
            around.set("tool")
        elif isinstance(event, (Started, Finished)):
            seen.append((type(event).__name__, around.get()))

    def look() -> str:
        """Look around."""
        seen.append(("tool", around.get()))
        return "seen"

    asks_for(server, ("look", {}))
    with Client(server.url, observe=hook) as client:
        for _ in client.run_tools("m", ASK, [look]):
            assert around.get() == "nothing"
    assert around.get() == "nothing"
    assert seen == [
        *(("Started", "run"), ("Finished", "run"), ("tool", "tool")),
        *(("Started", "run"), ("Finished", "run")),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_tool_is_passed_on(
    server: MockOllama, error: type[BaseException]
) -> None:
    """And told as the end of tool and run."""
    told: list[Event] = []

    def interrupted() -> None:
        """Be interrupted."""
        raise error

    server.script([answer(tool_calls=[("interrupted", {})])])
    with Client(server.url, observe=told.append) as client, pytest.raises(error):
        client.run_tools("m", ASK, [interrupted]).result()
    failed, ended = [event for event in told if isinstance(event, (ToolFailed, RunEnded))]
    assert isinstance(failed.error, error)
    assert isinstance(ended.error, error)


def test_a_run_that_is_left_or_fails_has_an_end(server: MockOllama) -> None:
    """Whoever counts runs that are open finds none."""
    told: list[Event] = []
    with Client(server.url, observe=told.append) as client:
        run = client.run_tools("m", ASK, [add])
        next(run)
        run._tokens.close()
        server.script([answer(tool_calls=[("add", {"a": 1, "b": 2})])])
        with pytest.raises(OllamaError, match="max_calls"):
            client.run_tools("m", ASK, [add], max_calls=0).result()
    ends = [type(event.error) for event in told if isinstance(event, RunEnded)]
    assert ends == [GeneratorExit, OllamaError]


def test_a_run_of_a_fleet_is_told_as_well(server: MockOllama) -> None:
    """To the hooks of the fleet."""
    told: list[Event] = []
    asks_for(server, ("add", {"a": 1, "b": 2}))
    with Fleet([server.url], observe=told.append) as fleet:
        fleet.run_tools("llama3.2", ASK, [add]).result()
    assert [type(event) for event in told if isinstance(event, OF_RUN)] == [
        *(RunStarted, ToolStarted, ToolCalled, RunEnded)
    ]


def test_a_run_is_logged(server: MockOllama, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO each tool and the end; neither arguments nor results nor the text of a tool's error."""
    caplog.set_level(logging.INFO, "ollama_sync.call")
    asks_for(server, ("add", {"a": 12345, "b": 2}), ("fail", {}))
    with Client(server.url) as client:
        client.run_tools("m", ASK, [add, fail]).result()
    lines = [text for text in (record.getMessage() for record in caplog.records) if "run " in text]
    called, failed, ended = (line.partition(": ")[2] for line in lines)
    assert called.startswith("the tool add returned after 0.")
    assert failed.startswith("the tool fail failed after 0.")
    assert failed.endswith("s: ValueError")
    assert ended.startswith("run_tools, model m: finished after 0.")
    assert ended.endswith("s: rounds with tools: 1, tools called: 2")
    assert "12345" not in caplog.text
    assert "12347" not in caplog.text
    assert "secret" not in caplog.text


def test_without_a_reader_a_tool_runs_in_the_callers_context(
    server: MockOllama, client: Client
) -> None:
    """What it sets is there afterwards: nothing is put between."""

    def put() -> str:
        """Set something."""
        around.set("put")
        return "set"

    asks_for(server, ("put", {}))
    token = around.set("before")
    client.run_tools("m", ASK, [put]).result()
    assert around.get() == "put"
    around.reset(token)
