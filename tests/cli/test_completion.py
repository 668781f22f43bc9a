"""What a shell offers behind a word: asked by the shells themselves, where they are installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ollama_sync.cli import main
from ollama_sync.testing import MockOllama

pytestmark = pytest.mark.own_process

# What each shell runs when somebody presses Tab behind a line.
_PRESS_TAB = {
    "bash": (
        'eval "$(ollama-sync completion bash)"; COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9;'
        " _python_argcomplete ollama-sync; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    ),
    "fish": "ollama-sync completion fish | source; complete -C {line}",
}


def offered(shell: str, line: str, server: MockOllama | None = None) -> list[str]:
    """Return what a shell offers behind a line."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}: apt install {shell}")
    done = subprocess.run(
        [shell, "-c", _PRESS_TAB[shell].format(line=shlex.quote(line))],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OLLAMA_HOST": server.url if server is not None else "127.0.0.1:9",
        },
    )
    # Fish shows what a word means behind a tab, and bash gets a blank behind the last one.
    return [offer.partition("\t")[0].strip() for offer in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", _PRESS_TAB)
def test_commands_and_options_are_offered(shell: str) -> None:
    """Commands by their beginning, and the options of the command that stands there."""
    assert {"show", "stop", "signin", "signout"} <= {*offered(shell, "ollama-sync s")}
    assert "--keep-alive" in offered(shell, "ollama-sync chat m --ke")


@pytest.mark.parametrize("shell", _PRESS_TAB)
def test_models_are_offered(shell: str) -> None:
    """Where a model belongs, those of the server are offered; a server that is not there offers none, and shows no error."""
    with MockOllama(models=["smollm2:135m", "llama3.2"]) as server:
        assert "llama3.2:latest" in offered(shell, "ollama-sync show lla", server)
    assert not any("Error" in offer for offer in offered(shell, "ollama-sync show lla"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_reads_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script is of the shell's own language."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "ollama-sync" in script
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
