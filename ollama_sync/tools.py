"""Tools: from a Python function to the schema that a model reads, and from the model's arguments to a call.

Runs on any thread; `call_tool` runs the function on the thread that calls it. No I/O of its own, no clock. msgspec alone
decides about types. What the server drops of a schema (defaults, limits, references) is written out or put into words.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_origin, get_type_hints

import msgspec

from ollama_sync._schema.json_schema import JSON, of_json, schemas_of, type_name
from ollama_sync._schema.tool_schema import for_server, has_members, with_texts
from ollama_sync.errors import RequestError
from ollama_sync.types import Tool, unwrap

__all__ = ["call_tool", "tool_result_text", "tool_schema"]

_ACCEPTED = (
    "a function, a bound method, a functools.partial, an object that can be called, "
    "a dataclass, a TypedDict or a msgspec Struct"
)


def tool_schema(thing: Any) -> Tool:
    """Describe a function, or a class of plain data, as a tool that a model may call.

    Names and types come from the signature, texts from the docstring (Google, NumPy or reST), from `Annotated[int, "text"]`
    or from `Annotated[int, msgspec.Meta(description="text")]`. A parameter is required unless it has a default. Defaults and
    limits, which the server drops, are added to the description. `self`, `*args`, `**kwargs` and what a partial has bound are
    left out. A parameter without a type is a string. Any thread; never blocks.

    Args:
        thing: a function, a bound method, a functools.partial, an object that can be called, a dataclass, a TypedDict or a
            msgspec Struct.

    Returns:
        The tool; its `to_dict()` is what is sent.

    Raises:
        RequestError: it has no name or no signature, or one of its types has no JSON schema.

    Example:
        >>> def weather(city: str, days: int = 1) -> str:
        ...     '''Forecast the weather.
        ...
        ...     Args:
        ...         city: Name of the city.
        ...         days: How far to look ahead.
        ...     '''
        ...     return f"Sun in {city}"
        >>> parameters = tool_schema(weather).function.parameters
        >>> parameters["required"], parameters["properties"]["days"].to_dict()
        (['city'], {'type': 'integer', 'description': 'How far to look ahead. (default: 1)'})
    """
    if _is_data(thing):
        name = thing.__name__
        schemas, definitions = schemas_of({"": thing}, name)
        schema, hints = {**schemas[""], "$defs": definitions}, {"": thing}
    else:
        name = _name(thing)
        schema, hints = _of_function(thing, name)
    schema = for_server(with_texts(schema, hints), name)
    function: JSON = {"name": name}
    if "description" in schema:
        function["description"] = schema.pop("description")
    function["parameters"] = schema
    return Tool.view({"type": "function", "function": function})


def call_tool(function: Any, arguments: Mapping[str, Any] | str | None) -> Any:
    """Call a tool with the arguments that a model chose, once they fit its signature.

    Arguments become what the signature says: "3" an int, an object a dataclass, a text a datetime. Those of parameters
    without a type are handed over as they are. The call runs on this thread and blocks as long as the function does; what
    the function itself raises is not caught.

    Args:
        function: what was given to `tool_schema`. Of a class, an instance is made (of a TypedDict, a dict).
        arguments: values by name, as in `call.function.arguments`: a mapping, or its JSON, as some models write it; None for none.

    Returns:
        What the function returns.

    Raises:
        RequestError: an argument is missing, unknown or of the wrong type. The text names all that is wrong; sent back to
            the model as the tool's result, it lets the model try again.

    Example:
        >>> def double(n: int) -> int:
        ...     return 2 * n
        >>> call_tool(double, {"n": "21"})
        42
        >>> call_tool(double, {"n": "many"})
        Traceback (most recent call last):
        ...
        ollama_sync.errors.RequestError: double: n: Expected `int`, got `str`
    """
    arguments = _read(arguments)
    if not isinstance(arguments, Mapping):
        raise RequestError(
            f"arguments={arguments!r}: a mapping of arguments by name, as {{'city': 'Paris'}}"
        )
    if _is_data(function):
        try:
            return msgspec.convert(arguments, function, strict=False, dec_hook=of_json)
        except (msgspec.ValidationError, TypeError) as error:
            raise RequestError(f"{function.__name__}: {error}") from error
    check_blocks(function)
    name = _name(function)
    signature = _signature(function, name)
    chosen = _parameters(function, signature)
    values, wrong = _converted(chosen, _hints(function, chosen, name), arguments)
    if wrong:
        raise RequestError(f"{name}: {'; '.join(wrong)}")
    bound = signature.bind_partial()
    bound.arguments.update(values)
    missing = _unbound_self(signature, chosen)
    if missing:
        raise RequestError(f"{name}: a method without its {missing}; give the method of an object")
    bound.apply_defaults()  # so that a positional one after an absent one keeps its place
    return function(*bound.args, **bound.kwargs)


def check_blocks(function: Any) -> None:
    """Refuse a function whose call does not give its result: an async one, or a generator.

    Raises:
        RequestError: it is one.

    Example:
        >>> async def weather(city: str) -> str: ...
        >>> check_blocks(weather)
        Traceback (most recent call last):
        ...
        ollama_sync.errors.RequestError: weather: an async function; a tool that blocks and returns its result is needed
    """
    python = _python_function(function)
    kinds = {
        "an async function": inspect.iscoroutinefunction,
        "an async generator": inspect.isasyncgenfunction,
        "a generator": inspect.isgeneratorfunction,
    }
    for kind, is_kind in kinds.items():
        if is_kind(python):
            raise RequestError(
                f"{_name(function)}: {kind}; a tool that blocks and returns its result is needed"
            )


def _read(arguments: Any) -> Any:
    """Return the arguments that a model wrote as JSON, or left out; any others as they are."""
    if isinstance(arguments, str):
        try:
            return json.loads(arguments)
        except ValueError:
            return arguments
    return {} if arguments is None else arguments


def tool_result_text(value: Any) -> str:
    """Write what a tool returned as the text of a message to the model.

    Args:
        value: anything.

    Returns:
        A str as it is; what JSON can hold as JSON (dataclasses, Structs, datetimes and views of replies too); else `str(value)`.

    Example:
        >>> tool_result_text("sunny"), tool_result_text({"degrees": [20, 21.5]}), tool_result_text(2 + 1j)
        ('sunny', '{"degrees":[20,21.5]}', '(2+1j)')
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value, enc_hook=_plain).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, NotImplementedError):
        return str(value)


