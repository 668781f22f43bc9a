"""Tests of tools: what a model reads of a function, how its arguments reach the function, and how the result goes back.

Annotations are evaluated here as in users' modules with postponed evaluation: so every type stands at the top of the file.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import inspect
import keyword
import math
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import Client
from ollama_sync.errors import RequestError
from ollama_sync.testing import MockOllama
from ollama_sync.tools import call_tool, tool_result_text, tool_schema
from ollama_sync.types import Message, Tool, WebSearchResponse

if TYPE_CHECKING:
    from nowhere import Unknown

T = TypeVar("T")


def _shown(value: object) -> str:
    """Show a value in the name of a test: without its address, which is another one in each process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class Unit(enum.Enum):
    """Unit of temperature."""

    FAHRENHEIT = "F"
    CELSIUS = "C"


class Level(enum.IntEnum):
    """How loud."""

    LOW = 1
    HIGH = 2


@dataclass
class Place:
    """A place on Earth.

    Attributes:
        lat: Degrees north.
    """

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, "Degrees east."] = 0.0


class Trip(TypedDict, total=False):
    """A trip."""

    to: Place
    at: dt.datetime


class Order(msgspec.Struct, rename="camel"):
    """An order.

    Args:
        item_name: What is ordered.
    """

    item_name: str
    how_many: Annotated[int, "At least one."] = 1
    notes: list[str] = []
    until: dt.date | None = None


class Cat(msgspec.Struct, tag=True):
    """A cat."""

    lives: int


class Dog(msgspec.Struct, tag=True):
    """A dog."""

    name: str


class Tree(msgspec.Struct):
    """Holds trees."""

    children: list[Tree]


class Row(msgspec.Struct, array_like=True):
    """An array in JSON."""

    a: int


class Pair(NamedTuple):
    """An array in JSON, too."""

    a: int


@dataclass
class Box(Generic[T]):
    """A box."""

    content: T


class NoSchema:
    """Says nothing about its JSON."""


class Weather:
    """A thing with methods."""

    def at(self, city: str) -> str:
        """Tell the weather."""
        return f"{self.sky} in {city}"

    @classmethod
    def named(cls, city: str) -> str:
        """Tell by name."""
        return f"{cls.__name__} {city}"

    @staticmethod
    def everywhere(days: int = 1) -> int:
        """Tell for all places."""
        return days

    def __call__(self, city: str) -> str:
        """Forecast."""
        return f"called {city}"

    sky = "sun"


# --- one parameter of each kind of type


class _Sentinel:
    """A default that no JSON can hold."""


_STR = {"type": "string"}
_INT = {"type": "integer"}
_NUMBER = {"type": "number"}
_NULL = {"type": "null"}
_UNIT = {"enum": ["F", "C"], "type": "string", "description": "Unit of temperature."}
_PLACE = {
    "type": "object",
    "description": "A place on Earth.",
    "properties": {
        "lat": {"type": "number", "description": "Degrees north. (at least -90; at most 90)"},
        "lon": {"type": "number", "description": "Degrees east. (default: 0.0)"},
    },
    "required": ["lat"],
}

