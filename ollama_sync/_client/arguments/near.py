"""Warns of a name that is nearly one that is known: a slip of the pen, which the server would take for nothing.

A name that is near to none passes in silence, for servers grow. Runs on the caller's thread.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Collection, Iterable

_PACKAGE = "ollama_sync"


def warn_of_near(where: str, names: Iterable[object], known: Collection[str]) -> None:
    """Warn of each name that is not known, but nearly.

    Args:
        where: the names stand, as "options".
        names: that were given.
        known: all that there are.
    """
    for name in names:
        if isinstance(name, str) and name not in known:
            near = difflib.get_close_matches(name, known, 1, cutoff=0.75)
            if near:
                warnings.warn(
                    f"{where}: {name!r} is not known; did you mean {near[0]!r}?",
                    stacklevel=_level_of_caller(),
                )


def _level_of_caller() -> int:
    """Return how many frames lie between `warn` and the program that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment] # None ends the loop
    return level
