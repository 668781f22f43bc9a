"""The arguments that are values: names, texts, numbers, options, formats; and the body they become.

Pure; runs on the caller's thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, get_origin

from ollama_sync._client.arguments.near import warn_of_near
from ollama_sync._wire import dumps
from ollama_sync.errors import RequestError
from ollama_sync.types import Options, View, unwrap

JSON = dict[str, Any]

_OPTION_NAMES = frozenset(Options.__annotations__)

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
        raise RequestError(f"max_buffered={short(max_buffered)}: bytes, 1 or more")
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
        raise RequestError(f"model={short(model)}: the name of a model, a str, as 'llama3.2'")
    if not model.strip():
        raise RequestError(f"model={short(model)}: the name of a model is needed, as 'llama3.2'")
    return model


def required(name: str, value: object) -> str:
    """Return a text that must be given.

    Raises:
        RequestError: it is no text, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f"{name}={short(value)}: a str that is not empty")
    return value


def mapping(name: str, value: object) -> JSON | None:
    """Return an optional object with str keys.

    Raises:
        RequestError: it is something else.
    """
    if value is None:
        return None
    plain = to_plain(name, value)
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise RequestError(f"{name}={short(value)}: a dict with str keys")
    return plain


def texts(name: str, value: object) -> str | list[str] | None:
    """Return an optional text, or list of texts.

    Raises:
        RequestError: it is something else.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Sequence):
        raise RequestError(f"{name}={short(value)}: a str, or a list of str")
    if not all(isinstance(one, str) for one in value):
        raise RequestError(f"{name}={short(value)}: each item a str")
    return [*value]


def refusal(name: str, value: object, accepted: str) -> RequestError:
    """Return the error for a wrong argument: which, what was given, what is accepted."""
    return RequestError(f"{name}={short(value)}: {accepted}")


def state(given: object) -> object:
    """Return the state that questions are about.

    Raises:
        RequestError: it is no text, object or list, or a blank text.
    """
    plain = to_plain("state", given)
    if (isinstance(plain, str) and plain.strip()) or isinstance(plain, (dict, list)):
        return plain
    raise RequestError(f"state={short(given)}: a str that is not blank, a dict or a list")


def text(name: str, value: object) -> str | None:
    """Return an optional text.

    Raises:
        RequestError: it is something else.
    """
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{name}={short(value)}: a str, or None")
    return value


def flag(name: str, value: object) -> bool | None:
    """Return an optional truth value.

    Raises:
        RequestError: it is something else.
    """
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{name}={short(value)}: True or False, or None")
    return value


def stream(value: object) -> bool:
    """Return whether the reply is to stream. Never None: then the server would stream, and the caller not expect it.

    Raises:
        RequestError: it is no truth value.
    """
    if not isinstance(value, bool):
        raise RequestError(f"stream={short(value)}: True or False")
    return value


def whole(name: str, value: object) -> int | None:
    """Return an optional whole number.

    Raises:
        RequestError: it is something else.
    """
    if value is None or _is_whole(value):
        return value
    raise RequestError(f"{name}={short(value)}: a whole number, or None")


def context(given: object) -> list[int] | None:
    """Return the tokens of an earlier reply.

    Raises:
        RequestError: it is no sequence of whole numbers.
    """
    if given is None:
        return None
    plain = to_plain("context", given)
    if not isinstance(plain, list) or not all(_is_whole(token) for token in plain):
        raise RequestError(f"context={short(given)}: the `context` of an earlier reply")
    return plain


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def options(given: object, argument: str = "options") -> JSON | None:
    """Return a model's options. Names that are not known pass: the server may be newer.

    Raises:
        RequestError: it is no mapping, or a known option has a value of the wrong type.
    """
    if given is None:
        return None
    plain = to_plain(argument, given)
    if not isinstance(plain, dict):
        raise RequestError(f"{argument}={short(given)}: a dict or Options")
    warn_of_near(argument, plain, _OPTION_NAMES)
    for name, value in plain.items():
        accepted = _accepted(name, value)
        if accepted is not None:
            raise RequestError(f"{argument}[{name!r}]={short(value)}: {accepted}")
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
    """Return the tools of a chat as JSON objects. Functions and classes of data are described by their signatures.

    Raises:
        RequestError: it is no sequence, or one of them is no tool.
    """
    if given is None:
        return []
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Sequence):
        raise RequestError(f"tools={short(given)}: a list of tools: functions, dicts or Tool")
    return [_tool(number, tool) for number, tool in enumerate(given)]


def _tool(number: int, given: object) -> JSON:
    if callable(given):
        # Here and not above: what it needs costs as much to import as all the rest.
        from ollama_sync.tools import tool_schema

        return tool_schema(given).to_dict()
    plain = to_plain(f"tools[{number}]", given)
    if not isinstance(plain, dict):
        raise RequestError(f"tools[{number}]={short(given)}: a function, a dict or a Tool")
    return {"type": "function", **plain}


def reply_format(given: object) -> str | JSON | None:
    """Return the format of a structured reply: a type becomes its JSON schema.

    Raises:
        RequestError: it is neither 'json', nor a JSON schema, nor a type that has one.
    """
    if answer_type(given) is not None:
        from ollama_sync._schema.structured import schema_for  # here, as in `_tool`

        return schema_for(given)
    plain = to_plain("format", given)
    if plain is None or plain in ("", "json") or isinstance(plain, dict):
        return plain  # type: ignore[no-any-return]  # just narrowed, by values
    raise RequestError(
        f"format={short(given)}: 'json', a JSON schema as a dict, or a type: a dataclass, TypedDict, msgspec "
        "Struct, pydantic model, or one as list[int]"
    )


def answer_type(given: object) -> Any:
    """Return the type that an answer is to be made into: `format`, if that is a type; else None."""
    is_type = isinstance(given, type) or get_origin(given) is not None
    return given if is_type else None


def think(given: object) -> bool | str | None:
    """Return whether, or how hard, to think. The levels are the model's own, so any name passes.

    Raises:
        RequestError: it is neither a truth value nor a str.
    """
    if given is None or isinstance(given, (bool, str)):
        return given
    raise RequestError(f"think={short(given)}: True, False, or a level as 'high'")


def keep_alive(given: object) -> float | str | None:
    """Return how long the model stays loaded: seconds, or a duration as "5m".

    Raises:
        RequestError: it is neither a number nor a str.
    """
    if isinstance(given, str):
        try:
            seconds = float(given)
        except ValueError:
            return given
        # As an environment or a form has them: in a text the server wants a unit.
        return seconds if math.isfinite(seconds) else given
    if given is None or (isinstance(given, (int, float)) and not isinstance(given, bool)):
        return given
    raise RequestError(
        f"keep_alive={short(given)}: seconds, or a duration as '5m'; -1 for ever, 0 to unload"
    )


def to_plain(name: str, given: object) -> Any:
    """Return plain JSON values: of views, and of the official package's models, which programs may still hold."""
    dump = getattr(given, "model_dump", None)
    # A class has the method as well, but nothing to dump: the checks that follow refuse it.
    if callable(dump) and not isinstance(given, (View, type)):
        return dump(exclude_none=True, by_alias=True)
    try:
        return unwrap(given)
    except RecursionError as error:
        raise RequestError(
            f"{name}={short(given)}: holds itself, or goes too deep, for JSON"
        ) from error


def short(value: object) -> str:
    """Return how a value is shown in an error: its repr, cut."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