# Annotation, and what is sent of a parameter that has it.
TYPES: list[Any] = [
    (str, _STR),
    (int, _INT),
    (float, _NUMBER),
    (bool, {"type": "boolean"}),
    (None, _NULL),
    (Any, {}),
    (bytes, {"type": "string", "description": "In base64"}),
    (decimal.Decimal, {"type": "string", "description": "Format: decimal"}),
    (uuid.UUID, {"type": "string", "description": "Format: uuid"}),
    (dt.datetime, {"type": "string", "description": "Format: date-time"}),
    (dt.date, {"type": "string", "description": "Format: date"}),
    (dt.time, {"type": "string", "description": "Format: time"}),
    (dt.timedelta, {"type": "string", "description": "Format: duration"}),
    (
        Annotated[dt.datetime, msgspec.Meta(tz=True)],
        {"type": "string", "description": "Format: date-time"},
    ),
    (list, {"type": "array"}),
    (dict, {"type": "object"}),
    (list[int], {"type": "array", "items": _INT}),
    (Sequence[str], {"type": "array", "items": _STR}),
    (tuple[int, ...], {"type": "array", "items": _INT}),
    (list[list[float]], {"type": "array", "items": {"type": "array", "items": _NUMBER}}),
    (
        list[dt.datetime],
        {"type": "array", "items": {"type": "string", "description": "Format: date-time"}},
    ),
    (
        list[Annotated[str, "A name."]],
        {"type": "array", "items": {"type": "string", "description": "A name."}},
    ),
    (
        tuple[int, str],
        {
            "type": "array",
            "items": {"anyOf": [_INT, _STR]},
            "description": "Exactly 2 items; in this order: integer, string",
        },
    ),
    (
        tuple[float, float],
        {
            "type": "array",
            "items": _NUMBER,
            "description": "Exactly 2 items; in this order: number, number",
        },
    ),
    (dict[str, int], {"type": "object", "description": "Each member: integer"}),
    (
        Mapping[str, list[int]],
        {
            "type": "object",
            "description": 'Each member: {"type":"array","items":{"type":"integer"}}',
        },
    ),
    (Literal["low", "high"], {"enum": ["low", "high"], "type": "string"}),
    (Literal[2, 1], {"enum": [2, 1], "type": "integer"}),
    pytest.param(
        Literal["a", 1, None],
        {"enum": ["a", 1, None], "type": ["string", "integer", "null"]},
        marks=pytest.mark.skipif(
            msgspec.__version__.startswith("0.19."), reason="which cannot sort them"
        ),
    ),
    (
        list[Literal["b", "a"]],
        {"type": "array", "items": {"enum": ["b", "a"], "type": "string"}},
    ),
    (Unit, _UNIT),
    (Level, {"enum": [1, 2], "type": "integer", "description": "How loud."}),
    (list[Unit], {"type": "array", "items": _UNIT}),
    (int | str, {"anyOf": [_INT, _STR]}),
    (Union[int, str], {"anyOf": [_INT, _STR]}),  # noqa: UP007 - as users write it
    (int | None, {"anyOf": [_INT, _NULL]}),
    (Optional[str], {"anyOf": [_STR, _NULL]}),  # noqa: UP045 - as users write it
    (list[int] | int | None, {"anyOf": [{"type": "array", "items": _INT}, _INT, _NULL]}),
    (Annotated[int, "A number."], {"type": "integer", "description": "A number."}),
    (
        Annotated[int, msgspec.Meta(description="A number.")],
        {"type": "integer", "description": "A number."},
    ),
    (
        Annotated[int, "Mine.", msgspec.Meta(description="Not this.")],
        {"type": "integer", "description": "Mine."},
    ),
    (
        Annotated[int, "How many.", msgspec.Meta(ge=1, lt=9, multiple_of=2)],
        {
            "type": "integer",
            "description": "How many. (at least 1; less than 9; a multiple of 2)",
        },
    ),
    (
        Annotated[float, msgspec.Meta(gt=0, le=1.5)],
        {"type": "number", "description": "More than 0; at most 1.5"},
    ),
    (
        Annotated[str, msgspec.Meta(pattern="^[a-z]+$", min_length=2, max_length=5)],
        {
            "type": "string",
            "description": "At least 2 characters; at most 5 characters; pattern: ^[a-z]+$",
        },
    ),
    (
        Annotated[list[int], msgspec.Meta(min_length=1, max_length=3)],
        {"type": "array", "items": _INT, "description": "At least 1 items; at most 3 items"},
    ),
    (
        Annotated[dict[str, str], msgspec.Meta(min_length=1, max_length=2)],
        {
            "type": "object",
            "description": "At least 1 members; at most 2 members; each member: string",
        },
    ),
    (
        Annotated[str, msgspec.Meta(examples=["Paris"], title="T")],
        {"type": "string", "description": 'For example: ["Paris"]'},
    ),
    (
        Annotated[int, "A number."] | None,
        {"anyOf": [_INT, _NULL], "description": "A number."},
    ),
    (Place, _PLACE),
    (Annotated[Place, "Where to."], {**_PLACE, "description": "Where to."}),
    (list[Place], {"type": "array", "items": _PLACE}),
    (
        Trip,
        {
            "type": "object",
            "description": "A trip.",
            "properties": {
                "to": _PLACE,
                "at": {"type": "string", "description": "Format: date-time"},
            },
        },
    ),
    (
        Order,
        {
            "type": "object",
            "description": "An order.",
            "properties": {
                "itemName": {"type": "string", "description": "What is ordered."},
                "howMany": {"type": "integer", "description": "At least one. (default: 1)"},
                "notes": {"type": "array", "items": _STR, "description": "Default: []"},
                "until": {"type": "string", "description": "Format: date"},
            },
            "required": ["itemName"],
        },
    ),
    (
        Cat | Dog,
        {
            "anyOf": [
                {
                    "type": "object",
                    "description": "A cat.",
                    "properties": {"type": {"enum": ["Cat"], "type": "string"}, "lives": _INT},
                    "required": ["type", "lives"],
                },
                {
                    "type": "object",
                    "description": "A dog.",
                    "properties": {"type": {"enum": ["Dog"], "type": "string"}, "name": _STR},
                    "required": ["type", "name"],
                },
            ]
        },
    ),
    (
        Box[int],
        {
            "type": "object",
            "description": "A box.",
            "properties": {"content": _INT},
            "required": ["content"],
        },
    ),
]


def function_of(*parameters: inspect.Parameter, doc: str | None = None) -> Callable[..., Any]:
    """Make a function with these parameters, that returns its arguments."""

    def tool(*positional: object, **named: object) -> Any:
        return (*positional, *named.values())

    tool.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    tool.__doc__ = doc
    return tool


def parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """Make a parameter that may be given by position or name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def parameters_of(thing: Any) -> dict[str, Any]:
    """Give the schema of a tool's parameters."""
    parameters: dict[str, Any] = tool_schema(thing).to_dict()["function"]["parameters"]
    return parameters


