"""The machine's own clocks, whatever a test has put in the place of Python's `time`.

A limit that went by a clock that stands still would never run out, and one that jumps would ring at once. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec

# freezegun and its like replace the functions of `time`, and every module's name for one of them. So these are functions of
# another copy of the module, which nobody else knows; the copy is right even when it is made under such a patch.
_spec = BuiltinImporter.find_spec("time")
assert _spec is not None
assert _spec.loader is not None
_time = module_from_spec(_spec)
_spec.loader.exec_module(_time)

monotonic: Callable[[], float]
"""Seconds of a clock that never goes back."""

if hasattr(_time, "clock_gettime"):
    # time-machine replaces `monotonic` in every copy of the module, and leaves the system's other clocks alone.
    monotonic = partial(_time.clock_gettime, _time.CLOCK_MONOTONIC)
else:  # Windows
    monotonic = _time.monotonic

perf_counter: Callable[[], float] = _time.perf_counter
"""Seconds of the finest clock that never goes back."""
