"""`map`: many requests at once, lazily, bounded, each with an outcome of its own."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import Retry

import ollama_sync
from ollama_sync import (
    Client,
    ClosedError,
    ForkedError,
    Outcome,
    RequestError,
    ResponseError,
    StreamBroken,
)
from ollama_sync._client.default import default_client
from ollama_sync._hub import shared_hub
from ollama_sync.testing import Gate, MockOllama, chunk, close, head, reply, reset, wait

Eventually = Callable[[Callable[[], object]], None]


def prompt(item: Any) -> dict[str, Any]:
    return {"prompt": str(item)}


def answer(text: str, **more: Any) -> Any:
    return reply({"model": "m", "response": text, "done": True, **more})


@pytest.fixture
def echo(server: MockOllama) -> MockOllama:
    """A server that answers each prompt with itself; "bad" by an error, "cut" by half a reply."""

    def respond(request: Any) -> Any:
        text = request.json["prompt"]
        if text == "bad":
            return [reply({"error": "no"}, 500)]
        if text == "cut":
            return [head(), chunk({"response": "ha"}), close()]
        return [answer(text, eval_count=3)]

    server.on("POST", "/api/generate", respond)
    return server


def outcomes_of(client: Client, items: Any, **more: Any) -> list[Outcome[Any, Any]]:
    with client.map("generate", items, request=prompt, model="m", **more) as outcomes:
        return list(outcomes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 30),
    parallel=st.integers(1, 9),
    ordered=st.booleans(),
    bad=st.sets(st.integers(0, 29)),
)
def test_every_item_has_one_outcome(
    echo: MockOllama, count: int, parallel: int, ordered: bool, bad: set[int]
) -> None:
    """Whatever fails, each item has exactly one outcome, with its own reply or error; in order where that was asked for."""
    items = ["bad" if number in bad else str(number) for number in range(count)]
    with Client(echo.url) as client:
        outcomes = outcomes_of(client, items, parallel=parallel, ordered=ordered)
    assert sorted(outcome.index for outcome in outcomes) == list(range(count))
    if ordered:
        assert [outcome.index for outcome in outcomes] == list(range(count))
    for outcome in outcomes:
        assert outcome.item == items[outcome.index]
        assert outcome.ok == (outcome.item != "bad")
        if outcome.ok:
            assert outcome.get().response == outcome.item
        else:
            with pytest.raises(ResponseError, match="no"):
                outcome.get()
        assert (outcome.attempts, outcome.host) == (1, echo.url)
        assert outcome.seconds > 0


def test_no_more_calls_are_open_than_asked_for(server: MockOllama, client: Client) -> None:
    """`parallel` calls are under way at a time, and as soon as one has ended another begins."""
    gates = [Gate() for _ in range(4)]
    for gate in gates:
        server.script([wait(gate), answer("x")], path="/api/generate")
    with client.map("generate", range(4), request=prompt, model="m", parallel=2) as outcomes:
        thread = threading.Thread(target=lambda: [*outcomes])
        thread.start()
        for gate in gates[:2]:
            gate.wait_reached()
        assert outcomes.progress.running == 2
        assert len(server.requests) == 2
        gates[1].open()
        gates[2].wait_reached()
        assert len(server.requests) == 3
        for gate in gates:
            gate.open()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(("ordered", "most"), [(False, 3), (True, 12)])
def test_items_are_pulled_when_there_is_room_for_them(
    echo: MockOllama, ordered: bool, most: int
) -> None:
    """An endless generator is a good source: nothing is pulled before the first `next`, and then never far ahead."""
    pulled = 0

    def endless() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    with (
        Client(echo.url) as client,
        client.map(
            "generate", endless(), request=prompt, model="m", parallel=3, ordered=ordered
        ) as outcomes,
    ):
        assert pulled == 0
        for handed in range(1, 40):
            assert next(outcomes).ok
            assert pulled <= handed + most
    assert pulled < 39 + most + 1


def test_with_order_nothing_runs_too_far_ahead_of_the_one_that_is_waited_for(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """While the first call hangs, four times `parallel` items are taken, and then no more."""
    gate = Gate()

    def respond(request: Any) -> Any:
        text = request.json["prompt"]
        return [wait(gate), answer(text)] if text == "0" else [answer(text)]

    server.on("POST", "/api/generate", respond)
    with client.map("generate", range(100), request=prompt, model="m", parallel=2) as outcomes:
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.extend(one.index for one in outcomes))
        thread.start()
        eventually(lambda: len(server.requests) == 8)
        eventually(lambda: outcomes.progress.done == 7)
        assert outcomes.progress.running == 1
        assert len(server.requests) == 8
        gate.open()
        thread.join(10)
        assert seen == list(range(100))


def test_what_is_there_does_not_wait_for_slow_items(echo: MockOllama) -> None:
    """Between two outcomes at most one item is pulled, so a source that is slower than the model holds nobody up for long."""
    handed: list[int] = []
    pulled_at: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            if number >= 4:
                # All places were taken, so this is asked for behind the first outcome.
                pulled_at.append(len(handed))
            yield number

    with (
        Client(echo.url) as client,
        client.map(
            "generate", items(), request=prompt, model="m", parallel=4, ordered=False
        ) as outcomes,
    ):
        handed.extend(outcome.index for outcome in outcomes)
    assert sorted(handed) == list(range(20))
    assert pulled_at[0] >= 1


def test_a_bad_item_is_its_own_failure(echo: MockOllama) -> None:
    """An item of which no request can be made has that error as its outcome, and nothing was sent for it."""

    def request(item: Any) -> Any:
        if item == "raises":
            raise KeyError("text")
        return {"prompt": item} if item != "none" else None

    items = ["a", "raises", "none", 7, "b"]
    with Client(echo.url) as client, client.map("generate", items, request=request, model="m") as o:
        errors = [outcome.error for outcome in o]
    assert [type(error).__name__ for error in errors] == [
        *("NoneType", "KeyError", "RequestError", "RequestError", "NoneType")
    ]
    assert "what request returned is None" in str(errors[2])
    assert "prompt=7" in str(errors[3])
    assert len(echo.requests) == 2


def test_mappings_need_no_request(echo: MockOllama) -> None:
    """An item that is a mapping has the verb's parameters, which win over the common ones; others say what is missing."""
    items: list[Any] = [{"prompt": "a"}, {"prompt": "b", "model": "own"}, "text", {"promt": "c"}]
    with (
        Client(echo.url) as client,
        client.map("generate", items, model="m", parallel=1) as outcomes,
    ):
        first, second, third, fourth = outcomes
    assert first.ok
    assert second.ok
    assert [request.json["model"] for request in echo.requests] == ["m", "own"]
    assert "give request=" in str(third.error)
    assert "did you mean 'prompt'?" in str(fourth.error)


