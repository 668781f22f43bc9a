"""What a browser is told of an error: a text, the type, and a status of HTTP.

Pure, on any thread. The texts of the SDK's own errors name the server's address, which is nobody's business outside: a browser gets
the words of the model's server, or else a plain sentence. The full text belongs into the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ollama_sync.errors import ConnectError, OllamaError, ResponseError, StreamBroken, WaitTimeout


class Told(NamedTuple):
    """What is said of an error outside of the process."""

    type: str
    message: str
    status: int


# The first that fits. What is in none of them is a mistake of the program, or of the SDK.
_PLAIN = (
    (WaitTimeout, "the model's server did not answer in time", 504),
    (ConnectError, "the model's server cannot be reached", 502),
    (StreamBroken, "the answer broke off", 502),
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
        refused = 400 <= error.status_code < 600  # -1: the server named no status in mid-stream
        return Told(kind, error.error, error.status_code if refused else 502)
    message, status = next((text, status) for of, text, status in _PLAIN if isinstance(error, of))
    return Told(kind, message, status)


def error_reply(error: OllamaError) -> tuple[dict[str, Any], int]:
    """Return what a view answers when the call failed: JSON as Ollama's own errors, with the type, and the status.

    The status is that of the model's server when it answered with one; 502 when it cannot be reached or the answer broke off; 504 when a
    clock ran out; 500 otherwise. For all views at once: `app.register_error_handler(OllamaError, error_reply)`.

    Args:
        error: what was raised.

    Returns:
        `{"error": text, "type": name of the class, "status": status}`, and the status.

    Example:
        >>> from ollama_sync import ResponseError
        >>> error_reply(ResponseError("model 'x' not found", 404))
        ({'error': "model 'x' not found", 'type': 'ResponseError', 'status': 404}, 404)
    """
    kind, message, status = told(error)
    return {"error": message, "type": kind, "status": status}, status
