"""One measurement of one peer in a process of its own: `python peers.py SCENARIO PEER PORT` prints JSON.

A scenario is a function of a peer's `stream`, so that every peer does the same work; a peer is a function that opens a
streaming chat and yields lists of text. What a peer needs is imported in its function only, so that none pays for another.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator

Stream = Callable[[int, str], Iterator[list[str]]]

MESSAGES = [{"role": "user", "content": "hi"}]

# Parts that a firehose pours: enough for a steady state, below a second.
POURED = 100_000
# Seconds for which the caller that looks 20 times a second is watched.
WATCHED = 3.0
LOOK = 0.05


def ollama_sync_tokens(port: int, model: str) -> Iterator[list[str]]:
    """Return this SDK's stream by `tokens()`."""
    import ollama_sync

    client = ollama_sync.Client(f"127.0.0.1:{port}")
    return client.chat(model, MESSAGES, stream=True).tokens()


def ollama_sync_parts(port: int, model: str) -> Iterator[list[str]]:
    """Return this SDK's stream part by part, as a program written for the official client uses it."""
    import ollama_sync

    client = ollama_sync.Client(f"127.0.0.1:{port}")
    for part in client.chat(model, MESSAGES, stream=True):
        yield [part["message"]["content"]]


def official(port: int, model: str) -> Iterator[list[str]]:
    """Return the official client's stream; each next() is one part."""
    import ollama

    client = ollama.Client(f"http://127.0.0.1:{port}")
    for part in client.chat(model, MESSAGES, stream=True):
        yield [part["message"]["content"]]


def bare_socket(port: int, model: str) -> Iterator[list[str]]:
    """Return a bare socket loop with orjson: what no client can beat by much. It trusts one line per chunk."""
    import orjson

    body = json.dumps({"model": model, "messages": MESSAGES}).encode()
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(
        b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    loads = orjson.loads
    rest = sock.recv(65536).partition(b"\r\n\r\n")[2]
    while True:
        lines = rest.split(b"\n")
        rest = lines.pop()
        parts = [loads(line) for line in lines if line[:1] == b"{"]
        if parts:
            yield [text for part in parts if (text := part["message"]["content"])]
            if parts[-1]["done"]:
                break
        rest += sock.recv(65536)
    sock.close()


def firehose(stream: Stream, port: int) -> dict[str, float]:
    """Pour, and count the processor time of the process for each part (all threads, kernel included)."""
    for _ in stream(port, "pour:1000"):  # imports, pools, code caches
        pass
    cpu, wall = time.process_time(), time.perf_counter()
    seen = sum(len(texts) for texts in stream(port, f"pour:{POURED}"))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert POURED <= seen <= POURED + 1, seen
    return {"cpu_us_per_part": cpu / POURED * 1e6, "wall_us_per_part": wall / POURED * 1e6}


def looks(stream: Stream, port: int) -> dict[str, float]:
    """Look 20 times a second for a while at a model that makes 333 tokens a second, and count what was seen.

    A look is one `next()`: whatever that gives is all that a polling view gets per frame.
    """
    running = stream(port, f"pace:{int(WATCHED / 0.003) + 400}:0.003")
    seen = len(next(running))
    start = time.perf_counter()
    while time.perf_counter() - start < WATCHED:
        time.sleep(LOOK)
        seen += len(next(running))
    return {"tokens_per_second": seen / (time.perf_counter() - start)}


PEERS: dict[str, Stream] = {
    "ollama_sync": ollama_sync_tokens,
    "ollama_sync, part by part": ollama_sync_parts,
    "official ollama": official,
    "bare socket + orjson": bare_socket,
}
SCENARIOS = {
    "firehose": (firehose, list(PEERS)),
    "looks": (looks, ["ollama_sync", "official ollama"]),
}


if __name__ == "__main__":
    measure, _ = SCENARIOS[sys.argv[1]]
    print(json.dumps(measure(PEERS[sys.argv[2]], int(sys.argv[3]))))
