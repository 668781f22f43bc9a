"""The interpreter's own thread primitives, whatever the host process has patched.

Runs on any thread. May not take the locks and threads of `threading` or `_thread` by these names: under
`gevent.monkey.patch_all()` they are greenlets in disguise, and the hub must be a real thread that blocks for real.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, Protocol, cast

import greenlet
from gevent.monkey import get_original


class Lock(Protocol):
    """A lock of the operating system: who waits for it blocks the thread, not the greenlet."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock. Blocks the native thread for up to `timeout` seconds (-1: no limit)."""

    def release(self) -> None:
        """Give the lock back, from any thread."""

    def __enter__(self) -> bool: ...

    def __exit__(self, *exc_info: object) -> None: ...


allocate_lock = cast("Callable[[], Lock]", get_original("_thread", "allocate_lock"))
start_new_thread = cast(
    "Callable[[Callable[..., object], tuple[object, ...]], int]",
    get_original("_thread", "start_new_thread"),
)
are_native = isinstance(start_new_thread, BuiltinFunctionType)
"""Whether these are the interpreter's own. Another tool than gevent may have replaced them before gevent looked."""

get_ident = cast("Callable[[], int]", get_original("_thread", "get_ident"))
thread_local = cast("Callable[[], Any]", get_original("_thread", "_local"))
sleep = cast("Callable[[float], None]", get_original("time", "sleep"))

current_greenlet = greenlet.getcurrent
"""Who runs now: a greenlet, or the main one of a thread that has no others."""


def traced(run: Callable[..., object], *args: object) -> None:
    """Make debuggers and coverage see this thread as they see those of `threading`, from `run` on."""
    if threading.gettrace() is not None:
        sys.settrace(threading.gettrace())
    if threading.getprofile() is not None:
        sys.setprofile(threading.getprofile())
    run(*args)
