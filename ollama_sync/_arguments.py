"""From a caller's arguments to the JSON body of a request.

What can be known to be wrong is said here, before anything is sent: the argument, what was given, what is accepted. What
only the server can judge (a model's name, an unknown option) passes.

Pure, but for images given as paths, which are read. Runs on the caller's thread.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from ollama_sync._wire import dumps
from ollama_sync.errors import RequestError
from ollama_sync.types import Image, View, unwrap

JSON = dict[str, Any]

# Characters; no file system takes a longer path.
_LONGEST_NAME = 4096

_BYTES = (bytes, bytearray, memoryview)

_NUMBER_OPTIONS = frozenset(
    {
        "draft_num_predict",
        "frequency_penalty",
        "main_gpu",
        "min_p",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_predict",
        "num_thread",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
    }
)


def body(**fields: object) -> bytes:
    """Return a JSON object of the fields that are not None.

    Raises:
        RequestError: a value has no JSON form.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return dumps(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"{_culprit(given)} has no JSON form: {error}") from error


def _culprit(fields: JSON) -> str:
    """Name the argument that cannot be encoded."""
    names = (name for name, value in fields.items() if not _is_json(value))
    return f"{next(names, 'the request')}=, or something in it,"


def _is_json(value: object) -> bool:
    try:
        dumps(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def of_client(max_buffered: object, **secret: object) -> None:
    """Check what a client is made of.

    Args:
        max_buffered: bytes.
        secret: `headers`, a mapping, and what is text. Of these the message has only the type.

    Raises:
        RequestError: one of them has the wrong type.
    """
    if not _is_whole(max_buffered) or max_buffered < 1:
        raise RequestError(f"max_buffered={_short(max_buffered)}: bytes, 1 or more")
    for name, value in secret.items():
        kind, accepted = (Mapping, "a mapping") if name == "headers" else (str, "a str")
        if value is not None and not isinstance(value, kind):
            raise RequestError(f"{name} of type {type(value).__name__}: {accepted}, or None")


def model_name(model: object) -> str:
    """Return the name of a model.

    Raises:
        RequestError: it is no text, or empty.
    """
    if not isinstance(model, str):
        raise RequestError(f"model={_short(model)}: the name of a model, a str, as 'llama3.2'")
    if not model.strip():
        raise RequestError(f"model={_short(model)}: the name of a model is needed, as 'llama3.2'")
    return model


def text(name: str, value: object) -> str | None:
    """Return an optional text.

    Raises:
        RequestError: it is something else.
    """
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{name}={_short(value)}: a str, or None")
    return value


def flag(name: str, value: object) -> bool | None:
    """Return an optional truth value.

    Raises:
        RequestError: it is something else.
    """
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{name}={_short(value)}: True or False, or None")
    return value


def stream(value: object) -> bool:
    """Return whether the reply is to stream. Never None: then the server would stream, and the caller not expect it.

    Raises:
        RequestError: it is no truth value.
    """
    if not isinstance(value, bool):
        raise RequestError(f"stream={_short(value)}: True or False")
    return value


def whole(name: str, value: object) -> int | None:
    """Return an optional whole number.

    Raises:
        RequestError: it is something else.
    """
    if value is None or _is_whole(value):
        return value
    raise RequestError(f"{name}={_short(value)}: a whole number, or None")


def context(given: object) -> list[int] | None:
    """Return the tokens of an earlier reply.

    Raises:
        RequestError: it is no sequence of whole numbers.
    """
    if given is None:
        return None
    plain = _plain("context", given)
    if not isinstance(plain, list) or not all(_is_whole(token) for token in plain):
        raise RequestError(f"context={_short(given)}: the `context` of an earlier reply")
    return plain


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def messages(given: object) -> list[JSON]:
    """Return the messages of a chat as JSON objects. Fields that are None are left out, empty texts stay.

    Raises:
        RequestError: it is no sequence, or one of them is no message.
    """
    if given is None:
        return []
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise RequestError(
            f"messages={_short(given)}: a list of messages, as [{{'role': 'user', 'content': 'hi'}}]"
        )
    return [_message(number, message) for number, message in enumerate(given)]


def _message(number: int, given: object) -> JSON:
    where = f"messages[{number}]"
    plain = _plain(where, given)
    if not isinstance(plain, dict):
        raise RequestError(f"{where}={_short(given)}: a dict or a Message")
    message = {name: value for name, value in plain.items() if value is not None}
    if not isinstance(message.get("role"), str):
        raise RequestError(
            f"{where}: 'role' is needed, a str: 'system', 'user', 'assistant' or 'tool'"
        )
    if not isinstance(message.get("content", ""), str):
        raise RequestError(f"{where}: content={_short(message['content'])}: a str")
    if "images" in message:
        message["images"] = images(f"{where}: images", message["images"])
    return message


def images(name: str, given: object) -> list[str] | None:
    """Return images in base64.

    Raises:
        RequestError: one of them is no image that can be sent, or its file cannot be read.
    """
    if given is None:
        return None
    if isinstance(given, (str, *_BYTES)) or not isinstance(given, Sequence):
        raise RequestError(f"{name}={_short(given)}: a list of images")
    return [_image(f"{name}[{number}]", image) for number, image in enumerate(given)]


def _image(where: str, given: object) -> str:
    value = given.value if isinstance(given, Image) else given
    if isinstance(value, Path):
        try:
            value = value.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a NUL in its name
            raise RequestError(f"{where}: {str(value)!r} cannot be read: {error}") from error
    if isinstance(value, _BYTES):
        # By way of bytes: a memoryview may have gaps.
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, str):
        return _base64(where, value)
    raise RequestError(f"{where}={_short(value)}: a Path, bytes, or a str in base64")


