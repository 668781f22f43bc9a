"""What a browser may ask for: its JSON, checked against what the view allows, as the arguments of `chat`.

Runs in a view, on its thread. Reads the request and nothing else. No value that is not checked here may reach the model's server.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flask import Request

from ollama_sync import UsageError
from ollama_sync.flask._errors import InvalidRequest

_LONGEST = 60  # characters of a name that an error repeats
_DEEPEST = (
    100  # levels of lists and objects; a few hundred more and Python cannot read or write them
)


def _is_base64(value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list_of(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(check, value))


def _is_option(value: Any) -> bool:
    return isinstance(value, (str, int, float)) or _is_list_of(
        value, lambda item: isinstance(item, str)
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


# Each argument that a view may allow: whether a value is one, and what it should be.
_ARGUMENTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: value == "json" or _is_object(value), '"json", or a JSON schema'),
    "keep_alive": (lambda value: _is_number(value) or isinstance(value, str), "seconds or a text"),
    "logprobs": (lambda value: isinstance(value, bool), "true or false"),
    "options": (
        lambda value: _is_object(value) and all(map(_is_option, value.values())),
        "an object of numbers, texts, true, false and lists of texts",
    ),
    "think": (lambda value: isinstance(value, (bool, str)), "true, false or a level"),
    "tools": (lambda value: _is_list_of(value, _is_object), "a list of objects"),
    "top_logprobs": (lambda value: _is_number(value) and isinstance(value, int), "a whole number"),
}

# Each member that a message may have beside its role: what allows it (None: nothing need), whether a value is one, what it should be.
_MEMBERS: dict[str, tuple[str | None, Callable[[Any], bool], str]] = {
    "content": (None, lambda value: isinstance(value, str), "a text"),
    "images": ("images", lambda value: _is_list_of(value, _is_base64), "a list of base64 texts"),
    "tool_calls": ("tools", lambda value: _is_list_of(value, _is_object), "a list of objects"),
    "tool_name": ("tools", lambda value: isinstance(value, str), "a text"),
}

# Each role, and what allows it.
_ROLES = {"user": None, "assistant": None, "system": "system", "tool": "tools"}

_ALLOWABLE = {*_ARGUMENTS, "images", "system"}


def chat_arguments(
    asked: Request, *, allow: Iterable[str] = (), models: Collection[str] | None = None
) -> dict[str, Any]:
    """Return what a browser asked for as the arguments of `chat`; refuse what the view does not allow.

    The body is a JSON object with `model` and `messages`, of users and assistants, with `role` and `content`. All else has to be allowed by
    name, for it is the view's matter: options and pictures cost memory, a message of the system changes what the model is told to be.

    Args:
        asked: the request; `flask.request`.
        allow: what may come beside these: the arguments "format", "keep_alive", "logprobs", "options", "think", "tools" and
            "top_logprobs"; "options.seed" allows one option alone; "images" and "system" are for messages, and "tools" is for both.
        models: the names that may be asked for; None: any that the model's server has.

    Returns:
        arguments by name: `chat(**chat_arguments(request), stream=True)`.

    Raises:
        InvalidRequest: the body is something else; status 400, with the reason.
        UsageError: `allow` has a name that nothing here has.

    Example:
        >>> from flask import Flask, request
        >>> body = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}], "options": {"seed": 1}}
        >>> with Flask("example").test_request_context(json=body):
        ...     arguments = chat_arguments(request, allow=["options.seed"])
        >>> arguments["options"]
        {'seed': 1}
    """
    allowed = {allow} if isinstance(allow, str) else set(allow)
    options = {name.removeprefix("options.") for name in allowed if name.startswith("options.")}
    names = {"options" if name.startswith("options.") else name for name in allowed}
    if names - _ALLOWABLE:
        raise UsageError(f"allow={sorted(names - _ALLOWABLE)}: there are {sorted(_ALLOWABLE)}")
    body = _body(asked)
    if not isinstance(body, dict):
        raise InvalidRequest(
            "the request: a JSON object with model and messages, sent as application/json"
        )
    _check_names(body, {"model", "messages", *(names & _ARGUMENTS.keys())}, "the request")
    _check_model(body.get("model"), models)
    _check_messages(body.get("messages"), names)
    for name in body.keys() & _ARGUMENTS.keys():
        is_one, should = _ARGUMENTS[name]
        if body[name] is not None and not is_one(body[name]):
            raise InvalidRequest(f"{name}: {should}")
    if "options" not in allowed:
        _check_names(body.get("options") or {}, options, "options")
    return body


def _body(asked: Request) -> Any:
    """Return the JSON of a request, None where it has none. Only such a content type makes a browser ask before another site's page sends it."""
    try:
        body = asked.get_json(silent=True)
    except RecursionError as error:
        raise InvalidRequest(f"the request: nested at most {_DEEPEST} deep") from error
    _check_values(body, 0)
    return body


def _check_values(value: Any, depth: int) -> None:
    """Refuse what Python reads and JSON cannot say, or only to its own kind."""
    if depth > _DEEPEST:
        raise InvalidRequest(f"the request: nested at most {_DEEPEST} deep")
    if isinstance(value, dict):
        for name, member in value.items():
            _check_values(name, depth)
            _check_values(member, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_values(item, depth + 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidRequest("the request: a text that is no Unicode")
    elif isinstance(value, (int, float)) and not (math.isfinite(value) and abs(value) < 2**63):
        raise InvalidRequest("the request: a number that is too large, or none")


def _check_model(model: Any, models: Collection[str] | None) -> None:
    if not isinstance(model, str) or not model:
        raise InvalidRequest("model: the name of a model")
    if models is not None and model not in models:
        raise InvalidRequest(f"model: one of {', '.join(sorted(models))}")


def _check_messages(messages: Any, names: set[str]) -> None:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages: a list of at least one message")
    members = {name for name, (by, *_) in _MEMBERS.items() if by is None or by in names}
    roles = [role for role, by in _ROLES.items() if by is None or by in names]
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict):
            raise InvalidRequest(f"{where}: an object with role and content")
        _check_names(message, {"role", *members}, where)
        if message.get("role") not in roles:
            raise InvalidRequest(f"{where}.role: one of {', '.join(roles)}")
        if "content" not in message and "tool_calls" not in message:
            raise InvalidRequest(f"{where}.content: a text")
        for name in message.keys() & members:
            _, is_one, should = _MEMBERS[name]
            if not is_one(message[name]):
                raise InvalidRequest(f"{where}.{name}: {should}")


def _check_names(value: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(value.keys() - known)
    if unknown:
        takes = f"takes {', '.join(sorted(known))}" if known else "takes nothing"
        raise InvalidRequest(f"{where} {takes}, and no {unknown[0][:_LONGEST]!r}")
