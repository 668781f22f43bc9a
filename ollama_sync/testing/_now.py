"""The time that the mock's delays go by: the machine's own, whatever a test has put in the place of Python's `time`.

Pure; any thread.
"""

from __future__ import annotations

from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec

# freezegun and its like replace the functions of `time`, and every module's name for one of them. So these are functions of
# another copy of the module, which nobody else knows; the copy is right even when it is made under such a patch.
_spec = BuiltinImporter.find_spec("time")
assert _spec is not None
assert _spec.loader is not None
_time = module_from_spec(_spec)
_spec.loader.exec_module(_time)

perf_counter = _time.perf_counter
"""Seconds, from a clock that never goes back."""
