"""Tests of `monkey_patch`, each in a program of its own: a patch cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ollama_sync.testing import Gate, MockOllama, chunk, end, head, reply, wait

pytestmark = pytest.mark.own_process

# The call in the main greenlet can only end when another greenlet, in the same thread, has made a call of its own.
TOGETHER = """
import threading, time, gevent, ollama_sync
from gevent import monkey

assert monkey.is_module_patched("socket") and monkey.is_module_patched("threading")
client = ollama_sync.Client(sys.argv[1])
order = []

def other():
    time.sleep(0)  # patched: it gives way
    order.append(client.version().version)

greenlet = gevent.spawn(other)
order.append({call})
greenlet.join()
print(order)
client.close()
"""

CALLS = {
    "reply": "client.generate('m', 'hi').response",
    "stream": "''.join(p.response for p in client.generate('m', 'hi', stream=True))",
    "poll": "client.generate('m', 'hi', stream=True).poll(30)[0].response",
}


def run(script: str, url: str) -> str:
    """Run a program of its own, in which every warning is an error, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys\n" + script, url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def generate_only_after_version(server: MockOllama) -> None:
    """Hold back each answer of generate until somebody has asked for the version."""
    gate = Gate("the version was asked for")

    def version(_: object) -> list[object]:
        gate.open()
        return [reply({"version": "1"})]

    done = {"response": "A", "done": True, "done_reason": "stop"}
    server.on("POST", "/api/generate", [wait(gate), head(), chunk(done), end()])
    server.on("GET", "/api/version", version)  # type: ignore[arg-type]  # a list of steps


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_first_thing_in_a_program(server: MockOllama, call: str) -> None:
    """After it the SDK works as before, and a waiting caller holds up its own greenlet only."""
    generate_only_after_version(server)
    patch = "import ollama_sync; ollama_sync.monkey_patch()\n"
    assert sorted(run(patch + TOGETHER.format(call=call), server.url).split("'")[1::2]) == [
        "1",
        "A",
    ]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_after_the_sdk_was_used(server: MockOllama, call: str) -> None:
    """The hub that runs already goes on, and the callers become cooperative all the same."""
    used = (
        "import warnings, ollama_sync\n"
        "with ollama_sync.Client(sys.argv[1]) as early: print(early.list().models[0].model)\n"
        "warnings.simplefilter('ignore')  # gevent's, that ssl was imported before\n"
        "ollama_sync.monkey_patch()\n"
        "warnings.simplefilter('error')\n"
    )
    generate_only_after_version(server)
    first, _, order = run(used + TOGETHER.format(call=call), server.url).partition("\n")
    assert first == "llama3.2:latest"
    assert sorted(order.split("'")[1::2]) == ["1", "A"]


def test_a_client_made_before_goes_on(server: MockOllama) -> None:
    """Its connections belong to the hub, whose sockets were gevent's all along."""
    script = (
        "import warnings, ollama_sync\n"
        "client = ollama_sync.Client(sys.argv[1]); client.version()\n"
        "stream = client.generate('m', 'hi', stream=True); next(stream)\n"
        "warnings.simplefilter('ignore')\n"
        "ollama_sync.monkey_patch()\n"
        "warnings.simplefilter('error')\n"
        "print(stream.result().response, client.version().version)\n"
        "client.close()\n"
    )
    assert run(script, server.url) == "AAA 0.33.0\n"


def test_nothing_is_patched_without_it(server: MockOllama) -> None:
    """Importing and using the SDK changes no module of the program."""
    script = (
        "import socket, ssl, threading, time, select, queue, subprocess, os, signal\n"
        "modules = socket, ssl, threading, time, select, queue, subprocess, os, signal\n"
        "before = [dict(vars(module)) for module in modules]\n"
        "import ollama_sync\n"
        "with ollama_sync.Client(sys.argv[1]) as client:\n"
        "    client.list(); list(client.generate('m', 'hi', stream=True))\n"
        "for module, then in zip(modules, before):\n"
        "    now = vars(module)\n"
        "    assert all(now.get(name) is value for name, value in then.items() if callable(value)), module\n"
        "from gevent import monkey\n"
        "print(monkey.is_anything_patched() if hasattr(monkey, 'is_anything_patched') else bool(monkey.saved))\n"
    )
    assert run(script, server.url) == "False\n"
