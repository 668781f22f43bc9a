"""`View`: attribute access over a decoded JSON object, with fields declared by annotations.

Runs on any thread. A view has no lock: it belongs to whoever holds it. It may not validate, copy or
lose anything of the object that it shows; `View.view`, the constructor on the token path, may do
nothing but make the view. Annotations are evaluated when a field is first read, not at import.
"""

from __future__ import annotations

import importlib
import json
import types
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from ollama_sync.types._live import ViewList, ViewMapping
from ollama_sync.types._raw import Wrapper, copied, unwrap, without_none
from ollama_sync.types._short import short_fields
from ollama_sync.types._time import parse_time

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Stand in for the decorator that only type checkers read."""
        return lambda cls: cls


__all__ = ["View"]

_new = object.__new__


class _Field:
    """What one declaration says: names, default, and the property that reads and writes the member.

    Args:
        owner: the class that declares it.
        name: its Python name.
        wire: its name in the JSON object.
        default: what an absent one reads; a default other than None is also sent.
        required: True when the declaration states no default: the public constructor asks for it.
    """

    __slots__ = ("default", "name", "owner", "required", "wire")

    def __init__(
        self, owner: type[View], name: str, wire: str, default: Any, *, required: bool
    ) -> None:
        self.owner = owner
        self.name = name
        self.wire = wire
        self.default = default
        self.required = required
        self.install(self._first_read)

    def install(self, read: Callable[[Any], Any]) -> None:
        """Make the class attribute: a property, the fastest descriptor that runs Python code."""
        setattr(self.owner, self.name, property(read, self._write))

    def stands_in(self, raw: dict[str, Any]) -> bool:
        """Say whether this field of `raw` has a value: one that was sent, or a stated default."""
        return self.wire in raw or self.default is not None

    def _first_read(self, view: View) -> Any:
        # Two threads may both come here first: they install properties that do the same.
        _resolve(self.owner)
        return getattr(view, self.name)

    def _write(self, view: View, value: Any) -> None:
        view._raw[self.wire] = unwrap(value)


def _resolve(owner: type[View]) -> None:
    """Evaluate the annotations of `owner` and give its fields, inherited ones too, their readers."""
    hints = get_type_hints(owner)
    for field in owner._fields.values():
        field.install(_reader(field, hints[field.name]))


def _reader(field: _Field, hint: Any) -> Callable[[View], Any]:
    wire, default, convert = field.wire, field.default, _converter(hint)
    if convert is None:
        return lambda view: view._raw.get(wire, default)
    return lambda view: convert(view._raw.get(wire, default))


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    """Choose how a value declared as `hint` is read; None when the JSON value is the value.

    Every converter returns a value of another JSON type than it expects (null, or what a newer server
    sends) as it is.
    """
    if hint is datetime:
        return _read_time
    if isinstance(hint, type) and issubclass(hint, View):
        return _view_reader(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        members = [arg for arg in args if arg is not type(None)]
        return _converter(members[0]) if len(members) == 1 else _tagged_reader(members)
    if origin in (list, Sequence) and (item := _converter(args[0])):
        return _list_reader(item)
    if origin in (dict, Mapping) and (item := _converter(args[1])):
        return _mapping_reader(item)
    return None


def _read_time(value: Any) -> Any:
    return parse_time(value) if isinstance(value, str) else value


def _view_reader(cls: type[View]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        view = _new(cls)  # as View.view does, without the call: `part.message` is on the token path
        view._raw = value
        return view

    return read


def _list_reader(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: ViewList(value, item) if isinstance(value, list) else value


def _mapping_reader(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: ViewMapping(value, item) if isinstance(value, dict) else value


def _tagged_reader(members: list[Any]) -> Callable[[Any], Any] | None:
    """Read one of several views, chosen by the `type` member of the object; an unknown type is a bare `View`."""
    if not all(isinstance(member, type) and issubclass(member, View) for member in members):
        return None
    by_tag: dict[Any, type[View]] = {member._fields["type"].default: member for member in members}
    return lambda value: (
        by_tag.get(value.get("type"), View).view(value) if isinstance(value, dict) else value
    )


class _Slotted(type):
    """Metaclass that keeps views free of `__dict__`.

    Here and not as `__slots__ = ()` in each class, since mypy takes such a line to forbid every write.

    Args:
        beside: names of attributes that are no member of the JSON object.
    """

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        beside: tuple[str, ...] = (),
        **options: Any,
    ) -> _Slotted:
        namespace.setdefault("__slots__", beside)
        return super().__new__(mcs, name, bases, namespace, **options)


@dataclass_transform(kw_only_default=True)
class View(Wrapper, metaclass=_Slotted):
    """A typed view over a JSON object. Base of every reply, message and option of the SDK.

    A view keeps the whole object: a field that it does not declare is there by subscript and in
    `to_dict()`. An absent field reads None, or its stated default. Nothing is checked when a view is
    made. Views compare equal by content, pickle, copy, and have a short `repr`; they are mutable,
    and hence not hashable. `dict(view)` and `**view` give the fields under their names in JSON.

    Args:
        fields: the fields by name. Views, dicts, lists and plain values are accepted; unknown names are
            kept as given; None leaves a field out. Any of the names in Python and in JSON will do.

    Raises:
        TypeError: a field that has no default is missing.

    Example:
        >>> from ollama_sync.types import Message
        >>> message = Message(role="user", content="hi")
        >>> message.content, message["role"], "images" in message, message.get("images", [])
        ('hi', 'user', False, [])
    """

    _raw: dict[str, Any]
    _fields: ClassVar[dict[str, _Field]] = {}  # by Python name and by wire name

    def __init_subclass__(cls, *, wire: Mapping[str, str] | None = None) -> None:
        """Turn the annotations of a subclass into fields.

        Args:
            wire: the names in JSON of the fields whose Python name differs.
        """
        super().__init_subclass__()
        fields = dict(cls._fields)
        for name in cls.__annotations__:
            if not name.startswith("_"):
                stated = name in cls.__dict__
                default = cls.__dict__.get(name)
                restated = fields.get(name)
                wire_name = (wire or {}).get(name, restated.wire if restated else name)
                field = _Field(cls, name, wire_name, default, required=not stated)
                fields[name] = fields[field.wire] = field
        cls._fields = fields

    def __init__(self, **fields: Any) -> None:
        declared = dict.fromkeys(self._fields.values())
        raw = {field.wire: field.default for field in declared if field.default is not None}
        for name, value in fields.items():
            wire = self._wire(name)
            if value is not None:
                raw[wire] = unwrap(value)
            else:
                raw.pop(wire, None)
        missing = [field.name for field in declared if field.required and field.wire not in raw]
        if missing:
            raise TypeError(
                f"{type(self).__qualname__}() needs {', '.join(missing)}: none was given"
            )
        self._raw = raw

    @classmethod
    def view(cls, raw: dict[str, Any]) -> Self:
        """Show a decoded JSON object. Shares it: does not copy, check or convert.

        Args:
            raw: the object. Writing to the view writes to it.
        """
        self = _new(cls)
        self._raw = raw
        return self

    @classmethod
    def _wire(cls, name: str) -> str:
        field = cls._fields.get(name)
        return name if field is None else field.wire

    def __getitem__(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None:
            return self._raw[name]
        if field.stands_in(self._raw):
            return getattr(self, field.name)
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._raw[self._wire(name)] = unwrap(value)

    def __contains__(self, name: object) -> bool:
        field = self._fields.get(name) if isinstance(name, str) else None
        return name in self._raw if field is None else field.stands_in(self._raw)

    def get(self, name: str, default: Any = None) -> Any:
        """Read a field as by subscript, or give `default` when it is absent and has no stated default.

        Args:
            name: in Python or in JSON.
            default: for a field that is absent.
        """
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def keys(self) -> KeysView[str]:
        """The names, in JSON, of the fields that are present."""
        return self._raw.keys()

    def items(self) -> ItemsView[str, Any]:
        """The present fields: name in JSON, and value as by subscript."""
        return {name: self[name] for name in self._raw}.items()

    def to_dict(self) -> dict[str, Any]:
        """Copy the whole object, to its full depth, with its names in JSON and no view in it.

        Returns:
            Everything that the server sent or the constructor was given; times as their text.
        """
        copy: dict[str, Any] = copied(self._raw)
        return copy

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        """Do as `to_dict`, under the name that pydantic models have.

        Args:
            exclude_none: leave out members that are None, at every depth.
        """
        copy = self.to_dict()
        return dict(without_none(copy)) if exclude_none else copy

    def model_dump_json(self, *, indent: int | None = None, exclude_none: bool = False) -> str:
        """Write the whole object as JSON text.

        Args:
            indent: spaces a level, or None for one line without blanks.
            exclude_none: leave out members that are None, at every depth.

        Raises:
            TypeError: the view holds what JSON cannot (the bytes or the path of an image).
        """
        separators = (",", ":") if indent is None else None
        value = self.model_dump(exclude_none=exclude_none)
        return json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """Make a view of an object, under the name that pydantic models have. Nothing is checked but that it is one.

        Args:
            obj: a mapping, or a view.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(obj, (Mapping, View)):
            raise ValueError(  # noqa: TRY004 - pydantic's own is one, and takes no other
                f"{cls.__qualname__}.model_validate({obj!r:.60}): an object is needed"
            )
        return cls.view(copied(unwrap(dict(obj))))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes) -> Self:
        """Make a view of the text of a JSON object. As `model_validate`.

        Args:
            json_data: the text.
        """
        return cls.model_validate(json.loads(json_data))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the view, under the name that pydantic models have.

        Args:
            update: fields that the copy has instead.
            deep: copy what is in it, too.
        """
        copy = self.view(self.to_dict() if deep else dict(self._raw))
        for name, value in (update or {}).items():
            copy[name] = value
        return copy

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let a pydantic model have fields of this type: it takes views and mappings, and dumps what `to_dict` gives."""
        core_schema = importlib.import_module("pydantic_core.core_schema")  # who asks has it
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.model_validate(value),
            serialization=core_schema.plain_serializer_function_ser_schema(View.to_dict),
        )

    def __json__(self) -> dict[str, Any]:
        """Do as `to_dict`, for serializers that ask by this name: those of Celery and `ollama_sync.flask`."""
        return self.to_dict()

    def __eq__(self, other: object) -> bool:
        if type(other) is type(self) or isinstance(other, dict):
            return bool(self._raw == unwrap(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as dict: a hash of its identity would lie

    def __repr__(self) -> str:
        names = {field.wire: field.name for field in self._fields.values()}
        fields = {names.get(name, name): value for name, value in self._raw.items()}
        return short_fields(type(self).__qualname__, fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).view, (self._raw,)

    def __copy__(self) -> Self:
        return type(self).view(dict(self._raw))

    if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every name valid

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_no_such_field(self, name), name=name, obj=self)


def _no_such_field(view: View, name: str) -> str:
    text = f"{type(view).__qualname__} declares no field {name!r}"
    if name.startswith("_"):  # a half-made view (unpickling, copying) may be asked for these
        return text
    if name in view._raw:
        return f"{text}, but the object has it: read it as [{name!r}]"
    import difflib

    declared = {field.name for field in view._fields.values()}
    near = difflib.get_close_matches(name, sorted(declared))
    return f"{text}; near names: {', '.join(near)}" if near else text
