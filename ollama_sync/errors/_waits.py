"""The clocks that may run out. Any thread."""

from __future__ import annotations

from ollama_sync.errors._base import OllamaError


class WaitTimeout(OllamaError, TimeoutError):
    """A clock of `Timeout` ran out. The request was cancelled.

    Args:
        phase: which clock: "connect", "first", "idle" or "total".
        seconds: what it was set to.
        tried: the request, as "POST http://host/path".

    Example:
        >>> error = WaitTimeout("first", 60, "POST http://127.0.0.1:11434/api/chat")
        >>> error.phase, error.seconds, isinstance(error, TimeoutError)
        ('first', 60, True)
    """

    def __init__(self, phase: str, seconds: float, tried: str) -> None:
        # One text: of two arguments and more, an OSError would make an errno, a strerror and a filename.
        super().__init__(
            f"{tried}: {_WAITED_FOR[phase]} {seconds:g} s; "
            f"allow more with timeout=Timeout({phase}=...), or None for no limit"
        )
        self.phase = phase
        self.seconds = seconds
        self.tried = tried


_WAITED_FOR = {
    "connect": "no connection within",
    "first": "no first byte of a reply (loading a model can take minutes) within",
    "idle": "no further byte of the reply for",
    "total": "the reply was not complete within",
}


class ConnectTimeout(WaitTimeout):
    """No connection within `Timeout.connect` seconds.

    Example:
        >>> print(ConnectTimeout("connect", 10, "POST http://192.0.2.1:11434/api/chat"))
        POST http://192.0.2.1:11434/api/chat: no connection within 10 s; allow more with timeout=Timeout(connect=...), ...
    """


class FirstTimeout(WaitTimeout):
    """No first byte of a reply within `Timeout.first` seconds after the request was sent.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama, silence
        >>> with MockOllama() as server, Client(server.url, timeout=0.05) as client:
        ...     server.script([silence()], path="/api/ps")
        ...     client.ps()
        Traceback (most recent call last):
        ...
        ollama_sync.errors.FirstTimeout: GET http://.../api/ps: no first byte of a reply ... within 0.05 s; ...
    """


class IdleTimeout(WaitTimeout):
    """No further byte of a reply that had begun for `Timeout.idle` seconds.

    Example:
        >>> from ollama_sync import Client, Timeout
        >>> from ollama_sync.testing import MockOllama, chunk, head, silence
        >>> with MockOllama() as server, Client(server.url, timeout=Timeout(idle=0.05)) as client:
        ...     server.script([head(), chunk({"status": "pulling"}), silence()], path="/api/pull")
        ...     client.pull("llama3.2")
        Traceback (most recent call last):
        ...
        ollama_sync.errors.IdleTimeout: POST http://.../api/pull: no further byte of the reply for 0.05 s; ...
    """


class TotalTimeout(WaitTimeout):
    """The reply was not complete `Timeout.total` seconds after the call.

    Example:
        >>> print(TotalTimeout("total", 30, "POST http://127.0.0.1:11434/api/generate"))
        POST http://127.0.0.1:11434/api/generate: the reply was not complete within 30 s; ...
    """
