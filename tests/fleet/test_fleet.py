"""`Fleet`: several servers that answer as one, whatever becomes of one of them."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync import (
    Client,
    ClosedError,
    Fleet,
    FleetBusy,
    FleetDown,
    RequestError,
    ResponseError,
    StreamBroken,
    Timeout,
    TotalTimeout,
)
from ollama_sync._hub import shared_hub
from ollama_sync.testing import Gate, MockOllama, chunk, close, end, head, reply, silence, wait

Eventually = Callable[[Callable[[], object]], None]

HI = [{"role": "user", "content": "hi"}]
BUSY = reply({"error": "server busy, please try again.  maximum pending requests exceeded"}, 503)


def answer(text: str = "x") -> Any:
    return reply({"model": "m", "response": text, "done": True})


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": str(number)} for number in range(count)]


def generated(server: MockOllama) -> int:
    """How many prompts have come to a server."""
    return sum(request.path == "/api/generate" for request in server.requests)


def fleet_of(servers: list[MockOllama], **more: Any) -> Fleet:
    return Fleet([server.url for server in servers], **more)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


# What suits a call best.


def test_calls_spread_over_the_servers(servers: list[MockOllama], eventually: Eventually) -> None:
    """While every call takes its time, each server has as many as it has places; in the end each of 60 prompts is answered once."""
    gate = Gate()
    for server in servers:
        server.on("POST", "/api/generate", [wait(gate), answer()])
    with fleet_of(servers, parallel=2) as fleet:
        outcomes: list[Any] = []
        asking = fleet.map("generate", prompts(60), model="m")
        thread = threading.Thread(target=lambda: outcomes.extend(asking))
        thread.start()
        eventually(lambda: [generated(server) for server in servers] == [2, 2, 2])
        gate.open()
        thread.join(20)
    assert [outcome.get().response for outcome in outcomes] == ["x"] * 60
    assert sum(generated(server) for server in servers) == 60
    assert {outcome.host for outcome in outcomes} == {server.url for server in servers}


def test_a_server_without_the_model_gets_no_call_for_it(servers: list[MockOllama]) -> None:
    """What `/api/tags` says is looked at before the first call."""
    with (
        MockOllama(models=["other"]) as without,
        fleet_of([without, servers[0]]) as fleet,
    ):
        for _ in range(3):
            fleet.generate("m", "hi")
        assert generated(without) == 0
        assert [server.models for server in fleet.servers] == [{"other:latest"}, {"m:latest"}]


def test_a_model_that_was_deleted_is_noticed(servers: list[MockOllama]) -> None:
    """A 404 moves the call to another server, and is remembered."""
    first = servers[0]
    with fleet_of(servers[:2]) as fleet:
        fleet.generate("m", "hi")
        gone = first if generated(first) else servers[1]
        gone.on("POST", "/api/generate", [reply({"error": "model 'm' not found"}, 404)])
        # Where it was loaded is where the next call goes.
        assert fleet.generate("m", "hi").response == "AAA"
        number = servers.index(gone)
        assert fleet.servers[number].models == frozenset()
        before = generated(gone)
        assert fleet.generate("m", "hi").response == "AAA"
        assert generated(gone) == before


def test_a_model_that_nobody_has_is_not_found(servers: list[MockOllama]) -> None:
    """Each server is asked, for a list may be incomplete; the error is that of a single server."""
    for server in servers:
        server.on("POST", "/api/generate", [reply({"error": "model 'n' not found"}, 404)])
    with fleet_of(servers) as fleet:
        with pytest.raises(ResponseError, match="not found") as caught:
            fleet.generate("n", "hi")
        assert caught.value.status_code == 404
        assert caught.value.attempts == 3


def test_a_conversation_stays_at_its_server(servers: list[MockOllama]) -> None:
    """Calls of one affinity go to one server, and different ones spread."""
    with fleet_of(servers) as fleet:
        # So many that each of three servers has some, whatever their ports: in one run of three million one has none.
        for number in range(40):
            for _ in range(3):
                fleet.chat("m", HI, affinity=f"talk {number}")
    asked = [sum(request.path == "/api/chat" for request in server.requests) for server in servers]
    assert sum(asked) == 120
    assert all(count % 3 == 0 for count in asked)
    assert min(asked) > 0


def test_the_rounds_of_a_tool_run_stay_together(servers: list[MockOllama]) -> None:
    """A run has an affinity of its own, for its prompt grows by what the server knows already."""

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    call = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
    asks = {"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": True}
    for server in servers:
        server.script([head(), chunk(asks), end()])
    with fleet_of(servers) as fleet:
        run = fleet.run_tools("m", HI, tools=[add])
        assert run.result().message.content == "AAA"
        assert run.rounds == 1
    asked = [len([one for one in server.requests if one.path == "/api/chat"]) for server in servers]
    assert sorted(asked) == [0, 0, 2]


# Places.


def test_no_server_has_more_calls_than_places(
    servers: list[MockOllama], eventually: Eventually
) -> None:
    """However many calls are open, each server works on as many as it has places; the others wait."""
    gate = Gate()
    most: Counter[str] = Counter()
    running: Counter[str] = Counter()

    class Count:
        def __init__(self, name: str, by: int) -> None:
            self.name = name
            self.by = by

        def run(self, _: Any) -> None:
            running[self.name] += self.by
            most[self.name] = max(most[self.name], running[self.name])

    for server in servers:
        name = server.url
        steps = [Count(name, 1), wait(gate), Count(name, -1), answer()]
        server.on("POST", "/api/generate", steps)
    places = dict(zip((server.url for server in servers), (1, 2, 5), strict=True))
    with Fleet(places) as fleet, fleet.map("generate", prompts(80), model="m", parallel=40) as all_:
        outcomes: list[Any] = []
        thread = threading.Thread(target=lambda: outcomes.extend(all_))
        thread.start()
        eventually(lambda: running == places)
        gate.open()
        thread.join(20)
    assert len(outcomes) == 80
    assert all(outcome.ok for outcome in outcomes)
    assert most == places


def test_calls_wait_in_the_order_in_which_they_came(
    servers: list[MockOllama], eventually: Eventually
) -> None:
    """A place that becomes free goes to the call that has waited longest."""
    server = servers[0]
    gate = Gate()
    server.script([wait(gate), answer()], path="/api/generate")
    with fleet_of([server], parallel=1) as fleet:
        threads = []
        for number in range(5):
            threads.append(threading.Thread(target=fleet.generate, args=("m", str(number))))
            threads[-1].start()
            if number == 0:
                gate.wait_reached()
            else:
                eventually(lambda number=number: fleet.waiting == number)
        gate.open()
        for thread in threads:
            thread.join(10)
        asked = [one.json["prompt"] for one in server.requests if one.path == "/api/generate"]
        assert asked == ["0", "1", "2", "3", "4"]


def test_the_total_clock_counts_the_wait_for_a_place(servers: list[MockOllama]) -> None:
    """A call that gets no place in time ends, and the connect clock does not run while it waits."""
    with fleet_of(servers[:1], parallel=1, timeout=Timeout(connect=0.01, total=0.1)) as fleet:
        fleet._dispatcher().servers[0].running = 1  # as if a call ran there
        with pytest.raises(TotalTimeout, match=r"^POST /api/generate"):
            fleet.generate("m", "hi")
        assert fleet.waiting == 0


def test_too_many_that_wait_are_refused(servers: list[MockOllama], eventually: Eventually) -> None:
    """`max_waiting` bounds the queue, and the error says how to allow more."""
    gate = Gate()
    servers[0].script([wait(gate), answer()], path="/api/generate")
    with fleet_of(servers[:1], parallel=1, max_waiting=1) as fleet:
        threads = [threading.Thread(target=fleet.generate, args=("m", "hi")) for _ in range(2)]
        threads[0].start()
        gate.wait_reached()
        threads[1].start()
        eventually(lambda: fleet.waiting == 1)
        with pytest.raises(FleetBusy, match="max_waiting"):
            fleet.generate("m", "hi")
        gate.open()
        for thread in threads:
            thread.join(10)
        assert [server.running for server in fleet.servers] == [0]


def test_a_cancelled_call_leaves_the_queue(
    servers: list[MockOllama], eventually: Eventually
) -> None:
    """A map that is closed gives back its places, and those who waited for one are gone."""
    gates = [Gate(), Gate()]
    for gate in gates:
        servers[0].script([wait(gate), answer()], path="/api/generate")
    with fleet_of(servers[:1], parallel=2) as fleet:
        with fleet.map("generate", prompts(9), model="m", parallel=6) as outcomes:
            for _ in range(6):
                outcomes._pull()
            eventually(lambda: fleet.waiting == 4)
        eventually(lambda: (fleet.waiting, fleet.servers[0].running) == (0, 0))
        for gate in gates:
            gate.open()
        assert fleet.generate("m", "hi").response == "AAA"


# Faults: a test for each, with what the caller sees.


def test_all_servers_down() -> None:
    """One error names each server and what is wrong with it; it is a ConnectionError, as for one server."""
    ports = [free_port() for _ in range(3)]
    with Fleet([f"127.0.0.1:{port}" for port in ports]) as fleet:
        for _ in range(2):  # also when it is known that they rest
            with pytest.raises(FleetDown) as caught:
                fleet.generate("m", "hi")
            assert isinstance(caught.value, ConnectionError)
            for port in ports:
                assert f"http://127.0.0.1:{port}: Connection refused" in str(caught.value)
        assert all(server.is_resting for server in fleet.servers)
        assert "refused" in str(fleet.servers[0].error)


def test_one_server_down(servers: list[MockOllama]) -> None:
    """Callers see nothing of it, but for the number of attempts."""
    with fleet_of(servers) as fleet:
        fleet.generate("m", "hi")
        loaded = next(one for one in servers if generated(one))
        loaded.stop()
        reply_of_another = fleet.generate("m", "hi")
        assert reply_of_another.response == "AAA"
        assert [server.is_resting for server in fleet.servers].count(True) == 1


def test_a_server_that_comes_back_gets_work_again(eventually: Eventually) -> None:
    """A server rests after a failure, is asked whether it is there, and then serves as before."""
    port = free_port()
    with Fleet([f"127.0.0.1:{port}"]) as fleet:
        with pytest.raises(ConnectionError):
            fleet.generate("m", "hi")
        assert fleet.servers[0].is_resting
        with MockOllama(chunks=3, delay=0, models=["m"], port=port):
            eventually(lambda: not fleet.servers[0].is_resting)
            assert fleet.generate("m", "hi").response == "AAA"
            assert fleet.servers[0].failures == 0


def test_a_call_tries_a_resting_server_rather_than_failing() -> None:
    """A server that is back before its rest is over serves the next call, if there is no other."""
    port = free_port()
    with Fleet([f"127.0.0.1:{port}"]) as fleet:
        with pytest.raises(ConnectionError):
            fleet.generate("m", "hi")
        with MockOllama(chunks=3, delay=0, models=["m"], port=port):
            assert fleet.generate("m", "hi").response == "AAA"


def test_a_server_that_says_503(servers: list[MockOllama]) -> None:
    """An overloaded server rests, and its call moves on; `Retry-After` is kept to."""
    for server in servers[:2]:
        server.on("POST", "/api/generate", [reply({"error": "busy"}, 503, {"Retry-After": "30"})])
    with fleet_of(servers) as fleet:
        assert fleet.generate("m", "hi").response == "AAA"
        assert fleet.generate("m", "hi").response == "AAA"
        for server in fleet.servers[:2]:
            assert not server.is_resting or server.rest > 20
        assert sum(generated(server) for server in servers[:2]) <= 2


def test_all_servers_say_503(servers: list[MockOllama]) -> None:
    """The error names each, with what it answered."""
    for server in servers:
        server.on("POST", "/api/generate", [BUSY])
    with fleet_of(servers) as fleet, pytest.raises(FleetDown) as caught:
        fleet.generate("m", "hi")
    assert str(caught.value).count("server busy") == 3


def test_a_server_that_hangs_before_the_first_byte(servers: list[MockOllama]) -> None:
    """With a limit for the first byte the call moves on, and the server rests."""
    with fleet_of(servers[:2], timeout=Timeout(first=0.2)) as fleet:
        fleet.generate("m", "hi")
        loaded = next(one for one in servers if generated(one))
        loaded.on("POST", "/api/generate", [silence()])
        loaded.on("GET", "/api/version", [silence()])
        assert fleet.generate("m", "hi").response == "AAA"
        assert fleet.servers[servers.index(loaded)].is_resting


def test_a_server_whose_questions_hang_holds_nobody_up(servers: list[MockOllama]) -> None:
    """The first call waits a second at most to learn which models the servers have."""
    servers[0].on("GET", "/api/tags", [silence()])
    with fleet_of(servers) as fleet:
        for _ in range(3):
            assert fleet.generate("m", "hi").response == "AAA"


def test_a_stream_that_breaks_is_told(servers: list[MockOllama]) -> None:
    """What had come of a stream is in the caller's hands, so it does not move; the error has it."""
    parts = [chunk({"response": "A", "done": False}) for _ in range(10)]
    for server in servers:
        server.on("POST", "/api/generate", [head(), *parts, close()])
    with fleet_of(servers) as fleet:
        stream = fleet.generate("m", "hi", stream=True)
        with pytest.raises(StreamBroken) as caught:
            stream.result()
        assert caught.value.partial.response == "A" * 10
        assert sum(generated(server) for server in servers) == 1


