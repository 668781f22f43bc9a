"""The fixtures, in pytest runs of their own, and the sample project of a user.

The runs are processes: run within this one, pytest would take modules of the package out again that it has imported.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ollama_sync

pytestmark = pytest.mark.own_process

SAMPLE = Path(__file__).parent / "sample_project"
HEAVY = ("gevent", "requests", "urllib3", "ujson", "msgspec", "ollama_sync.testing")

# In a conftest as well as by `-p`, and by its entry point where the package is installed.
CONFTEST = 'pytest_plugins = ["ollama_sync.pytest_plugin"]'

TESTS = """
import os
import pytest
import ollama_sync
from ollama_sync._client.default import default_client
from ollama_sync.testing import reply, silence

HI = [{"role": "user", "content": "hi"}]
kept = []

@pytest.mark.parametrize("n", [1, 2])
def test_isolated(ollama_server, ollama_client, n):
    assert ollama_server.requests == ()
    assert ollama_client.generate("m", "hi").response == "AAA"
    assert [request.path for request in ollama_server.requests] == ["/api/generate"]
    ollama_server.script([reply("left over")], "/api/generate")
    ollama_client.delete("llama3.2")
    assert ollama_client.list().models == []
    kept.append(ollama_client)

@pytest.mark.parametrize("n", [1, 2])
def test_functions(ollama_server, n):
    assert ollama_sync.generate("m", "hi").response == "AAA"
    assert len(ollama_server.requests) == 1
    assert os.environ["OLLAMA_HOST"] == ollama_server.url
    assert "OLLAMA_API_KEY" not in os.environ
    kept.append(default_client())

def test_closed():
    for client in kept:
        with pytest.raises(ollama_sync.ClosedError):
            client.version()

def test_environment():
    assert os.environ["OLLAMA_HOST"] == "http://127.0.0.1:1"
    assert os.environ["OLLAMA_API_KEY"] == "sk-real"
    with pytest.raises(ollama_sync.ConnectError):
        ollama_sync.version()

def test_clock(ollama_server, ollama_client, ollama_clock):
    ollama_server.script([silence()])
    stream = ollama_client.chat("m", HI, stream=True)
    ollama_clock.advance(600)
    with pytest.raises(ollama_sync.FirstTimeout):
        next(stream)

def test_handler(ollama_server, ollama_client):
    def check(request):
        assert request.json["model"] == "other"

    ollama_server.on("POST", "/api/generate", check)
    with pytest.raises(ollama_sync.ResponseError):
        ollama_client.generate("m", "hi")
"""


def pytest_run(folder: Path, *paths: str | Path) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin, and with every warning an error, on whatever package this run is about."""
    options = ["-rA", "-W", "error", "-p", "no:cacheprovider", "-p", "ollama_sync.pytest_plugin"]
    above = Path(ollama_sync.__file__).parents[1]
    given = {
        "PYTHONPATH": os.pathsep.join([str(folder), str(above)]),
        "OLLAMA_HOST": "http://127.0.0.1:1",
        "OLLAMA_API_KEY": "sk-real",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        cwd=folder,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What became of each of `TESTS`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    said = pytest_run(folder).stdout
    found: dict[str, set[str]] = {}
    for outcome, name in re.findall(
        r"^(PASSED|FAILED|ERROR) test_it\.py::(\w+)", said, re.MULTILINE
    ):
        found.setdefault(name, set()).add(outcome)
    assert found, said
    return found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            "test_isolated", id="each test has a server of its own, with nothing left over"
        ),
        pytest.param("test_closed", id="the client is closed at the end of its test"),
        pytest.param(
            "test_functions", id="the functions of the module go to the server of the test"
        ),
        pytest.param(
            "test_environment", id="afterwards the environment and the functions are as before"
        ),
        pytest.param("test_clock", id="the clock stands still until the test moves it on"),
    ],
)
def test_the_fixtures(outcomes: dict[str, set[str]], name: str) -> None:
    """Each fixture does what its docstring says, also where the plugin is named twice."""
    assert outcomes[name] == {"PASSED"}


def test_what_a_handler_raises_fails_the_test(outcomes: dict[str, set[str]]) -> None:
    """An assertion in a handler is not lost on the server's thread."""
    assert outcomes["test_handler"] == {"PASSED", "ERROR"}


def test_loading_it_imports_nothing_of_weight() -> None:
    """Each pytest run of a machine pays for it: only pytest itself is imported with it."""
    code = f"import sys, ollama_sync.pytest_plugin; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_sample_project() -> None:
    """The tests of a project that uses all of this pass, in a run of its own."""
    done = pytest_run(SAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout
