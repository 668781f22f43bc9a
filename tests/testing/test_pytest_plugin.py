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
from ollama_sync.testing import MockOllama

pytestmark = pytest.mark.own_process

SAMPLE = Path(__file__).parent / "sample_project"
HEAVY = ("gevent", "requests", "urllib3", "ujson", "msgspec", "ollama_sync.testing")

# In a conftest as well as by `-p`, and by its entry point where the package is installed.
CONFTEST = 'pytest_plugins = ["ollama_sync.pytest_plugin"]'

TESTS = """
import os
import unittest
import pytest
import ollama_sync
from ollama_sync._client.default import default_client
from ollama_sync.testing import answer, reply, silence

HI = [{"role": "user", "content": "hi"}]
kept = []

@pytest.mark.parametrize("n", [1, 2])
def test_isolated(ollama_server, ollama_client, n):
    assert ollama_server.requests == ()
    assert ollama_client.generate("m", "hi").response == "AAA"
    assert [request.path for request in ollama_server.requests] == ["/api/generate"]
    ollama_server.on("POST", "/api/generate", [reply("left over")])
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

def test_unused(ollama_server, ollama_client):
    ollama_server.script([answer(["Hi"])])
    ollama_client.version()

def test_another_verb(ollama_server, ollama_client):
    ollama_server.script([answer(["Hi"])])
    ollama_client.generate("m", "hi")

def test_unused_and_failed(ollama_server):
    ollama_server.script([answer(["Hi"])])
    assert "its own reason" == ""

def test_used_up(ollama_server, ollama_client):
    ollama_server.script([answer(["Hi"])])
    for _ in range(2):
        try:
            ollama_client.chat("m", HI)
        except ollama_sync.ResponseError:
            pass

def test_not_strict(ollama_server, ollama_client):
    ollama_server.strict = False
    ollama_server.script([answer(["Hi"])], "/api/chats")
    assert ollama_client.chat("m", HI).message.content == "AAA"

def test_refused(ollama_server, ollama_client):
    ollama_server.on("POST", "/api/chat", [reply({"error": "a refusal"}, 400)])
    ollama_client.chat("m", HI)

def test_asked_otherwise(ollama_server, ollama_client):
    ollama_client.chat("m", HI)
    ollama_server.assert_asked(messages=[{"role": "user", "content": "Hello"}])

class TestByUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _given(self, ollama_server):
        self.server = ollama_server

    def test_unused_in_a_case(self):
        self.server.script([answer(["Hi"])])
"""


def pytest_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin, and with every warning an error, on whatever package this run is about."""
    options = ["-rA", "-W", "error", "-p", "no:cacheprovider", "-p", "ollama_sync.pytest_plugin"]
    above = Path(ollama_sync.__file__).parents[1]
    given = {
        "PYTHONPATH": os.pathsep.join([str(folder), str(above)]),
        "OLLAMA_HOST": "http://127.0.0.1:1",
        "OLLAMA_API_KEY": "sk-real",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *words],
        cwd=folder,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest printed about `TESTS`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    return pytest_run(folder).stdout


@pytest.fixture(scope="module")
def outcomes(printed: str) -> dict[str, set[str]]:
    """What became of each of `TESTS`."""
    found: dict[str, set[str]] = {}
    for outcome, name in re.findall(
        r"^(PASSED|FAILED|ERROR) test_it\.py::(?:TestByUnittest::)?(\w+)", printed, re.MULTILINE
    ):
        found.setdefault(name, set()).add(outcome)
    assert found, printed
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
    assert outcomes["test_handler"] == {"FAILED"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "test_unused",
            "1 script for /api/chat was never asked for; the server was asked: 1 x GET /api/version",
        ),
        ("test_unused_in_a_case", "1 script for /api/chat was never asked for"),
        ("test_used_up", "POST /api/chat was not expected: its scripts are used up"),
        ("test_another_verb", "was not expected: scripts were given for /api/chat. Script it by"),
        ("test_asked_otherwise", 'expected "Hello", asked "hi"'),
    ],
)
def test_no_false_green(printed: str, outcomes: dict[str, set[str]], name: str, said: str) -> None:
    """A test fails whose server was not asked what it had said, or was asked something else; the text says so."""
    assert outcomes[name] == {"FAILED"}
    assert said in printed


def test_a_failed_test_is_told_its_own_reason(outcomes: dict[str, set[str]], printed: str) -> None:
    """What it could not come to ask for is no second failure."""
    assert outcomes["test_unused_and_failed"] == {"FAILED"}
    assert "its own reason" in printed


def test_strictness_can_be_given_up(outcomes: dict[str, set[str]]) -> None:
    """By one line in the test."""
    assert outcomes["test_not_strict"] == {"PASSED"}


def test_a_failure_shows_the_line_of_the_test(printed: str) -> None:
    """And no frame of the package's own: neither of the kit, nor of a client that was refused."""
    shown = re.findall(r"^(\S+\.py):\d+: (\w+)", printed, re.MULTILINE)
    places = {Path(path).name for path, error in shown}
    assert ("test_it.py", "ResponseError") in shown
    assert ("test_it.py", "NotAsExpected") in shown
    assert places == {"test_it.py"}


RECORDED = """
import pytest
import ollama_sync

@pytest.mark.ollama_recording
@pytest.mark.parametrize("word", ["a/b"])
def test_default(word):
    assert ollama_sync.generate("m", word).response == "AAAAA"

@pytest.mark.ollama_recording("kept.jsonl")
def test_named(ollama_client):
    assert ollama_client.generate("m", "hi").response == "AAAAA"

@pytest.mark.ollama_recording("failed.jsonl")
def test_failed(ollama_client):
    ollama_client.generate("m", "hi")
    assert False

def test_mock(ollama_client):
    assert ollama_client.generate("m", "hi").response == "AAA"
"""


def test_recordings_are_made_and_played_back(tmp_path: Path) -> None:
    """Without a file the test fails and says how to make it; `--ollama-record` makes it; then no server is needed."""
    (tmp_path / "test_it.py").write_text(RECORDED, encoding="utf-8")
    asked = pytest_run(tmp_path, "--strict-markers", "-k", "not failed").stdout
    assert re.search("1 passed, .*2 errors", asked)
    assert (
        "make it, while Ollama runs, by: pytest --ollama-record 'test_it.py::test_named'" in asked
    )
    with MockOllama(chunks=5, delay=0) as real:
        made = pytest_run(tmp_path, f"--ollama-record={real.url}").stdout
        assert "1 failed, 3 passed" in made
        assert len(real.requests) == 3
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jsonl")}
    assert files == {"kept.jsonl", os.path.join("recordings", "test_it", "test_default-a-b.jsonl")}
    assert "3 passed, " in pytest_run(tmp_path, "-k", "not failed").stdout


def test_loading_it_imports_nothing_of_weight() -> None:
    """Each pytest run of a machine pays for it: only pytest itself is imported with it."""
    code = f"import sys, ollama_sync.pytest_plugin; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["in turn", "by xdist"])
def test_the_sample_project(options: tuple[str, ...]) -> None:
    """The tests of a project that uses all of this pass, in a run of its own, in two processes at once as well."""
    if options:
        pytest.importorskip("xdist", reason="needs pytest-xdist")
    done = pytest_run(SAMPLE, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout


def test_the_sample_project_by_unittest() -> None:
    """A test case that makes its own server needs no pytest to run."""
    paths = [str(SAMPLE), str(SAMPLE / "tests"), str(Path(ollama_sync.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "test_with_unittest.TestByItself"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
