"""The commands that have a model answer: chat and generate.

Runs on the main thread. Leaving a command, by Ctrl-C too, closes its connection: the server stops generating.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ollama_sync.cli import _values
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._escapes import for_stdout
from ollama_sync.cli._streams import print_json, read_text

if TYPE_CHECKING:
    from ollama_sync import ChatResponse, Client, GenerateResponse, Stream

_PROMPT = "what to ask; - reads it from standard input"
_DIM, _PLAIN = "\033[2m", "\033[0m"


def declare_chat(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `chat`."""
    add_model(parser)
    parser.add_argument("prompt", nargs="?", help=f"{_PROMPT}; left out, it is a conversation")
    _declare_answer(parser)


def declare_generate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `generate`."""
    add_model(parser)
    parser.add_argument("prompt", help=_PROMPT)
    _declare_answer(parser)


def _declare_answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", help="the system prompt")
    parser.add_argument(
        "--option",
        dest="options",
        metavar="NAME=VALUE",
        type=_values.option,
        action="append",
        default=[],
        help="of the model, as temperature=0.2; may come again",
    )
    parser.add_argument(
        "--think",
        metavar="LEVEL",
        type=_values.thought,
        help="true, false, or a level as high: whether the model thinks first",
    )
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        type=_values.answer_format,
        help="json, or a JSON schema that the answer is to keep to",
    )
    parser.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=_values.keep_alive,
        help="how long the model stays loaded: seconds, or as 5m; -1 is for ever",
    )


def run_chat(client: Client, args: argparse.Namespace) -> None:
    """Ask one thing, or without a prompt talk."""
    if args.prompt is None:
        from ollama_sync.cli._interactive import Conversation

        Conversation(client, args).run()
        return
    messages = [{"role": "user", "content": read_text(args.prompt)}]
    if args.system is not None:
        messages.insert(0, {"role": "system", "content": args.system})
    Answer(as_json=args.as_json).show(
        client.chat(args.model, messages, stream=True, **of_model(args))
    )


def run_generate(client: Client, args: argparse.Namespace) -> None:
    """Have a model complete a prompt."""
    prompt = read_text(args.prompt)
    Answer(as_json=args.as_json).show(
        client.generate(args.model, prompt, stream=True, system=args.system, **of_model(args))
    )


def of_model(args: argparse.Namespace) -> dict[str, Any]:
    """Return what chat and generate take alike, as their keyword arguments."""
    return {
        "options": dict(args.options) or None,
        "think": args.think,
        "format": args.format,
        "keep_alive": args.keep_alive,
    }


class Answer:
    """One answer, printed as it comes.

    Args:
        as_json: print the parts instead of the text.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shows_thinking = not as_json and sys.stdout.isatty()
        self._is_thinking = False
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """What has been printed of it; also after a failure."""
        return "".join(self._texts)

    def show(self, stream: Stream[ChatResponse] | Stream[GenerateResponse]) -> None:
        """Print the parts as they come, and in the end a line end. What the model thinks is for terminals only, and dim.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.
        """
        with stream:
            try:
                for parts in stream.batches():
                    for part in parts:
                        self._show_part(part)
                    sys.stdout.flush()
            finally:
                self._end_thinking()
        if not self._as_json:
            print(flush=True)

    def _show_part(self, part: ChatResponse | GenerateResponse) -> None:
        said = part.get("message") or part  # generate has no message, but the same text beside it
        text = said.get("content") or said.get("response") or ""
        thought = said.get("thinking") or ""
        self._texts.append(text)
        if self._as_json:
            print_json(part)
            return
        if thought and self._shows_thinking:
            if not self._is_thinking:
                self._is_thinking = True
                sys.stdout.write(_DIM)
            sys.stdout.write(for_stdout(thought))
        if text:
            self._end_thinking()
            sys.stdout.write(for_stdout(text))

    def _end_thinking(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            sys.stdout.write(f"{_PLAIN}\n\n")
