"""Rules of `View`: reading, writing, names, equality, copies, and how it is made."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import types
from ollama_sync.types import (
    ChatResponse,
    Image,
    Message,
    ShowResponse,
    Tool,
    UsageResponse,
    View,
    unwrap,
)


def every_view_class() -> list[type[View]]:
    found: list[type[View]] = []

    def collect(cls: type[View]) -> None:
        for sub in cls.__subclasses__():
            if sub.__module__.startswith("ollama_sync.types."):
                found.append(sub)
            collect(sub)

    collect(View)
    return found


def test_view_shares_the_object() -> None:
    """`view` neither copies nor checks: what is written through it is in the object."""
    raw: dict[str, Any] = {"message": {"role": "assistant"}, "done": "not a bool"}
    reply = ChatResponse.view(raw)
    reply.message.content = "hi"
    assert raw["message"]["content"] == "hi"
    assert reply.done == "not a bool"


def test_views_have_no_dict() -> None:
    """A view holds one reference and nothing else."""
    for cls in every_view_class():
        assert not hasattr(cls.view({}), "__dict__"), cls


def test_every_field_of_every_class_can_be_read() -> None:
    """Every annotation can be evaluated on this Python, and an absent field reads None or its default."""
    classes = every_view_class()
    assert len(classes) > 40
    for cls in classes:
        for field in cls._fields.values():
            assert getattr(cls.view({}), field.name) == field.default
            assert getattr(cls.view({field.wire: None}), field.name) is None


@pytest.mark.own_process
def test_annotations_are_not_evaluated_at_import() -> None:
    """Import makes the classes only; the first read of a field evaluates its class."""
    code = (
        "import typing\n"
        "def refuse(*args, **kwargs): raise AssertionError('evaluated')\n"
        "typing.get_type_hints = refuse\n"
        "import ollama_sync.types as types\n"
        "types.Message(role='user')\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=50, cwd=Path(types.__file__).parents[2]
    )


@pytest.mark.parametrize("name", ["message", "model"])
def test_attribute_and_subscript_agree(name: str) -> None:
    """A declared field reads the same by attribute, subscript and `get`."""
    reply = ChatResponse.view({"model": "m", "message": {"role": "assistant", "content": "x"}})
    assert reply[name] == getattr(reply, name) == reply.get(name)
    assert type(reply[name]) is type(getattr(reply, name))


def test_absent_fields() -> None:
    """An absent field reads None, is not in the view, and is a KeyError by subscript."""
    message = Message(role="user")
    assert message.content is None
    assert "content" not in message
    assert message.get("content", "other") == "other"
    with pytest.raises(KeyError, match="content"):
        message["content"]
    with pytest.raises(KeyError, match="nonexistent"):
        message["nonexistent"]


def test_stated_default_stands_in() -> None:
    """A field with a stated default is in the view, reads it, and is sent by what the user makes."""
    assert Tool.view({}).type == Tool.view({})["type"] == "function"
    assert "type" in Tool.view({})
    assert Tool().to_dict() == {"type": "function"}
    assert Tool(type=None).to_dict() == {}
    assert Tool.view({}).to_dict() == {}


def test_undeclared_field_is_read_by_subscript() -> None:
    """A field that a newer server adds is kept, and reached by subscript and in to_dict()."""
    reply = ChatResponse.view({"brand_new": {"a": [1]}})
    assert reply["brand_new"] == {"a": [1]}
    assert "brand_new" in reply
    assert reply.get("brand_new") == {"a": [1]}
    assert reply.to_dict() == {"brand_new": {"a": [1]}}
    with pytest.raises(AttributeError, match=r"but the object has it: read it as \['brand_new'\]"):
        reply.brand_new  # noqa: B018 - that is the rule


def test_unknown_attribute_names_near_ones() -> None:
    """A misspelt name raises AttributeError that lists near names, and cannot be written."""
    message = Message(role="user")
    with pytest.raises(
        AttributeError, match=r"Message declares no field 'contents'; near names: content"
    ):
        message.contents  # noqa: B018 - that is the rule
    with pytest.raises(AttributeError):
        message.contents = "x"
    assert not hasattr(message, "qqqqq")


def test_write_by_attribute_and_subscript() -> None:
    """Both ways to write reach the object under the name in JSON, with views unwrapped."""
    usage = UsageResponse.view({})
    usage.from_ = "a"
    assert usage.to_dict() == {"from": "a"}
    usage["from_"] = "b"
    usage["from"] = usage["from"] + "c"
    usage["new"] = [Message(role="user")]
    assert usage.to_dict() == {"from": "bc", "new": [{"role": "user"}]}
    reply = ChatResponse.view({})
    reply.message = Message(role="user")
    assert json.loads(reply.model_dump_json()) == {"message": {"role": "user"}}
    reply.message.tool_calls = [Message.ToolCall.view({})]
    assert type(unwrap(reply.message)["tool_calls"][0]) is dict
    reply.message["tool_calls"] = None
    assert "tool_calls" in reply.message


def test_names_that_differ_in_json() -> None:
    """A field whose name differs in JSON answers to both names, and is stored under the one in JSON."""
    for show in (ShowResponse(model_info={"a": 1}), ShowResponse(modelinfo={"a": 1})):
        assert show.modelinfo == show["modelinfo"] == show["model_info"] == {"a": 1}
        assert "modelinfo" in show
        assert list(show) == ["model_info"]
    parameters = Tool.Function.Parameters(**{"$defs": {"A": {}}})
    assert parameters == Tool.Function.Parameters(defs={"A": {}})
    assert parameters.to_dict() == {"type": "object", "$defs": {"A": {}}}
    assert ChatResponse.view({"_debug_info": {"rendered_template": "t"}}).debug_info == {
        "rendered_template": "t"
    }


def test_constructor_takes_views_dicts_and_unknown_names() -> None:
    """The constructor unwraps views, keeps unknown names, leaves None out, and does not keep the caller's lists."""
    call = Message.ToolCall(function=Message.ToolCall.Function(name="f", arguments={"x": 1}))
    calls: list[Any] = [call, {"function": {"name": "g", "arguments": {}}}]
    message = Message(role="assistant", content=None, tool_calls=calls, new_field=(1, 2))
    calls.clear()
    assert message.to_dict() == {
        "role": "assistant",
        "tool_calls": [
            {"function": {"name": "f", "arguments": {"x": 1}}},
            {"function": {"name": "g", "arguments": {}}},
        ],
        "new_field": [1, 2],
    }
    assert message.tool_calls is not None
    assert message.tool_calls[1].function.name == "g"


