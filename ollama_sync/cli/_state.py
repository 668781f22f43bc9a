"""What is kept from one run to the next: the last conversation, and the lines that were typed.

In the folder in which the platform keeps state, for the user's eyes only. Nothing is kept where OLLAMA_NOHISTORY is set, which the
server's own command line heeds, too. Runs on the main thread.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_OURS = "ollama-sync"


def is_kept() -> bool:
    """Return whether anything may be kept."""
    return os.environ.get("OLLAMA_NOHISTORY", "") in ("", "0", "false")


def folder() -> Path:
    """Return the folder; it need not be there.

    Raises:
        OSError: the user has no home.
    """
    try:
        return _base() / _OURS
    except RuntimeError as error:  # how pathlib says it
        raise FileNotFoundError(str(error)) from error


def private_file(name: str) -> Path:
    """Return a file of the folder, made if it was not there. Nobody but the user can read it.

    Raises:
        OSError: it cannot be made.
    """
    where = folder()
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = where / name
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    return path


def read(name: str) -> str | None:
    """Return what was kept under a name, or None.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return (folder() / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def keep(name: str, text: str) -> None:
    """Keep a text in the place of the last: whole or not at all, also when the process ends in its midst.

    Raises:
        OSError: it cannot be written.
    """
    new = private_file(f"{name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(new.with_name(name))
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _base() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support"
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local/state"
