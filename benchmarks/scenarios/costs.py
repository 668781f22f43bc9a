"""What it costs to have the SDK: import, memory per open stream, memory under a slow consumer."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time

from meter import Figures
from peers import OFFICIAL, PEERS, REQUESTS, SOCKET, US

from scenarios._scenario import Scenario

OPEN = 200
SLOW_LOOK = 0.01

_FIRST_CLIENT = {
    US: "import ollama_sync as m; m.Client('127.0.0.1:1')",
    OFFICIAL: "import ollama as m; m.Client('http://127.0.0.1:1')",
    REQUESTS: "import requests as m, ujson; m.Session()",
}
_TIMED = """
import time
start = time.perf_counter(), time.process_time()
{work}
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def first_client(peer: str, port: int) -> Figures:
    """Import the peer and make one client, in a fresh interpreter; the first of two warms the disk's cache."""
    del port  # nothing is sent
    module = _FIRST_CLIENT[peer].partition(";")[0]
    # Installed packages are compiled; where this variable is set, ours would be compiled anew each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    figures = {}
    for name, work in (("import", module), ("first_client", _FIRST_CLIENT[peer])):
        for _ in range(2):
            command = [sys.executable, "-c", _TIMED.format(work=work)]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
            output = run.stdout
        wall, cpu = map(float, output.split())
        figures |= {f"{name}_ms": wall * 1e3, f"{name}_cpu_ms": cpu * 1e3}
    return figures


def _resident() -> float:
    import psutil

    gc.collect()
    return float(psutil.Process().memory_info().rss)


def open_streams(peer: str, port: int) -> Figures:
    """Open streams that stay open and silent after their first part, and weigh the process before and after."""
    chat = PEERS[peer](port)
    held = [chat("hold") for _ in range(5)]
    for stream in held:
        next(stream)
    before = _resident()
    more = [chat("hold") for _ in range(OPEN)]
    for stream in more:
        next(stream)
    return {"kib_per_stream": (_resident() - before) / OPEN / 1024}


def slow_consumer(peer: str, port: int) -> Figures:
    """Take one `next()` each 10 ms of a stream that pours, and weigh the process in between."""
    stream = PEERS[peer](port)("pour:100000000")
    next(stream)
    start, weights = time.monotonic(), [_resident()]
    for end in (1.0, 2.5):
        while time.monotonic() - start < end:
            next(stream)
            time.sleep(SLOW_LOOK)
        weights.append(_resident())
    first, then, last = (weight / 1024 / 1024 for weight in weights)
    return {"first_second_mib": then - first, "later_mib": last - then}


SCENARIOS = [
    Scenario(
        "import",
        "A fresh interpreter imports the package, and another also makes a first client.",
        first_client,
        tuple(_FIRST_CLIENT),
        {
            "import_ms": "import ms",
            "first_client_ms": "import and first client ms",
            "first_client_cpu_ms": "the same, CPU ms",
        },
        quick=(US, OFFICIAL),
        paced=False,
    ),
    Scenario(
        "memory per stream",
        f"Resident memory of the process for each of {OPEN} open streams that are silent; the bare socket shows what the "
        "socket itself needs. Buffers of the kernel are not in it, for anyone.",
        open_streams,
        (US, OFFICIAL, REQUESTS, SOCKET),
        {"kib_per_stream": "KiB per stream"},
        paced=False,
    ),
    Scenario(
        "slow consumer",
        "A stream that pours, read by a caller that takes one `next()` each 10 ms: how the process grows in the first "
        "second, and in the 1.5 s after it. This SDK reads ahead, by default up to 8 MiB, and keeps what was taken "
        "for `result()`.",
        slow_consumer,
        (US, OFFICIAL),
        {"first_second_mib": "first second MiB", "later_mib": "later MiB"},
        paced=False,
    ),
]
