"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meter import Figures


@dataclass(frozen=True)
class Scenario:
    """One piece of work, the same for every peer.

    Args:
        name: in tables and on the command line.
        what: what is done and measured; a sentence or two for the page.
        measure: does it for one peer, with the port of the load server, in a process of its own.
        peers: who is measured, this SDK first.
        shown: the figures that the table shows, and their headings.
        quick: who is measured in the quick form; nobody: the scenario is not part of it.
        patched: the process runs under `gevent.monkey.patch_all()`.
        paced: the server keeps a schedule; if it was late, the result is void.
    """

    name: str
    what: str
    measure: Callable[[str, int], Figures]
    peers: tuple[str, ...]
    shown: dict[str, str]
    quick: tuple[str, ...] = ()
    patched: bool = False
    paced: bool = True
