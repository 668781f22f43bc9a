"""HAProxy before three servers, with the configuration as docs/scaling.md prints it: what its callers see."""

from __future__ import annotations

import contextlib
import csv
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import ChatResponse, Client, ResponseError, Stream, StreamBroken
from ollama_sync.testing import Gate, MockOllama, Request, chunk, end, head, pause, reply, wait

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
PRINTED = re.findall(r"^```haproxy\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
NAMES = ("gpu1", "gpu2", "gpu3")
PLACES = {"gpu1": 4, "gpu2": 4, "gpu3": 2}
# Seconds after which a wait is taken for a hang.
PATIENCE = 30.0
# Seconds of silence that a stream's caller bears by default: `Timeout.first`.
LONGEST = 600
# How much shorter its hours and minutes are, where a test waits them out.
SHORTER = 600


def _part(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": done}


class Balancer:
    """HAProxy under way before `servers`, and its admin socket."""

    def __init__(
        self, program: str, config: str, servers: dict[str, MockOllama], folder: Path
    ) -> None:
        self.servers = servers
        self._admin = folder / "admin.sock"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "log"
        file = folder / "haproxy.cfg"
        file.write_text(self._with_addresses(config, port), encoding="utf-8")
        with self._log.open("wb") as out:
            self._process = subprocess.Popen([program, "-db", "-f", file], stdout=out, stderr=out)
        self.wait_for(lambda: self.places_taken("gpu1") is not None)

    def _with_addresses(self, config: str, port: int) -> str:
        """Put our own addresses into the lines that are marked for that, and change no other."""
        ours = {"/run/haproxy/admin.sock": str(self._admin), "127.0.0.1:11430": f"127.0.0.1:{port}"}
        for number, server in enumerate(self.servers.values(), 11):
            ours[f"192.0.2.{number}:11434"] = f"127.0.0.1:{server.port}"
        lines = config.splitlines(keepends=True)
        for printed, own in ours.items():
            (place,) = [at for at, line in enumerate(lines) if printed in line]
            assert lines[place].endswith("# yours\n")
            lines[place] = lines[place].replace(printed, own)
        assert sum("# yours" in line for line in lines) == len(ours)
        return "".join(lines)

    @property
    def printed(self) -> str:
        """What HAProxy has printed so far."""
        return self._log.read_text()

    def tell(self, command: str) -> str:
        """Send a command to the admin socket, as `socat` does; return the answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(PATIENCE)
            admin.connect(str(self._admin))
            admin.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode()

    def _column(self, server: str, name: str) -> str | None:
        try:
            rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        except OSError:
            return None  # it starts
        return next((row[name] for row in rows if row["svname"] == server), None)

    def places_taken(self, server: str) -> int | None:
        """How many calls a server works on."""
        column = self._column(server, "scur")
        return None if column is None else int(column)

    def waiting(self) -> int:
        """How many calls wait for a place."""
        return sum(int(self._column(name, "qcur") or 0) for name in (*NAMES, "BACKEND"))

    def is_up(self, server: str) -> bool:
        """Whether its checks succeed. While they begin to fail that reads "UP 2/3"."""
        return (self._column(server, "status") or "").startswith("UP")

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait for what HAProxy tells only when it is asked."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.02)

    def end(self) -> None:
        """End it, with every connection."""
        self._process.terminate()
        self._process.wait(PATIENCE)


@pytest.fixture
def servers() -> Iterator[dict[str, MockOllama]]:
    """Three servers, each of which says its name."""
    with contextlib.ExitStack() as running:
        made = {
            name: running.enter_context(MockOllama(chunks=1, delay=0.0, text=name))
            for name in NAMES
        }
        yield made


@pytest.fixture
def started(
    servers: dict[str, MockOllama], path_of: Callable[[str], str]
) -> Iterator[Callable[[str], Balancer]]:
    """Starts HAProxy with a configuration."""
    # Not pytest's own folder: the path of a Unix socket has at most 107 bytes.
    with contextlib.ExitStack() as stack:

        def start(config: str) -> Balancer:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            balancer = Balancer(path_of("haproxy"), config, servers, folder)
            stack.callback(balancer.end)
            return balancer

        yield start


@pytest.fixture
def balancer(started: Callable[[str], Balancer]) -> Balancer:
    """HAProxy as printed."""
    return started(PRINTED)


@pytest.fixture
def caller(balancer: Balancer) -> Iterator[Client]:
    """A client that knows only HAProxy."""
    with Client(balancer.url) as client:
        yield client


def _ask(client: Client, prompt: str = "hi") -> Stream[ChatResponse]:
    return client.chat("m", [{"role": "user", "content": prompt}], stream=True)


def _who(client: Client) -> str:
    """Make one call, and return the name of the server that answered."""
    return str(client.chat("m", [{"role": "user", "content": "hi"}]).message.content)


def _prompts(server: MockOllama) -> list[str]:
    """What a server was asked, in order; not the checks."""
    chats = [request for request in server.requests if request.path == "/api/chat"]
    return [request.json["messages"][0]["content"] for request in chats]


def _hold(servers: dict[str, MockOllama], gate: Gate) -> None:
    """Let every answer say its server's name, and end no sooner than the gate opens."""
    for name, server in servers.items():
        said = [head(), chunk(_part(name)), wait(gate), chunk(_part("", done=True)), end()]
        server.on("POST", "/api/chat", said)


def _release(servers: dict[str, MockOllama]) -> None:
    """Let every further answer come at once, whole, and say its server's name."""
    for name, server in servers.items():
        server.on("POST", "/api/chat", [reply(_part(name, done=True))])


def test_the_configuration_is_accepted_without_a_warning(balancer: Balancer) -> None:
    """Who copies it finds nothing to mend."""
    assert "WARNING" not in balancer.printed
    assert "ALERT" not in balancer.printed


def test_each_token_is_passed_on_at_once(balancer: Balancer, caller: Client) -> None:
    """A token reaches the caller before the server has made the next one."""
    gates = [Gate(f"token {number}") for number in range(5)]
    steps = [step for gate in gates for step in (chunk(_part("A")), wait(gate))]
    for server in balancer.servers.values():
        server.on("POST", "/api/chat", [head(), *steps, chunk(_part("", done=True)), end()])
    stream = _ask(caller)
    for gate in gates:
        assert next(stream).message.content == "A"
        gate.open()
    assert stream.result().done


def test_each_server_has_as_many_calls_as_places(balancer: Balancer, caller: Client) -> None:
    """What is above that waits in HAProxy, and is served in order of arrival."""
    gate = Gate()
    _hold(balancer.servers, gate)
    served = [_ask(caller) for _ in range(sum(PLACES.values()))]
    names = [next(stream).message.content for stream in served]
    assert {name: names.count(name) for name in NAMES} == PLACES
    waiting = []
    for number in range(3):
        waiting.append(_ask(caller, f"waiting {number}"))
        balancer.wait_for(lambda number=number: balancer.waiting() == number + 1)
    assert not any("waiting" in str(_prompts(server)) for server in balancer.servers.values())
    for number in range(3):
        served[number].close()
        assert next(waiting[number]).message.content == names[number]
    gate.open()
    for stream in (*served[3:], *waiting):
        assert stream.result().done


def test_a_server_whose_checks_fail_gets_no_calls(balancer: Balancer, caller: Client) -> None:
    """Its answers break off, with what had come; it is used again when it is well."""
    gate = Gate()
    _hold(balancer.servers, gate)
    streams = [_ask(caller) for _ in range(3)]
    by_name = {str(next(stream).message.content): stream for stream in streams}
    assert set(by_name) == set(NAMES)
    balancer.servers["gpu1"].on("GET", "/api/version", [reply({"error": "ill"}, 500)])
    balancer.wait_for(lambda: not balancer.is_up("gpu1"))
    with pytest.raises(StreamBroken):
        by_name["gpu1"].result()
    gate.open()
    assert by_name["gpu2"].result().done
    assert by_name["gpu3"].result().done
    _release(balancer.servers)
    assert {_who(caller) for _ in range(12)} == {"gpu2", "gpu3"}
    balancer.servers["gpu1"].on("GET", "/api/version", [reply({"version": "1"})])
    balancer.wait_for(lambda: balancer.is_up("gpu1"))
    assert {_who(caller) for _ in range(12)} == set(NAMES)


def _conversation(balancer: Balancer, number: int) -> Client:
    return Client(balancer.url, headers={"X-Conversation": f"conversation {number}"})


def _home(balancer: Balancer, number: int) -> str:
    """Make three calls of one conversation; return the name of the server that has answered them."""
    with _conversation(balancer, number) as client:
        (name,) = {_who(client) for _ in range(3)}
    return name


def test_a_conversation_stays_on_its_server(balancer: Balancer) -> None:
    """When a server goes, only its conversations move, and then they stay where they are."""
    before = [_home(balancer, number) for number in range(30)]
    assert set(before) == set(NAMES)
    balancer.servers["gpu2"].stop()
    balancer.wait_for(lambda: not balancer.is_up("gpu2"))
    during = [_home(balancer, number) for number in range(30)]
    for was, now in zip(before, during, strict=True):
        assert now == was or (was == "gpu2" and now != "gpu2")
    assert [_home(balancer, number) for number in range(30)] == during


def test_a_conversation_waits_for_its_server(balancer: Balancer, caller: Client) -> None:
    """Where every place of that is taken, its next call waits for one, and nobody else's does."""
    gate = Gate()
    _hold(balancer.servers, gate)
    with _conversation(balancer, 1) as client:
        first = _ask(client)
        home = str(next(first).message.content)
        others = [_ask(client) for _ in range(PLACES[home] - 1)]
        assert {next(stream).message.content for stream in others} == {home}
        waiting = _ask(client)
        balancer.wait_for(lambda: balancer.waiting() == 1)
        elsewhere = _ask(caller)
        assert next(elsewhere).message.content != home
        first.close()
        assert next(waiting).message.content == home
        gate.open()
        assert all(stream.result().done for stream in (*others, waiting, elsewhere))


def test_a_server_that_dies_breaks_its_stream(balancer: Balancer, caller: Client) -> None:
    """The caller has what had arrived, and learns of it at once."""
    _hold(balancer.servers, Gate())
    stream = _ask(caller)
    name = str(next(stream).message.content)
    balancer.servers[name].stop()
    with pytest.raises(StreamBroken) as caught:
        next(stream)
    assert caught.value.partial.message.content == name


def test_a_server_that_refuses_is_not_noticed(balancer: Balancer, caller: Client) -> None:
    """Until the checks have found out, its calls go to the others."""
    balancer.servers["gpu1"].stop()
    with ThreadPoolExecutor(6) as callers:
        names = set(callers.map(lambda _: _who(caller), range(60)))
    assert names == {"gpu2", "gpu3"}


def test_a_caller_that_leaves_ends_its_answer(balancer: Balancer, caller: Client) -> None:
    """The model stops generating, before the first token and after it; who waits gives up its place in the queue."""
    gates = {name: Gate(name) for name in NAMES}
    for name, server in balancer.servers.items():
        server.on("POST", "/api/chat", [wait(gates[name])])  # not even a status line
    silent = [_ask(caller) for _ in range(sum(PLACES.values()))]
    balancer.wait_for(lambda: [balancer.places_taken(name) for name in NAMES] == [4, 4, 2])
    waiting = _ask(caller, "waiting")
    balancer.wait_for(lambda: balancer.waiting() == 1)
    waiting.cancel()
    balancer.wait_for(lambda: balancer.waiting() == 0)
    for stream in silent:
        stream.cancel()
    for name, server in balancer.servers.items():
        server.wait_disconnect(PLACES[name])
        assert "waiting" not in _prompts(server)
    _hold(balancer.servers, Gate())
    speaking = _ask(caller)
    name = str(next(speaking).message.content)
    speaking.cancel()
    balancer.servers[name].wait_disconnect(PLACES[name] + 1)


def test_a_server_is_drained_for_an_upgrade(balancer: Balancer) -> None:
    """By the commands on the page: its answers end well, new calls go elsewhere, those of its conversations too, until it is back."""
    drain, clear, show, ready = re.findall(r'^echo "(.*?)" \| socat', PAGE, re.MULTILINE)
    moving = next(number for number in range(30) if _home(balancer, number) == "gpu1")
    staying = next(number for number in range(30, 60) if _home(balancer, number) == "gpu2")
    gate = Gate()
    _hold(balancer.servers, gate)
    with _conversation(balancer, moving) as client:
        stream = _ask(client)
        assert next(stream).message.content == "gpu1"
        _release(balancer.servers)
        assert balancer.tell(drain).strip() == ""
        assert balancer.tell(clear).strip() == ""
        assert _home(balancer, moving) != "gpu1"
        assert _home(balancer, staying) == "gpu2"
        assert "gpu1" not in {_who(client) for _ in range(12)}
        assert _in_use(balancer.tell(show)) == 1
        gate.open()
        assert stream.result().done
        balancer.wait_for(lambda: _in_use(balancer.tell(show)) == 0)
        assert balancer.tell(ready).strip() == ""
    with Client(balancer.url) as client:
        assert "gpu1" in {_who(client) for _ in range(12)}


def _in_use(shown: str) -> int:
    """Read `show servers conn`: how many connections of gpu1 are in use."""
    header, *rows = [line.removeprefix("# ").split() for line in shown.splitlines() if line]
    (row,) = [row for row in rows if row[0] == "servers/gpu1"]
    return int(row[header.index("used_cur")])


def test_models_are_not_managed_through_it(balancer: Balancer, caller: Client) -> None:
    """A pull would reach one server of three; the error says what to do."""
    with pytest.raises(ResponseError, match="at each server") as caught:
        caller.pull("m")
    assert caught.value.status_code == 403
    assert not any(
        request.path == "/api/pull" for s in balancer.servers.values() for request in s.requests
    )


def _in_seconds(match: re.Match[str]) -> str:
    seconds = int(match[2]) * {"s": 1, "m": 60, "h": 3600}[match[3]]
    return f"{match[1]}{seconds * 1000 // SHORTER}ms"


# Of the limits that a call meets while it waits; what they bound is `SHORTER` times shorter here.
SHORTENED = re.sub(r"(timeout (?:client|server|queue) +)(\d+)([smh])\b", _in_seconds, PRINTED)


def test_no_silence_is_cut_that_a_caller_would_bear(started: Callable[[str], Balancer]) -> None:
    """All limits being shorter alike: a silence a half longer than our own longest limit ends well, before the first byte and after."""
    balancer = started(SHORTENED)
    silence = pause(1.5 * LONGEST / SHORTER)

    def answer(request: Request) -> Any:
        if request.json.get("stream") is False:
            return [silence, reply(_part("whole", done=True))]
        return [silence, head(), chunk(_part("A")), silence, chunk(_part("", done=True)), end()]

    for server in balancer.servers.values():
        server.on("POST", "/api/chat", answer)
    with Client(balancer.url) as client, ThreadPoolExecutor(1) as other:
        whole = other.submit(_who, client)
        assert [part.message.content for part in _ask(client)] == ["A", ""]
        assert whole.result() == "whole"


def test_who_waits_for_too_long_is_told_why(started: Callable[[str], Balancer]) -> None:
    """All limits being shorter alike: status 503 and words for people, and not a page of HTML."""
    balancer = started(SHORTENED)
    _hold(balancer.servers, Gate())
    with Client(balancer.url) as client:
        held = [_ask(client) for _ in range(sum(PLACES.values()))]
        for stream in held:
            next(stream)
        with pytest.raises(ResponseError, match="no server has taken the call in time") as caught:
            _who(client)
        assert caught.value.status_code == 503
        for stream in held:
            stream.close()