@pytest.mark.parametrize(("annotation", "sent"), TYPES, ids=lambda value: repr(value)[:40])
def test_each_type_has_its_schema(annotation: Any, sent: dict[str, Any]) -> None:
    """A required parameter is sent in keywords that the server keeps; the rest is in its description."""
    assert parameters_of(function_of(parameter("p", annotation))) == {
        "type": "object",
        "properties": {"p": sent},
        "required": ["p"],
    }


# Annotation, default, what is sent.
DEFAULTS: list[tuple[Any, Any, dict[str, Any]]] = [
    (int, 3, {"type": "integer", "description": "Default: 3"}),
    (str, "Paris", {"type": "string", "description": "Default: Paris"}),
    (str, "", {"type": "string", "description": 'Default: ""'}),
    (str, " ", {"type": "string", "description": 'Default: " "'}),
    (str, "\n", {"type": "string", "description": 'Default: "\\n"'}),
    (str, "a\tb", {"type": "string", "description": 'Default: "a\\tb"'}),
    (bool, False, {"type": "boolean", "description": "Default: false"}),
    (list[int], (1, 2), {"type": "array", "items": _INT, "description": "Default: [1,2]"}),
    (Unit, Unit.CELSIUS, {**_UNIT, "description": "Unit of temperature. (default: C)"}),
    (
        Annotated[int, "A number."],
        3,
        {"type": "integer", "description": "A number. (default: 3)"},
    ),
    (
        Place,
        Place(1.0),
        {**_PLACE, "description": 'A place on Earth. (default: {"lat":1.0,"lon":0.0})'},
    ),
    (int, None, _INT),
    (int | None, None, _INT),
    (int | str | None, None, {"anyOf": [_INT, _STR]}),
    (Place | None, None, _PLACE),
    (Annotated[int, "A number."] | None, None, {"type": "integer", "description": "A number."}),
    (int | None, 3, {"anyOf": [_INT, _NULL], "description": "Default: 3"}),
    (dt.datetime | None, None, {"type": "string", "description": "Format: date-time"}),
    (int, _Sentinel(), _INT),
    (float, math.inf, {"type": "number", "description": "Default: null"}),
    (inspect.Parameter.empty, 3, {"type": "string", "description": "Default: 3"}),
    (inspect.Parameter.empty, None, _STR),
]


@pytest.mark.parametrize(("annotation", "default", "sent"), DEFAULTS, ids=_shown)
def test_a_default_is_put_into_words(annotation: Any, default: Any, sent: dict[str, Any]) -> None:
    """A parameter with a default is not required; null is left out where it is the default, and so says nothing."""
    assert parameters_of(function_of(parameter("p", annotation, default))) == {
        "type": "object",
        "properties": {"p": sent},
    }


SIMPLE = [int, str, float, bool, list[int], int | None, Unit, inspect.Parameter.empty]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(
                lambda name: name not in ("self", "cls") and not keyword.iskeyword(name)
            ),
            st.sampled_from(SIMPLE),
            st.booleans(),
        ),
        unique_by=lambda drawn: drawn[0],
        max_size=8,
    )
)
def test_what_has_no_default_is_required(drawn: list[tuple[str, Any, bool]]) -> None:
    """Exactly the parameters without a default are required, whatever their types, in the order of the signature."""
    kind = inspect.Parameter.KEYWORD_ONLY
    empty = inspect.Parameter.empty
    tool = function_of(
        *(
            inspect.Parameter(name, kind, default=None if optional else empty, annotation=hint)
            for name, hint, optional in drawn
        )
    )
    schema = parameters_of(tool)
    assert list(schema["properties"]) == [name for name, _, _ in drawn]
    assert schema.get("required", []) == [name for name, _, optional in drawn if not optional]


# --- docstrings


def google(a: int, b: str = "x") -> None:
    """Do it.

    And more
    than that.

    Args:
        a (int): The first,
            which goes on.
        b: The second. Defaults to "x".

    Returns:
        None: nothing.
    """


def numpy(a: int, b: str = "x") -> None:
    """Do it.

    And more
    than that.

    Parameters
    ----------
    a : int
        The first,
        which goes on.
    b : str, optional
        The second. Defaults to "x".

    Returns
    -------
    None
        Nothing.
    """  # noqa: D416 - the style that is tested


def rest(a: int, b: str = "x") -> None:
    """Do it.

    And more
    than that.

    :param int a: The first,
        which goes on.
    :param b: The second. Defaults to "x".
    :returns: nothing
    """


@pytest.mark.parametrize("function", [google, numpy, rest])
def test_docstrings_of_each_style(function: Callable[..., None]) -> None:
    """The description and the text of each parameter are found; what is returned is left out."""
    assert tool_schema(function).to_dict() == {
        "type": "function",
        "function": {
            "name": function.__name__,
            "description": "Do it.\n\nAnd more\nthan that.",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer", "description": "The first, which goes on."},
                    "b": {
                        "type": "string",
                        "description": 'The second. Defaults to "x". (default: x)',
                    },
                },
                "required": ["a"],
            },
        },
    }


