"""The modules that stand in for the official package, and what is taken from it.

A name of ours wins, and the official package is asked for the others, where it is installed. Any thread, but see
`private_copy`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import FunctionType, MethodType, ModuleType
from typing import Any

import ollama_sync
from ollama_sync import errors, tools, types
from ollama_sync._official.client import Client
from ollama_sync.errors import UsageError

NAME = "ollama"

# What `except ollama.ResponseError` has to catch, whichever half of the API has raised it.
_ERRORS = ("RequestError", "ResponseError")


class StandIn(ModuleType):
    """A module with names of ours, and of the official package's module of that name.

    Args:
        name: of the module.
        ours: what it has of ours, by name.
        official: the official package's; None where that is not installed.
    """

    def __init__(self, name: str, ours: dict[str, Any], official: ModuleType | None) -> None:
        super().__init__(name, "This SDK, under the official package's name.")
        self.__dict__.update(ours)
        self._official = official
        self.__spec__ = getattr(official, "__spec__", None) or ModuleSpec(name, None)
        self.__file__ = getattr(official, "__file__", None)
        if name == NAME:
            self.__path__: list[str] = []  # a package, whose modules are all in `sys.modules`
        self.__all__ = [one for one in getattr(official, "__all__", ours) if one[:1] != "_"]

    def __getattr__(self, name: str) -> Any:
        official = self.__dict__.get("_official")
        if official is not None and hasattr(official, name):
            return getattr(official, name)
        if name == "AsyncClient":
            return AsyncClient
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class AsyncClient:
    """Stands for the official one where that is not installed. It can be made, for programs that make one in vain."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UsageError(
            f"AsyncClient.{name}: the async half is the official package's, which is not installed: pip install ollama"
        )


def stand_ins(official: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """Return the modules that programs may import, by name.

    Args:
        official: those of the official package, by name; {} where it is not installed.
    """
    public = {name: getattr(ollama_sync, name) for name in ollama_sync.__all__ if name[:1] != "_"}
    public["Client"] = Client
    of_types = {name: getattr(types, name) for name in types.__all__}
    of_types |= {name: getattr(errors, name) for name in _ERRORS}
    ours = {
        NAME: public,
        f"{NAME}._client": {"Client": Client, **of_types},
        f"{NAME}._types": of_types,
        f"{NAME}._utils": {"convert_function_to_tool": tools.tool_schema},
    }
    modules: dict[str, ModuleType] = {
        name: StandIn(name, names, official.get(name)) for name, names in ours.items()
    }
    for name in list(modules):
        if name != NAME:
            setattr(modules[NAME], name.removeprefix(f"{NAME}."), modules[name])
    return modules


def private_copy() -> dict[str, ModuleType]:
    """Import the official package, and take it out of `sys.modules` again. Returns {} where it is not installed.

    For some milliseconds another thread that imports it gets the official one.
    """
    try:
        importlib.import_module(NAME)
    except ImportError:
        pass
    return {name: sys.modules.pop(name) for name in imported()}


def imported() -> list[str]:
    """Return the names of the modules of the official package, or of what stands for it, that are imported."""
    return [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]


def share_errors(official: dict[str, ModuleType]) -> dict[tuple[ModuleType, str], Any]:
    """Have the official package raise our errors; return what was there before, by module and name."""
    before = {}
    for module in official.values():
        for name in _ERRORS:
            if hasattr(module, name):
                before[module, name] = getattr(module, name)
                setattr(module, name, getattr(errors, name))
    return before


def keepers() -> list[str]:
    """Return which modules hold something of the official package: they would go on with it."""
    own = {id(sys.modules[name]) for name in imported()}
    found = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in (NAME, "ollama_sync") or not isinstance(module, ModuleType):
            continue
        if any(id(value) in own or _is_official(value) for value in list(vars(module).values())):
            found.append(name)
    return found


def _is_official(value: object) -> bool:
    """Whether it is something of the official package that this SDK would be used for instead."""
    # By its true type: a proxy, as Flask's, may raise at any other look.
    kind = type(value)
    one = value if kind in (FunctionType, MethodType) or issubclass(kind, type) else kind
    home, name = getattr(one, "__module__", None), getattr(one, "__name__", None)
    return (
        isinstance(home, str)
        and home.partition(".")[0] == NAME
        and name in {*ollama_sync.__all__, "convert_function_to_tool"}
    )