def test_a_reply_of_a_map_that_breaks_is_made_again(servers: list[MockOllama]) -> None:
    """Of a whole reply nothing was delivered: the call is made once more, and the outcome tells how often."""
    broken = [head(), chunk({"response": "A"}), close()]
    for server in servers[:2]:
        server.script(broken, path="/api/generate")
    with fleet_of(servers) as fleet:
        outcomes = list(fleet.map("generate", prompts(30), model="m"))
    assert [outcome.ok for outcome in outcomes] == [True] * 30
    assert sum(outcome.attempts for outcome in outcomes) == 32


def test_a_map_gives_up_a_reply_that_always_breaks(servers: list[MockOllama]) -> None:
    """A prompt that breaks every server is tried a bounded number of times."""

    def respond(request: Any) -> Any:
        if request.json["prompt"] == "1":
            return [head(), chunk({"response": "A"}), close()]
        return [answer()]

    for server in servers:
        server.on("POST", "/api/generate", respond)
    with fleet_of(servers) as fleet:
        outcomes = list(fleet.map("generate", prompts(3), model="m", parallel=1))
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, StreamBroken)
    assert outcomes[1].attempts == 5


def test_a_server_that_is_slower_gets_less(servers: list[MockOllama]) -> None:
    """Where a place is free sooner the next call goes: 30 calls wait for a slow server only as long as it holds two of them."""
    gate = Gate()
    servers[0].on("POST", "/api/generate", [wait(gate), answer("slow")])
    with (
        fleet_of(servers[:2], parallel=2) as fleet,
        fleet.map("generate", prompts(32), model="m", ordered=False) as outcomes,
    ):
        fast = [next(outcomes).get().response for _ in range(30)]
        gate.open()
        slow = [outcome.get().response for outcome in outcomes]
    assert fast == ["AAA"] * 30
    assert slow == ["slow"] * 2