def test_numpy_names_several_at_once() -> None:
    """`a, b : int` is the text of both."""
    tool = function_of(
        parameter("a", int),
        parameter("b", int),
        doc="Do it.\n\nParameters\n----------\na, b : int\n    A side.\n",
    )
    side = {"type": "integer", "description": "A side."}
    assert parameters_of(tool)["properties"] == {"a": side, "b": side}


@pytest.mark.parametrize(
    ("doc", "description"),
    [
        (None, None),
        ("", None),
        ("   \n  ", None),
        ("Do it.", "Do it."),
        (":param", ":param"),
        ("Do it.\n\n:param p\n", "Do it.\n\n:param p"),
        ("Do it.\n\nArgs:\nno indent\n", "Do it.\n\nArgs:\nno indent"),
        ("Do it.\n\nParameters\n: :", "Do it.\n\nParameters\n: :"),
        ("Do it.\n\nArgs:\n    other: no parameter\n", "Do it."),
    ],
)
def test_docstrings_of_no_style(doc: str | None, description: str | None) -> None:
    """What no style can read is the description as it stands; none is sent when there is none."""
    function = tool_schema(function_of(parameter("p", int), doc=doc)).to_dict()["function"]
    assert function.get("description") == description
    assert function["parameters"]["properties"] == {"p": _INT}


def test_the_annotation_wins_over_the_docstring_and_both_over_the_class() -> None:
    """The nearer text is the better one."""
    doc = "Do it.\n\nArgs:\n    a: By docstring.\n    b: By docstring.\n    c: By docstring.\n    e: By docstring.\n"
    tool = function_of(
        parameter("a", Annotated[int, "By annotation."]),
        parameter("b", Annotated[int, msgspec.Meta(description="By meta.")]),
        parameter("c", Unit),
        parameter("d", Unit),
        parameter("e", Place | None, None),
        doc=doc,
    )
    texts = {name: p["description"] for name, p in parameters_of(tool)["properties"].items()}
    assert texts == {
        "a": "By annotation.",
        "b": "By meta.",
        "c": "By docstring.",
        "d": "Unit of temperature.",
        "e": "By docstring.",
    }


# --- what can be a tool


def plain(a: int, /, b: int = 2, *rest: int, c: int, d: int = 4, **more: int) -> Any:
    """Take all kinds of parameters."""
    return a, b, rest, c, d, more


@functools.wraps(plain)
def wrapper(*args: Any, **kwargs: Any) -> Any:
    return plain(*args, **kwargs)


def by_place(a: int = 1, b: int = 2, /) -> Any:
    """Take parameters by position alone."""
    return a, b


@functools.lru_cache
def cached(a: int) -> int:
    """Remember."""
    return a


# A decorator of a module that does not know the types of this one.
_ELSEWHERE: dict[str, Any] = {"functools": functools}
exec(
    """
def decorate(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

class Decorated:
    def __init__(self, function):
        functools.update_wrapper(self, function)
    def __call__(self, *args, **kwargs):
        return self.__wrapped__(*args, **kwargs)
""",
    _ELSEWHERE,
)


class Caller:
    """Has a decorated `__call__`."""

    @_ELSEWHERE["decorate"]  # type: ignore[misc]  # made from text
    def __call__(self, at: dt.datetime) -> dt.datetime:
        return at


def returns_unknown(a: int) -> Unknown:
    return a


async def waits(a: int) -> int:
    return a


def takes_place(place: Place, at: dt.datetime, unit: Unit = Unit.CELSIUS) -> Any:
    return place, at, unit


THINGS: list[tuple[Any, str, str | None, list[str], list[str]]] = [
    (plain, "plain", "Take all kinds of parameters.", ["a", "b", "c", "d"], ["a", "c"]),
    (wrapper, "plain", "Take all kinds of parameters.", ["a", "b", "c", "d"], ["a", "c"]),
    (cached, "cached", "Remember.", ["a"], ["a"]),
    (Weather().at, "at", "Tell the weather.", ["city"], ["city"]),
    (Weather.at, "at", "Tell the weather.", ["city"], ["city"]),
    (Weather.named, "named", "Tell by name.", ["city"], ["city"]),
    (Weather.everywhere, "everywhere", "Tell for all places.", ["days"], []),
    (Weather(), "Weather", "Forecast.", ["city"], ["city"]),
    (functools.partial(plain, 1), "plain", "Take all kinds of parameters.", ["b", "c", "d"], ["c"]),
    (
        functools.partial(plain, c=1),
        "plain",
        "Take all kinds of parameters.",
        ["a", "b", "d"],
        ["a"],
    ),
    (functools.partial(Weather().at, "Rome"), "at", "Tell the weather.", [], []),
    (functools.partial(Weather(), "Rome"), "Weather", "Forecast.", [], []),
    (
        _ELSEWHERE["decorate"](takes_place),
        "takes_place",
        None,
        ["place", "at", "unit"],
        ["place", "at"],
    ),
    (
        _ELSEWHERE["Decorated"](takes_place),
        "takes_place",
        None,
        ["place", "at", "unit"],
        ["place", "at"],
    ),
    (
        functools.partial(_ELSEWHERE["decorate"](takes_place), unit=Unit.CELSIUS),
        "takes_place",
        None,
        ["place", "at"],
        ["place", "at"],
    ),
    (Caller(), "Caller", "Has a decorated `__call__`.", ["at"], ["at"]),
    (returns_unknown, "returns_unknown", None, ["a"], ["a"]),
    (waits, "waits", None, ["a"], ["a"]),
    (len, "len", "Return the number of items in a container.", ["obj"], ["obj"]),
    (Place, "Place", "A place on Earth.", ["lat", "lon"], ["lat"]),
    (Trip, "Trip", "A trip.", ["to", "at"], []),
    (Order, "Order", "An order.", ["itemName", "howMany", "notes", "until"], ["itemName"]),
    (Cat, "Cat", "A cat.", ["type", "lives"], ["type", "lives"]),
    (Box[int], "Box", "A box.", ["content"], ["content"]),
]


