"""`python benchmarks/fleet_run.py`: 10,000 prompts over three servers of 32 places, for real; prints the table of docs/many.md.

The servers are mocks in processes of their own. An answer takes them 0.1 s: 20 tokens of 5 ms. One prompt in a hundred fails, and one in a
hundred breaks in the midst of its reply. In the last run one server is killed when half of the prompts are answered. Ideal is the time in
which the places could do the work if nothing else took time; what is made again counts as work. Takes some 40 s.
"""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ollama_sync as ollama

PROMPTS, SERVERS, PLACES = 10_000, 3, 32
ANSWER, BREAKS_AFTER = 0.1, 0.07  # seconds

_SERVER = """
import sys
sys.path.insert(0, {here!r})
from fleet_run import serve
serve(faulty={faulty})
"""


def serve(*, faulty: bool) -> None:
    """Answer until standard input ends. What becomes of a prompt is in its number."""
    from ollama_sync.testing import MockOllama, chunk, close, head, pause, reply

    broken: set[int] = set()

    def respond(request: object) -> list[object]:
        number = int(request.json["prompt"])  # type: ignore[attr-defined] # a request of the mock's
        kind = zlib.crc32(str(number).encode()) % 100 if faulty and number >= 0 else -1
        if kind == 0:
            return [pause(ANSWER), reply({"error": "out of memory"}, 500)]
        if kind == 1 and number not in broken:
            broken.add(number)
            part = chunk({"response": "A", "done": False})
            return [pause(BREAKS_AFTER), head(), part, close()]
        answer = {"model": "m", "response": "A" * 60, "done": True, "eval_count": 20}
        return [pause(ANSWER), reply(answer)]

    with MockOllama(models=["m"]) as server:
        server.on("POST", "/api/generate", respond)  # type: ignore[arg-type] # steps of the mock's
        print(server.url, flush=True)
        sys.stdin.read()


@contextmanager
def servers(*, faulty: bool) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start the servers; by their URLs."""
    program = _SERVER.format(here=str(Path(__file__).parent), faulty=faulty)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(SERVERS)
    ]
    try:
        yield {
            str(process.stdout and process.stdout.readline()).strip(): process
            for process in running
        }
    finally:
        for process in running:
            process.kill()
            process.wait()


def prompts(numbers: range) -> Iterator[dict[str, str]]:
    """Make prompts of numbers, one by one."""
    return ({"prompt": str(number)} for number in numbers)


def resident() -> float:
    """Return the memory of this process, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def run(name: str, *, faulty: bool, kill: bool) -> str:
    """Answer every prompt, and return a line of the table."""
    with servers(faulty=faulty) as processes, ollama.Fleet([*processes], parallel=PLACES) as fleet:
        list(fleet.map("generate", prompts(range(-96, 0)), model="m"))  # connections are made
        seen: set[int] = set()
        failed, again, half, memory = 0, 0.0, 0.0, []
        began, cpu = time.perf_counter(), time.process_time()
        with fleet.map("generate", prompts(range(PROMPTS)), model="m", ordered=False) as outcomes:
            for outcome in outcomes:
                assert outcome.index not in seen, "a prompt was answered twice"
                seen.add(outcome.index)
                failed += not outcome.ok
                again += (outcome.attempts - 1) * BREAKS_AFTER
                if len(seen) % 1000 == 0:
                    memory.append(resident())
                if kill and not half and len(seen) >= PROMPTS // 2:
                    half = time.perf_counter() - began
                    next(iter(processes.values())).kill()
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
    work = PROMPTS * ANSWER + again
    places = SERVERS * PLACES
    ideal = half + work / 2 / (places - PLACES) if kill else work / places
    return (
        f"| {name} | {len(seen):,} | {failed} | {seconds:.2f} s | {seconds / ideal:.3f} | "
        f"{used / PROMPTS * 1e6:.0f} µs | {max(memory) - memory[0]:+.1f} MiB |"
    )


def main() -> None:
    """Print the table."""
    print(
        "| run | prompts answered once | failed | time | ideal = 1 | CPU a prompt | memory after the first 1,000 |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    print(run("nothing fails", faulty=False, kill=False))
    print(run("2 % fail or break", faulty=True, kill=False))
    print(run("and a server is killed at half-time", faulty=True, kill=True))


if __name__ == "__main__":
    main()
