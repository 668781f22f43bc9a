"""The file of answers: whole lines only, whatever ended the process that wrote them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch.records import Record
from ollama_sync.fleet.batch.results import Results, answer_line, failure_line

OK = answer_line(Record("a", {}, "m1"), "generate", {"response": "x"})
BAD = failure_line(Record("b", {}, "m2"), ValueError("no"))
OPENAI = answer_line(Record("c", {}, "m3", None, True), "generate", {"response": "x"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_what_was_written_is_known_at_the_next_start(path: Path) -> None:
    """Each key with the mark of its request, and whether it was answered."""
    with Results(path) as results:
        assert results.known == {}
        for line in (OK, BAD, OPENAI):
            results.write(line)
    with Results(path) as results:
        assert results.known == {"a": ("m1", True), "b": ("m2", False), "c": ("m3", True)}


def test_what_failed_can_be_left_out(path: Path) -> None:
    """The answers stay as they are, byte for byte, and the failures are asked again."""
    with Results(path) as results:
        results.write(OK)
        answers = path.read_bytes()
        results.write(BAD)
        results.write(OPENAI)
    with Results(path, retry_failed=True) as results:
        assert sorted(results.known) == ["a", "c"]
        results.write(BAD)
    assert path.read_bytes().startswith(answers)
    assert [*path.parent.iterdir()] == [path]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200))
def test_a_torn_tail_is_mended(path: Path, cut: int) -> None:
    """Wherever a process was killed in mid-line, the lines before are kept and that one is gone."""
    path.unlink(missing_ok=True)
    with Results(path) as results:
        results.write(OK)
        whole = path.read_bytes()
        results.write(OPENAI)
    data = path.read_bytes()
    path.write_bytes(data[: max(len(whole), len(data) - 1 - cut)])
    with Results(path) as results:
        assert [*results.known] == ["a"]
        results.write(BAD)
    assert path.read_bytes().startswith(whole + b'{"key":"b"')


def test_a_tail_that_is_longer_than_a_look_is_mended(path: Path) -> None:
    """A line of several megabytes may be torn, too."""
    with Results(path) as results:
        results.write(OK)
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 3_000_000)
    with Results(path):
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", [b"hello\n", b"[]\n", b'{"key": "a"}\n', b'{"a": 1}\n', b"\n"])
def test_another_kind_of_file_is_refused(path: Path, line: bytes) -> None:
    """Nothing is appended to what is no file of answers."""
    path.write_bytes(line)
    with pytest.raises(RequestError, match="line 1: not an answer of a batch"):
        Results(path)
    assert path.read_bytes() == line


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock")
def test_two_processes_cannot_write_one_file(path: Path) -> None:
    """The second is told so, whatever became of the first's lines."""
    with Results(path):
        code = f"from ollama_sync.fleet.batch.results import Results; Results({str(path)!r})"
        second = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    assert second.returncode == 1
    assert "another process writes its answers there" in second.stderr
