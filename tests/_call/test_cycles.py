"""A call that is over leaves nothing for the garbage collector: reply, exchange and buffers go with the last reference.

In a process of its own, without other tests' garbage.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc, sys
from ollama_sync import Client, OllamaError, Timeout, merge
from ollama_sync._call.exchange import Exchange
from ollama_sync.testing import *

part = {"message": {"role": "assistant", "content": "a"}, "done": False}
answers = {
    "whole": [stream([part, {**part, "done": True}])],
    "broken": [head(), chunk(part), close()],
    "incomplete": [stream([part])],
    "error line": [stream([part, {"error": "boom"}])],
    "bad line": [head(), chunk(part), chunk(b"oops\\\\n"), end()],
    "status": [reply({"error": "boom"}, 500)],
    "no answer": [close()],
    "silence": [silence()],
}
ways = {
    "reply": lambda client: client.chat("m"),
    "next": lambda client: [*client.chat("m", stream=True)],
    "tokens": lambda client: [*client.chat("m", stream=True).tokens()],
    "result": lambda client: client.chat("m", stream=True).result(),
    "poll": lambda client: [client.chat("m", stream=True).poll(5) for _ in range(1)],
    "merge": lambda client: [*merge([client.chat("m", stream=True)])],
    "cancel": lambda client: client.chat("m", stream=True).cancel(),
    "close": lambda client: client.chat("m", stream=True).close(),
    "embed": lambda client: client.embed("m", "a"),
    "list": lambda client: client.list(),
}

def call(client, way):
    try:
        way(client)
    except OllamaError:
        pass

def alive():
    return sum(isinstance(one, Exchange) for one in gc.get_objects())

import warnings
warnings.simplefilter("ignore", ResourceWarning)  # a stream that is polled once is dropped before its end
left = {}
with (
    MockOllama() as server,
    Client(server.url, timeout=Timeout(first=0.05)) as client,
    Client(server.url) as patient,
):
    call(client, ways["reply"])
    gc.collect()
    gc.disable()
    for fault, steps in answers.items():
        for name, way in ways.items():
            path = {"embed": "/api/embed", "list": "/api/tags"}.get(name, "/api/chat")
            server.script(steps, path=path)
            call(client, way)
            for _ in range(200):  # the greenlet of the call ends after its caller was told
                client.version()
                if not alive():
                    break
            if alive():
                left[f"{name}, {fault}"] = alive()
                gc.collect()
print(left)
sys.exit(bool(left))
"""


@pytest.mark.own_process
def test_no_call_leaves_a_cycle() -> None:
    """Every way to make a call, and every way in which it ends, with the collector off."""
    script = SCRIPT.replace("\\\\n", "\\n")
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
