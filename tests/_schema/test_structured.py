"""Tests of structured replies: the schema of a type, the checked object, and the value of a text that is not yet whole."""

from __future__ import annotations

import enum
import json
import pickle
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._schema.json_schema import inline
from ollama_sync._schema.structured import parse, parse_partial, schema_for
from ollama_sync.errors import FormatError, OllamaError, RequestError


class Unit(enum.Enum):
    """A unit."""

    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Place:
    """A place on Earth."""

    lat: float
    lon: float = 0.0


class Trip(TypedDict, total=False):
    """A trip."""

    to: Place


class City(msgspec.Struct):
    """A city."""

    name: str
    place: Place
    others: list[Place] = []


class Tree(msgspec.Struct):
    """A tree."""

    label: str
    children: list[Tree] = []


class Forest(msgspec.Struct):
    """Holds what is recursive beside what is not."""

    place: Place
    first: Tree


class Pair(NamedTuple):
    """A pair."""

    number: int
    name: str


class NoSchema:
    """Says nothing about its JSON."""


class Model:
    """What a pydantic model looks like from here."""

    schema: dict[str, Any] = {  # noqa: RUF012 - never written
        "$defs": {"Inner": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        "type": "object",
        "properties": {"inner": {"$ref": "#/$defs/Inner"}},
    }

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Return the schema."""
        return cls.schema

    @classmethod
    def model_validate_json(cls, text: str) -> Model:
        """Accept what mentions `inner`."""
        if "inner" not in text:
            raise ValueError("Field required")
        return cls(text)


PLACE = {
    "title": "Place",
    "description": "A place on Earth.",
    "type": "object",
    "properties": {"lat": {"type": "number"}, "lon": {"type": "number", "default": 0.0}},
    "required": ["lat"],
}
TREE = {
    "title": "Tree",
    "description": "A tree.",
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
    },
    "required": ["label"],
}

SCHEMAS: list[tuple[Any, dict[str, Any]]] = [
    (int, {"type": "integer"}),
    (str, {"type": "string"}),
    (list[int], {"type": "array", "items": {"type": "integer"}}),
    (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
    (Literal["b", "a"], {"enum": ["a", "b"]}),
    (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 - as users write it
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (
        Annotated[int, msgspec.Meta(ge=1, description="one or more")],
        {"type": "integer", "minimum": 1, "description": "one or more"},
    ),
    (Unit, {"title": "Unit", "description": "A unit.", "enum": ["C", "F"]}),
    (Place, PLACE),
    (list[Place], {"type": "array", "items": PLACE}),
    (
        Trip,
        {
            "title": "Trip",
            "description": "A trip.",
            "type": "object",
            "properties": {"to": PLACE},
            "required": [],
        },
    ),
    (
        City,
        {
            "title": "City",
            "description": "A city.",
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "place": PLACE,
                "others": {"type": "array", "items": PLACE, "default": []},
            },
            "required": ["name", "place"],
        },
    ),
    (
        tuple[int, str],  # without `items`, which a grammar would take for the schema of the items
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
    ),
    (Tree, {"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}}),
    (
        Forest,
        {
            "title": "Forest",
            "description": "Holds what is recursive beside what is not.",
            "type": "object",
            "properties": {"place": PLACE, "first": {"$ref": "#/$defs/Tree"}},
            "required": ["place", "first"],
            "$defs": {"Tree": TREE},
        },
    ),
    (
        Model,
        {
            "type": "object",
            "properties": {
                "inner": {"type": "object", "properties": {"x": {"type": "integer"}}},
            },
        },
    ),
]


# --- the schema


@pytest.mark.parametrize(("kind", "schema"), SCHEMAS, ids=lambda value: repr(value)[:30])
def test_a_type_has_its_schema(kind: Any, schema: dict[str, Any]) -> None:
    """Each kind of type gives one schema, without references but those that lead in a circle."""
    assert schema_for(kind) == schema


@pytest.mark.parametrize(
    "kind", [None, "json", {}, [int], 3, NoSchema, list[NoSchema], len, object(), lambda: 1]
)
def test_what_has_no_schema_is_refused(kind: Any) -> None:
    """The error names `format` and what was given, and says what is accepted."""
    with pytest.raises(RequestError, match=r"^format=.+(dataclass)"):
        schema_for(kind)


def test_the_schema_of_a_model_is_not_changed() -> None:
    """A class may keep its schema: it is copied, not written to."""
    before = json.dumps(Model.schema)
    schema_for(Model)
    assert json.dumps(Model.schema) == before


# --- references


def test_what_stands_beside_a_reference_wins() -> None:
    """The description of a member says more than the one of its type."""
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A", "description": "mine"}},
        "$defs": {"A": {"type": "string", "description": "theirs"}},
    }
    assert inline(schema) == {"properties": {"a": {"type": "string", "description": "mine"}}}


def test_values_are_not_taken_for_schemas() -> None:
    """Defaults, enums and examples stay as they are, whatever they look like; members may have the names of keywords."""
    value = {"$ref": "#/$defs/A"}
    schema = {
        "default": value,
        "enum": [value],
        "examples": [value],
        "properties": {"default": value, "$ref": value},
        "$defs": {"A": {"type": "null"}},
    }
    null = {"type": "null"}
    assert inline(schema) == {
        "default": value,
        "enum": [value],
        "examples": [value],
        "properties": {"default": null, "$ref": null},
    }


def test_references_are_followed_everywhere() -> None:
    """Through definitions of definitions, lists of schemas, and schemas that are true or false."""
    schema = {
        "anyOf": [{"$ref": "#/$defs/A"}, True],
        "additionalProperties": False,
        "not": {"$ref": "#/$defs/B"},
        "discriminator": {"mapping": {"a": "#/$defs/A"}},
        "$defs": {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"type": "null"}},
    }
    null = {"type": "null"}
    assert inline(schema) == {
        "anyOf": [{"items": null}, True],
        "additionalProperties": False,
        "not": null,
    }


def test_a_reference_to_nothing_stays() -> None:
    """It is for the server to say what it makes of that."""
    schema = {"$ref": "#/$defs/Nothing", "items": {"$ref": "https://example.com/schema"}}
    assert inline(schema) == schema


def test_a_circle_that_nothing_leads_to_is_left_out() -> None:
    """What stays in `$defs` is what is needed."""
    loop = {"items": {"$ref": "#/$defs/Loop"}}
    assert inline({"type": "null", "$defs": {"Loop": loop}}) == {"type": "null"}


def test_circles_stay_references() -> None:
    """Two definitions that lead to each other stay, with what they need; one that only leads there does not."""
    schema = {
        "$ref": "#/$defs/In",
        "$defs": {
            "In": {"items": {"$ref": "#/$defs/A"}},
            "A": {"items": {"$ref": "#/$defs/B"}},
            "B": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/C"}]},
            "C": {"type": "null"},
        },
    }
    assert inline(schema) == {
        "items": {"$ref": "#/$defs/A"},
        "$defs": {
            "A": {"items": {"$ref": "#/$defs/B"}},
            "B": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
        },
    }


# --- the object


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("[1, 2]", list[int], [1, 2]),
        (' {"lat": 1}\n', Place, Place(1.0)),
        ('[{"lat": 1.5, "lon": 2}]', list[Place], [Place(1.5, 2.0)]),
        ('{"to": {"lat": 1}}', Trip, {"to": Place(1.0)}),
        ('{"name": "x", "place": {"lat": 1}, "more": 1}', City, City("x", Place(1.0))),
        ('{"label": "a", "children": [{"label": "b"}]}', Tree, Tree("a", [Tree("b")])),
        ('[1, "a"]', Pair, Pair(1, "a")),
        ('"F"', Unit, Unit.FAHRENHEIT),
        ("null", Optional[int], None),  # noqa: UP045 - as users write it
    ],
)
def test_a_reply_becomes_its_type(text: str, kind: Any, value: object) -> None:
    """What fits is an object of the type, at every depth."""
    parsed = parse(text, kind)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_pydantic_model_reads_its_own_text() -> None:
    """Its own validation is asked, with the text as it is."""
    text = '{"inner": {"x": 1}}'
    parsed = parse(text, Model)
    assert isinstance(parsed, Model)
    assert parsed.text == text


@pytest.mark.parametrize(
    ("text", "kind", "name", "says"),
    [
        ("", list[int], "list[int]", "truncated"),
        ("[1, 2", list[int], "list[int]", "truncated"),
        ("Sure! [1]", list[int], "list[int]", "malformed"),
        ('["1"]', list[int], "list[int]", r"Expected `int`, got `str` - at `\$\[0\]`"),
        ('{"lon": 1}', Place, "Place", "missing required field `lat`"),
        ('"K"', Unit, "Unit", "Invalid enum value"),
        ("{}", Model, "Model", "Field required"),
        ('"\ud800"', str, "str", "surrogate"),
        ("[" * 100_000, Any, "Any", "recursion"),
    ],
)
def test_a_reply_that_does_not_fit(text: str, kind: Any, name: str, says: str) -> None:
    """The error says what does not fit, and keeps the text, the name of the type and the cause."""
    with pytest.raises(FormatError, match=says) as caught:
        parse(text, kind)
    error = caught.value
    assert isinstance(error, OllamaError)
    assert isinstance(error, ValueError)
    assert (error.text, error.kind) == (text, name)
    assert error.__cause__ is not None
    assert name in str(error)
    assert ".text" in str(error)


def test_the_error_survives_pickling() -> None:
    """It crosses a process with its facts."""
    with pytest.raises(FormatError) as caught:
        parse("{}", Place)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), twin.text, twin.kind) == (str(caught.value), "{}", "Place")


# --- the value of a text that is not yet whole

PARTIAL: list[tuple[str, Any]] = [
    ("", None),
    (" \n", None),
    ("[", []),
    ("{", {}),
    ('"', ""),
    ('"ab', "ab"),
    ('"ab"', "ab"),
    ('"ab" ', "ab"),
    ('"a\\', "a"),
    ('"a\\n', "a\n"),
    ('"a\\u00e', "a"),
    ('"a\\u00e9', "aé"),
    ('"\\\\', "\\"),
    ('"\\"', '"'),
    ('"\\/', "/"),
    ('"\\ud83d', ""),
    ('"\\ud83d\\', ""),
    ('"\\ud83d\\ude0', ""),
    ('"\\ud83d\\ude00', "😀"),
    ('"\\ud83d!', "\ud83d!"),
    ('"\\ud83d\\n', "\ud83d\n"),
    ('"\\ud83d\\ud83d\\ude00', "\ud83d😀"),
    ('"\\ud83d"', "\ud83d"),
    ('"\\ude00', "\ude00"),
    ("12", None),
    ("12\n", 12),
    ("-", None),
    ("[12", []),
    ("[12,", [12]),
    ("[12]", [12]),
    ("[12 ", [12]),
    ("[1.", []),
    ("[1.5e", []),
    ("[1.5e3,", [1500.0]),
    ("[-0.5]", [-0.5]),
    ('{"a":1}', {"a": 1}),
    ("tru", None),
    ("true", True),
    ("[fals", []),
    ("[false", [False]),
    ("[null", [None]),
    ("[nul", []),
    ("null", None),
    ('{"a', {}),
    ('{"a"', {}),
    ('{"a":', {}),
    ('{"a":"', {"a": ""}),
    ('{"a": {', {"a": {}}),
    ('{"a": 1, "b', {"a": 1}),
    ('{"a": "x", "b": tr', {"a": "x"}),
    ('[[], [{}, {"a": [1', [[], [{}, {"a": []}]]),
    ('[1, "a", ', [1, "a"]),
    ('{"": "", "": "x', {"": "x"}),
    ("\ufeff[1]", None),
]

WRONG: list[tuple[str, Any]] = [
    ("Sure! [1]", None),
    ("[1] and more", [1]),
    ("[1][2]", [1]),
    ("1 2 ", 1),
    ("1 ,2 ", 1),
    ("[1 2]", [1]),
    ("[,1]", []),
    ("[1,,2]", [1]),
    ("[1,]2", [1]),
    ("[1}", [1]),
    ("[[1}, 2]", [[1]]),
    ("[[1,], 2]", [[1]]),
    ('[{"a": 1,}, 2]', [{"a": 1}]),
    ('[{"a": 1]], 2]', [{"a": 1}]),
    ("[1]], [2]", [1]),
    ("[1], [2]", [1]),
    ('["a\n, 1]', ["a"]),
    ('{"a\n: 1}', {}),
    ('{"a" "b"}', {}),
    ('{"a":1,}', {"a": 1}),
    ('{"a",1}', {}),
    ("{1:2}", {}),
    ('{"a":1]', {"a": 1}),
    ('{"a":1 "b":2}', {"a": 1}),
    ('{"a":]', {}),
    ('["a\nb"]', ["a"]),
    ('["a\\x"]', ["a"]),
    ("[01]", []),
    ("[+1]", []),
    ("[NaN]", []),
    ("]", None),
    ("}", None),
    (":", None),
    (",", None),
    ("[\u0661]", []),
    ("\xa0[1]", None),
]


@pytest.mark.parametrize(("text", "value"), PARTIAL)
def test_the_value_goes_as_far_as_it_is_certain(text: str, value: object) -> None:
    """What may still change is left out; what is open is there as far as it goes."""
    assert parse_partial(text) == value


@pytest.mark.parametrize(("text", "value"), WRONG)
def test_the_value_ends_where_the_text_is_no_json(text: str, value: object) -> None:
    """A model that writes something else raises nothing here: that is for the whole reply to say."""
    assert parse_partial(text) == value


def is_prefix(part: Any, whole: Any) -> bool:
    """Tell whether a value may be an earlier state of another.

    A string, list or object of which `whole` has more, in the same order, where only the last item may itself be a prefix;
    of anything else only the same.
    """
    if type(part) is not type(whole):
        return False
    if isinstance(part, str):
        return bool(whole.startswith(part))
    if isinstance(part, dict):
        return list(part) == list(whole)[: len(part)] and is_prefix(
            list(part.values()), list(whole.values())
        )
    if isinstance(part, list):
        if not part:
            return True
        same, last = part[:-1], len(part) - 1
        return last < len(whole) and same == whole[:last] and is_prefix(part[last], whole[last])
    return bool(part == whole)


TEXTS = st.text() | st.text(
    st.sampled_from('a"\\/\b\n\t{}[],: \ud83d\ude00\U0001f600é\x00'), max_size=8
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _text(value: Any, *, ascii_only: bool, indent: int | None) -> str:
    # The newline ends a number that stands alone.
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent) + "\n"


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_every_prefix_gives_a_prefix(value: Any, ascii_only: bool, indent: int | None) -> None:
    """Of any JSON cut anywhere the value is an earlier state of the next one, and the last is the whole."""
    text = _text(value, ascii_only=ascii_only, indent=indent)
    whole = json.loads(text)  # a pair of surrogates written as escapes comes back as one character
    before: Any = None
    begun = False
    for end in range(len(text) + 1):
        now = parse_partial(text[:end])
        assert is_prefix(now, whole) or (now is None and not begun)
        if begun:
            assert is_prefix(before, now)
        begun = begun or now is not None
        before = now
    assert parse_partial(text) == whole
    assert repr(parse_partial(text)) == repr(whole)  # 1 is not 1.0, nor True


@given(st.text(st.sampled_from('[]{},:"\\u0dtrue1-.eE \n\ud83d'), max_size=30))
def test_no_text_raises(text: str) -> None:
    """What is no JSON has a value too, and a value of a longer text goes on from it."""
    before = parse_partial(text[:-1])
    now = parse_partial(text)
    assert before is None or is_prefix(before, now)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_brackets_without_end_do_no_harm(opening: str) -> None:
    """A model that loses itself in brackets makes a deep value, not an error."""
    value = parse_partial(opening * 50_000)
    depth = 0
    while value:
        value = value[0] if isinstance(value, list) else value["a"]
        depth += 1
    assert depth >= 49_999


def test_digits_without_end_do_no_harm() -> None:
    """A number of which Python makes no integer is no error; some versions of Python make one of any."""
    value = parse_partial('["x", ' + "1" * 10_000 + "]")
    assert value[0] == "x"


@pytest.mark.parametrize(
    "whole",
    [
        json.dumps(["x" * 1_000_000]),
        json.dumps(["\\é\n" * 100_000]),
        json.dumps([[i, {"a": "b"}] for i in range(50_000)]),
        "[" + "1" * 1_000_000,
        '["' + "\\ud83d" * 100_000,
        '["a", ' + " " * 1_000_000,
    ],
    ids=["long string", "escapes", "many", "digits", "surrogates", "blanks"],
)
def test_time_grows_with_the_text(whole: str) -> None:
    """A text of a megabyte is no more than a moment's work: a square of its length would be hours."""
    began = time.perf_counter()
    parse_partial(whole)
    assert time.perf_counter() - began < 10.0


@dataclass
class Defaults:
    """All of it may be left out."""

    tags: list[str] = field(default_factory=list)


def test_a_partial_value_may_fit_already() -> None:
    """A whole text gives, by way of its partial value, the object that `parse` gives."""
    text = '{"tags": ["a", "b"]}'
    assert msgspec.convert(parse_partial(text), Defaults) == parse(text, Defaults)