def test_a_map_waits_for_a_fleet_that_is_down(eventually: Eventually) -> None:
    """A restart of the only server costs a pipeline no prompt."""
    port = free_port()
    with Fleet([f"127.0.0.1:{port}"]) as fleet:
        seen: list[Any] = []
        outcomes = fleet.map("generate", prompts(5), model="m")
        thread = threading.Thread(target=lambda: seen.extend(outcomes))
        thread.start()
        eventually(lambda: fleet.servers[0].is_resting)
        with MockOllama(chunks=3, delay=0, models=["m"], port=port):
            thread.join(20)
            assert [outcome.ok for outcome in seen] == [True] * 5


def test_an_error_of_the_prompt_stays_with_the_prompt(servers: list[MockOllama]) -> None:
    """What another server would say as well is not asked there, and no server rests for it."""
    for server in servers:
        server.on("POST", "/api/generate", [reply({"error": "invalid options"}, 400)])
    with fleet_of(servers) as fleet:
        with pytest.raises(ResponseError, match="invalid options"):
            fleet.generate("m", "hi")
        assert not any(server.is_resting for server in fleet.servers)
        assert [server.running for server in fleet.servers] == [0, 0, 0]
    assert sum(generated(server) for server in servers) == 1


def test_a_closed_client_of_a_fleet_is_told(servers: list[MockOllama]) -> None:
    """Whoever closes a client that a fleet uses hears of it from the calls that go there."""
    with Client(servers[0].url) as client, Fleet([client]) as fleet:
        client.close()
        shared_hub().call(int)
        with pytest.raises(ClosedError):
            fleet.generate("m", "hi")


