"""Processes that come from one another: each has a hub of its own, and takes nothing from the other's streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync.testing import Gate, chunk, end, head, raw, wait

Program = Callable[..., str]

HEAD = """
import os, sys, warnings
if sys.argv[1:] == ["patched"]:
    from gevent import monkey
    monkey.patch_all()
# Forking with threads is what is tested: Python warns of it since 3.12.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
import ollama_sync

client = ollama_sync.Client()
HI = [{"role": "user", "content": "hi"}]

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            say("child:", repr(error))
            os._exit(1)
        sys.exit(0)
    return child

def reap(child):
    status = os.waitpid(child, 0)[1]
    assert status == 0, status
"""

BOTH = pytest.mark.parametrize("kind", ["plain", "patched"])

LIVE = (
    HEAD
    + """
streams = [client.chat("m", HI, stream=True) for _ in range(20)]
for stream in streams:
    next(stream)

def child():
    for use in (next, list, lambda s: s.poll(), lambda s: s.result(), lambda s: next(s.tokens())):
        for stream in streams:
            try:
                use(stream)
            except ollama_sync.UsageError as error:
                assert type(error) is ollama_sync.ForkedError, error
            else:
                raise AssertionError(use)
    for stream in streams[::2]:  # the others are dropped at the end, of which nobody is warned
        stream.cancel()
        stream.close()
    say("child", ollama_sync.Client().version().version, client.version().version)
    with client.chat("m", HI, stream=True) as own:
        say("child", next(own).message.content)

reap(in_child(child))
before = [stream.stats.parts for stream in streams]
for stream in streams:
    for _ in range(30):
        assert next(stream).message.content
    stream.close()
say("parent", client.version().version)
client.close()
"""
)


@BOTH
def test_a_child_has_a_hub_of_its_own_and_its_parents_streams_go_on(
    kind: str, program: Program
) -> None:
    """In the child the parent's streams are a ForkedError, never a hang, and its client works; the parent notices nothing."""
    said = program(LIVE, kind).split("\n")
    assert said == ["child 0.33.0 0.33.0", "child A", "parent 0.33.0", ""]


KEPT = (
    HEAD
    + """
import gc
client.version()
may_end, end = os.pipe()

def child():
    os.close(end)
    os.read(may_end, 1)  # until the parent uses the connection
    if how == "drops":
        globals().pop("client")
        gc.collect()
    elif how == "closes":
        client.close()

for how in ("ends", "drops", "closes"):
    forked = in_child(child)
    with client.chat("m", HI, stream=True) as stream:
        next(stream)
        os.write(end, b"x")
        reap(forked)
        client.version()  # opens the gate
        say(how, "".join(part.message.content for part in stream))
client.close()
"""
)


@BOTH
def test_a_child_that_ends_does_not_hang_up_for_its_parent(
    kind: str, program: Program, upstream: Any
) -> None:
    """A connection that idled at the fork, and is in use when the child closes its copy, stays the parent's."""
    gates: list[Gate] = []

    def letters(_: object) -> list[Any]:
        gates.append(Gate())
        return [head(), chunk(_said("a")), wait(gates[-1]), chunk(_said("b", True)), end()]

    def version(_: object) -> list[Any]:
        if gates:
            gates[-1].open()
        return [head(framing="length", length=19), raw(b'{"version":"1.2.3"}')]

    upstream.on("POST", "/api/chat", letters)
    upstream.on("GET", "/api/version", version)
    assert program(KEPT, kind) == "ends b\ndrops b\ncloses b\n"
    assert upstream.disconnects == 0


def _said(text: str, done: bool = False) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "done": done}


CANCELLED = (
    HEAD
    + """
stream = client.chat("m", HI, stream=True)
next(stream)
may_end, end = os.pipe()

def child():
    os.close(end)
    os.read(may_end, 1)  # all the while it holds a copy of each descriptor

forked = in_child(child)
stream.cancel()
say("cancelled", list(stream))
sys.stdin.readline()  # until the server has seen it
os.write(end, b"x")
reap(forked)
"""
)

BODIES: dict[str, list[Any]] = {
    "chunked": [head(), chunk(_said("a"))],
    "chunked, last": [head(200, {"Connection": "close"}), chunk(_said("a"))],
    "by length": [head(framing="length", length=999), chunk],
    "by the connection": [head(framing="close"), chunk],
}


@BOTH
@pytest.mark.parametrize("body", BODIES)
def test_a_cancel_reaches_the_server_although_a_child_lives(
    body: str, kind: str, upstream: Any, program_under_way: Any
) -> None:
    """The child has inherited the descriptor, so closing it tells the server nothing: however the body is framed, it is told."""
    steps = [
        raw(b'{"message":{"role":"assistant","content":"a"},"done":false}\n')
        if step is chunk
        else step
        for step in BODIES[body]
    ]
    upstream.script([*steps, wait(Gate())])
    running = program_under_way(CANCELLED, kind)
    assert running.stdout.readline() == "cancelled []\n"
    upstream.wait_disconnect(timeout=10)
    running.stdin.write("\n")
    running.stdin.close()
    assert running.wait(30) == 0


POOLS = (
    HEAD
    + """
import concurrent.futures, multiprocessing

def ask(number):
    prompt = [{"role": "user", "content": f"prompt{number}"}]
    with client.chat("m", prompt, stream=True) as stream:
        streamed = "".join(part.message.content for part in stream)
    return streamed, client.chat("m", prompt).message.content

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        if method == "fork":
            client.version()  # so that the hub runs when they fork
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(ask, range(8)) == [(f"prompt{n}",) * 2 for n in range(8)]
            pool.close()
            pool.join()
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(ask, range(8))) == [(f"prompt{n}",) * 2 for n in range(8)]
        say(method)
    client.close()
"""
)


def test_pools_of_processes_share_a_client(program: Program, upstream: Any) -> None:
    """Multiprocessing's and concurrent.futures' pools, by each way to start a process, with a client of the module."""
    # Not in a patched process: there these pools hang by themselves, as their threads wait for pipes natively.
    upstream.echo()
    assert program(POOLS) == "fork\nspawn\nforkserver\n"
