"""A terminal for tests: the command line in a process of its own, at a pseudo terminal."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The process makes the pseudo terminal its own, so that Ctrl-C typed there reaches it as the signal that it is.
_MAIN = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in {missing!r}:
    sys.modules[name] = None
from ollama_sync.cli import main
sys.exit(main({words!r}))
"""


class Terminal:
    """Types into the terminal of one process, and reads what is on it."""

    def __init__(self, words: tuple[str, ...], missing: tuple[str, ...], term: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self._unread = ""
        # What is read may end in the middle of a character.
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN.format(missing=missing, words=words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": term, "PYTHONIOENCODING": "utf-8"},
        )
        os.close(slave)

    def type(self, text: str) -> None:
        """Press keys: "\\n" is Enter, "\\x03" Ctrl-C, "\\x04" Ctrl-D."""
        os.write(self._master, text.encode())

    def read_until(self, text: str) -> str:
        """Wait until there is such a text behind what was read before; return what was before it."""
        while text not in self._unread:
            more = self._read()
            assert more, f"it ended without {text!r}: {self._unread!r}"
            self._unread += more
        before, _, self._unread = self._unread.partition(text)
        return before

    def interrupt_line(self, text: str) -> None:
        """Press Ctrl-C while a line is typed, and wait for the text.

        Readline overlooks a signal that comes in the moment before it waits for a key, until the next key; so after a second
        without an answer it is pressed again.
        """
        self.type("\x03")
        while text not in self._unread:
            if self._is_readable(1.0):
                more = self._read()
                assert more, f"it ended without {text!r}: {self._unread!r}"
                self._unread += more
            else:
                self.type("\x03")
        self.read_until(text)

    def read_rest(self) -> str:
        """Wait until it has ended; return what was not read yet."""
        while more := self._read():
            self._unread += more
        rest, self._unread = self._unread, ""
        return rest

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        return self._process.wait(30)

    def close(self) -> None:
        """End it, whatever it does."""
        with self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            os.close(self._master)

    def _read(self) -> str:
        """Wait for more; "" when it has ended. In a patched process this must not block the loop: hence no bare read."""
        text = ""
        while not text:
            while not self._is_readable(0.1):
                if self._process.poll() is not None and not self._is_readable(0.0):
                    return ""
            try:
                text = self._decode(os.read(self._master, 65536))
            except OSError:  # how Linux says that the other side has closed
                return ""
        return text

    def _is_readable(self, timeout: float) -> bool:
        return bool(select.select([self._master], [], [], timeout)[0])


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the state of the command line in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("OLLAMA_NOHISTORY", raising=False)
    return tmp_path / "ollama-sync"


@pytest.fixture
def at_terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the command line at a terminal, by its words; `missing` modules cannot be imported there."""
    started: list[Terminal] = []

    def start(*words: str, missing: tuple[str, ...] = (), term: str = "dumb") -> Terminal:
        started.append(Terminal(words, missing, term))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()
