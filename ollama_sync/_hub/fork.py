"""What a fork waits for.

Some modules of the package are imported when they are first needed, on the thread that needs them. A child that is forked
meanwhile has the module half made and locked by a thread that it does not have: its own import would wait for ever.

Runs on the thread that forks. (uWSGI forks without it, before its workers have threads.)
"""

from __future__ import annotations

import importlib
import os
import sys


def _finish_imports() -> None:
    """Wait for what other threads are importing of this package: some milliseconds at most."""
    for name in list(sys.modules):
        if name.startswith("ollama_sync."):
            importlib.import_module(name)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_imports)
