"""Standard streams that are not as usual: closed, full, or with warnings among the output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ollama_sync import Client
from ollama_sync.cli import main
from ollama_sync.testing import MockOllama


def shell(redirected: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a shell does that redirects its streams."""
    command = shlex.join([sys.executable, "-m", "ollama_sync", *words])
    return subprocess.run(
        ["sh", "-c", f"{command} {redirected}"],
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


@pytest.mark.own_process
@pytest.mark.parametrize("words", [("list",), ("chat", "m", "hi"), ("embed", "m", "a")])
def test_a_closed_output_is_code_1(words: tuple[str, ...]) -> None:
    """Where the shell has closed standard output, one line says so, without a traceback."""
    with MockOllama(chunks=2, delay=0) as server:
        done = shell(">&-", *words, "--host", server.url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "standard output is closed" in done.stderr


@pytest.mark.own_process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, of Linux")
def test_a_full_disk_is_code_1() -> None:
    """An answer that cannot be written is a failure, in one line."""
    with MockOllama(chunks=2, delay=0) as server:
        done = shell(">/dev/full", "chat", "m", "hi", "--host", server.url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.own_process
def test_a_closed_input_is_no_matter() -> None:
    """Where the shell has closed standard input, a question is asked all the same."""
    with MockOllama(chunks=2, delay=0) as server:
        done = shell("<&-", "chat", "m", "hi", "--host", server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "AA\n", "")


@pytest.mark.filterwarnings("default")
def test_a_warning_does_not_name_a_file_of_the_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning of the SDK or of a package below it is one line of words: its place is of no use to whoever types."""

    def warn(client: Client) -> object:
        warnings.warn("look out", UserWarning, stacklevel=1)
        return version(client)

    version = Client.version
    monkeypatch.setattr(Client, "version", warn)
    with MockOllama() as server:
        assert main(["version", "--host", server.url]) == 0
    assert capsys.readouterr().err == "ollama-sync: warning: look out\n"


def test_a_modelfile_that_is_not_there_is_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file that was looked for, and the option that says where it is; nothing is asked."""
    monkeypatch.chdir(tmp_path)
    with MockOllama() as server:
        assert main(["create", "mine", "--host", server.url]) == 1
        assert not server.requests
    err = capsys.readouterr().err
    assert err.startswith("ollama-sync: no such Modelfile: Modelfile; -f FILE")
