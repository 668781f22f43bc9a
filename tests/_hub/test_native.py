"""The native primitives: the interpreter's own, whatever the process has patched."""

from __future__ import annotations

from collections.abc import Callable

PROGRAM = """
import gevent
from ollama_sync._hub import native

lock = native.allocate_lock()
assert lock.acquire()
local = native.thread_local()
local.mark = "main"
seen = []

def thread():
    seen.append((native.get_ident(), hasattr(local, "mark")))
    lock.release()

ticks = []
gevent.spawn(ticks.append, 1)
ident = native.start_new_thread(thread, ())
assert lock.acquire(True, 20)
native.sleep(0.01)
# The main thread was blocked, and with it its loop: no greenlet ran.
assert ticks == []
assert seen == [(ident, False)]
assert ident != native.get_ident()
gevent.sleep(0.001)
assert ticks == [1]
print("native")
"""


def test_the_primitives_are_of_threads_and_not_of_greenlets(
    in_process: Callable[[str], str],
) -> None:
    """A started thread runs while ours is blocked by a lock and a sleep, and has its own ident and locals."""
    assert in_process(PROGRAM) == "native\n"
