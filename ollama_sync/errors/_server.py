"""What a server, or the way to it, did wrong. Any thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from typing import Any

from ollama_sync.errors._base import OllamaError


class ResponseError(OllamaError):
    """The server answered with something other than success.

    Args:
        error: the server's own text (the `error` member of its JSON, or else the raw text). JSON with such a member is taken apart, as
            the official package's class does, whose async half raises this one under `install_as_ollama`.
        status_code: the HTTP status; -1 when the error came as a line in a stream whose status was 200.
        headers: the headers of the reply; a real reply's names are looked up in any letter case.
        signin_url: where to sign in, when the server names such a place (status 401).
        hint: what to do about it, when the SDK knows.

    Example:
        >>> error = ResponseError("model 'x' not found", 404)
        >>> error.error, error.status_code
        ("model 'x' not found", 404)
    """

    def __init__(
        self,
        error: str,
        status_code: int = -1,
        *,
        headers: Mapping[str, str] | None = None,
        signin_url: str | None = None,
        hint: str | None = None,
    ) -> None:
        error = _text_of(error)
        super().__init__(error)
        self.error = error
        self.status_code = status_code
        self.headers: Mapping[str, str] = {} if headers is None else copy(headers)
        self.signin_url = signin_url
        self.hint = hint

    def __str__(self) -> str:
        status = "" if self.status_code < 0 else f" (status code: {self.status_code})"
        text = self.error + status
        if self.signin_url:
            text += f"; sign in at {self.signin_url}"
        return (f"{text}; {self.hint}" if self.hint else text) + self._tries()


def _text_of(error: str) -> str:
    if error[:1] != "{":
        return error
    try:
        found = json.loads(error)
    except ValueError:
        return error
    text = found.get("error")
    return text if isinstance(text, str) and text else error


class ConnectError(OllamaError, ConnectionError):
    """There is no connection to the server, or it was lost before the reply began.

    Example:
        >>> from ollama_sync import Client
        >>> with Client("127.0.0.1:1") as client:  # where nothing listens
        ...     client.version()
        Traceback (most recent call last):
        ...
        ollama_sync.errors.ConnectError: GET http://127.0.0.1:1/api/version: ...
    """


class StreamBroken(OllamaError):
    """The reply began, and did not end as it should: cut short, or with a line that is no JSON object.

    Args:
        message: what happened.
        partial: one reply accumulated from everything that had arrived; None when nothing had.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, chunk, close, head
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([head(), chunk({"response": "Hel", "done": False}), close()], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "hi", stream=True).result()
        ...     except StreamBroken as error:
        ...         print(error.partial.response)
        Hel
    """

    def __init__(self, message: str, *, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class ErrorLine(StreamBroken, ResponseError):
    """The server reported an error in mid-stream, when its status 200 had long been sent.

    Args:
        error: the server's own text.
        status_code: the status that the line names, or -1.
        partial: one reply accumulated from everything that had arrived before.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, stream
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([stream([{"response": "Hel"}, {"error": "out of memory"}])], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "hi", stream=True).result()
        ...     except ErrorLine as error:
        ...         print(error.error, error.partial.response)
        out of memory Hel
    """

    def __init__(self, error: str, status_code: int = -1, *, partial: Any = None) -> None:
        ResponseError.__init__(self, error, status_code)
        self.partial = partial


class FormatError(OllamaError, ValueError):
    """A reply is whole, but does not fit the type that was asked for by `format=`.

    A model that was cut short by `num_predict` ends like this: look at `done_reason`.

    Args:
        message: what does not fit.
        text: the whole text of the reply.
        kind: the name of the type.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, reply
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     server.script([reply({"response": "[1, 2", "done_reason": "length"})], path="/api/generate")
        ...     try:
        ...         client.generate("llama3.2", "Count", format=list[int])
        ...     except FormatError as error:
        ...         print(error.text)
        [1, 2
    """

    def __init__(self, message: str, *, text: str, kind: str) -> None:
        super().__init__(message)
        self.text = text
        self.kind = kind