def test_nested_view_is_shared() -> None:
    """A view given to another stays the same object: a later change is seen through both."""
    message = Message(role="assistant")
    reply = ChatResponse(message=message)
    message.content = "late"
    assert reply.message.content == "late"


def test_constructor_names_what_is_missing() -> None:
    """A field without a default must be given, and not as None."""
    with pytest.raises(TypeError, match=r"Message\(\) needs role"):
        Message()
    with pytest.raises(TypeError, match=r"Message\.ToolCall\.Function\(\) needs name, arguments"):
        Message.ToolCall.Function(name=None)
    with pytest.raises(TypeError):
        Message("user")


def test_mapping_ways() -> None:
    """`dict(view)`, `**view`, keys, items and iteration give the present fields under their names in JSON."""
    message = Message(role="user", content="x")
    assert dict(message) == {"role": "user", "content": "x"}
    assert Message(**message) == message
    assert list(message) == list(message.keys()) == ["role", "content"]
    assert dict(message.items()) == dict(message)
    reply = ChatResponse(message=message)
    assert type(dict(reply)["message"]) is Message
    assert dict(ShowResponse(modelinfo={})) == {"model_info": {}}


def test_a_view_is_true() -> None:
    """An empty view is true, as every object: `if reply:` does not depend on what the server sent."""
    assert ChatResponse.view({})


def test_schema_word_items_wins() -> None:
    """The classes of a tool's schema have a field `items`, and still work with `dict()`."""
    prop = Tool.Function.Parameters.Property(type="array", items={"type": "string"})
    assert prop.items == {"type": "string"}
    assert dict(prop) == {"type": "array", "items": {"type": "string"}}
    assert Tool.Function.Parameters(properties={"a": prop}).properties == {"a": prop}


def test_equality() -> None:
    """Views are equal by content within a class, and to dicts; not across classes."""
    message = Message(role="user", content="x")
    assert message == Message.view({"content": "x", "role": "user"})
    assert message == {"role": "user", "content": "x"}
    assert {"role": "user", "content": "x"} == message  # noqa: SIM300 - from that side too
    assert ChatResponse(message=message) == {"message": message}
    assert message != Message(role="user")
    assert message != Tool.view({"role": "user", "content": "x"})
    assert message != "x"
    with pytest.raises(TypeError, match="unhashable"):
        hash(message)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    """Views, nested ones included, survive pickling at every protocol."""
    call = Message.ToolCall(function={"name": "f", "arguments": {}})
    message = Message(role="assistant", tool_calls=[call])
    for view in (call, message):
        again = pickle.loads(pickle.dumps(view, protocol))
        assert again == view
        assert type(again) is type(view)


def test_copies() -> None:
    """A shallow copy has its own fields, a deep copy its own everything."""
    reply = ChatResponse(message=Message(role="assistant", content="a"), model="m")
    shallow, deep = copy.copy(reply), copy.deepcopy(reply)
    reply.model = "other"
    reply.message.content = "b"
    assert (shallow.model, deep.model) == ("m", "m")
    assert (shallow.message.content, deep.message.content) == ("b", "a")


