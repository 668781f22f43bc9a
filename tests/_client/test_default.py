"""Tests of the module functions: one client, made at the first use."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import ollama_sync
from ollama_sync import Client, ConnectError, RequestError
from ollama_sync._client import default
from ollama_sync.testing import MockOllama

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def unused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a program that has not called anything yet; what the test makes is closed."""
    made: dict[str, Client] = {}
    monkeypatch.setattr(default, "_made", made)
    yield
    for client in made.values():
        client.close()


def run(script: str, *arguments: str) -> str:
    """Run a program of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_verbs_go_to_the_server_of_the_environment(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OLLAMA_HOST is read at the first call, long after the import."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    assert ollama_sync.version().version == "0.33.0"
    assert [model.model for model in ollama_sync.list().models] == ["llama3.2:latest"]
    assert ollama_sync.chat("m", HI).message.content == "AAA"
    assert ollama_sync.generate("m", prompt="hi").response == "AAA"
    tokens = [token for batch in ollama_sync.chat("m", HI, stream=True).tokens() for token in batch]
    assert tokens == ["A"] * 3
    assert [part.response for part in ollama_sync.generate("m", "hi", stream=True)][:3] == ["A"] * 3
    paths = [request.path for request in server.requests]
    assert paths == ["/api/version", "/api/tags", *["/api/chat", "/api/generate"] * 2]


def test_there_is_one_client(server: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls share its connection, and later changes of the environment do not move it."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    ollama_sync.version()
    monkeypatch.setenv("OLLAMA_HOST", "ftp://wrong")
    ollama_sync.list()
    assert {request.connection for request in server.requests} == {1}
    assert default.default_client() is default.default_client()


def test_threads_that_come_first_together_share_one_client(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes a client too many drops it before it has done anything."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    together = threading.Barrier(8)
    seen: list[Client] = []

    class Slow(Client):
        def __init__(self) -> None:
            together.wait(10)  # every thread is in here before the first comes out
            super().__init__()

    monkeypatch.setattr(default, "Client", Slow)
    threads = [
        threading.Thread(target=lambda: seen.append(default.default_client())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len({id(client) for client in seen}) == 1


def test_a_wrong_environment_is_an_error_of_the_call(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised each time until it is right; nothing half made is kept."""
    monkeypatch.setenv("OLLAMA_HOST", "ftp://example.com")
    for _ in range(2):
        with pytest.raises(RequestError, match="ftp"):
            ollama_sync.list()
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    assert len(ollama_sync.list().models) == 1


@pytest.mark.own_process
def test_an_import_reads_no_environment_and_connects_nowhere() -> None:
    """A program may set the environment after its imports."""
    script = (
        "import os; os.environ['OLLAMA_HOST'] = 'ftp://wrong'\n"
        "import ollama_sync\n"
        "verbs = ollama_sync.chat, ollama_sync.generate, ollama_sync.list, ollama_sync.version\n"
        "import threading; print(threading.active_count(), ollama_sync._client.default._made)\n"
    )
    assert run(script) == "1 {}\n"


@pytest.mark.parametrize("name", ["chat", "generate", "list", "version"])
def test_a_verb_looks_like_the_method(name: str) -> None:
    """Its help has the method's signature without `self`, and the method's text."""
    function, method = getattr(ollama_sync, name), getattr(Client, name)
    expected = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
    assert list(inspect.signature(function).parameters.values()) == expected
    assert inspect.signature(function).return_annotation == method.__annotations__["return"]
    assert function.__doc__ == method.__doc__
    assert (function.__module__, function.__qualname__) == ("ollama_sync", name)
    assert pickle.loads(pickle.dumps(function)) is function


def test_an_error_of_a_verb_is_that_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added or hidden on the way."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    with pytest.raises(ConnectError, match=r"GET http://127\.0\.0\.1:1/api/version"):
        ollama_sync.version()
    with pytest.raises(TypeError, match="bogus"):
        ollama_sync.chat("m", bogus=1)  # type: ignore[call-overload]  # wrong on purpose


FORK = """
import os, sys
os.environ["OLLAMA_HOST"] = sys.argv[1]
import ollama_sync
{before}
child = os.fork()
if not child:
    tokens = [t for b in ollama_sync.chat("m", [{{"role": "user", "content": "hi"}}], stream=True).tokens() for t in b]
    print(ollama_sync.version().version, "".join(tokens), flush=True)
    os._exit(0)
status = os.waitpid(child, 0)[1]
print(status, ollama_sync.version().version)
"""


@pytest.mark.own_process
@pytest.mark.parametrize(
    "before",
    ["", "ollama_sync.version()", "kept = ollama_sync.chat('m', stream=True); next(kept)"],
    ids=["not used", "used", "streaming"],
)
def test_the_verbs_work_in_a_forked_child(server: MockOllama, before: str) -> None:
    """The child gets connections of its own, and the parent keeps its own."""
    assert run(FORK.format(before=before), server.url) == "0.33.0 AAA\n0 0.33.0\n"


FORK_MEANWHILE = """
import os, sys, threading
os.environ["OLLAMA_HOST"] = sys.argv[1]
import ollama_sync
from ollama_sync._client import default

inside, go_on = threading.Event(), threading.Event()

class Slow(ollama_sync.Client):
    def __init__(self):
        inside.set()
        go_on.wait()
        super().__init__()

default.Client = Slow
thread = threading.Thread(target=ollama_sync.version)
thread.start()
inside.wait()
child = os.fork()
if not child:
    default.Client = ollama_sync.Client
    print(ollama_sync.version().version, flush=True)
    os._exit(0)
status = os.waitpid(child, 0)[1]
go_on.set()
thread.join()
print(status)
"""


@pytest.mark.own_process
def test_a_fork_while_the_client_is_being_made_leaves_the_child_free(server: MockOllama) -> None:
    """What another thread was doing at the fork never ends in the child: nothing may wait for it."""
    assert run(FORK_MEANWHILE, server.url) == "0.33.0\n0\n"