def test_what_the_items_raise_comes_after_what_was_under_way(echo: MockOllama) -> None:
    """The source's own exception is raised once, unchanged, behind the outcomes of the calls that had begun."""

    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        raise OSError("the table is gone")

    seen = []
    with (
        Client(echo.url) as client,
        client.map("generate", items(), request=prompt, model="m") as o,
    ):
        with pytest.raises(OSError, match="the table is gone"):
            seen.extend(outcome.get().response for outcome in o)
        assert seen == ["a", "b"]
        assert list(o) == []


def test_an_interrupted_generator_is_no_end(echo: MockOllama) -> None:
    """An interrupt inside the items' generator ends it for good: that is told, and not taken for the end of the items."""

    def items() -> Iterator[str]:
        yield "a"
        raise KeyboardInterrupt

    with Client(echo.url) as client:
        outcomes = client.map("generate", items(), request=prompt, model="m", parallel=2)
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
        assert next(outcomes).ok
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
        assert list(outcomes) == []


def test_a_broken_reply_is_an_outcome(echo: MockOllama) -> None:
    """A single client does not make a call again that its server has answered in part; the others go on."""
    with Client(echo.url) as client:
        outcomes = outcomes_of(client, ["a", "cut", "b"])
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, StreamBroken)
    assert len(echo.requests) == 3


def test_retries_wait_in_the_hub(server: MockOllama) -> None:
    """What is tried again does not hold up what is under way."""
    server.script([reply({"error": "busy"}, 503)], path="/api/generate")
    server.script([answer("b")], path="/api/generate")
    server.script([answer("a")], path="/api/generate")
    with Client(server.url, retries=Retry(2, status_forcelist=(503,), backoff_factor=0)) as client:
        outcomes = outcomes_of(client, ["x", "y"], parallel=1)
    assert [outcome.attempts for outcome in outcomes] == [2, 1]


