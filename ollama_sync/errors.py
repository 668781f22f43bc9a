"""Every error that the SDK raises, as one tree.

    OllamaError
    ├── ResponseError                the server answered, and said no
    ├── ConnectError                 no connection: nothing listens, name unknown, TLS refused  (also ConnectionError)
    ├── WaitTimeout                  a clock ran out                                            (also TimeoutError)
    │   ├── ConnectTimeout           before there was a connection
    │   ├── FirstTimeout             before the first byte of the reply
    │   ├── IdleTimeout              between two bytes of the reply
    │   └── TotalTimeout             before the end of the reply
    ├── StreamBroken                 the reply began and did not end as it should; `.partial` has what arrived
    │   └── ErrorLine                the server reported an error in mid-stream                 (also ResponseError)
    ├── FormatError                  the reply does not fit the type asked for by `format=`         (also ValueError)
    ├── StreamsFailed                some of the streams given to `merge` failed
    ├── UsageError                   the program that calls is at fault
    │   ├── RequestError             a wrong argument                                           (also ValueError)
    │   ├── ClosedError              the client or the stream was closed
    │   ├── ConcurrentUseError       a second consumer for one stream
    │   └── ForkedError              a stream of the parent process used in a forked child
    └── HubError                     the hub cannot serve: the interpreter exits, or a bug of the SDK

Runs on any thread. May not import anything of the package. Each error keeps its facts as attributes, builds its text
from them, and can be pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

__all__ = [
    "ClosedError",
    "ConcurrentUseError",
    "ConnectError",
    "ConnectTimeout",
    "ErrorLine",
    "FirstTimeout",
    "ForkedError",
    "FormatError",
    "HubError",
    "IdleTimeout",
    "OllamaError",
    "RequestError",
    "ResponseError",
    "StreamBroken",
    "StreamsFailed",
    "TotalTimeout",
    "UsageError",
    "WaitTimeout",
]


def _rebuild(
    cls: type[OllamaError], args: tuple[object, ...], state: dict[str, Any]
) -> OllamaError:
    """Make an unpickled error without calling its `__init__`, whose parameters differ by class."""
    error = cls.__new__(cls, *args)
    error.args = args  # an OSError whose class has an `__init__` leaves that to it
    error.__dict__.update(state)
    return error


class OllamaError(Exception):
    """Base of every error of the SDK.

    The error of a call has in `attempts` how often it was tried, and in `elapsed` how many seconds it all took.

    Args:
        message: what was tried, what happened, what to do.

    Example:
        >>> issubclass(ConnectError, OllamaError), issubclass(ConnectError, ConnectionError)
        (True, True)
    """

    attempts = 1
    elapsed: float | None = None

    def __str__(self) -> str:
        return super().__str__() + self._tries()

    def _tries(self) -> str:
        return f" ({self.attempts} attempts in {self.elapsed:.1f} s)" if self.attempts > 1 else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class ResponseError(OllamaError):
    """The server answered with something other than success.

    Args:
        error: the server's own text (the `error` member of its JSON, or else the raw text).
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


class StreamsFailed(OllamaError):
    """Some of the streams given to `merge` failed; the others were delivered whole.

    Args:
        errors: the error of each stream that failed, in the order of failing.

    Example:
        >>> print(StreamsFailed([ErrorLine("out of memory"), ConnectError("refused")]))
        2 of the merged streams failed; the first: ErrorLine: out of memory
    """

    def __init__(self, errors: Sequence[BaseException]) -> None:
        super().__init__(*errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        first = self.errors[0]
        return f"{len(self.errors)} of the merged streams failed; the first: {type(first).__name__}: {first}"


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


class HubError(OllamaError):
    """The hub cannot serve: the interpreter is exiting, a wait from the hub itself, or a bug of the SDK.

    Example:
        >>> issubclass(HubError, UsageError)  # the calling program is not at fault
        False
    """
