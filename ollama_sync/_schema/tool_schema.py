"""The part of JSON schema that Ollama reads of a tool, made from all of JSON schema.

The server keeps a few keywords of each parameter and drops the rest in silence. What it would drop goes into the description,
which the model reads.

Pure; runs on any thread. Knows no functions and no signatures: these are the room of `tools`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from enum import Enum, EnumMeta
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import docstring_parser
import msgspec

from ollama_sync._schema.json_schema import JSON, inline
from ollama_sync.errors import RequestError

# Keywords that the server drops, in words.
_WORDS = {
    "default": "default: {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "pattern: {}",
    "format": "format: {}",
    "contentEncoding": "in {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "each item once",
    "minProperties": "at least {} members",
    "maxProperties": "at most {} members",
    "examples": "for example: {}",
}

# msgspec names these formats only when a time zone is asked for.
_FORMATS = {datetime: "date-time", time: "time"}

_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def with_texts(schema: JSON, hints: Mapping[str, Any]) -> JSON:
    """Return a schema whose objects have the texts of their docstrings, and of what stands in `Annotated`, at each member.

    Args:
        schema: an object, with its definitions in `$defs`.
        hints: the types of the members by name; or one type under "", when the schema refers to it.
    """
    classes: dict[str, type] = {}
    for hint in hints.values():
        _collect(hint, classes)
    definitions = {
        name: _of_class(definition, classes.get(definition.get("title", "")))
        for name, definition in schema["$defs"].items()
    }
    members = {name: _Member(name, hint) for name, hint in hints.items()}
    return {**_with_texts_of_members(schema, members), "$defs": definitions}


class _Member(NamedTuple):
    """A member of a class: its name in Python, and its type."""

    name: str
    hint: Any


def _collect(hint: Any, classes: dict[str, type]) -> None:
    """Find the enums and the classes with members in a type, by the names that msgspec gives them as titles."""
    for argument in get_args(hint):
        _collect(argument, classes)
    if isinstance(hint, type) and hint.__name__ not in classes:
        if has_members(hint):
            classes[hint.__name__] = hint
            for member in _members(hint).values():
                _collect(member.hint, classes)
        elif isinstance(hint, EnumMeta):
            classes[hint.__name__] = hint


def _of_class(schema: JSON, kind: type | None) -> JSON:
    """Return the schema of a class with what the class says of itself: texts, and the order of the program; msgspec sorts."""
    if isinstance(kind, EnumMeta):
        return {**schema, "enum": [member.value for member in cast("type[Enum]", kind)]}
    if kind is None or not has_members(kind):
        return _with_texts_of_members(schema, {})
    members, properties = _members(kind), schema.get("properties", {})
    if (
        properties.keys() <= members.keys()
    ):  # a Struct's tag is no member, but there the order is right
        properties = {name: properties[name] for name in members if name in properties}
        schema = {**schema, "properties": properties} if properties else schema
    return _with_texts_of_members(schema, members)


def has_members(kind: type) -> bool:
    """Tell whether a class is one of plain data: a dataclass, a TypedDict or a Struct."""
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, msgspec.Struct)
        # `typing.is_typeddict` does not know those of typing_extensions.
        or (issubclass(kind, dict) and hasattr(kind, "__total__"))
    )


def _members(kind: type) -> dict[str, _Member]:
    """Return the members of a class by their names in JSON."""
    hints = get_type_hints(kind, include_extras=True)
    if issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return {field.encode_name: _Member(field.name, hints[field.name]) for field in fields}
    return {name: _Member(name, hint) for name, hint in hints.items()}


def _with_texts_of_members(schema: JSON, members: Mapping[str, _Member]) -> JSON:
    if "properties" not in schema:
        return schema
    description, texts = _parsed(schema.get("description", ""))
    copy = {key: value for key, value in schema.items() if key != "description"}
    copy["properties"] = {
        name: _with_text(member, members.get(name, _Member(name, None)), texts)
        for name, member in schema["properties"].items()
    }
    if description:
        copy["description"] = description
    return copy


def _parsed(docstring: str) -> tuple[str, dict[str, str]]:
    """Return the description in a docstring, and the texts of its parameters or attributes."""
    try:
        parsed = docstring_parser.parse(docstring)
    except (docstring_parser.ParseError, IndexError):  # the latter where a line is ": :"
        return docstring, {}
    texts = {}
    for parameter in parsed.params:
        for name in parameter.arg_name.split(","):  # NumPy's "x, y : int"
            texts[name.strip()] = " ".join((parameter.description or "").split())
    return parsed.description or "", texts


def _with_text(schema: JSON, member: _Member, texts: Mapping[str, str]) -> JSON:
    """Return the schema of a member with what its type says for itself, or else its docstring's text."""
    copy = dict(schema)
    plain, own = _without_notes(member.hint)
    text = texts.get(member.name)
    choices: tuple[Any, ...] = (plain,)
    if get_origin(plain) in (Union, UnionType):
        choices, notes = zip(*map(_without_notes, get_args(plain)), strict=True)
        own = own or next(filter(None, notes), "")
    if own or (text and "description" not in copy):
        copy["description"] = own or text
    if get_origin(plain) is Literal and "enum" in copy:
        copy["enum"] = list(get_args(plain))  # in the order of the program; msgspec sorts
    if isinstance(copy.get("items"), dict) and get_args(plain):
        copy["items"] = _with_text(copy["items"], _Member("", get_args(plain)[0]), {})
    named = next((_FORMATS[choice] for choice in choices if choice in (datetime, time)), None)
    if named and "format" not in copy:
        copy["format"] = named
    return copy


