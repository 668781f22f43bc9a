"""This SDK under the name of the official package, so that programs made for that one run on it unchanged.

    client       the client that takes what the official one takes
    modules      what is put into `sys.modules`

Runs where the program calls it, as a rule before it imports anything that uses Ollama.
"""

from __future__ import annotations

import sys
from types import ModuleType, TracebackType
from typing import Any

from ollama_sync._official import modules
from ollama_sync.errors import UsageError

__all__ = ["Installed", "install_as_ollama"]

# The one that is in force, if any.
_installed: dict[str, Installed] = {}


class Installed:
    """This SDK stands for the official package, until `undo`. Made by `install_as_ollama`; a `with` block undoes it at its end.

    Example:
        >>> from ollama_sync import UsageError, install_as_ollama
        >>> try:
        ...     installed = install_as_ollama()
        ... except UsageError as error:  # somebody has imported the official one before
        ...     reason = str(error)
        ... else:
        ...     installed.undo()
    """

    def __init__(self) -> None:
        keepers = modules.keepers()
        if keepers:
            raise UsageError(
                f"install_as_ollama: {', '.join(keepers[:5])} has imported names of the official package and would go on with "
                "them; call it before these imports"
            )
        self._before = {name: sys.modules.pop(name) for name in modules.imported()}
        official = self._before or modules.private_copy()
        self._errors: dict[tuple[ModuleType, str], Any] = modules.share_errors(official)
        self._modules = modules.stand_ins(official)
        sys.modules.update(self._modules)

    @property
    def is_in_force(self) -> bool:
        """Whether `import ollama` gives this SDK."""
        return sys.modules.get(modules.NAME) is self._modules[modules.NAME]

    def undo(self) -> None:
        """Have `import ollama` give the official package again. What was imported meanwhile keeps what it has."""
        if _installed.get("") is self:
            del _installed[""]
        if self.is_in_force:
            for name in modules.imported():
                del sys.modules[name]
            sys.modules.update(self._before)
            for (module, name), value in self._errors.items():
                setattr(module, name, value)

    def __enter__(self) -> Installed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()


def install_as_ollama() -> Installed:
    """Put this SDK in the place of the official `ollama` package, for everything that is imported after it.

    So LangChain, LlamaIndex, Haystack and others run on it unchanged: the functions and `Client` are ours. `AsyncClient`, and names
    that we lack, are the official package's where that is installed; else they say so when they are used. Errors are ours in both
    halves. Call it first, in the main module: a module that has imported the official package before would go on with that.

    Returns:
        a handle; its `undo()` takes it back. Called a second time it returns the same one.

    Raises:
        UsageError: somebody has imported names of the official package already, and keeps them.

    Example:
        >>> from ollama_sync import UsageError
        >>> try:
        ...     with install_as_ollama():
        ...         import ollama  # and whatever uses it
        ... except UsageError as error:  # somebody has imported the official one before
        ...     reason = str(error)
    """
    installed = _installed.get("")
    if installed is None or not installed.is_in_force:
        installed = _installed[""] = Installed()
    return installed