def _plain(value: Any) -> Any:
    """Give msgspec the JSON object behind a view."""
    plain = unwrap(value)
    if plain is value:
        raise NotImplementedError(f"{type_name(type(value))} has no JSON form")
    return plain


def _is_data(thing: Any) -> bool:
    """Tell a class of plain data from a function.

    Raises:
        RequestError: it is another class.
    """
    kind = get_origin(thing) or thing  # of Box[int], Box
    if not isinstance(kind, type):
        return False
    if has_members(kind):
        return True
    raise RequestError(f"{type_name(thing)}: a class without a schema; accepted are {_ACCEPTED}")


def _name(thing: Any) -> str:
    """Return what the model calls a function by.

    Raises:
        RequestError: it has no name, or is no function.
    """
    inner = thing.func if isinstance(thing, functools.partial) else thing
    if not callable(inner):
        raise RequestError(f"{thing!r}: no tool; accepted are {_ACCEPTED}")
    name = getattr(inner, "__name__", None) or type(inner).__name__
    if name == "<lambda>":
        raise RequestError(
            f"{thing!r}: a lambda has no name for the model to call it by; use def, or set its __name__"
        )
    return str(name)


def _python_function(thing: Any) -> Any:
    """Return the function in whose module the annotations of `thing` were written."""
    thing = inspect.unwrap(thing)
    while isinstance(thing, functools.partial):
        thing = inspect.unwrap(thing.func)
    if not inspect.isroutine(thing):
        thing = type(thing).__call__
    return inspect.unwrap(getattr(thing, "__func__", thing))


