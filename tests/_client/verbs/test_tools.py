"""`run_tools`: the loop that calls what the model asks for."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ollama_sync import Client, OllamaError, RequestError, StreamBroken, ToolRun
from ollama_sync.testing import MockOllama, chunk, end, head, reset, stream

ASK = [{"role": "user", "content": "go"}]


def said(text: str, **more: object) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text, **more}, "done": False}


def called(*calls: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    listed = [
        {"id": f"call_{index}", "function": {"index": index, "name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    return said("", tool_calls=listed) | more


DONE = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def test_results_are_fed_back_until_there_are_no_calls(server: MockOllama, client: Client) -> None:
    """Each call is answered by one message, with the tool's name and the call's id, and the model goes on."""
    server.script(
        [stream([said("let me "), called(("add", {"a": 2, "b": 3}), ("add", {"a": 5})), DONE])]
    )
    server.script([stream([said("it is 5"), DONE])])
    run = client.run_tools("m", ASK, [add])
    assert [token for tokens in run for token in tokens] == ["let me ", "it is 5"]
    assert run.rounds == 1
    assert not run.stopped_at_bound
    assert run.reply is not None
    assert run.reply.message.content == "it is 5"
    second = server.requests[1].json["messages"]
    assert [message["role"] for message in second] == ["user", "assistant", "tool", "tool"]
    assert second[1]["tool_calls"][0]["id"] == "call_0"
    assert second[2] == {
        "role": "tool",
        "content": "5",
        "tool_name": "add",
        "tool_call_id": "call_0",
    }
    assert second[3]["content"] == "6"
    assert server.requests[0].json["tools"][0]["function"]["name"] == "add"


def test_calls_on_the_final_part_count_too(server: MockOllama, client: Client) -> None:
    """Some models send all calls with the part that says done."""
    final = called(("add", {"a": 1, "b": 1}), done=True, done_reason="stop")
    server.script([stream([final])])
    server.script([stream([said("2"), DONE])])
    assert client.run_tools("m", ASK, [add]).result().message.content == "2"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("nonsense", {}), "no tool 'nonsense'"),
        (("add", {"a": "many"}), "error"),
        (("add", {}), "error"),
        (("fail", {}), "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(
    server: MockOllama, client: Client, call: tuple[str, dict[str, Any]], told: str
) -> None:
    """An unknown tool, arguments that do not fit, a function that raises: the run goes on, the model hears of it."""

    def fail() -> int:
        """Divide by zero."""
        return 1 // 0

    server.script([stream([called(call), DONE])])
    server.script([stream([said("sorry"), DONE])])
    assert client.run_tools("m", ASK, [add, fail]).result().message.content == "sorry"
    answer = server.requests[1].json["messages"][-1]
    assert answer["role"] == "tool"
    assert told in answer["content"]


def test_it_stops_at_its_bound(server: MockOllama, client: Client) -> None:
    """A model that never stops asking is obeyed `max_rounds` times."""
    calls: list[int] = []

    def count() -> str:
        """Count."""
        calls.append(1)
        return "again"

    for _ in range(3):
        server.script([stream([called(("count", {})), DONE])])
    run = client.run_tools("m", ASK, [count], max_rounds=2)
    run.result()
    assert (run.rounds, len(calls), run.stopped_at_bound) == (2, 2, True)
    assert len(server.requests) == 3


def test_a_reply_with_too_many_calls_fails_the_run(server: MockOllama, client: Client) -> None:
    """Of 100,000 calls in one reply none is made; the error says how many there were and what allows more."""
    made: list[int] = []

    def count() -> None:
        """Count."""
        made.append(1)

    many = [("count", dict[str, Any]())] * 1000
    server.script([stream([called(*many) for _ in range(100)] + [DONE])])
    run = client.run_tools("m", ASK, [count], max_rounds=1)
    with pytest.raises(OllamaError, match=r"100000 tool calls.*max_calls=1000.*Raise max_calls"):
        run.result()
    assert (made, run.calls, len(server.requests)) == ([], 0, 1)
    assert run.reply is not None
    assert len(run.reply.message.tool_calls or ()) == 100_000


def test_calls_are_counted_through_all_rounds(server: MockOllama, client: Client) -> None:
    """The bound is for the run: what earlier rounds have used up, later ones cannot use."""
    two = [stream([called(("add", {"a": 1}), ("add", {"a": 2})), DONE])]
    server.script(two)
    server.script(two)
    run = client.run_tools("m", ASK, [add], max_calls=3)
    with pytest.raises(OllamaError, match="2 tool calls at once, after 2 before"):
        run.result()
    assert (run.rounds, run.calls) == (1, 2)


def test_as_many_calls_as_are_allowed_are_made(server: MockOllama, client: Client) -> None:
    """A run that makes exactly `max_calls` calls does not fail."""
    server.script([stream([called(("add", {"a": 1}), ("add", {"a": 2})), DONE])])
    server.script([stream([said("done"), DONE])])
    run = client.run_tools("m", ASK, [add], max_calls=2)
    assert (run.result().message.content, run.calls) == ("done", 2)


def test_nothing_is_sent_before_it_is_iterated(server: MockOllama, client: Client) -> None:
    """Making a run asks nothing of the server."""
    assert isinstance(client.run_tools("m", ASK, [add]), ToolRun)
    assert server.requests == ()


def test_a_round_that_fails_ends_it(server: MockOllama, client: Client) -> None:
    """What breaks a stream is raised by the run, after the text that had arrived."""
    server.script([head(), chunk(said("a")), reset()])
    run = client.run_tools("m", ASK, [add])
    assert next(run) == ["a"]
    with pytest.raises(StreamBroken):
        next(run)


def test_a_cancel_calls_no_further_tool(server: MockOllama, client: Client) -> None:
    """After a cancel from another thread, what the model had asked for is not done any more."""
    asked: list[int] = []

    def tool() -> None:
        """Be called."""
        asked.append(1)

    server.script([head(), chunk(said("a")), chunk(called(("tool", {}))), chunk(DONE), end()])
    run = client.run_tools("m", ASK, [tool])
    assert next(run) == ["a"]
    other = threading.Thread(target=run.cancel)
    other.start()
    other.join()
    run.result()
    assert asked == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("tools", "more", "words"),
    [
        ([add, add], {}, "second tool named 'add'"),
        ([{"type": "function"}], {}, r"tools\[0\]"),
        ("add", {}, "tools="),
        ([add], {"max_rounds": -1}, "max_rounds"),
        ([add], {"max_rounds": True}, "max_rounds"),
        ([add], {"max_calls": -1}, "max_calls"),
        ([add], {"max_calls": 1.5}, "max_calls"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    client: Client, tools: Any, more: dict[str, Any], words: str
) -> None:
    """What can be known to be wrong is said before anything is sent."""
    with pytest.raises(RequestError, match=words):
        client.run_tools("m", ASK, tools, **more)
