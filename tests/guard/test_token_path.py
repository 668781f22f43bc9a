"""The cost of a token, counted in bytecode instructions and calls: it may not grow by a third unnoticed.

Seconds depend on the machine and its mood, counts do not. They are taken in a process of its own, on both threads, for a
real stream over a real socket; what a call costs by itself falls out, as the difference between a long stream and a longer one.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

COUNT = """
import json, os, sys, threading
import ollama_sync
from ollama_sync.testing import MockOllama, stream

HOME = os.path.dirname(ollama_sync.__file__)
OUTSIDE = os.path.join(HOME, "testing")
counts = {}

def note(name):
    counts[name] = counts.get(name, 0) + 1

def trace(frame, event, arg):
    name = frame.f_code.co_filename
    if not name.startswith(HOME) or name.startswith(OUTSIDE):
        return None
    frame.f_trace_opcodes, frame.f_trace_lines = True, False
    return on_opcode

def on_opcode(frame, event, arg):
    if event == "opcode":
        note("instructions")
    return on_opcode

def profile(frame, event, arg):
    name = frame.f_code.co_filename
    if event == "c_call" and name.startswith(HOME) and not name.startswith(OUTSIDE):
        note("calls")
        note(arg.__name__)

def measure(count):
    counts.clear()
    answer = [{"model": "m", "created_at": "2026-01-01T00:00:00.000000Z",
               "message": {"role": "assistant", "content": " word"}, "done": False}] * count
    server.script([stream([*answer, {"model": "m", "done": True, "message": {"content": ""}}])])
    with client.chat("m", stream=True) as running:
        seen = sum(map(len, getattr(running, way)()))
    assert count <= seen <= count + 1, seen
    return dict(counts)

way = sys.argv[1]
with MockOllama() as server:
    # Before the hub starts, so that its thread is counted, too; the server's threads are left out by their file.
    threading.settrace(trace), threading.setprofile(profile)
    sys.settrace(trace), sys.setprofile(profile)
    client = ollama_sync.Client(server.url)
    measure(500)
    few, many = measure(FEW), measure(MANY)
    sys.settrace(None), sys.setprofile(None)
    client.close()
print(json.dumps({name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many}))
"""

FEW, MANY = 5_000, 25_000


def counts(way: str) -> dict[str, float]:
    """Count what one part costs, by the name of what is counted."""
    script = f"FEW, MANY = {FEW}, {MANY}\n{COUNT}"
    done = subprocess.run(
        [sys.executable, "-c", script, way],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


# Way: instructions and calls of C functions that one part may cost, a quarter above what it does cost; and how often
# a decoder may be called for it.
MOST = {
    "tokens": {"instructions": 22.5, "calls": 0.5, "decode_lines": 0.02, "loads": 0.001},
    "batches": {"instructions": 32.0, "calls": 1.8, "decode_lines": 0.0, "loads": 0.02},
}


@pytest.mark.parametrize("way", MOST)
def test_a_part_costs_no_more_than_it_did(way: str) -> None:
    """Instructions and calls per part, on both threads; one decode serves a whole batch, and `tokens` makes no parts."""
    found = counts(way)
    assert found["instructions"] > 5, "nothing was counted"
    too_many = {
        name: found.get(name, 0.0) for name in MOST[way] if found.get(name, 0.0) > MOST[way][name]
    }
    assert not too_many
