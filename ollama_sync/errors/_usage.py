"""What the calling program did wrong. Any thread."""

from __future__ import annotations

from ollama_sync.errors._base import OllamaError


class UsageError(OllamaError):
    """The calling program did something that cannot work.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     with client.pull("llama3.2", stream=True) as stream:
        ...         stream.tokens()
        Traceback (most recent call last):
        ...
        ollama_sync.errors.UsageError: the parts of pull have no text; use batches()
    """


class RequestError(UsageError, ValueError):
    """An argument is wrong. Nothing was sent.

    Args:
        error: which argument, what was given, what is accepted.

    Example:
        >>> from ollama_sync import BatchPolicy
        >>> BatchPolicy(max_size=0)
        Traceback (most recent call last):
        ...
        ollama_sync.errors.RequestError: BatchPolicy(max_size=0): a whole number of parts, 1 or more
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class ClosedError(UsageError):
    """The client or the stream was closed before this use.

    Example:
        >>> from ollama_sync import Client
        >>> client = Client("127.0.0.1")
        >>> client.close()
        >>> client.version()
        Traceback (most recent call last):
        ...
        ollama_sync.errors.ClosedError: GET http://127.0.0.1:11434/api/version: this client was closed; make a new one
    """


class ConcurrentUseError(UsageError):
    """A stream was used by two consumers at the same time.

    Example:
        >>> from ollama_sync import Client, merge
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     with client.generate("llama3.2", "hi", stream=True) as stream, merge([stream]):
        ...         next(stream)
        Traceback (most recent call last):
        ...
        ollama_sync.errors.ConcurrentUseError: ...
    """


class ForkedError(UsageError):
    """A stream made in a parent process was used in a forked child, where no hub feeds it.

    Example:
        >>> print(ForkedError("POST http://...: this stream belongs to the parent process; make the call in the child"))
        POST http://...: this stream belongs to the parent process; make the call in the child
    """