def _signature(thing: Any, name: str) -> inspect.Signature:
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError, NameError) as error:
        raise RequestError(
            f"{name}: its signature cannot be read ({error}); wrap it in a function with annotations"
        ) from error


def _parameters(thing: Any, signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """Return the parameters that a model chooses."""
    chosen = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    if isinstance(thing, functools.partial):
        for name in thing.keywords:  # what the program has fixed is not the model's to choose
            chosen.pop(name, None)
    first = next(iter(chosen), "")
    if first in ("self", "cls") and chosen[first].annotation is inspect.Parameter.empty:
        del chosen[first]
    return chosen


def _unbound_self(
    signature: inspect.Signature, chosen: Mapping[str, inspect.Parameter]
) -> str | None:
    """Return the name of the object that a method lacks, when it was taken from its class."""
    first = next(iter(signature.parameters), None)
    return first if first in ("self", "cls") and first not in chosen else None


def _hints(thing: Any, chosen: Mapping[str, inspect.Parameter], name: str) -> dict[str, Any]:
    """Return the types of the parameters that have one. Annotations that are text are evaluated.

    Only of these: what a function returns may be known to type checkers alone.
    """
    written = {
        key: parameter.annotation
        for key, parameter in chosen.items()
        if parameter.annotation is not inspect.Parameter.empty
    }
    scope = getattr(_python_function(thing), "__globals__", {})
    try:
        return get_type_hints(
            types.SimpleNamespace(__annotations__=written), scope, include_extras=True
        )
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise RequestError(
            f"{name}: its annotations cannot be evaluated ({error}); the types must be known in its module"
        ) from error


def _of_function(thing: Any, name: str) -> tuple[JSON, dict[str, Any]]:
    """Return a function's parameters as the schema of an object, and their types."""
    chosen = _parameters(thing, _signature(thing, name))
    hints = _hints(thing, chosen, name)
    known, definitions = schemas_of(hints, name)
    properties = {key: dict(known.get(key, {"type": "string"})) for key in chosen}
    required = []
    for key, parameter in chosen.items():
        if parameter.default is inspect.Parameter.empty:
            required.append(key)
        else:
            _add_default(properties[key], parameter.default)
    schema: JSON = {"type": "object", "properties": properties, "required": required}
    text = _docstring(thing)
    if text:
        schema["description"] = text
    return {**schema, "$defs": definitions}, hints


def _docstring(thing: Any) -> str | None:
    function = thing.func if isinstance(thing, functools.partial) else thing
    if inspect.isroutine(function):
        return inspect.getdoc(function)
    # Not by `getdoc` at first: where there is no text it gives that of `type.__call__`.
    own = type(function).__call__.__doc__
    return inspect.cleandoc(own) if own else inspect.getdoc(function)


def _add_default(schema: JSON, default: Any) -> None:
    try:
        schema["default"] = msgspec.to_builtins(default)
    except (TypeError, ValueError, RecursionError):
        pass  # one that has no JSON form, as a sentinel, would tell the model nothing


def _converted(
    chosen: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments in the types of the signature, and all that is wrong with them."""
    values: dict[str, Any] = {}
    wrong = [
        f"{key!r} is no parameter; there are: {', '.join(chosen) or 'none'}"
        for key in arguments
        if key not in chosen
    ]
    for key, parameter in chosen.items():
        if key not in arguments:
            if parameter.default is inspect.Parameter.empty:
                wrong.append(f"{key} is missing")
        elif key not in hints or (arguments[key] is None and parameter.default is None):
            # Null means the default, also where the type does not say so: `x: int = None`.
            values[key] = arguments[key]
        else:
            try:
                values[key] = msgspec.convert(
                    arguments[key], hints[key], strict=False, dec_hook=of_json
                )
            except (msgspec.ValidationError, TypeError, ValueError) as error:
                wrong.append(f"{key}: {error}")
    return values, wrong
