"""The commands that have a model answer: chat and generate.

Runs on the main thread. Leaving a command, by Ctrl-C too, closes its connection: the server stops generating.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ollama_sync.cli import _values
from ollama_sync.cli._answer import Answer
from ollama_sync.cli._completion import add_model
from ollama_sync.cli._question import images_of, question_of
from ollama_sync.cli._streams import has_typist
from ollama_sync.cli._talk import Talk, settings_of
from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from ollama_sync import Client

_PROMPT = "what to ask; what is piped in follows it, or stands where a - is"


def declare_chat(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `chat`."""
    add_model(parser, nargs="?")
    parser.add_argument("prompt", nargs="*", help=f"{_PROMPT}; with neither, it is a conversation")
    parser.add_argument(
        "-c",
        "--continue",
        dest="goes_on",
        action="store_true",
        help="go on with the last conversation, by default with its model",
    )
    parser.add_argument(
        "--functions", metavar="FILE", help="of Python, whose functions the model may call"
    )
    _declare_answer(parser)


def declare_generate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `generate`."""
    add_model(parser)
    parser.add_argument("prompt", nargs="*", help=_PROMPT)
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
        "--image",
        dest="images",
        metavar="FILE",
        action="append",
        default=[],
        help="to look at; may come again; - reads it from standard input",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--format",
        metavar="FORMAT",
        type=_values.answer_format,
        help="json, or a JSON schema that the answer is to keep to, or a file that holds one",
    )
    forms.add_argument(
        "--schema",
        dest="format",
        metavar="MEMBERS",
        type=_values.short_schema,
        help="the same in short: 'name, age int: in years'",
    )
    parser.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=_values.keep_alive,
        help="how long the model stays loaded: seconds, or as 5m; -1 is for ever",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="on stderr: tokens, their speed, what loading took"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--extract", action="store_true", help="only the first block of code")
    shown.add_argument(
        "--markdown", action="store_true", help="rendered, if standard output is a terminal"
    )


def run_chat(client: Client, args: argparse.Namespace) -> None:
    """Ask one thing, or at a terminal without a prompt talk.

    Raises:
        RequestError: there is no prompt, and nobody who could type one.
    """
    question = question_of(args)
    if question is None and not has_typist():
        raise _no_prompt()
    talk = Talk(client, args)
    if question is not None:
        talk.ask(question.text, question.images)
        return
    from ollama_sync.cli._interactive import Conversation

    Conversation(talk, images_of(args)).run()


def run_generate(client: Client, args: argparse.Namespace) -> None:
    """Have a model complete a prompt.

    Raises:
        RequestError: there is none.
    """
    question = question_of(args)
    if question is None:
        raise _no_prompt()
    Answer(args).follow(
        client.generate(
            args.model,
            question.text,
            stream=True,
            system=args.system,
            images=question.images or None,
            **settings_of(args),
        )
    )


def _no_prompt() -> RequestError:
    return RequestError("no prompt: write one behind the model, or pipe it in")
