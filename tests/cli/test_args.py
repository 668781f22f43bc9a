"""The words of the command line."""

from __future__ import annotations

import pytest

from ollama_sync import __version__
from ollama_sync.cli import main
from ollama_sync.cli._args import parse


def test_a_mock_has_defaults() -> None:
    """Without options a mock takes a free port and says 1000 tokens, one every 3 ms."""
    args = parse(["mock"])
    assert (args.command, args.port, args.chunks, args.delay) == ("mock", 0, 1000, 0.003)


def test_every_option_is_read() -> None:
    """Each option arrives under its name, in its type."""
    args = parse(["mock", "--port", "65535", "--chunks", "0", "--delay", "1e-3"])
    assert (args.port, args.chunks, args.delay) == (65535, 0, 0.001)
    args = parse(["chat", "m", "why", "--host", "h:1"])
    assert (args.model, args.prompt, args.host) == ("m", "why", "h:1")
    args = parse(["demo", "--model", "m"])
    assert (args.model, args.host) == ("m", None)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sing"],
        ["chat", "m"],
        ["mock", "--port", "65536"],
        ["mock", "--port", "-1"],
        ["mock", "--chunks", "1.5"],
        ["mock", "--delay", "-1"],
        ["mock", "--delay", "nan"],
        ["mock", "--delay", "inf"],
        ["mock", "--delay", "soon"],
    ],
)
def test_wrong_arguments_are_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant exits with 2, and stderr says what is wrong; nothing is run."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error:" in captured.err


def test_version_and_help_are_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for the version or the help is no error, and is answered on stdout."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ollama-sync {__version__}\n"
    assert main(["--help"]) == 0
    assert {"chat", "demo", "mock"} <= set(capsys.readouterr().out.split())