@pytest.mark.parametrize(("thing", "name", "description", "names", "required"), THINGS, ids=_shown)
def test_what_can_be_a_tool(
    thing: Any, name: str, description: str | None, names: list[str], required: list[str]
) -> None:
    """Functions, methods, partials, objects and classes of data; without what is not the model's to choose."""
    tool = tool_schema(thing)
    assert isinstance(tool, Tool)
    sent = tool.to_dict()
    function = sent["function"]
    assert sent["type"] == "function"
    assert (function["name"], function.get("description")) == (name, description)
    assert function["parameters"]["type"] == "object"
    assert list(function["parameters"]["properties"]) == names
    assert function["parameters"].get("required", []) == required


def takes_no_schema(ok: int, wrong: NoSchema) -> None: ...


def takes_function(wrong: Callable[[], int]) -> None: ...


def takes_unknown(a: int, wrong: Unknown) -> None: ...


def takes_tree(wrong: Tree) -> None: ...


anonymous = lambda a: a  # noqa: E731 - it is the lambda that is tested

REFUSED: list[tuple[Any, str]] = [
    (anonymous, "a lambda has no name.*use def"),
    (functools.partial(anonymous), "a lambda has no name"),
    (int, "^int: a class without a schema.*a dataclass, a TypedDict or a msgspec Struct"),
    (dict, "^dict: a class without a schema"),
    (list[int], "a class without a schema"),
    (NoSchema, "^NoSchema: a class without a schema"),
    (Pair, "^Pair: a class without a schema"),
    (Unit, "^Unit: a class without a schema"),
    (NoSchema(), "NoSchema object.*no tool; accepted are a function"),
    (3, "^3: no tool; accepted are a function"),
    (None, "^None: no tool"),
    ("len", "^'len': no tool"),
    ({"type": "function"}, "no tool"),
    (classmethod(plain), "no tool"),
    (max, "^max: its signature cannot be read.*wrap it in a function"),
    (takes_no_schema, "^takes_no_schema: wrong: NoSchema has no JSON schema.*accepted are"),
    (takes_function, "^takes_function: wrong: .*Callable.* has no JSON schema"),
    (takes_unknown, "^takes_unknown: .*'Unknown' is not defined"),
    (takes_tree, "^takes_tree: Tree contains itself"),
    (Tree, "^Tree: Tree contains itself"),
    (Row, "^Row: its JSON is no object"),
]


@pytest.mark.parametrize(("thing", "says"), REFUSED, ids=_shown)
def test_what_cannot_be_a_tool(thing: Any, says: str) -> None:
    """The error names what was given, and what is accepted or to be done."""
    with pytest.raises(RequestError, match=says):
        tool_schema(thing)


def test_a_lambda_with_a_name_is_a_tool() -> None:
    """A program may give it one."""
    named = lambda a: a  # noqa: E731 - it is the lambda that is tested
    named.__name__ = "same"
    assert tool_schema(named).to_dict()["function"]["name"] == "same"


# --- the official package