# Its life.


def test_embeddings_and_streams_go_through_it(servers: list[MockOllama]) -> None:
    """Each verb of a fleet answers as a client's."""
    with fleet_of(servers) as fleet:
        assert len(fleet.embed("m", ["a", "b"]).embeddings) == 2
        assert fleet.embeddings("m", "a").embedding
        assert fleet.chat("m", HI).message.content == "AAA"
        stream = fleet.chat("m", HI, stream=True)
        assert "".join(token for tokens in stream.tokens() for token in tokens) == "AAA"
        assert fleet.generate("m", "1", stream=True).result().response == "AAA"
        assert fleet.statistics().finished == 5
        assert [client.version().version for client in fleet]
        assert len(fleet) == 3
        assert all(server.running == 0 for server in fleet.servers)


def test_close_ends_what_waits_and_what_runs(
    servers: list[MockOllama], eventually: Eventually
) -> None:
    """After `close` nobody waits, and a later call says that the fleet was closed."""
    gate = Gate()
    servers[0].script([wait(gate), answer()], path="/api/generate")
    fleet = fleet_of(servers[:1], parallel=1)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            fleet.generate("m", "hi")
        except (ClosedError, FleetDown) as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.wait_reached()
    eventually(lambda: fleet.waiting == 2)
    fleet.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(errors) == 3
    with pytest.raises(ClosedError, match="this fleet was closed"):
        fleet.generate("m", "hi")
    with pytest.raises(ClosedError, match="this fleet was closed"):
        fleet.map("generate", [], model="m")
    gate.open()


