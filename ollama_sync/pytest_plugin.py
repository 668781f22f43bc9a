"""The fixtures of pytest: a mock server for each test, a client of it, a fake clock; recordings; short tracebacks.

Every pytest run of a machine that has the package installed imports this module, so it imports nothing of weight; what a
fixture needs is imported when a test asks for it. The entry point has the name of the module: so `-p` and `pytest_plugins`
may name it too, in a checkout that is not installed, without registering it twice.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ollama_sync import Client
    from ollama_sync.testing import FakeClock, MockOllama

__all__ = ["ollama_client", "ollama_clock", "ollama_server"]

_MARKER = "ollama_recording"
_LOCAL = "http://127.0.0.1:11434"

_server: pytest.StashKey[MockOllama] = pytest.StashKey()
_failed: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--ollama-record`."""
    parser.getgroup("ollama").addoption(
        "--ollama-record",
        nargs="?",
        const=_LOCAL,
        metavar="URL",
        help=f"make the recordings of tests marked {_MARKER} anew, from the Ollama at this URL (default: {_LOCAL})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(path=None): play back what a real Ollama has said, from a file beside the test; "
        "`pytest --ollama-record` makes it",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test with a recording its server, also where it does not ask for one."""
    if (
        isinstance(item, pytest.Function)
        and item.get_closest_marker(_MARKER) is not None
        and "ollama_server" not in item.fixturenames
    ):
        item.fixturenames.append("ollama_server")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed, though its server was asked for what the test had not said, or not for what it had."""
    __tracebackhide__ = True
    try:
        result = yield
        server = item.stash.get(_server, None)
        if server is not None:
            server.check()
    except BaseException:
        item.stash[_failed] = True
        raise
    return result


def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Show an error of the package where the test has caused it, without the package's own frames (`--full-trace` has them)."""
    if call.excinfo is None:
        return
    for name, module in list(sys.modules.items()):
        if name.startswith("ollama_sync."):
            is_kit = name.startswith(("ollama_sync.testing", "ollama_sync.pytest_plugin"))
            vars(module).setdefault("__tracebackhide__", True if is_kit else _is_told)


def _is_told(raised: pytest.ExceptionInfo[BaseException]) -> bool:
    """Tell whether an error says by itself what went wrong, or may be a bug of ours, whose frames are wanted."""
    from ollama_sync import OllamaError

    return isinstance(raised.value, OllamaError)


@pytest.fixture
def ollama_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MockOllama]:
    """A mock server of this test's own: short answers, without delay, and every model exists.

    For the time of the test OLLAMA_HOST names it, OLLAMA_API_KEY is unset, and the module functions (`ollama_sync.chat`) go to
    it. The server is strict: what was scripted and never asked for, or asked and not scripted, fails the test, and so does what a
    handler raised. With the marker `ollama_recording` it says what was recorded.
    """
    # A server costs half a millisecond: less than what sharing one would cost in surprises.
    from ollama_sync._client import default

    made: dict[str, Client] = {}
    with _server_for(request.node) as server:
        request.node.stash[_server] = server
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
        monkeypatch.setattr(default, "_made", made)
        yield server
        for client in made.values():
            client.close()


@contextlib.contextmanager
def _server_for(item: pytest.Item) -> Iterator[MockOllama]:
    """Run the server of a test: a mock, or one that plays a recording back or makes it."""
    from ollama_sync.testing import MockOllama, NotAsExpected, playback

    marker = item.get_closest_marker(_MARKER)
    real = item.config.getoption("--ollama-record")
    if marker is None:
        server = MockOllama(chunks=3, delay=0.0, strict=True)
    elif real is not None:
        with _recording(item, _recording_of(item, marker), real) as server:
            yield server
        return
    else:
        path = _recording_of(item, marker)
        if not path.exists():
            pytest.fail(
                f"there is no recording {path}; make it, while Ollama runs, by: "
                f"pytest --ollama-record {item.nodeid!r}",
                pytrace=False,
            )
        server = playback(path)
    server.start()
    try:
        yield server
    finally:
        # Not `with`: a test that failed is not told as well what it did not come to ask for, or was told already.
        told = [NotAsExpected] if item.stash.get(_failed, False) else []
        with contextlib.suppress(*told):
            server.stop()


@contextlib.contextmanager
def _recording(item: pytest.Item, path: Path, real: str) -> Iterator[MockOllama]:
    """Record a test; one that fails leaves the file as it was."""
    from ollama_sync.testing import record

    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(_TestFailedError), record(path, real) as server:
        yield server
        if item.stash.get(_failed, False):
            raise _TestFailedError


class _TestFailedError(Exception):
    """What is recorded of a test that failed is not kept."""


def _recording_of(item: pytest.Item, marker: pytest.Mark) -> Path:
    """Return the file of a test's recording: as the marker says, else named by the test, in `recordings` beside it."""
    given = marker.args[0] if marker.args else marker.kwargs.get("path")
    if given is None:
        scope = item.nodeid.partition("::")[2]
        given = os.path.join(
            "recordings", item.path.stem, re.sub(r"[^\w.-]+", "-", scope).strip("-") + ".jsonl"
        )
    return item.path.parent / given


@pytest.fixture
def ollama_client(ollama_server: MockOllama) -> Iterator[Client]:
    """A client of `ollama_server`, closed at the end of the test."""
    from ollama_sync import Client

    with Client(ollama_server.url) as client:
        yield client


@pytest.fixture
def ollama_clock() -> Iterator[FakeClock]:
    """The time that the time limits of this test go by: it stands still until the test calls `ollama_clock.advance(600)`."""
    from ollama_sync.testing import FakeClock

    with FakeClock() as clock:
        yield clock
