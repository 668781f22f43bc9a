"""Which process this is, told apart from every process that it descends from.

The number alone does not tell: a system gives the number of a dead ancestor again, and what was inherited from that ancestor would
pass for one's own. So forks are counted, too, by a hook that runs in each child; where a program forks without running
hooks, as uWSGI does, the ancestor lives on and the number tells.
"""

from __future__ import annotations

import os
from typing import TypeAlias

Process: TypeAlias = tuple[int, int]
"""How many forks lie before it, and its number. For comparing only."""

_forks = 0


def this_process() -> Process:
    """Return the process that runs now. Any thread."""
    return _forks, os.getpid()


def _count() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)