# What `convert_function_to_tool` of ollama 0.6.3 makes of each function, and where ours differs: why.


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
      a (int): The first number
      b (int): The second number
    """
    return a + b


def six(a: int, b: float, c: str, d: bool, e: list, f: dict) -> None:  # type: ignore[type-arg]  # as users write it
    """All.

    Args:
        a: A
        b: B
        c: C
        d: D
        e: E
        f: F
    """


def now() -> str:
    """Tell the time."""
    return "now"


def untyped(a, b):  # type: ignore[no-untyped-def]  # that is what is tested
    """U.

    Args:
        a: A
        b: B
    """


def maybe(a: str | None = None) -> None:
    """M.

    Args:
        a: A
    """


def bare(a: int) -> None: ...


def defaulted(a: str = "C") -> None:
    """M.

    Args:
        a: A
    """


def nullable(a: int | None) -> None:
    """M.

    Args:
        a: A
    """


def union(a: int | str) -> None:
    """M.

    Args:
        a: A
    """


def inner(a: list[int], b: Literal["x", "y"]) -> None:
    """M.

    Args:
        a: A
        b: B
    """


def variadic(a: int, *args: int, **kwargs: int) -> None:  # noqa: D417 - as users write it
    """M.

    Args:
        a: A
    """


def _object(
    properties: dict[str, Any], required: list[str] | None, description: str
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required is not None:
        schema["required"] = required
    return {"description": description, "parameters": schema}


_A = {"type": "integer", "description": "A"}

SAME: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (
        add,
        _object(
            {
                "a": {"type": "integer", "description": "The first number"},
                "b": {"type": "integer", "description": "The second number"},
            },
            ["a", "b"],
            "Add two numbers.",
        ),
    ),
    (
        six,
        _object(
            {
                name: {"type": kind, "description": name.upper()}
                for name, kind in zip(
                    "abcdef",
                    ["integer", "number", "string", "boolean", "array", "object"],
                    strict=True,
                )
            },
            list("abcdef"),
            "All.",
        ),
    ),
    (now, _object({}, None, "Tell the time.")),
    (
        untyped,
        _object(
            {
                "a": {"type": "string", "description": "A"},
                "b": {"type": "string", "description": "B"},
            },
            ["a", "b"],
            "U.",
        ),
    ),
]

# The function, the official package's, ours, and the reason.
DIFFERENT: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any], str]] = [
    (
        maybe,
        _object({"a": {"type": "string", "description": "A"}}, [], "M."),
        _object({"a": {"type": "string", "description": "A"}}, None, "M."),
        "an empty list of required parameters is left out",
    ),
    (
        bare,
        _object({"a": {"type": "integer", "description": ""}}, ["a"], ""),
        {"parameters": {"type": "object", "properties": {"a": _INT}, "required": ["a"]}},
        "a description that says nothing is left out",
    ),
    (
        defaulted,
        _object({"a": {"type": "string", "description": "A"}}, ["a"], "M."),
        _object({"a": {"type": "string", "description": "A (default: C)"}}, None, "M."),
        "what has a default is not required, and the model learns the default",
    ),
    (
        nullable,
        _object({"a": _A}, [], "M."),
        _object({"a": {"anyOf": [_INT, _NULL], "description": "A"}}, ["a"], "M."),
        "without a default it must be given, though it may be null",
    ),
    (
        union,
        _object({"a": {"type": "string, integer", "description": "A"}}, ["a"], "M."),
        _object({"a": {"anyOf": [_INT, _STR], "description": "A"}}, ["a"], "M."),
        "there is no type 'string, integer' in JSON schema",
    ),
    (
        inner,
        _object(
            {
                "a": {"type": "array", "description": "A"},
                "b": {"type": "string", "description": "B"},
            },
            ["a", "b"],
            "M.",
        ),
        _object(
            {
                "a": {"type": "array", "items": _INT, "description": "A"},
                "b": {"type": "string", "enum": ["x", "y"], "description": "B"},
            },
            ["a", "b"],
            "M.",
        ),
        "items and choices are kept",
    ),
    (
        variadic,
        _object(
            {
                "a": _A,
                "args": {"type": "string", "description": "a: A\n"},
                "kwargs": {"type": "string", "description": ""},
            },
            ["a", "args", "kwargs"],
            "M.",
        ),
        _object({"a": _A}, ["a"], "M."),
        "*args and **kwargs are no parameters that a model can name",
    ),
]


@pytest.mark.parametrize(("function", "official"), SAME)
def test_simple_functions_are_as_the_official_package_has_them(
    function: Callable[..., Any], official: dict[str, Any]
) -> None:
    """A program that moves here sends the same tools."""
    assert tool_schema(function).to_dict() == {
        "type": "function",
        "function": {"name": function.__name__, **official},
    }


@pytest.mark.parametrize(("function", "official", "ours", "why"), DIFFERENT)
def test_where_the_official_package_is_left(
    function: Callable[..., Any], official: dict[str, Any], ours: dict[str, Any], why: str
) -> None:
    """Each difference is one that was meant."""
    assert tool_schema(function).to_dict()["function"] == {"name": function.__name__, **ours}
    assert ours != official, why


# --- the call

CALLS: list[tuple[Any, dict[str, Any], Any]] = [
    (add, {"a": 1, "b": 2}, 3),
    (add, {"a": "1", "b": 2.0}, 3),
    (plain, {"a": 1, "c": 3}, (1, 2, (), 3, 4, {})),
    (plain, {"d": 0, "c": 3, "b": 9, "a": 1}, (1, 9, (), 3, 0, {})),
    (wrapper, {"a": "1", "c": 3}, (1, 2, (), 3, 4, {})),
    (cached, {"a": "7"}, 7),
    (by_place, {"b": "9"}, (1, 9)),
    (Weather().at, {"city": "Rome"}, "sun in Rome"),
    (Weather.named, {"city": "Rome"}, "Weather Rome"),
    (Weather.everywhere, {}, 1),
    (Weather(), {"city": "Rome"}, "called Rome"),
    (functools.partial(plain, 1), {"c": "3"}, (1, 2, (), 3, 4, {})),
    (functools.partial(plain, 1, b=8, c=9), {"d": 0}, (1, 8, (), 9, 0, {})),
    (functools.partial(Weather().at, "Rome"), {}, "sun in Rome"),
    (
        takes_place,
        {"place": {"lat": "1"}, "at": "2025-01-02T03:04:05Z", "unit": "F"},
        (
            Place(1.0),
            dt.datetime(2025, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
            Unit.FAHRENHEIT,
        ),
    ),
    (
        takes_place,
        {"place": {"lat": 1}, "at": "2025-01-02T03:04:05"},
        (Place(1.0), dt.datetime(2025, 1, 2, 3, 4, 5), Unit.CELSIUS),  # noqa: DTZ001, RUF100 - as the model wrote it
    ),
    (function_of(parameter("a", inspect.Parameter.empty)), {"a": [1]}, ([1],)),
    (function_of(parameter("a", Any)), {"a": {"b": None}}, ({"b": None},)),
    (function_of(parameter("a", int, None)), {"a": None}, (None,)),
    (function_of(parameter("a", int | None)), {"a": None}, (None,)),
    (function_of(parameter("a", int | str)), {"a": "3"}, ("3",)),
    (function_of(parameter("a", set[int])), {"a": [1, 1]}, ({1},)),
    (function_of(parameter("a", list[Unit])), {"a": ["C"]}, ([Unit.CELSIUS],)),
    (Place, {"lat": "1.5"}, Place(1.5)),
    (Order, {"itemName": "x", "howMany": "2"}, Order("x", 2)),
    (Trip, {"to": {"lat": 1}}, {"to": Place(1.0)}),
    (Box[int], {"content": "1"}, Box(1)),
]


@pytest.mark.parametrize(("tool", "arguments", "result"), CALLS, ids=_shown)
def test_arguments_become_what_the_signature_says(
    tool: Any, arguments: dict[str, Any], result: Any
) -> None:
    """Texts become numbers, objects dataclasses; each argument finds its place, and absent ones their defaults."""
    returned = call_tool(tool, arguments)
    assert returned == result
    assert type(returned) is type(result)


WRONG_CALLS: list[tuple[Any, Any, list[str]]] = [
    (add, {}, ["add: a is missing; b is missing"]),
    (
        add,
        {"a": "x", "c": 1},
        ["'c' is no parameter; there are: a, b", "b is missing", "a: Expected `int`"],
    ),
    (now, {"zone": "UTC"}, ["now: 'zone' is no parameter; there are: none"]),
    (plain, {"a": 1, "c": 1, "more": 1}, ["'more' is no parameter"]),
    (plain, {"a": 1, "c": 1, "rest": [1]}, ["'rest' is no parameter"]),
    (
        takes_place,
        {"place": {}, "at": "noon"},
        ["place: Object missing required field `lat`", "at: Invalid"],
    ),
    (
        takes_place,
        {"place": {"lat": 91}, "at": None},
        ["Expected `float` <= 90.0 - at `$.lat`", "at: Expected"],
    ),
    (function_of(parameter("a", int)), {"a": None}, ["tool: a: Expected `int`, got `null`"]),
    (function_of(parameter("a", Unit)), {"a": "K"}, ["a: Invalid enum value 'K'"]),
    (functools.partial(plain, 1, c=9), {"c": 1}, ["'c' is no parameter; there are: b, d"]),
    (functools.partial(plain, 1), {"a": 1, "c": 1}, ["'a' is no parameter"]),
    (Place, {}, ["Place: Object missing required field `lat`"]),
    (Weather.at, {"city": "Rome"}, ["at: a method without its self"]),
    (waits, {"a": 1}, ["waits: an async function"]),
    (functools.partial(waits, 1), {}, ["waits: an async function"]),
    (add, None, ["a is missing"]),
    (add, [1, 2], ["arguments=[1, 2]: a mapping"]),
    (anonymous, {"a": 1}, ["a lambda has no name"]),
    (takes_no_schema, {"ok": 1, "wrong": {}}, ["wrong: "]),
    (int, {}, ["int: a class without a schema"]),
]


@pytest.mark.parametrize(("tool", "arguments", "says"), WRONG_CALLS, ids=_shown)
def test_what_does_not_fit_is_told_to_the_model(tool: Any, arguments: Any, says: list[str]) -> None:
    """The text names the tool and everything that is wrong, so that one more try can mend it all."""
    with pytest.raises(RequestError) as caught:
        call_tool(tool, arguments)
    for text in says:
        assert text in str(caught.value)


@pytest.mark.parametrize("error", [TypeError("mine"), RequestError("mine"), KeyError("mine")])
def test_errors_of_the_function_are_its_own(error: Exception) -> None:
    """What the function raises comes through as it is, also when it looks like a wrong call."""

    def fails() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call_tool(fails, {})
    assert caught.value is error


def test_a_function_is_not_called_with_wrong_arguments() -> None:
    """One wrong argument is enough."""
    called = []

    def note(a: int, b: int) -> None:
        called.append((a, b))

    with pytest.raises(RequestError):
        call_tool(note, {"a": 1, "b": "x"})
    assert called == []


def test_the_arguments_of_a_reply_are_taken() -> None:
    """What the view of a tool call shows can be handed on, and is not changed."""
    call = Message.ToolCall.view({"function": {"name": "add", "arguments": {"a": "1", "b": 2}}})
    assert call_tool(add, call.function.arguments) == 3
    assert call.to_dict() == {"function": {"name": "add", "arguments": {"a": "1", "b": 2}}}


# --- the result


class Shout(str, enum.Enum):
    """A str and an enum."""

    HEY = "hey"


@dataclass
class Result:
    """What a tool may return."""

    when: dt.date
    places: list[Place] = field(default_factory=list)


_CIRCLE: list[Any] = []
_CIRCLE.append(_CIRCLE)

RESULTS: list[tuple[Any, str]] = [
    ("", ""),
    ('say "é"\n', 'say "é"\n'),
    (Shout.HEY, "hey"),
    (Unit.CELSIUS, "C"),
    (Level.HIGH, "2"),
    (3, "3"),
    (2.5, "2.5"),
    (True, "true"),
    (None, "null"),
    ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
    ((1, 2), "[1,2]"),
    (
        Result(dt.date(2025, 1, 2), [Place(1.0)]),
        '{"when":"2025-01-02","places":[{"lat":1.0,"lon":0.0}]}',
    ),
    (Cat(9), '{"type":"Cat","lives":9}'),
    (10**30, "1000000000000000000000000000000"),
    (Message(role="user", content="hi"), '{"role":"user","content":"hi"}'),
    ([Message(role="user")], '[{"role":"user"}]'),
    (WebSearchResponse.view({"results": []}), '{"results":[]}'),
    (2 + 1j, "(2+1j)"),
    (SimpleNamespace(a=1), "namespace(a=1)"),
    ([SimpleNamespace(a=1)], "[namespace(a=1)]"),
    ({(1, 2): 3}, "{(1, 2): 3}"),
    (["\ud800"], "['\\ud800']"),
    (_CIRCLE, "[[...]]"),
]


@pytest.mark.parametrize(("value", "text"), RESULTS, ids=lambda value: repr(value)[:30])
def test_a_result_becomes_text(value: Any, text: str) -> None:
    """A text is sent as it is, what JSON can hold as JSON, and anything else as Python shows it."""
    written = tool_result_text(value)
    assert written == text
    assert type(written) is str


async def waits(city: str) -> str:
    """Wait."""
    return city


def yields(city: str) -> Iterator[str]:
    """Yield."""
    yield city


@pytest.mark.parametrize("function", [waits, yields], ids=["async", "generator"])
def test_a_tool_that_gives_no_result_is_refused_before_anything_is_sent(
    function: Any, server: MockOllama, client: Client
) -> None:
    """The program's mistake is not told to the model, which can do nothing about it."""
    with pytest.raises(RequestError, match="a tool that blocks and returns its result is needed"):
        client.run_tools("m", [{"role": "user", "content": "x"}], [function])
    assert server.requests == ()


