"""The root of the tree, and the one error that is nobody's fault but ours. Any thread."""

from __future__ import annotations

from typing import Any


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
        >>> from ollama_sync import ConnectError
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


class HubError(OllamaError):
    """The hub cannot serve: the interpreter is exiting, a wait from the hub itself, or a bug of the SDK.

    Example:
        >>> from ollama_sync import UsageError
        >>> issubclass(HubError, UsageError)  # the calling program is not at fault
        False
    """
