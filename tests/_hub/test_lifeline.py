"""What ends a hub's loop, and what its callers learn of it: never silence. In processes of their own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import gevent
import pytest

from ollama_sync import Client, HubError
from ollama_sync._hub import Hub, shared_hub
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, wait

# The mock in a process of its own, whose descriptors stay; a stream that waits in mid-reply; and what is made of each call.
PROGRAM = """
import ctypes, logging, os, socket, sys, threading, time
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    server = socket.create_server(("127.0.0.1", 0), backlog=9)
    os.write(writer, b"%d" % server.getsockname()[1])
    os.close(writer)
    def serve(connection):
        while request := connection.recv(65536):
            if b"/api/chat" in request:
                part = b'{"message":{"content":"a"}}\\n'
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
                connection.sendall(b"%x\\r\\n%s\\r\\n" % (len(part), part))
            else:
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\n\\r\\n" + b'{"version":"1"}')
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
port = int(os.read(reader, 20))
from ollama_sync import Client, HubError
from ollama_sync._hub import shared_hub
logging.disable(logging.CRITICAL)
client = Client(f"http://127.0.0.1:{port}", timeout=None)
stream = client.chat("m", stream=True)
print([part.message.content for part in [next(stream)]])
outcome = []
def read_on():
    try:
        outcome.append(next(stream, None))
    except HubError as error:
        outcome.append("HubError")
waiting = threading.Thread(target=read_on)
waiting.start()
while shared_hub().jobs != 1 or not stream._exchange.channel._listener.__class__.__name__ == "partial":
    time.sleep(0.001)
BREAK
waiting.join(20)
print(outcome, client.version().version, Client(f"http://127.0.0.1:{port}").version().version)
os.kill(child, 9)
sys.stdout.flush()
os._exit(0)
"""

THROW = (
    "ctypes.pythonapi.PyThreadState_SetAsyncExc("
    "ctypes.c_ulong(shared_hub().thread), ctypes.py_object({}))\n"
    "shared_hub().call_soon(int)"
)


@pytest.mark.own_process
@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt"])
def test_an_exception_thrown_into_the_thread_ends_its_calls_and_the_next_one_works(
    kind: str, in_process: Callable[[str], str]
) -> None:
    """The call that waits gets a `HubError`, and another loop is started."""
    program = PROGRAM.replace("BREAK", THROW.format(kind))
    assert in_process(program) == "['a']\n['HubError'] 1 1\n"


@pytest.mark.own_process
def test_descriptors_that_are_closed_end_the_calls_and_the_next_one_works(
    in_process: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    """As a library for daemons does it that need not fork. A patched program has then closed its own loop as well."""
    if "patched" in request.node.name:
        pytest.skip("the program's own loop is gone, too")
    program = PROGRAM.replace("BREAK", "os.closerange(3, 256)")
    assert in_process(program) == "['a']\n['HubError'] 1 1\n"


# A host that becomes a daemon right after its first call, whose reply came at once.
DAEMON = """
import logging, os
import gevent.socket
from ollama_sync._hub import shared_hub
from ollama_sync._transport.receive import receiver_of
logging.disable(logging.CRITICAL)
hub = shared_hub()
kept = []
def first_call():
    kept.extend(gevent.socket.socketpair())
    kept[0].sendall(b"reply")
    print(receiver_of(kept[1]).receive(5))
    os.closerange(3, 256)
hub.call(first_call)
print(shared_hub() is hub, shared_hub().call(int), hub.is_over, flush=True)
os._exit(0)
"""


@pytest.mark.own_process
def test_descriptors_that_are_closed_right_after_the_first_call_leave_the_process_alive(
    in_process: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    """A watcher not yet registered would have libev abort it. The very next call finds another loop."""
    if "patched" in request.node.name:
        pytest.skip("the program's own loop is gone, too")
    assert in_process(DAEMON) == "b'reply'\nFalse 0 True\n"


def test_a_loop_that_replaces_its_descriptor_goes_on(hub: Hub) -> None:
    """When libev hears of a socket of which a forked child holds a copy, it makes a new one."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    hub.call(int)
    os.close(lowest)  # here the next one comes

    def replace() -> None:
        gevent.get_hub().loop.reinit()

    hub.call(replace)
    hub.call(gevent.sleep, 0.01)
    assert hub.call(int) == 0
    assert not hub.is_over


def leave() -> None:
    raise SystemExit("the test")


def test_a_job_of_a_broken_hub_is_told(hub: Hub, eventually: Callable[..., None]) -> None:
    """Begun or not, each job's end is told, once, and nothing is started any more."""
    ended: list[str] = []
    hub.submit(gevent.sleep, 100, on_end=lambda: ended.append("begun"))
    hub.call(int)
    hub._inbox.append((leave, ()))
    hub.submit(int, on_end=lambda: ended.append("waiting"))
    eventually(lambda: hub.is_over and len(ended) == 2)
    assert sorted(ended) == ["begun", "waiting"]
    assert not hub.call_soon(int)
    assert "broken" in repr(hub)
    with pytest.raises(HubError):
        hub.submit(int)


def test_a_caller_that_waits_for_a_broken_hub_is_told(hub: Hub) -> None:
    """`call` does not wait for a loop that is not there."""
    hub.call(int)
    with pytest.raises(HubError, match="stopped before the job"):
        hub.call(lambda: (hub.call_soon(leave), gevent.sleep(100)))


def test_a_callback_that_raises_is_logged_and_its_watcher_goes_on(
    server: MockOllama,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one watcher of all sockets may not stop, or every plain stream would be deaf."""
    part = {"message": {"content": "a"}}
    gate = Gate()
    server.script([head(), chunk(part), wait(gate), chunk({**part, "done": True}), end()])
    stream = client.chat("m", stream=True)
    assert next(stream).message.content == "a"

    def fail_once() -> None:
        epoll = gevent.get_hub().ollama_sync_readiness
        receiver = next(iter(epoll._receivers.values()))
        real = receiver.wake

        def fail(**_: object) -> None:
            receiver.wake = real
            raise ValueError("once")

        receiver.wake = fail

    if not hasattr(shared_hub().call(gevent.get_hub), "ollama_sync_readiness"):
        pytest.skip("this system receives without the watcher")
    shared_hub().call(fail_once)
    with caplog.at_level(logging.ERROR, "ollama_sync.hub"):
        gate.open()
        server.script([head(), chunk({**part, "done": True}), end()])
        assert len(list(client.chat("m", stream=True))) == 1
    assert "a callback of the hub failed" in caplog.text
    stream.close()
