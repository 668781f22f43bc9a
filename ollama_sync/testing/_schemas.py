"""The fixed value with which the mock's model answers where a JSON schema is asked for.

Pure; runs on the server's hub thread. It knows the simple words of schemas: type, properties, items, enum, const, anyOf,
oneOf, allOf, minItems, minimum and references within the schema. Others are passed over.
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 20  # references that lead back to themselves end here
_SIMPLE: dict[object, Any] = {"string": "A", "integer": 0, "number": 0, "boolean": True}


def example(schema: object) -> Any:
    """Return a value that fits a simple JSON schema.

    Example:
        >>> example({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}})
        {'name': 'A', 'age': 0}
    """
    return _example(schema, schema, _DEEPEST)


def _example(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    fixed = [schema["const"]] if "const" in schema else schema.get("enum")
    if fixed:
        return fixed[0]
    other = _other(schema, root)
    if other is not None:
        return _example(other, root, depth - 1)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _example(inner, root, depth - 1) for name, inner in properties.items()}
    if kind == "array":
        first = [_example(inner, root, depth - 1) for inner in schema.get("prefixItems") or []]
        missing = schema.get("minItems", 0 if first else 1) - len(first)
        return first + [_example(schema.get("items"), root, depth - 1)] * missing
    return _simple(kind, schema)


def _simple(kind: object, schema: dict[str, Any]) -> Any:
    value = _SIMPLE.get(kind)
    if kind == "string":
        return value * max(1, schema.get("minLength", 1))
    if kind in ("integer", "number"):
        return max(value, schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    return value


def _other(schema: dict[str, Any], root: Any) -> Any:
    """Return the schema that says what this one leaves to it, or None."""
    if "$ref" in schema:
        return _referred(str(schema["$ref"]), root)
    choices = (schema.get(word) for word in ("anyOf", "oneOf", "allOf"))
    return next((choice[0] for choice in choices if choice), None)


def _referred(reference: str, root: Any) -> Any:
    """Return what `#/$defs/Name` leads to."""
    found = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = found.get(step) if isinstance(found, dict) else None
    return found
