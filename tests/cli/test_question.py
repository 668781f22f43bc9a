"""What is asked: words, what is piped in, images."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.cli import main
from ollama_sync.testing import MockOllama

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Give a function that puts bytes into standard input."""

    def put(content: bytes) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", stdin)

    return put


def prompt_of(server: MockOllama) -> str:
    (request,) = server.requests
    return str(request.json.get("prompt") or request.json["messages"][-1]["content"])


@pytest.mark.parametrize("command", ["chat", "generate"])
@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["Summarise"], "Summarise\n\na file\nof two lines"),
        (["Summarise", "this"], "Summarise this\n\na file\nof two lines"),
        (["Here:", "-", "Summarise", "it"], "Here:\n\na file\nof two lines\n\nSummarise it"),
        (["-"], "a file\nof two lines"),
        ([], "a file\nof two lines"),
    ],
    ids=["prompt first", "words", "in its place", "a dash", "alone"],
)
def test_what_is_piped_in_is_asked(
    command: str, words: list[str], prompt: str, piped: Callable[[bytes], None]
) -> None:
    """The prompt comes first and the file after it, or where a dash is; a pipe alone is one question, not one a line."""
    piped(b"a file\nof two lines\n")
    with MockOllama(chunks=1, delay=0) as server:
        assert main([command, "m", *words, "--host", server.url]) == 0
        assert prompt_of(server) == prompt


@pytest.mark.parametrize("command", ["chat", "generate"])
def test_nothing_to_ask_is_code_2(
    command: str, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a prompt, and with an empty pipe, nothing is asked, and it says so."""
    piped(b"")
    with MockOllama() as server:
        assert main([command, "m", "--host", server.url]) == 2
        assert not server.requests
    assert "no prompt" in capsys.readouterr().err


def test_a_closed_input_is_no_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the shell has closed standard input, a prompt is asked as it is, and its lack is said."""
    monkeypatch.setattr("sys.stdin", None)
    with MockOllama(chunks=1, delay=0) as server:
        assert main(["chat", "m", "hi", "--host", server.url]) == 0
        assert prompt_of(server) == "hi"
        assert main(["chat", "m", "--host", server.url]) == 2
        assert main(["chat", "m", "-", "--host", server.url]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_an_input_that_is_no_text_is_code_2(
    piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no text are a wrong argument, and no traceback."""
    piped(b"\xff\xfe\n")
    with MockOllama() as server:
        assert main(["chat", "m", "hi", "--host", server.url]) == 2
    assert "not text in utf-8" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["chat", "generate"])
def test_images_go_along(command: str, piped: Callable[[bytes], None], tmp_path: Path) -> None:
    """Each --image is sent with the question, in order, and a dash is the image that is piped in."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(PNG + b"file")
    piped(PNG + b"\xffpipe")
    words = [command, "m", "--image", str(picture), "What is", "--image", "-", "this?"]
    with MockOllama(chunks=1, delay=0) as server:
        assert main([*words, "--host", server.url]) == 0
        assert prompt_of(server) == "What is this?"
        sent: dict[str, Any] = server.requests[0].json
    images = sent.get("images") or sent["messages"][-1]["images"]
    assert [base64.b64decode(image) for image in images] == [PNG + b"file", PNG + b"\xffpipe"]


def test_an_image_that_is_not_there_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read is named, and nothing is asked."""
    with MockOllama() as server:
        assert main(["chat", "m", "hi", "--image", "no.png", "--host", server.url]) == 1
        assert not server.requests
    assert "no.png" in capsys.readouterr().err


def test_standard_input_is_read_once(
    piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two dashes would each want all of it."""
    piped(b"x")
    with MockOllama() as server:
        assert main(["chat", "m", "-", "--image", "-", "--host", server.url]) == 2
    assert "once" in capsys.readouterr().err
