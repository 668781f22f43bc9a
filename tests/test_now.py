"""The mock's delays go by the machine's time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ollama_sync import Client
from ollama_sync.testing import MockOllama, answer

# What freezegun and mock.patch do: a clock that stands still, in the module and under every name that others have for it.
FROZEN = """
import sys, time
real = time.perf_counter
time.perf_counter = time.monotonic = time.time = lambda: 7.0
for module in list(sys.modules.values()):
    for name, value in list(vars(module).items()):
        if value is real:
            setattr(module, name, time.perf_counter)
from ollama_sync._now import perf_counter as now
before = now()
print(before != 7.0, now() > before)
"""


def test_a_clock_that_stands_still_adds_no_delays_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty parts 20 ms apart take 0.4 s also where Python's clocks are frozen, and not the sum of all due times."""
    clock = time.clock_gettime
    with MockOllama() as server, Client(server.url) as client:
        server.script([answer(["a"] * 20, delay=0.02)], "/api/generate")
        for name in ("perf_counter", "monotonic"):
            monkeypatch.setattr(time, name, lambda: 7.0)
        began = clock(time.CLOCK_MONOTONIC)
        client.generate("m", "hi", stream=True).result()
        took = clock(time.CLOCK_MONOTONIC) - began
        monkeypatch.undo()
    assert took < 2.0  # frozen, the due times add up to 4 s


@pytest.mark.own_process
def test_it_is_right_also_when_first_imported_under_a_patch() -> None:
    """The clock is the machine's own when the module is imported while another one is in its place."""
    done = subprocess.run(
        [sys.executable, "-c", FROZEN], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split() == ["True", "True"]