def test_leaving_the_block_cancels_what_is_open(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """The servers see the connections close, and the iterator is at its end."""
    gates = [Gate() for _ in range(3)]
    for gate in gates:
        server.script([wait(gate), answer("x")], path="/api/generate")
    jobs = shared_hub().jobs
    with client.map("generate", range(3), request=prompt, model="m") as outcomes:
        outcomes._pull()
        outcomes._pull()
        gates[0].wait_reached()
        gates[1].wait_reached()
    eventually(lambda: shared_hub().jobs <= jobs)
    assert list(outcomes) == []
    assert client.statistics().cancelled == 2
    for gate in gates:
        gate.open()


def test_a_map_that_is_dropped_cancels(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """Whoever forgets the block leaves nothing running."""
    gate = Gate()
    server.script([wait(gate), answer("x")], path="/api/generate")
    outcomes = client.map("generate", range(3), request=prompt, model="m")
    outcomes._pull()
    gate.wait_reached()
    del outcomes
    gc.collect()
    eventually(lambda: client.statistics().cancelled == 1)
    gate.open()


def test_close_from_another_thread_ends_the_iteration(server: MockOllama, client: Client) -> None:
    """A consumer that waits is released, and its loop ends."""
    gate = Gate()
    server.script([wait(gate), answer("x")], path="/api/generate")
    outcomes = client.map("generate", range(1), request=prompt, model="m")
    thread = threading.Thread(target=lambda: [*outcomes])
    thread.start()
    gate.wait_reached()
    outcomes.close()
    thread.join(10)
    assert not thread.is_alive()
    gate.open()


def test_a_client_that_is_closed_fails_what_is_open(server: MockOllama) -> None:
    """Each call that was under way has an outcome that says so, and so has each that comes after."""
    gate = Gate()
    server.script([wait(gate), answer("x")], path="/api/generate")
    client = Client(server.url)
    outcomes = client.map("generate", range(2), request=prompt, model="m", parallel=1)
    thread_seen: list[Any] = []
    thread = threading.Thread(target=lambda: thread_seen.extend(outcomes))
    thread.start()
    gate.wait_reached()
    client.close()
    thread.join(10)
    assert [type(one.error) for one in thread_seen] == [ClosedError, ClosedError]
    with pytest.raises(ClosedError):
        client.map("generate", [], model="m")
    gate.open()


def test_progress_adds_up(echo: MockOllama) -> None:
    """Done, failed, tokens and the total are shown; what is left is estimated where the total is known."""
    with (
        Client(echo.url) as client,
        client.map(
            "generate", ["a", "bad", "b"], request=prompt, model="m", parallel=1
        ) as outcomes,
    ):
        before = outcomes.progress
        assert (before.done, before.total, before.seconds_left, before.elapsed) == (0, 3, None, 0.0)
        assert len(outcomes) == 3
        assert outcomes
        for _ in outcomes:
            pass
        after = outcomes.progress
    assert (after.done, after.failed, after.running, after.tokens) == (3, 1, 0, 6)
    assert after.seconds_left == 0.0
    assert after.tokens_per_second > 0
    assert after == outcomes.progress  # its clock stands still
    assert "3 of 3 done, 1 failed" in repr(outcomes)


def test_items_without_a_length_have_no_total(echo: MockOllama) -> None:
    """`len` says so by the error that progress bars expect."""
    with (
        Client(echo.url) as client,
        client.map("generate", iter("ab"), request=prompt, model="m") as o,
    ):
        with pytest.raises(TypeError):
            len(o)
        assert o
        assert o.progress.total is None
        assert len([*o]) == 2


@pytest.mark.parametrize(
    ("verb", "items", "more", "text"),
    [
        ("chats", [], {}, "'chat', 'generate', 'embed'"),
        ("chat", [], {"parallel": 0}, "parallel=0"),
        ("chat", [], {"parallel": True}, "parallel=True"),
        ("chat", [], {"modle": "m"}, "did you mean 'model'"),
        ("chat", [], {"stream": True}, "come whole"),
        ("chat", [], {"options": 3}, "options=3"),
        ("chat", 7, {}, "items=7"),
        ("chat", "text", {}, "items='text'"),
        ("chat", {"a": 1}, {}, "items="),
        ("chat", [], {"request": {}}, "request={}"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_said_before_anything_is_sent(
    client: Client, server: MockOllama, verb: Any, items: Any, more: dict[str, Any], text: str
) -> None:
    """A wrong verb, parameter or number is an error of the call of `map` itself."""
    with pytest.raises(RequestError, match=text):
        client.map(verb, items, **more)
    assert not server.requests


def test_chat_and_embed_are_mapped_too(server: MockOllama) -> None:
    """Each verb has its own kind of reply, and a type as `format` is checked."""
    server.script(
        [reply({"message": {"role": "assistant", "content": "[1, 2]"}, "done": True})],
        path="/api/chat",
    )
    with Client(server.url) as client:
        messages = [{"role": "user", "content": "count"}]
        (chat,) = client.map("chat", [{"messages": messages}], model="m", format=list[int])
        (embed,) = client.map("embed", [{"input": ["a", "b"]}], model="m")
    assert chat.get().parsed == [1, 2]
    assert len(embed.get().embeddings) == 2


def test_the_module_has_it_too(echo: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ollama_sync.map` uses the default client."""
    monkeypatch.setenv("OLLAMA_HOST", echo.url)
    monkeypatch.setattr("ollama_sync._client.default._made", {})
    (outcome,) = ollama_sync.map("generate", [{"prompt": "a"}], model="m")
    assert outcome.get().response == "a"
    default_client().close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_maps_of_its_own(echo: MockOllama) -> None:
    """The parent's calls do not run in a forked child, which is told so; the parent goes on."""
    with (
        Client(echo.url) as client,
        client.map("generate", ["a", "b", "c"], request=prompt, model="m", parallel=1) as o,
    ):
        next(o)
        child = os.fork()
        if not child:
            try:
                next(o)
            except ForkedError:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [outcome.item for outcome in o] == ["b", "c"]


def test_a_reset_is_the_outcome_of_its_item_only(server: MockOllama, client: Client) -> None:
    """A connection that is reset fails one item."""
    server.script([reset()], path="/api/generate")
    server.script([answer("b")], path="/api/generate")
    first, second = outcomes_of(client, ["a", "b"], parallel=1)
    assert not first.ok
    assert second.ok
