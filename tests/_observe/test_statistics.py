"""`Client.statistics()` and `hub_statistics()`: each call is counted once, under how it ended."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import gevent
import pytest

from ollama_sync import Client, ConnectError, HubStatistics, ResponseError, hub_statistics
from ollama_sync._hub import Hub, allocate_lock, shared_hub
from ollama_sync._observe import statistics as statistics_module
from ollama_sync.testing import Gate, MockOllama, close, head, raw, reply, silence, wait

Eventually = Callable[[Callable[[], object]], None]

HI = [{"role": "user", "content": "hi"}]


def test_a_new_client_has_done_nothing() -> None:
    """Every number is 0."""
    with Client("127.0.0.1") as client:
        assert client.statistics() == statistics_module.ClientStatistics(0, 0, 0, 0, 0, 0, 0, 0)


def test_each_end_is_counted(server: MockOllama, eventually: Eventually) -> None:
    """Finished, failed, cancelled and running calls are told apart, as soon as the caller knows of the end."""
    gate = Gate()
    with Client(server.url) as client:
        stream = client.chat("m", HI, stream=True)
        stream.result()
        size = stream.stats.bytes
        assert (client.statistics().finished, client.statistics().parts) == (1, 4)
        reply_size = len(client.request("GET", "/api/version").to_dict()["version"]) + 14
        server.script([reply({"error": "no"}, status=404)])
        with pytest.raises(ResponseError):
            client.chat("m", HI)
        assert client.statistics().failed == 1
        server.script([head(), silence()])
        cancelled = client.chat("m", HI, stream=True)
        server.script([wait(gate), reply({"done": True})])
        running = client.chat("m", HI, stream=True)
        gate.wait_reached()
        assert client.statistics().running == 2
        cancelled.close()
        eventually(lambda: client.statistics().cancelled)
        now = client.statistics()
        assert (now.running, now.finished, now.failed, now.cancelled) == (1, 2, 1, 1)
        gate.open()
        running.close()
    eventually(lambda: client.statistics().running == 0)
    assert now.parts == 4
    assert now.bytes == size + reply_size


def test_what_finds_no_server_is_counted() -> None:
    """A call without a connection has failed, too."""
    with MockOllama() as server:
        pass
    with Client(server.url) as client:
        for _ in range(3):
            with pytest.raises(ConnectError):
                client.version()
        assert client.statistics().failed == 3


def test_retries_are_counted(server: MockOllama) -> None:
    """Each attempt that was followed by another, and the call once."""
    from urllib3 import Retry

    for _ in range(2):
        server.script([reply({"error": "busy"}, status=503)])
    with Client(server.url, retries=Retry(2, status_forcelist=[503], backoff_factor=0)) as client:
        client.chat("m", HI)
        now = client.statistics()
    assert (now.retried, now.finished, now.failed) == (2, 1, 0)


def test_kept_connections_are_counted(server: MockOllama, eventually: Eventually) -> None:
    """Those that wait for the next call, not the one that is in use; none when the client is closed."""
    gate = Gate()
    with Client(server.url) as client:
        assert client.statistics().connections == 0
        client.version()
        assert client.statistics().connections == 1
        server.script([wait(gate), reply({"done": True})])
        running = client.chat("m", HI, stream=True)
        gate.wait_reached()
        assert client.statistics().connections == 0
        gate.open()
        running.result()
        assert client.statistics().connections == 1
    eventually(lambda: client.statistics().connections == 0)


def test_a_connection_that_the_server_ends_is_not_kept(server: MockOllama) -> None:
    """Nothing waits for the next call after a reply that closes its connection."""
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    server.script([raw(answer), close()], path="/api/version")
    with Client(server.url) as client:
        client.version()
        assert client.statistics().connections == 0


def test_many_threads_are_counted_right(server: MockOllama) -> None:
    """The hub is the one who counts: no call is lost between threads."""
    with Client(server.url) as client:
        threads = [
            threading.Thread(target=lambda: [client.version() for _ in range(20)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        now = client.statistics()
    assert (now.finished, now.running) == (160, 0)


def test_a_forked_child_does_not_run_its_parents_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call of another process is not running here."""
    totals = statistics_module.Totals()
    totals.began(1)
    assert totals.snapshot(0).running == 1
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert totals.snapshot(0).running == 0


# The hub.


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> object:
    """A hub of the test's own in the place of the shared one, not started."""
    own = Hub("test")
    monkeypatch.setattr(statistics_module, "shared_hub", lambda: own)
    yield own
    own.stop()


def test_a_hub_that_was_not_used_does_not_run(hub: Hub) -> None:
    """To ask does not start it."""
    assert hub_statistics() == HubStatistics(False, None, 0, 0, None)
    assert repr(hub).endswith("not started, 0 jobs>")


def test_a_running_hub_tells_how_it_is(hub: Hub) -> None:
    """Its thread, its jobs, and how long a callback waits; it runs no more when it is stopped."""
    gate = gevent.event.Event()
    hub.submit(gate.wait)
    hub.call(int)
    now = hub_statistics()
    assert now.running
    assert now.thread in sys._current_frames()
    assert now.jobs == 1
    assert now.lag is not None
    assert 0 <= now.lag < 1
    hub.stop()
    assert (hub_statistics().running, hub_statistics().lag) == (False, None)


def test_a_hub_that_is_held_up_is_seen(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is counted, and the lag is what was waited for, which has an end."""
    monkeypatch.setattr(statistics_module, "_LONGEST_LAG", 0.05)
    blocked, free = allocate_lock(), allocate_lock()
    blocked.acquire()
    free.acquire()

    def hold() -> None:
        blocked.release()
        free.acquire()

    hub.call(int)
    hub.call_soon(hold)
    blocked.acquire()
    hub.call_soon(int)
    now = hub_statistics()
    free.release()
    assert (now.running, now.waiting, now.lag) == (True, 1, 0.05)
    assert hub.call(int) == 0


def test_the_hub_itself_may_ask(server: MockOllama) -> None:
    """A hook is run by the hub, which cannot wait for itself."""
    seen: list[HubStatistics] = []
    with Client(server.url, observe=lambda event: seen.append(hub_statistics())) as client:
        client.version()
    assert seen[-1].lag == 0.0
    assert seen[-1].running
    assert seen[-1].thread == shared_hub().thread
