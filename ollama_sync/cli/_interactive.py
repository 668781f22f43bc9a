"""`chat` without a prompt: a conversation, line by line, with somebody at a terminal.

Runs on the main thread, where Ctrl-C arrives.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ollama_sync.cli._answer import Answer
from ollama_sync.cli._answers import of_model
from ollama_sync.cli._streams import complain
from ollama_sync.errors import OllamaError, RequestError

if TYPE_CHECKING:
    from ollama_sync import Client

_QUOTES = '"""'
_HELP = """\
/clear       forget the conversation
/bye         end; so does Ctrl-D
/?           this help
\"""          begin a question of several lines, and end it
Ctrl-C       stop the answer"""


class Conversation:
    """Questions and answers, which the model is told again with each question.

    Args:
        client: of the server.
        args: of `chat`.
    """

    def __init__(self, client: Client, args: argparse.Namespace) -> None:
        self._client = client
        self._args = args
        self._has_marks = sys.stdout.isatty() and not args.as_json
        self._told: list[dict[str, str]] = []
        self._forget()

    def run(self) -> None:
        """Talk until /bye or the end of the input. Blocks; a failed answer does not end it.

        Raises:
            OllamaError: there is no such server or model.
        """
        # Fails now, and not after somebody has typed a question.
        self._client.show(self._args.model)
        if self._has_marks:
            _edit_lines()
            print(f"{self._args.model}: /? for help, /bye ends", flush=True)
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
            question = self._read()
        except EOFError:
            if self._has_marks:
                print()
            return False
        word = question.strip()
        if word == "/bye":
            return False
        if word == "/clear":
            self._forget()
        elif word in ("/?", "/help"):
            print(_HELP)
        elif word:
            self._answer(question)
        return True

    def _forget(self) -> None:
        system = self._args.system
        self._told = [] if system is None else [{"role": "system", "content": system}]

    def _read(self) -> str:
        first = self._read_line(">>> ")
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

    def _answer(self, question: str) -> None:
        asked = [*self._told, {"role": "user", "content": question}]
        answer = Answer(self._args)
        try:
            answer.follow(
                self._client.chat(self._args.model, asked, stream=True, **of_model(self._args))
            )
        finally:
            # What was seen was said, also when the rest was cut off. A question without an answer was never asked.
            if answer.text:
                self._told = [*asked, {"role": "assistant", "content": answer.text}]


def _edit_lines() -> None:
    """Give `input` the keys to edit a line and to get an earlier one back, where Python has them."""
    try:
        import readline  # noqa: F401 - once it is imported, `input` uses it
    except ImportError:
        pass  # Windows, and some builds: the terminal's own keys remain
