"""Lists and mappings of views, live over the JSON list or object that they show.

On any thread; holds no lock, its owner is whoever owns the view that it came from. A plain list of
views made at each access would lose what a caller appends to it; these write through. They compare
equal to lists and dicts with the same content. They may not validate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

from ollama_sync.types._raw import Wrapper, unwrap
from ollama_sync.types._short import short

__all__ = ["ViewList", "ViewMapping"]


class ViewList(MutableSequence[Any], Wrapper):
    """A JSON list whose items are read as views. Made by reading a field, not by users.

    Args:
        raw: the list itself; changes go to it.
        read: makes a view of one item.
    """

    __slots__ = ("_read",)

    def __init__(self, raw: list[Any], read: Callable[[Any], Any]) -> None:
        self._raw = raw
        self._read = read

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._read(item) for item in self._raw[index]]
        return self._read(self._raw[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self._read, self._raw)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._raw[index] = unwrap(value)

    def __delitem__(self, index: Any) -> None:
        del self._raw[index]

    def insert(self, index: int, value: Any) -> None:
        """Put a view or a plain value before `index`."""
        self._raw.insert(index, unwrap(value))

    def __add__(self, other: Sequence[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Sequence[Any]) -> list[Any]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, ViewList)):
            return bool(self._raw == unwrap(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as list: a hash of its identity would lie

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy and a pickle are not live any more: a list of the views.
        return list, ([*self],)

    def __repr__(self) -> str:
        return short(self._raw)


class ViewMapping(MutableMapping[str, Any], Wrapper):
    """A JSON object whose values are read as views. Made by reading a field, not by users.

    Args:
        raw: the object itself; changes go to it.
        read: makes a view of one value.
    """

    __slots__ = ("_read",)

    def __init__(self, raw: dict[str, Any], read: Callable[[Any], Any]) -> None:
        self._raw = raw
        self._read = read

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, key: str) -> Any:
        return self._read(self._raw[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __setitem__(self, key: str, value: Any) -> None:
        self._raw[key] = unwrap(value)

    def __delitem__(self, key: str) -> None:
        del self._raw[key]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return bool(self._raw == unwrap(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, as dict: a hash of its identity would lie

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, ({**self},)

    def __repr__(self) -> str:
        return short(self._raw)
