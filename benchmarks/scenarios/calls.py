"""Calls rather than streams: many short ones, large replies, embeddings, and the time until something comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from meter import Figures, Meter, latencies
from peers import (
    HTTPX,
    MESSAGES,
    OFFICIAL,
    OPENAI,
    PEERS,
    REQUESTS,
    SOCKET,
    US,
    official,
    ours,
    requests_session,
)

from scenarios._scenario import Scenario

SHORT_CALLS = 400
LARGE_CALLS = 10
LINE = 2_000_000
EMBEDDED = 64

Body = dict[str, Any]
Post = Callable[[str, Body], Any]

_VERBS = {"/api/chat": "chat", "/api/show": "show", "/api/embed": "embed"}


def _by_verb(client: Any) -> Post:
    return lambda path, body: getattr(client, _VERBS[path])(**body)


def _requests(port: int) -> Post:
    import ujson

    session, url = requests_session(), f"http://127.0.0.1:{port}"
    return lambda path, body: ujson.loads(session.post(url + path, json=body).content)


def _httpx(port: int) -> Post:
    import httpx
    import ujson

    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=None)
    return lambda path, body: ujson.loads(client.post(path, json=body).content)


POSTS: dict[str, Callable[[int], Post]] = {
    US: lambda port: _by_verb(ours(port)),
    OFFICIAL: lambda port: _by_verb(official(port)),
    REQUESTS: _requests,
    HTTPX: _httpx,
}


def _repeat(times: int, call: Callable[[], object], warm: Callable[[], object]) -> Figures:
    warm()  # imports, the connection, code caches
    warm()
    taken = []
    with Meter() as meter:
        for _ in range(times):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return latencies(taken) | {
        "cpu_ms_per_call": meter.cpu / times * 1e3,
        "switches_per_call": meter.switches / times,
    }


def _repeat_same(times: int, post: Post, path: str, body: Body) -> Figures:
    return _repeat(times, lambda: post(path, body), lambda: post(path, body))


def short_calls(peer: str, port: int) -> Figures:
    """Make short calls that do not stream, one after the other."""
    post = POSTS[peer](port)
    return _repeat_same(SHORT_CALLS, post, "/api/chat", {"model": "x", "messages": MESSAGES})


def show(peer: str, port: int) -> Figures:
    """Fetch a reply of 1.2 MB."""
    post = POSTS[peer](port)
    return _repeat_same(LARGE_CALLS, post, "/api/show", {"model": "x"})


def embed(peer: str, port: int) -> Figures:
    """Fetch vectors for a batch of texts."""
    post = POSTS[peer](port)
    texts = [f"text number {number}" for number in range(EMBEDDED)]
    return _repeat_same(LARGE_CALLS, post, "/api/embed", {"model": "x", "input": texts})


def long_line(peer: str, port: int) -> Figures:
    """Stream a reply of which one line has 2 MB."""
    chat = PEERS[peer](port)

    def call(size: int) -> None:
        assert sum(len(text) for texts in chat(f"line:{size}") for text in texts) == size

    # `iter_lines` of requests joins what it has anew for each 512 bytes: seconds for one such line.
    times = 1 if peer == REQUESTS else LARGE_CALLS
    return _repeat(times, lambda: call(LINE), lambda: call(1000))


def first_part(peer: str, port: int) -> Figures:
    """Take the time from the call to the first part, which the server sends at once."""

    def first(chat: Callable[[str], Any]) -> float:
        start = time.perf_counter()
        stream = chat("pace:1:0")
        next(stream)
        taken = time.perf_counter() - start
        for _ in stream:
            pass
        return taken

    make = PEERS[peer]
    kept = make(port)
    first(kept)
    return latencies([first(kept) for _ in range(100)]) | latencies(
        [first(make(port)) for _ in range(10)], "new_client_"
    )


_CALL = {
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "cpu_ms_per_call": "CPU ms per call",
    "switches_per_call": "switches per call",
    "server_accepted": "connections",
}

SCENARIOS = [
    Scenario(
        "short calls",
        f"{SHORT_CALLS} chats that do not stream, one after the other, on one client. The number of connections that the "
        "server took is shown too.",
        short_calls,
        tuple(POSTS),
        _CALL,
        quick=(US, OFFICIAL, REQUESTS),
        paced=False,
    ),
    Scenario(
        "show, 1.2 MB", "One reply of 1.2 MB, decoded.", show, tuple(POSTS), _CALL, paced=False
    ),
    Scenario(
        "line of 2 MB",
        "A stream of which one line has 2 MB.",
        long_line,
        (US, OFFICIAL, REQUESTS, HTTPX),
        _CALL,
        paced=False,
    ),
    Scenario(
        "embed",
        f"A batch of {EMBEDDED} texts, 768 numbers each, decoded.",
        embed,
        tuple(POSTS),
        _CALL,
        paced=False,
    ),
    Scenario(
        "first part",
        "From the call to the first part, on a kept connection and with a new client each.",
        first_part,
        (US, OFFICIAL, OPENAI, REQUESTS, HTTPX, SOCKET),
        {"p50_ms": "p50 ms", "p99_ms": "p99 ms", "new_client_p50_ms": "new client: p50 ms"},
        paced=False,
    ),
]
