"""`python benchmarks/fleet_size.py`: what a call costs this process, by the number of servers that its fleet has.

One mock server, in a process of its own, is reached by up to 1000 addresses of the loopback network, as if it were so many servers.
Linux; needs some 3000 open files (`ulimit -n`). Takes half a minute.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

# The package of this checkout, and not one that is installed elsewhere.
sys.path.insert(0, str(Path(__file__).parents[1]))

from ollama_sync import Fleet
from ollama_sync.testing import MockOllama, pause, reply

# Servers: places of each.
SIZES = {10: 40, 100: 4, 1000: 4}
OPEN = 400
# Before them every server was looked at, and connections were made.
FIRST, CALLS = 2000, 4000


def serve() -> None:
    """Answer in half a second, until standard input ends."""
    answer = [pause(0.5), reply({"model": "m", "response": "x", "done": True})]
    with MockOllama(host="0.0.0.0") as server:
        server.on("POST", "/api/generate", answer)
        print(server.port, flush=True)
        sys.stdin.read()


def measure(port: int, size: int, places: int) -> str:
    """Make the calls; return what one took."""
    hosts = [f"127.0.{number // 250}.{number % 250 + 1}:{port}" for number in range(size)]
    items = ({"prompt": "x"} for _ in range(FIRST + CALLS))
    with (
        Fleet(hosts, parallel=places) as fleet,
        fleet.map("generate", items, model="m", ordered=False, parallel=OPEN) as outcomes,
    ):
        for _ in range(FIRST):
            next(outcomes).get()
        began, cpu = time.perf_counter(), time.process_time()
        for outcome in outcomes:
            outcome.get()
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
    return f"{size} servers: {cpu / CALLS * 1e3:.2f} ms of a processor a call, {CALLS / took:.0f} calls/s of {OPEN / 0.5:.0f}"


def main() -> None:
    """Measure each size."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        for size, places in SIZES.items():
            print(measure(port, size, places), flush=True)
        server.stdin.close()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
