"""What the tests of the hub share: threads of their own, and processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent._hub_local import get_hub_if_exists

from ollama_sync._hub import Hub, allocate_lock
from ollama_sync._hub.native import start_new_thread, traced

Run = Callable[..., Any]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub of the test's own, not started."""
    own = Hub("test")
    yield own
    own.stop()


@pytest.fixture
def in_thread() -> Run:
    """Run a function in a new native thread; return its result, or raise what it raised.

    There it may use gevent: the thread's loop is gone afterwards, so that the test's own thread stays what it is.
    """

    def run(function: Run) -> Any:
        done = allocate_lock()
        done.acquire()
        outcome: list[tuple[bool, Any]] = []

        def work() -> None:
            try:
                outcome.append((True, function()))
            except BaseException as error:
                outcome.append((False, error))
            own = get_hub_if_exists()
            if own is not None:
                own.destroy(destroy_loop=True)
            done.release()

        start_new_thread(traced, (work,))  # so that coverage sees it
        assert done.acquire(timeout=40), "the thread hangs"
        ok, value = outcome[0]
        if not ok:
            raise value
        return value

    return run


@pytest.fixture(params=["plain", "patched"])
def in_process(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Run a program in an interpreter of its own, plain and patched; return what it printed.

    It must end with status 0 and leave nothing on its standard error.
    """
    head = "" if request.param == "plain" else "from gevent import monkey; monkey.patch_all()\n"

    def run(program: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", head + program],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    return run
