"""How soon a cancel is felt: by the caller that waits, and by the server.

    python tests/soak/cancels.py [--count 500] [--json FILE]

For each stage of a stream a thread waits in it and another one cancels. Two times count from the call of `cancel()`: until the
waiting thread goes on, and until the server sees that its connection is closed. The server is in the same process and shares
its GIL, so both are upper bounds.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ollama_sync import ChatResponse, Client, Stream
from ollama_sync.testing import Gate, MockOllama, Step, chunk, head, raw, wait

PART = {"message": {"role": "assistant", "content": "a"}, "done": False}

STAGES: dict[str, Callable[[Gate], list[Step]]] = {
    "before its head": lambda gate: [wait(gate)],
    "behind its head": lambda gate: [head(), wait(gate)],
    "between two parts": lambda gate: [head(), chunk(PART), wait(gate)],
    "within a part": lambda gate: [head(), chunk(PART), chunk(b'{"message":'), wait(gate)],
    "without a length": lambda gate: [head(framing="close"), raw(b'{"done":false}\n'), wait(gate)],
}

# Seconds that a thread may need until it waits: a cancel that finds it elsewhere is felt sooner.
SETTLE = 0.003


def follow(stream: Stream[ChatResponse], ended: list[float]) -> None:
    """Read a stream to its end; note when that was."""
    for _ in stream:
        pass
    ended.append(time.perf_counter())


def cancel(server: MockOllama, client: Client, stage: str) -> tuple[float, float]:
    """Cancel one stream; return the seconds until its caller went on, and until the server saw it."""
    gate, ended, before = Gate(), list[float](), server.disconnects
    server.script(STAGES[stage](gate))
    stream = client.chat("m", [{"role": "user", "content": "hi"}], stream=True)
    caller = threading.Thread(target=follow, args=(stream, ended))
    caller.start()
    gate.wait_reached()
    time.sleep(SETTLE)
    began = time.perf_counter()
    stream.cancel()
    server.wait_disconnect(before + 1)
    seen = time.perf_counter()
    caller.join()
    return ended[0] - began, seen - began


def figures(seconds: list[float]) -> dict[str, float]:
    """Return what is told of some times, in milliseconds."""
    times = sorted(second * 1e3 for second in seconds)
    last = len(times) - 1
    return {
        "count": len(times),
        "p50": round(times[last // 2], 3),
        "p99": round(times[last * 99 // 100], 3),
        "max": round(times[-1], 3),
    }


def main() -> None:
    """Measure every stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=500, help="cancels of each stage")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with MockOllama() as server, Client(server.url) as client:
        for stage in STAGES:
            times = [cancel(server, client, stage) for _ in range(options.count)]
            goes_on, sees_it = zip(*times, strict=True)
            found[stage] = {
                "the caller goes on": figures([*goes_on]),
                "the server sees it": figures([*sees_it]),
            }
            print(stage, found[stage], flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