def test_clients_that_were_given_stay_open(servers: list[MockOllama]) -> None:
    """A fleet closes what it made, and nothing else."""
    with Client(servers[0].url) as client:
        with Fleet({client: 2, servers[1].url: 3}) as fleet:
            assert [server.places for server in fleet.servers] == [2, 3]
            assert fleet.generate("m", "hi").response == "AAA"
            own = [*fleet][1]
        assert client.version()
        with pytest.raises(ClosedError):
            own.version()


def test_a_fleet_is_pickled_as_its_configuration(
    servers: list[MockOllama], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given goes along; a key of the environment does not."""
    monkeypatch.setenv("OLLAMA_API_KEY", "of-the-environment")
    with Fleet({servers[0].url: 3}, max_waiting=7, timeout=5) as fleet:
        fleet.generate("m", "hi")
        data = pickle.dumps(fleet)
    assert b"of-the-environment" not in data
    with pickle.loads(data) as other:
        assert other.generate("m", "hi").response == "AAA"
        assert other.servers[0].places == 3
        assert other._max_waiting == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_counts_its_own_places(servers: list[MockOllama]) -> None:
    """What the parent has under way takes no place in a forked child, which can call at once."""
    gate = Gate()
    servers[0].script([wait(gate), answer()], path="/api/generate")
    with fleet_of(servers[:1], parallel=1) as fleet:
        thread = threading.Thread(target=fleet.generate, args=("m", "hi"))
        thread.start()
        gate.wait_reached()
        child = os.fork()
        if not child:
            try:
                os._exit(0 if fleet.generate("m", "hi").response == "AAA" else 2)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gate.open()
        thread.join(10)


@pytest.mark.parametrize(
    ("servers_given", "more", "text"),
    [
        ([], {}, "at least one server"),
        ({}, {}, "at least one server"),
        ("gpu1", {}, "a list of servers"),
        (7, {}, "a list of servers"),
        ([7], {}, "7 is no server"),
        (["gpu1", "http://gpu1:11434"], {}, "http://gpu1:11434 is named twice"),
        (["gpu1"], {"parallel": 0}, "parallel=0"),
        ({"gpu1": 0}, {}, "places of 'gpu1'=0"),
        ({"gpu1": True}, {}, "places of 'gpu1'=True"),
        (["gpu1"], {"max_waiting": -1}, "max_waiting=-1"),
        (["gpu1"], {"timeout": "soon"}, "timeout='soon'"),
    ],
)
def test_a_wrong_fleet_is_refused(servers_given: Any, more: dict[str, Any], text: str) -> None:
    """What is wrong is said before anything is sent."""
    with pytest.raises(RequestError, match=text):
        Fleet(servers_given, **more)


def test_options_are_for_hosts() -> None:
    """Options beside clients only would be for nobody."""
    with Client("gpu1") as client, pytest.raises(RequestError, match="timeout="):
        Fleet([client], timeout=3)


def test_an_affinity_is_a_text(servers: list[MockOllama]) -> None:
    """Anything else is a mistake."""
    with fleet_of(servers) as fleet, pytest.raises(RequestError, match="affinity=7"):
        fleet.chat("m", HI, affinity=7)  # type: ignore[call-overload] # that is what is tested
