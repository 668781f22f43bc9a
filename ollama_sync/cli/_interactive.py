"""`chat` without a prompt: a conversation, line by line, with somebody at a terminal.

Runs on the main thread, where Ctrl-C arrives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ollama_sync.cli import _slash, _state
from ollama_sync.cli._streams import complain
from ollama_sync.cli._talk import Talk
from ollama_sync.errors import OllamaError, RequestError

_QUOTES = '"""'
_LINES = 1000  # that are kept of what was typed


class Conversation:
    """Reads questions, and has them answered.

    Args:
        talk: what was said so far.
        images: go along with the first question.
    """

    def __init__(self, talk: Talk, images: list[bytes]) -> None:
        self._talk = talk
        self._images = images
        self._has_marks = sys.stdout.isatty() and not talk.args.as_json

    def run(self) -> None:
        """Talk until /bye or the end of the input. Blocks; a failed answer does not end it.

        Raises:
            OllamaError: there is no such server or model.
        """
        model = self._talk.args.model
        # Fails now, and not after somebody has typed a question.
        self._talk.client.show(model)
        if not self._has_marks:
            self._talk_on()
            return
        with _edited_lines():
            said = sum(1 for message in self._talk.messages if message["role"] == "user")
            goes_on = f", after {said} question{'' if said == 1 else 's'}" if said else ""
            print(f"{model}{goes_on}: /? for help, /bye ends", flush=True)
            self._talk_on()

    def _talk_on(self) -> None:
        while self._go_on():
            pass

    def _go_on(self) -> bool:
        """Take a turn. False when it was the last one; what goes wrong is said, and does not end it."""
        try:
            return self._turn()
        except KeyboardInterrupt:
            print(flush=True)
        except OllamaError as error:
            complain(str(error))
        return True

    def _turn(self) -> bool:
        """Read a question and answer it. False when it was the end."""
        try:
            line = self._read_line(">>> ")
            question = self._whole(line)
        except EOFError:
            if self._has_marks:
                print()
            return False
        if line.strip() == "/bye":
            return False
        if line.startswith("/"):
            _slash.run(self._talk, line)
        elif question.strip():
            self._talk.ask(question, self._images)
            self._images = []
        return True

    def _whole(self, first: str) -> str:
        """Return the question that a line begins: that line, or all up to the closing quotes."""
        if not first.lstrip().startswith(_QUOTES):
            return first
        lines = [first.lstrip().removeprefix(_QUOTES)]
        while not lines[-1].rstrip().endswith(_QUOTES):
            lines.append(self._read_line("... "))
        lines[-1] = lines[-1].rstrip().removesuffix(_QUOTES)
        return "\n".join(lines).strip("\n")

    def _read_line(self, mark: str) -> str:
        try:
            return input(mark if self._has_marks else "")
        except UnicodeDecodeError as error:
            raise RequestError(f"a line that is not text in {sys.stdin.encoding}") from error


@contextmanager
def _edited_lines() -> Iterator[None]:
    """Give `input` the keys to edit a line and to get one back that was typed, on another day too, where Python has them."""
    try:
        import readline  # once it is imported, `input` uses it
    except ImportError:  # Windows, and some builds: the terminal's own keys remain
        yield
        return
    # What is pasted is one question, whatever its lines. Python turns this off for its own prompt.
    readline.parse_and_bind("set enable-bracketed-paste on")
    if not _state.is_kept():
        yield
        return
    try:
        path = str(_state.private_file("history"))
        readline.read_history_file(path)
    except OSError as error:
        complain(f"warning: what was typed before is not there: {error}")
        yield
        return
    readline.set_history_length(_LINES)
    try:
        yield
    finally:
        try:
            readline.write_history_file(path)
        except OSError as error:
            complain(f"warning: what was typed is not kept: {error}")