def test_to_dict_is_independent() -> None:
    """`to_dict` shares nothing with the view, holds no view, and keeps None."""
    reply = ChatResponse.view({"message": {"tool_calls": [{"function": None}]}})
    given = reply.to_dict()
    given["message"]["tool_calls"][0]["function"] = 1
    assert (
        reply.to_dict() == reply.model_dump() == {"message": {"tool_calls": [{"function": None}]}}
    )
    assert type(given["message"]) is dict
    stowed = Message(role="user", images=["a"])
    copied = ChatResponse.view({"message": stowed}).to_dict()
    assert type(copied["message"]) is dict
    copied["message"]["images"].append("b")
    assert stowed.images == ["a"]


def test_model_dump_like_pydantic() -> None:
    """`model_dump` leaves out None when asked to, at every depth; `model_dump_json` writes compact JSON."""
    reply = ChatResponse.view(
        {"model": None, "message": {"content": "é\u2028", "images": None}, "l": [{"a": None}]}
    )
    assert reply.model_dump(exclude_none=True) == {"message": {"content": "é\u2028"}, "l": [{}]}
    assert reply.model_dump_json(exclude_none=True) == '{"message":{"content":"é\u2028"},"l":[{}]}'
    assert json.loads(reply.model_dump_json(indent=2)) == reply.to_dict()
    assert "\n  " in reply.model_dump_json(indent=2)
    with pytest.raises(TypeError):
        Message(role="user", images=[b"bytes"]).model_dump_json()


def test_repr_reads_as_the_constructor() -> None:
    """A short view's `repr` makes it again, with Python names."""
    for view in (
        Message(role="user", content="x"),
        ShowResponse(modelinfo={"a": [1, None]}),
        Tool(),
    ):
        assert eval(repr(view), vars(types)) == view
    assert repr(ShowResponse(modelinfo={})) == "ShowResponse(modelinfo={})"
    assert repr(Message.ToolCall.view({})) == "Message.ToolCall()"


def test_repr_is_bounded() -> None:
    """A megabyte in a reply is a few lines in a log."""
    reply = ChatResponse.view({"message": {"content": "x" * 10**6}, "n": list(range(10**6))})
    assert len(repr(reply)) < 300
    assert "… +999920" in repr(reply)
    assert len(repr(ShowResponse(modelinfo={f"k{i}": "v" * 90 for i in range(999)}))) <= 2001


class Outer(View, wire={"class_": "class"}):
    """A class of a user: inheritance, nested views, lists, mappings and times."""

    class Inner(View):
        """Known to the outer class by its bare name."""

        n: int = 7

    class_: str | None = None
    one: Inner | None = None
    many: Sequence[Inner] | None = None
    listed: list[Inner] | None = None
    named: Mapping[str, Inner] | None = None
    when: datetime | None = None
    either: Mapping[str, Any] | Inner | None = None


class Heir(Outer):
    """Adds a field and restates another's default."""

    extra: Outer.Inner | None = None
    class_: str | None = "heir"


def test_conversions_by_declaration() -> None:
    """Views, sequences, mappings and times are read as declared; unions with plain types stay plain."""
    view = Outer.view(
        {
            "one": {},
            "many": [{}],
            "listed": [{"n": 1}],
            "named": {"a": {}},
            "when": "2020-01-01T00:00:00Z",
            "either": {},
        }
    )
    assert isinstance(view.one, Outer.Inner)
    assert view.one.n == 7
    assert [type(item) for item in view.many or []] == [Outer.Inner]
    assert [item.n for item in view.listed or []] == [1]
    assert {name: type(item) for name, item in (view.named or {}).items()} == {"a": Outer.Inner}
    assert view.when == datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert type(view.either) is dict


@pytest.mark.parametrize("odd", [None, "text", 5, True, [1], {"a": 1}])
def test_a_value_of_another_type_is_given_as_it_is(odd: Any) -> None:
    """Reading never fails because a server sent another JSON type than declared."""
    for name in ("one", "many", "named", "when", "either"):
        if (name, odd) != ("when", "text"):
            assert unwrap(Outer.view({name: odd})[name]) == odd


def test_inherited_fields() -> None:
    """A subclass has the fields of its base, reads nested classes of it, and may restate a default."""
    heir = Heir.view({"one": {}, "extra": {}})
    assert isinstance(heir.one, Outer.Inner)
    assert isinstance(heir.extra, Outer.Inner)
    assert (heir.class_, Outer.view({}).class_) == ("heir", None)
    assert Heir().to_dict() == {"class": "heir"}


def test_times_are_written_as_text() -> None:
    """A datetime given to a field is stored as RFC 3339 text and read back as the same time."""
    when = datetime(2026, 11, 22, 13, 0, 0, 5, tzinfo=timezone.utc)
    view = Outer(when=when)
    assert view.when == when
    assert json.loads(view.model_dump_json()) == {"when": when.isoformat()}


def test_unwrap() -> None:
    """`unwrap` gives a view's own object, new lists and dicts of plain values, and leaves the rest alone."""
    message = Message(role="user")
    plain = unwrap(message)
    plain["content"] = "same object"
    assert message.content == "same object"
    assert unwrap({"a": (message, [message])}) == {"a": [plain, [plain]]}
    image = Image(b"x")
    assert unwrap([image, b"x", bytearray(b"y"), None])[0] is image
