"""What a browser is told of an error: a text, the type, and a status of HTTP.

Pure, on any thread. The texts of the SDK's own errors name the server's address, which is nobody's business outside: a browser gets
the words of the model's server, or else a plain sentence. The full text belongs into the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Flask

from ollama_sync.errors import (
    ConnectError,
    FleetBusy,
    FleetDown,
    OllamaError,
    ResponseError,
    StreamBroken,
    WaitTimeout,
)


class InvalidRequest(OllamaError):
    """What a browser sent is not what the view takes; the text says what is wrong with it. Status 400.

    Example:
        >>> error_reply(InvalidRequest("messages: a list"))[1]
        400
    """


class AnswerNotFound(OllamaError):
    """There is no such answer, or none of this owner: the difference is not told. Status 404.

    Example:
        >>> error_reply(AnswerNotFound("no such answer"))[1]
        404
    """


class AnswerTooLong(OllamaError):
    """An answer was stopped because it became longer than the app allows. Status 502.

    Example:
        >>> error_reply(AnswerTooLong("the answer became longer than 4194304 bytes"))[1]
        502
    """


class AnswerLost(OllamaError):
    """The process that made an answer has ended, or its store has lost it. Status 502.

    Example:
        >>> error_reply(AnswerLost("the process that made this answer has ended"))[1]
        502
    """


class StoreError(OllamaError):
    """The store of answers cannot be reached, or is full. Status 503.

    Example:
        >>> error_reply(StoreError("redis://10.0.0.7:6379: connection refused"))[0]["error"]
        'answers cannot be kept at the moment'
    """


class Told(NamedTuple):
    """What is said of an error outside of the process."""

    type: str
    message: str
    status: int


# Their texts are meant for the browser.
_OWN = {InvalidRequest: 400, AnswerNotFound: 404, AnswerTooLong: 502, AnswerLost: 502}

# What a browser cannot mend, but time may.
_RETRY_AFTER = {502: "5", 503: "5"}

# The first that fits. What is in none of them is a mistake of the program, or of the SDK.
_PLAIN = (
    (WaitTimeout, "the model's server did not answer in time", 504),
    (FleetBusy, "too many wait for a model at the moment", 503),
    (FleetDown, "no model's server can be reached at the moment", 503),
    (ConnectError, "the model's server cannot be reached", 502),
    (StreamBroken, "the answer broke off", 502),
    (StoreError, "answers cannot be kept at the moment", 503),
    (OllamaError, "the answer failed", 500),
)


def told(error: OllamaError) -> Told:
    """Return what may be said of `error`.

    Example:
        >>> told(ResponseError("model 'x' not found", 404))
        Told(type='ResponseError', message="model 'x' not found", status=404)
    """
    kind = type(error).__name__
    if isinstance(error, ResponseError):
        # -1: the server named no status in mid-stream. Its key, and who may use it, are this program's matter and not the browser's.
        is_passed_on = 400 <= error.status_code < 600 and error.status_code not in (401, 403, 407)
        return Told(kind, error.error, error.status_code if is_passed_on else 502)
    if type(error) in _OWN:
        return Told(kind, str(error), _OWN[type(error)])
    message, status = next((text, status) for of, text, status in _PLAIN if isinstance(error, of))
    return Told(kind, message, status)


def error_reply(error: OllamaError) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Return what a view answers when the call failed: JSON as Ollama's own errors, with the type; the status; and headers.

    The status is that of the model's server when it answered with one, but for 401, 403 and 407, which are about this program and become
    502; 502 when it cannot be reached or the answer broke off; 504 when a clock ran out; 500 otherwise. With 502 and 503 goes a
    `Retry-After`: that of the model's server, or 5 seconds. `Ollama(app)` has it handle every `OllamaError` of the app's views, unless
    the app has a handler of its own.

    Args:
        error: what was raised.

    Returns:
        `{"error": text, "type": name of the class, "status": status}`, the status, and the headers.

    Example:
        >>> from ollama_sync import ResponseError
        >>> error_reply(ResponseError("model 'x' not found", 404))
        ({'error': "model 'x' not found", 'type': 'ResponseError', 'status': 404}, 404, {})
    """
    kind, message, status = told(error)
    retry_after = _RETRY_AFTER.get(status)
    if retry_after is not None and isinstance(error, ResponseError):
        retry_after = error.headers.get("Retry-After", retry_after)
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return {"error": message, "type": kind, "status": status}, status, headers


def handle_errors(app: Flask) -> None:
    """Have `error_reply` answer for each `OllamaError` of the app's views, unless the app has said what does."""
    app.error_handler_spec[None][None].setdefault(OllamaError, error_reply)
