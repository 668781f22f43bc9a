"""What every test gets: a clean environment, a check that nothing is left behind, a mock server and a client of it, a Redis.

Runs in the thread of the tests, in a patched process as in a plain one.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
from gevent._hub_local import get_hub_if_exists
from hypothesis import settings

from ollama_sync import Client
from ollama_sync._hub import allocate_lock, shared_hub
from ollama_sync._transport import receive
from ollama_sync.testing import MockOllama

# Other work on the machine makes a single example slow; a hang is caught by the time limit of the test.
settings.register_profile("thorough", deadline=None, print_blob=True, derandomize=True)
# Every environment of tox but one asks for this, by `--hypothesis-profile quick`.
settings.register_profile("quick", parent=settings.get_profile("thorough"), max_examples=20)
# What the two above try is the same each time, so that a change is judged by itself. This one, by `tox -e search`, looks for
# what nobody has seen yet.
settings.register_profile(
    "search", deadline=None, print_blob=True, derandomize=False, max_examples=5000
)
settings.load_profile("thorough")

# As on systems without the system calls that the fast way of receiving makes: tox's environment `nofast`.
if os.environ.get("TESTS_WITHOUT_FAST_RECEIVING"):
    receive._calls = None

# Seconds that what a test has closed may need to go: threads end and sockets close behind the caller's back.
_PATIENCE = 2.0


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what only looks at processes of its own: the patched environments leave it out.

    A name with an address in it would be that of another test in each process, and those of pytest-xdist have to agree.
    """
    if re.search("0x[0-9a-f]{6}", item.name):
        raise pytest.UsageError(
            f"{item.nodeid}: give the parameters names (`ids`) without addresses"
        )
    if isinstance(item, pytest.Function) and {"in_process", "at_terminal"} & {*item.fixturenames}:
        item.add_marker("own_process")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave out what was there before the first test: half a second a time is saved."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    """No variable of the machine that runs the tests decides where they connect."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name in ("OLLAMA_HOST", "OLLAMA_API_KEY") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@dataclass(frozen=True)
class _Held:
    """What the process holds now, without the threads in which gevent looks up names: they end when they have idled."""

    threads: frozenset[int]
    hub_threads: int  # of the shared hub, which the first test that uses it starts
    sockets: frozenset[str]
    jobs: int


def _resolvers(hub: gevent.hub.Hub | None) -> set[int]:
    """Return the threads of a hub's pools, which stay until it ends."""
    pools = (getattr(hub, "_threadpool", None), getattr(hub, "ollama_sync_files", None))
    return {
        worker._thread_ident
        for pool in pools
        if pool is not None
        for worker in list(pool._worker_greenlets)
    }


def _hold() -> _Held:
    shared = shared_hub()
    resolvers = _resolvers(get_hub_if_exists())
    passed = allocate_lock()
    passed.acquire()
    if shared.call_soon(passed.release):
        passed.acquire(timeout=_PATIENCE)  # now every job that was submitted has begun
        resolvers |= _resolvers(shared._loop_greenlet)
    sockets = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the descriptor of the listing itself, or one closed just now
            continue
        if link.startswith("socket:"):
            sockets.add(link)
    threads = frozenset(sys._current_frames()) - resolvers
    return _Held(threads, shared._started, frozenset(sockets), shared.jobs)


def _left(before: _Held) -> list[str]:
    """Say what is held now and was not held before."""
    now = _hold()
    left = []
    threads = now.threads - before.threads
    if len(threads) > now.hub_threads - before.hub_threads:
        left.append(f"native threads, among {sorted(threads)}")
    if sockets := now.sockets - before.sockets:
        left.append(f"descriptors of {sorted(sockets)}")
    if now.jobs > before.jobs:
        left.append(f"{now.jobs - before.jobs} jobs of the shared hub: {shared_hub()._jobs}")
    return left


@pytest.fixture(autouse=True)
def _nothing_is_left(_clean_environment: None) -> Iterator[None]:
    """After each test there is no thread, socket or job that was not there before it."""
    before = _hold()
    yield
    deadline = time.monotonic() + _PATIENCE
    while left := _left(before):
        gc.collect()  # what only a cycle keeps is no leak
        if time.monotonic() > deadline:
            stacks = (
                f"Thread {thread}:\n" + "".join(traceback.format_stack(frame)[-3:])
                for thread, frame in sys._current_frames().items()
            )
            pytest.fail("left behind: " + "; ".join(left) + "\n" + "\n".join(stacks), pytrace=False)
        time.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait, for a bounded time, until a condition of another thread holds for which there is no event."""

    def wait_until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5.0
        while not condition():
            assert time.monotonic() < deadline, "it did not come about within 5 s"
            time.sleep(0.001)

    return wait_until


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock server with a short stream of its own: 3 parts with text and the final one, without delay."""
    with MockOllama(chunks=3, delay=0.0) as running:
        yield running


@pytest.fixture
def client(server: MockOllama) -> Iterator[Client]:
    """A client of `server`."""
    with Client(server.url) as running:
        yield running


class RedisServer:
    """A Redis that a test starts, stops, kills and starts anew at the same port.

    Args:
        folder: for its log and its data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without what it knew unless that was saved; returns when it answers."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._folder),
            "save": "",
            "logfile": str(self._folder / "redis.log"),
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as asked:
                    asked.sendall(b"PING\r\n")
                    if asked.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once; what it knew is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it be silent, with its connections open, as a network that drops everything."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the silence."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def clear(self) -> None:
        """Forget everything."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as asked:
            asked.sendall(b"FLUSHALL\r\n")
            assert asked.recv(64) == b"+OK\r\n"


def _path_of(program: str) -> str:
    """Return where a program is; without it, skip the test, or fail it where all programs must be there."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is not None:
        return path
    missing = f"needs {program}: apt-get install {program}"
    if os.environ.get("OLLAMA_SYNC_TESTS_NEED_ALL"):
        pytest.fail(f"{missing}, or unset OLLAMA_SYNC_TESTS_NEED_ALL to skip this test")
    pytest.skip(missing)


@pytest.fixture(scope="session")
def path_of() -> Callable[[str], str]:
    """Give the path of a program that a test starts. A test whose program is not installed is skipped, and fails in CI."""
    return _path_of


@pytest.fixture
def redis_server(tmp_path: Path, path_of: Callable[[str], str]) -> Iterator[RedisServer]:
    """A Redis of this test's own, which runs."""
    path_of("redis-server")
    running = RedisServer(tmp_path)
    running.start()
    yield running
    running.kill()
