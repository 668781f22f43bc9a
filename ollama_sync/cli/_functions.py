"""The functions of a Python file, which a model may call.

Runs on the main thread. The file is a program of the user's, and is run as one.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any

from ollama_sync.errors import RequestError

_NAME = "ollama_sync_functions"


def functions_in(path: str) -> list[Callable[..., Any]]:
    """Return the functions that a file defines, but for those whose names begin with an underscore.

    Raises:
        RequestError: the file cannot be read or run, or defines none.
    """
    loader = SourceFileLoader(_NAME, path)
    spec = importlib.util.spec_from_loader(_NAME, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module  # where dataclasses and typing look for names
    try:
        loader.exec_module(module)
    except Exception as error:
        raise RequestError(f"{path}: {type(error).__name__}: {error}") from error
    found: list[Callable[..., Any]] = [
        thing
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == _NAME and not name.startswith("_")
    ]
    if not found:
        raise RequestError(f"{path}: it defines no function that a model could call")
    return found