def test_arguments_may_come_as_json_or_not_at_all() -> None:
    """Some models write them as a string; a call without any leaves them out."""
    assert call_tool(lambda_of_one, '{"a": 1}') == 1
    assert call_tool(lambda_of_none, None) == 7
    with pytest.raises(RequestError, match="a mapping of arguments"):
        call_tool(lambda_of_one, "[1]")
    with pytest.raises(RequestError, match="a mapping of arguments"):
        call_tool(lambda_of_one, "oops")


def lambda_of_one(a: int) -> int:
    """Give it back."""
    return a


def lambda_of_none() -> int:
    """Give a number."""
    return 7


def test_a_pydantic_model_is_a_type_like_others() -> None:
    """Alone, in a list and beside None: it is described by its schema, and the function gets an object of it."""
    pydantic = pytest.importorskip("pydantic")
    person = pydantic.create_model("Person", name=(str, ...), age=(int, 3))

    def greet(one: person, others: list[person], boss: person | None = None) -> str:  # type: ignore[valid-type] # made just now
        """Greet."""
        return f"{one.name} {others[0].age} {boss}"

    greet.__annotations__ = {"one": person, "others": list[person], "boss": person | None}
    properties = tool_schema(greet).to_dict()["function"]["parameters"]["properties"]
    assert properties["one"]["properties"]["name"] == {"type": "string"}
    assert properties["others"]["items"]["required"] == ["name"]
    assert call_tool(greet, {"one": {"name": "Ada"}, "others": [{"name": "Bob"}]}) == "Ada 3 None"
    with pytest.raises(RequestError, match=r"(?s)greet: one: .*Field required"):
        call_tool(greet, {"one": {"nam": "Ada"}, "others": []})
