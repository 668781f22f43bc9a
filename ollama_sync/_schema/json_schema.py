"""JSON schema of Python types by msgspec, with references written out.

What the server reads of a schema depends on where it stands: of a tool it drops `$ref` and `$defs`. So a schema is made whole
here, and `tools` and `_structured` each add what their place needs.

Pure; runs on any thread. May not import anything of the package but the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from ollama_sync.errors import RequestError

JSON = dict[str, Any]

_POINTER = "#/$defs/"

# The keywords whose value is a schema, a list of schemas, or schemas by name. All others hold values, which are left alone.
_SCHEMA = frozenset({"additionalProperties", "contains", "items", "not", "propertyNames"})
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"patternProperties", "properties"})


def schemas_of(hints: Mapping[str, Any], what: str) -> tuple[JSON, JSON]:
    """Return the schema of each of several types, and the definitions that these refer to.

    Args:
        hints: types by name.
        what: what they are the types of, for the error.

    Raises:
        RequestError: one of them has no JSON schema.
    """
    try:
        schemas, definitions = msgspec.json.schema_components(
            list(hints.values()), schema_hook=_pydantic_schema
        )
    except (TypeError, ValueError, NameError, RecursionError) as error:
        raise RequestError(_refusal(hints, what, error)) from error
    return dict(zip(hints, schemas, strict=True)), definitions


def _refusal(hints: Mapping[str, Any], what: str, error: Exception) -> str:
    """Name the type that has no schema."""
    text = str(error).replace("\n", " ").partition(" Generating JSON schema")[0]
    if "schema_hook" in text:  # msgspec's advice is for whoever calls msgspec
        text = f"{text.rpartition(' type ')[2]}, a class that says nothing about its JSON"
    culprit = next((name for name, hint in hints.items() if not _has_schema(hint)), None)
    where = f"{what}: {culprit}: {type_name(hints[culprit])}" if culprit else what
    return (
        f"{where} has no JSON schema ({text}); accepted are plain types (str, int, list[int], Literal, "
        f"int | None, …), enums, dataclasses, TypedDicts, msgspec Structs and pydantic models"
    )


def is_pydantic(kind: Any) -> bool:
    """Whether a type is a pydantic model, or has what makes it one here."""
    return isinstance(kind, type) and callable(getattr(kind, "model_json_schema", None))


def of_json(kind: Any, value: Any) -> Any:
    """Return a value as an object of a type that msgspec does not know: a pydantic model. For `msgspec.convert`.

    Raises:
        TypeError: the type is none, and the value is not of it.
        ValueError: the value does not fit.
    """
    if is_pydantic(kind):
        return kind.model_validate(value)
    if isinstance(value, kind):
        return value
    raise TypeError(f"Expected `{type_name(kind)}`, got `{type(value).__name__}`")


def _pydantic_schema(kind: Any) -> JSON:
    if not is_pydantic(kind):
        raise NotImplementedError
    # Whole: its references are to definitions of its own.
    return inline(kind.model_json_schema())


def _has_schema(hint: Any) -> bool:
    try:
        msgspec.json.schema(hint, schema_hook=_pydantic_schema)
    except (TypeError, ValueError, NameError, RecursionError):
        return False
    return True


def type_name(kind: Any) -> str:
    """Return a short name of a type: `City`, `list[int]`."""
    if isinstance(kind, type) and not get_args(kind):
        return kind.__qualname__
    return repr(kind).replace("typing.", "")


def inline(schema: JSON) -> JSON:
    """Return a copy of a schema in which each `$ref` is replaced by what it refers to.

    A definition that refers to itself cannot be written out: it stays a `$ref`, and the copy has `$defs` with it.

    Args:
        schema: a JSON schema, whose definitions, if any, are in its own `$defs`.

    Example:
        >>> inline({"items": {"$ref": "#/$defs/A", "title": "a"}, "$defs": {"A": {"type": "string"}}})
        {'items': {'type': 'string', 'title': 'a'}}
    """
    definitions: JSON = schema.get("$defs", {})
    recursive = {name for name in definitions if name in _reach(name, definitions)}
    body = {key: value for key, value in schema.items() if key != "$defs"}
    whole: JSON = _inlined(body, definitions, recursive)
    if recursive & _all_reached(whole, definitions):
        whole["$defs"] = {
            name: _inlined(definitions[name], definitions, recursive)
            for name in definitions
            if name in recursive
        }
    return whole


def _inlined(schema: Any, definitions: JSON, recursive: set[str]) -> Any:
    if not isinstance(schema, dict):  # true and false are schemas too
        return schema
    name = _target(schema)
    if name in definitions and name not in recursive:
        # What stands beside the reference says more than what it refers to: a description, a default.
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**definitions[name], **beside}, definitions, recursive)
    copy: JSON = {}
    for key, value in schema.items():
        if key in _SCHEMA:
            copy[key] = _inlined(value, definitions, recursive)
        elif key in _SCHEMAS:
            copy[key] = [_inlined(item, definitions, recursive) for item in value]
        elif key in _NAMED:
            copy[key] = {n: _inlined(s, definitions, recursive) for n, s in value.items()}
        elif key != "discriminator":  # it speaks of references, and only repeats what `anyOf` says
            copy[key] = value
    if "prefixItems" in copy and copy.get("items") is False:
        # `maxItems` says the same, and a grammar made from the schema would take this for the items.
        del copy["items"]
    return copy


def _target(schema: JSON) -> str | None:
    """Return the name of the definition that a schema refers to, if it does."""
    pointer = schema.get("$ref")
    if isinstance(pointer, str) and pointer.startswith(_POINTER):
        return pointer.removeprefix(_POINTER)
    return None


def _targets(schema: Any) -> Iterable[str]:
    """Yield the names that a schema refers to, itself or in its parts."""
    if not isinstance(schema, dict):
        return
    name = _target(schema)
    if name is not None:
        yield name
    for key, value in schema.items():
        parts = value if key in _SCHEMAS else value.values() if key in _NAMED else ()
        for part in (value,) if key in _SCHEMA else parts:
            yield from _targets(part)


def _reach(name: str, definitions: JSON) -> set[str]:
    """Return the definitions to which one leads, by any number of steps."""
    return _all_reached(definitions[name], definitions)


def _all_reached(schema: Any, definitions: JSON) -> set[str]:
    reached: set[str] = set()
    ahead = list(_targets(schema))
    while ahead:
        name = ahead.pop()
        if name in definitions and name not in reached:
            reached.add(name)
            ahead.extend(_targets(definitions[name]))
    return reached
