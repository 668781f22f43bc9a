"""Typing in a conversation, in a real terminal: tmux knows what a screen shows and what a paste is."""

from __future__ import annotations

import os
import readline
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ollama_sync.testing import MockOllama

pytestmark = [
    pytest.mark.own_process,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt install tmux"),
    pytest.mark.skipif(
        "libedit" in str(readline.__doc__), reason="this Python's readline is libedit, which cannot"
    ),
]


class Screen:
    """A program in a terminal of tmux."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
        self._run("new-session", "-d", "-x", "80", "-y", "24", *words)
        pipe = folder / "output"
        os.mkfifo(pipe)
        self._output = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._run("pipe-pane", "-O", f"exec cat > {shlex.quote(str(pipe))}")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names or as text."""
        self._run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste a text as a terminal does."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def wait_for(self, text: str) -> None:
        """Wait until the last lines of the screen end with a text."""
        while not (shown := self._run("capture-pane", "-p").rstrip()).endswith(text):
            readable, _, _ = select.select([self._output], [], [], 30)
            assert readable, f"no {text!r} at the end of the screen:\n{shown}"
            assert os.read(self._output, 65536), f"it ended:\n{shown}"

    def close(self) -> None:
        """End tmux and the program."""
        os.close(self._output)
        self._run("kill-server")

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], check=True, capture_output=True, text=True, encoding="utf-8"
        )
        return done.stdout


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    """Give a function that starts the command line in a terminal."""
    started: list[Screen] = []

    def start(*words: str) -> Screen:
        started.append(Screen(tmp_path, [sys.executable, "-m", "ollama_sync", *words]))
        return started[-1]

    yield start
    for one in started:
        one.close()


def questions(server: MockOllama) -> list[str]:
    return [
        request.json["messages"][-1]["content"]
        for request in server.requests
        if request.path == "/api/chat"
    ]


def test_a_line_can_be_edited(screen: Callable[..., Screen]) -> None:
    """The arrow keys, Home, End and backspace do what they do elsewhere, also among wide characters."""
    with MockOllama(text="Answered.") as server:
        shown = screen("chat", "m", "--host", server.url)
        shown.wait_for(">>>")
        shown.press(
            "helo 日本 wrld", "Left", "Left", "Left", "o", "Home", "x", "BSpace", "End", "!"
        )
        shown.press("Enter")
        shown.wait_for("Answered.\n>>>")
        assert questions(server) == ["helo 日本 world!"]


def test_what_is_pasted_is_one_question(screen: Callable[..., Screen]) -> None:
    """Lines that are pasted together are asked together, when Enter is pressed."""
    with MockOllama(text="Answered.") as server:
        shown = screen("chat", "m", "--host", server.url)
        shown.wait_for(">>>")
        shown.paste("def f():\n    return 1\n")
        shown.wait_for("return 1")
        shown.press("Enter")
        shown.wait_for("Answered.\n>>>")
        (question,) = questions(server)
        assert question.rstrip("\n") == "def f():\n    return 1"


def test_what_was_typed_can_be_searched(screen: Callable[..., Screen]) -> None:
    """Ctrl-R finds an earlier line by a part of it."""
    with MockOllama(text="Answered.") as server:
        shown = screen("chat", "m", "--host", server.url)
        shown.wait_for(">>>")
        for question in ("the first one", "another"):
            shown.press(question, "Enter")
            shown.wait_for(f">>> {question}\nAnswered.\n>>>")
        shown.press("C-r")
        shown.wait_for("(reverse-i-search)`':")
        shown.press("first")
        shown.wait_for("`first': the first one")
        shown.press("Enter")
        shown.wait_for(">>> the first one\nAnswered.\n>>>")
        assert questions(server) == ["the first one", "another", "the first one"]
