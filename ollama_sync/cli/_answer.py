"""One answer of a model, shown as it comes; and with --verbose what it took.

Runs on the main thread. Leaving it, by Ctrl-C too, closes the connection: the server stops generating.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ollama_sync.cli._outputs import Output, output_for
from ollama_sync.cli._render import duration
from ollama_sync.cli._streams import print_json

if TYPE_CHECKING:
    from ollama_sync import ChatResponse, GenerateResponse, Stream, ToolRun

_NANO = 1e-9


class Answer:
    """One answer.

    Args:
        args: of `chat` or `generate`: how it is to be shown.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """What has been shown of it; also after a failure."""
        return "".join(self._texts)

    def follow(self, stream: Stream[ChatResponse] | Stream[GenerateResponse]) -> None:
        """Show the parts as they come. Blocks until the end.

        Raises:
            OllamaError: how the stream failed, after everything that had arrived.
        """
        with stream, closing(output_for(self._args)) as output:
            for parts in stream.batches():
                for part in parts:
                    self._take(part, output)
                output.flush()
            if not self._args.as_json:
                output.finish()
            if self._args.verbose:
                _report(stream.result(), stream.stats.first_part)

    def follow_tools(self, run: ToolRun) -> None:
        """Show the text of a run in which the model may call functions. Blocks until the end.

        Raises:
            OllamaError: how a round failed.
        """
        with closing(output_for(self._args)) as output:
            for tokens in run:
                self._texts += tokens
                if not self._args.as_json:
                    output.say("".join(tokens))
                    output.flush()
            if not self._args.as_json:
                output.finish()
        if self._args.as_json:
            print_json(run.result())
        if self._args.verbose:
            _report(run.result(), None)
            used = [message.tool_name or "" for message in run.messages if message.role == "tool"]
            print(f"tools        {', '.join(used) or 'none'}", file=sys.stderr, flush=True)

    def _take(self, part: ChatResponse | GenerateResponse, output: Output) -> None:
        said = part.get("message") or part  # generate has no message, but the same text beside it
        text = said.get("content") or said.get("response") or ""
        thought = said.get("thinking") or ""
        self._texts.append(text)
        if self._args.as_json:
            print_json(part)
            return
        if thought:
            output.think(thought)
        if text:
            output.say(text)


def _report(reply: ChatResponse | GenerateResponse, first: float | None) -> None:
    """Print on stderr what an answer took: stdout is the answer's alone."""
    sys.stdout.flush()
    print(f"\n{timings(reply, first)}", file=sys.stderr, flush=True)


def timings(reply: ChatResponse | GenerateResponse, first: float | None) -> str:
    """Return what an answer took, by the server's own clock but for the first token.

    Args:
        reply: the whole one.
        first: seconds from the call to the first part; None is unknown.

    Example:
        >>> from ollama_sync import GenerateResponse
        >>> reply = GenerateResponse(response="", eval_count=50, eval_duration=2_000_000_000, load_duration=1_500_000)
        >>> print(timings(reply, 0.3))
        load         1.5 ms
        first token  300.0 ms
        answer       50 tokens in 2.00 s, 25.0 tokens/s
    """
    lines = {
        "load": _span(reply.load_duration),
        "first token": None if first is None else duration(first),
        "prompt": _speed(reply.prompt_eval_count, reply.prompt_eval_duration),
        "answer": _speed(reply.eval_count, reply.eval_duration),
        "total": _span(reply.total_duration),
    }
    return "\n".join(f"{name:<11}  {value}" for name, value in lines.items() if value is not None)


def _span(nanoseconds: Any) -> str | None:
    return None if nanoseconds is None else duration(nanoseconds * _NANO)


def _speed(tokens: int | None, nanoseconds: int | None) -> str | None:
    if tokens is None:
        return None
    if not nanoseconds:
        return f"{tokens} tokens"
    seconds = nanoseconds * _NANO
    return f"{tokens} tokens in {duration(seconds)}, {tokens / seconds:.1f} tokens/s"