def _without_notes(hint: Any) -> tuple[Any, str]:
    """Return a type without what `Annotated` adds to it, and the text among that."""
    if get_origin(hint) is not Annotated:
        return hint, ""
    plain, *notes = get_args(hint)
    return plain, next((note for note in notes if isinstance(note, str)), "")


def for_server(schema: JSON, name: str) -> JSON:
    """Return a schema in the keywords that the server keeps, with no reference in it.

    Args:
        schema: an object, with its definitions in `$defs`.
        name: of the tool, for the error.

    Raises:
        RequestError: it is recursive, or no object.
    """
    whole = inline(schema)
    if "$defs" in whole:
        names = ", ".join(whole["$defs"])
        raise RequestError(
            f"{name}: {names} contains itself, which Ollama cannot express of a tool; give it a depth, or take a str of JSON"
        )
    if whole.get("type") != "object":
        raise RequestError(f"{name}: its JSON is no object, and so has no parameters by name")
    return _kept(whole)


def _kept(schema: JSON) -> JSON:
    schema = _without_null(schema)
    kept: JSON = {key: schema[key] for key in ("type", "enum") if key in schema}
    if "enum" in kept and "type" not in kept:
        names = list(dict.fromkeys(_TYPE_NAMES[type(value)] for value in kept["enum"]))
        kept["type"] = names[0] if len(names) == 1 else names
    description = _described(schema)
    if description:
        kept["description"] = description
    if isinstance(schema.get("items"), dict):
        kept["items"] = _kept(schema["items"])
    elif "prefixItems" in schema:
        kinds = [_kept(item) for item in schema["prefixItems"]]
        different = [kind for place, kind in enumerate(kinds) if kind not in kinds[:place]]
        kept["items"] = different[0] if len(different) == 1 else {"anyOf": different}
    if "anyOf" in schema:
        kept["anyOf"] = [_kept(member) for member in schema["anyOf"]]
    if "properties" in schema:
        kept["properties"] = {key: _kept(member) for key, member in schema["properties"].items()}
        if schema.get("required"):
            kept["required"] = schema["required"]
    return kept


def _without_null(schema: JSON) -> JSON:
    """Return a schema without its null, where null is the default: then to leave the member out says the same, and simpler."""
    if schema.get("default", ...) is not None or "anyOf" not in schema:
        return schema
    others = [member for member in schema["anyOf"] if member != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}


def _described(schema: JSON) -> str:
    notes = "; ".join(_notes(schema))
    text = str(schema.get("description", "")).strip()
    if not notes:
        return text
    return f"{text} ({notes})" if text else notes[0].upper() + notes[1:]


def _notes(schema: JSON) -> Iterator[str]:
    """Yield in words what the server would drop."""
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and least == most:
        yield f"exactly {least} items"
    for key, words in _WORDS.items():
        exact = key in ("minItems", "maxItems") and least == most
        if key in schema and schema[key] is not None and not exact:
            value = schema[key]
            yield words.format(value if key in ("pattern", "format") else _json(value))
    if "prefixItems" in schema:
        yield f"in this order: {', '.join(_short(item) for item in schema['prefixItems'])}"
    members = schema.get("additionalProperties")
    if isinstance(members, dict):
        yield f"each member: {_short(members)}"


def _short(schema: JSON) -> str:
    """Return the name of a plain type, or else the schema as JSON."""
    kept = _kept(schema)
    return str(kept["type"]) if list(kept) == ["type"] else _json(kept)


def _json(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value == value.strip() != "":
        return value
    return msgspec.json.encode(value).decode()
