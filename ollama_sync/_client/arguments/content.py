"""The arguments that are content: messages, and images in and beside them.

Pure, but for images given as paths, which are read. Runs on the caller's thread.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ollama_sync._client.arguments.near import warn_of_near
from ollama_sync._client.arguments.values import JSON, short, to_plain
from ollama_sync.errors import RequestError
from ollama_sync.types import Image, Message

# Characters; no file system takes a longer path.
_LONGEST_NAME = 4096

_MESSAGE_NAMES = frozenset(Message.__annotations__)

# How a browser writes a file into a text.
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,")

_BYTES = (bytes, bytearray, memoryview)


def messages(given: object) -> list[JSON]:
    """Return the messages of a chat as JSON objects. Fields that are None are left out, empty texts stay.

    Raises:
        RequestError: it is no sequence, or one of them is no message.
    """
    if given is None:
        return []
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise RequestError(
            f"messages={short(given)}: a list of messages, as [{{'role': 'user', 'content': 'hi'}}]"
        )
    return [_message(number, message) for number, message in enumerate(given)]


def _message(number: int, given: object) -> JSON:
    where = f"messages[{number}]"
    plain = to_plain(where, given)
    if not isinstance(plain, dict):
        raise RequestError(f"{where}={short(given)}: a dict or a Message")
    warn_of_near(where, plain, _MESSAGE_NAMES)
    message = {name: value for name, value in plain.items() if value is not None}
    if not isinstance(message.get("role"), str):
        raise RequestError(
            f"{where}: 'role' is needed, a str: 'system', 'user', 'assistant' or 'tool'"
        )
    if not isinstance(message.get("content", ""), str):
        raise RequestError(f"{where}: content={short(message['content'])}: a str")
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
        raise RequestError(f"{name}={short(given)}: a list of images")
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
        url = _DATA_URL.match(value)
        return _base64(where, value[url.end() :] if url else value)
    if callable(getattr(value, "read", None)):
        return _image(where, _content_of(where, value))
    if callable(getattr(value, "save", None)) and hasattr(value, "format"):
        return _image(where, _encoded(where, value))
    raise RequestError(
        f"{where}={short(value)}: a Path, bytes, a binary file, a PIL image, or a str in base64 or a data: URL"
    )


def _content_of(where: str, file: Any) -> bytes:
    content = file.read()
    if not isinstance(content, bytes):
        raise RequestError(f"{where}={short(file)}: a file opened in binary mode")
    return content


def _encoded(where: str, picture: Any) -> bytes:
    """Return a PIL image as a file: in the format it was read from, or as PNG. PIL itself is not needed here."""
    buffer = io.BytesIO()
    try:
        picture.save(buffer, format=picture.format or "PNG")
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"{where}: the image cannot be encoded: {error}") from error
    return buffer.getvalue()


def _base64(where: str, value: str) -> str:
    # Never read as the name of a file: a text from a web form could then have us send any file.
    refusal = (
        f"{where}={short(value)}: a str must be base64; wrap the name of a file in pathlib.Path"
    )
    if len(value) < _LONGEST_NAME and os.path.isfile(value):
        raise RequestError(refusal)
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError as error:
        raise RequestError(refusal) from error
    return value
