"""The cost of a call that does not stream, counted in instructions and calls: it may not grow by a quarter unnoticed.

As `test_token_path` does it for a token: in a process of its own, on both threads, over a real socket; what is counted once falls out, as the
difference between some calls and many.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Counts differ a little from one version of Python to another.
pytestmark = pytest.mark.once

COUNT = """
import json, os, sys, threading
import ollama_sync
from ollama_sync.testing import MockOllama, reply

HOME = os.path.dirname(ollama_sync.__file__)
OUTSIDE = os.path.join(HOME, "testing")
BELOW = (os.path.join("site-packages", "requests"), os.path.join("site-packages", "urllib3"), os.path.join("http", "client"))
counts = {}

def note(name):
    counts[name] = counts.get(name, 0) + 1

def is_ours(name):
    return name.startswith(HOME) and not name.startswith(OUTSIDE)

def trace(frame, event, arg):
    if not is_ours(frame.f_code.co_filename):
        return None
    frame.f_trace_opcodes, frame.f_trace_lines = True, False
    return on_opcode

def on_opcode(frame, event, arg):
    if event == "opcode":
        note("instructions")
    return on_opcode

def profile(frame, event, arg):
    name = frame.f_code.co_filename
    if event == "call":
        if is_ours(name):
            note("functions")
        elif any(one in name for one in BELOW):
            note("functions of requests")
    elif event == "c_call" and is_ours(name):
        note(arg.__name__)

def measure(count):
    counts.clear()
    for _ in range(count):
        client.embed("m", "text")
    return dict(counts)

vectors = json.loads(sys.argv[1])
with MockOllama() as server:
    server.on("POST", "/api/embed", [reply({"model": "m", "embeddings": [[0.5] * vectors[1]] * vectors[0]})])
    threading.settrace(trace), threading.setprofile(profile)
    sys.settrace(trace), sys.setprofile(profile)
    client = ollama_sync.Client(server.url)
    measure(10)
    few, many = measure(FEW), measure(MANY)
    sys.settrace(None), sys.setprofile(None)
    client.close()
print(json.dumps({name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many}))
"""

FEW, MANY = 20, 120


def counts(vectors: tuple[int, int]) -> dict[str, float]:
    """Count what one call costs, by the name of what is counted."""
    script = f"FEW, MANY = {FEW}, {MANY}\n{COUNT}"
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(vectors)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


# Vectors in the reply: what a call may cost, a fifth above what it does cost; and what it must not do twice.
MOST = {
    (1, 8): {
        "instructions": 5000,
        "functions": 245,
        "functions of requests": 255,
        "loads": 1,
        "release": 1,
    },
    (64, 768): {
        "instructions": 5900,
        "functions": 290,
        "functions of requests": 255,
        "loads": 0,
        "release": 1,
    },
}


@pytest.mark.parametrize("vectors", MOST, ids=["a short reply", "a large reply"])
def test_a_call_costs_no_more_than_it_did(vectors: tuple[int, int]) -> None:
    """On a kept connection the caller is woken once, and a large reply is not decoded before it is read."""
    found = counts(vectors)
    assert found["functions"] > 50, "nothing was counted"
    too_many = {
        name: found.get(name, 0.0)
        for name, most in MOST[vectors].items()
        if found.get(name, 0.0) > most
    }
    assert not too_many
