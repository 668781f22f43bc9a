"""A conversation with a model: what was said, what holds for it, and how it goes on another day.

Runs on the main thread, which alone owns it.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ollama_sync.cli import _state
from ollama_sync.cli._answer import Answer
from ollama_sync.cli._functions import functions_in
from ollama_sync.cli._streams import complain
from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from ollama_sync import Client

_FILE = "conversation.json"


class Talk:
    """Questions and answers, which the model is told again with each question.

    Args:
        client: of the server.
        args: of `chat`.

    Attributes:
        client: of the server.
        args: what holds for the questions to come; may be changed between two of them.
        messages: what was said, without the system prompt.

    Raises:
        RequestError: there is nothing to continue, no model, or no functions where they should be.
    """

    def __init__(self, client: Client, args: argparse.Namespace) -> None:
        self.client = client
        self.args = args
        self.messages: list[dict[str, Any]] = []
        if args.goes_on:
            self._go_on()
        if args.model is None:
            raise RequestError("no model: its name comes first, or -c continues with the last one")
        self._functions = functions_in(args.functions) if args.functions else []

    def ask(self, text: str, images: Sequence[bytes] = ()) -> None:
        """Ask, and show the answer. Blocks until its end.

        Raises:
            OllamaError: how it failed. What was seen was said, also when the rest was cut off; a question without an answer was
                never asked.
        """
        question: dict[str, Any] = {"role": "user", "content": text}
        if images:
            question["images"] = [base64.b64encode(image).decode() for image in images]
        asked = [*self.messages, question]
        answer = Answer(self.args)
        try:
            added = self._answer(answer, asked)
        except BaseException:
            self._remember(answer, [*asked, {"role": "assistant", "content": answer.text}])
            raise
        self._remember(answer, [*asked, *added])

    def _remember(self, answer: Answer, messages: list[dict[str, Any]]) -> None:
        if answer.text:
            self.messages = messages
            self._keep()

    def _answer(self, answer: Answer, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Show the answer, and return what is added to what was said."""
        system = self.args.system
        told = asked if system is None else [{"role": "system", "content": system}, *asked]
        of_model = settings_of(self.args)
        if self._functions:
            run = self.client.run_tools(self.args.model, told, self._functions, **of_model)
            answer.follow_tools(run)
            return [message.to_dict() for message in run.messages[len(told) :]]
        answer.follow(self.client.chat(self.args.model, told, stream=True, **of_model))
        return [{"role": "assistant", "content": answer.text}]

    def _go_on(self) -> None:
        text = _state.read(_FILE)
        if text is None:
            raise RequestError("no conversation to continue: none was kept yet")
        try:
            kept = json.loads(text)
            model, system, messages = kept["model"], kept["system"], kept["messages"]
        except (ValueError, KeyError, TypeError) as error:
            raise RequestError(
                f"{_state.folder() / _FILE}: not a conversation: {error!r}"
            ) from error
        self.messages = messages
        self.args.model = self.args.model or model
        self.args.system = system if self.args.system is None else self.args.system

    def _keep(self) -> None:
        if not _state.is_kept():
            return
        kept = {
            "model": self.args.model,
            "system": self.args.system,
            "messages": self.messages,
        }
        try:
            _state.keep(_FILE, json.dumps(kept))
        except OSError as error:
            complain(f"warning: the conversation is not kept: {error}")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what chat and generate take alike, as their keyword arguments."""
    return {
        "options": dict(args.options) or None,
        "think": args.think,
        "format": args.format,
        "keep_alive": args.keep_alive,
    }