def _base64(where: str, value: str) -> str:
    # Never read as the name of a file: a text from a web form could then have us send any file.
    refusal = (
        f"{where}={_short(value)}: a str must be base64; wrap the name of a file in pathlib.Path"
    )
    if len(value) < _LONGEST_NAME and os.path.isfile(value):
        raise RequestError(refusal)
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError as error:
        raise RequestError(refusal) from error
    return value


def options(given: object) -> JSON | None:
    """Return a model's options. Names that are not known pass: the server may be newer.

    Raises:
        RequestError: it is no mapping, or a known option has a value of the wrong type.
    """
    if given is None:
        return None
    plain = _plain("options", given)
    if not isinstance(plain, dict):
        raise RequestError(f"options={_short(given)}: a dict or Options")
    for name, value in plain.items():
        accepted = _accepted(name, value)
        if accepted is not None:
            raise RequestError(f"options[{name!r}]={_short(value)}: {accepted}")
    return {name: value for name, value in plain.items() if value is not None}


def _accepted(name: object, value: object) -> str | None:
    """Return what an option accepts, if it does not accept `value`. The server would refuse it with a 500."""
    if not isinstance(name, str):
        return "the name of an option is a str"
    if value is None:
        return None
    if name in _NUMBER_OPTIONS and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return "a number"
    if name == "use_mmap" and not isinstance(value, bool):
        return "True or False"
    if name == "stop" and not (isinstance(value, list) and all(isinstance(s, str) for s in value)):
        return "a list of str"
    return None


def tools(given: object) -> list[JSON]:
    """Return the tools of a chat as JSON objects. One without a type is a function: there is no other.

    Raises:
        RequestError: it is no sequence, or one of them is no tool.
    """
    if given is None:
        return []
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise RequestError(f"tools={_short(given)}: a list of tools, dicts or Tool")
    plain = [_plain(f"tools[{number}]", tool) for number, tool in enumerate(given)]
    for number, tool in enumerate(plain):
        if not isinstance(tool, dict):
            raise RequestError(f"tools[{number}]={_short(tool)}: a dict or a Tool")
    return [{"type": "function", **tool} for tool in plain]


def reply_format(given: object) -> str | JSON | None:
    """Return the format of a structured reply.

    Raises:
        RequestError: it is neither 'json' nor a JSON schema.
    """
    plain = _plain("format", given)
    if plain is None or plain in ("", "json") or isinstance(plain, dict):
        return plain  # type: ignore[no-any-return]  # just narrowed, by values
    raise RequestError(f"format={_short(given)}: 'json', or a JSON schema as a dict")


def think(given: object) -> bool | str | None:
    """Return whether, or how hard, to think. The levels are the model's own, so any name passes.

    Raises:
        RequestError: it is neither a truth value nor a str.
    """
    if given is None or isinstance(given, (bool, str)):
        return given
    raise RequestError(f"think={_short(given)}: True, False, or a level as 'high'")


def keep_alive(given: object) -> float | str | None:
    """Return how long the model stays loaded: seconds, or a duration as "5m".

    Raises:
        RequestError: it is neither a number nor a str.
    """
    if given is None or (isinstance(given, (int, float, str)) and not isinstance(given, bool)):
        return given
    raise RequestError(
        f"keep_alive={_short(given)}: seconds, or a duration as '5m'; -1 for ever, 0 to unload"
    )


def _plain(name: str, given: object) -> Any:
    """Return plain JSON values: of views, and of the official package's models, which programs may still hold."""
    dump = getattr(given, "model_dump", None)
    # A class has the method as well, but nothing to dump: the checks that follow refuse it.
    if callable(dump) and not isinstance(given, (View, type)):
        return dump(exclude_none=True, by_alias=True)
    try:
        return unwrap(given)
    except RecursionError as error:
        raise RequestError(
            f"{name}={_short(given)}: holds itself, or goes too deep, for JSON"
        ) from error


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
