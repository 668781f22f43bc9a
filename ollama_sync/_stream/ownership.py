"""Who consumes a stream: one at a time, and an interrupt does not lock it.

An interrupt may come between any two steps, also between those that take and give back, and so it may leave the stream
with its owner. Therefore the owner is told by what it is, and finds its own: a consumer that was interrupted gets in
again. Another one gets in where the owner has ended.

Any thread: `dict.setdefault` is atomic, and so is the assignment that gives a stream back.
"""

from __future__ import annotations

from typing import Any

_OWNER = "owner"


class Ownership:
    """The right to consume one stream.

    Attributes:
        owners: at most one. Whoever has it gives it back by `owners = {}`, which needs no call and so lets no interrupt
            in; a method could be interrupted on its way back.
    """

    __slots__ = ("owners",)

    def __init__(self) -> None:
        self.owners: dict[str, Any] = {}

    def holds(self, who: object) -> bool:
        """Whether `who` is the owner."""
        return self.owners.get(_OWNER) is who

    def acquire(self, who: object) -> bool:
        """Become the owner, or find that one is already; false when somebody else is.

        Args:
            who: the greenlet that consumes, or what holds the stream for longer.
        """
        owners = self.owners
        owner = owners.setdefault(_OWNER, who)
        if owner is who:
            return True
        if getattr(owner, "dead", False):
            # A greenlet that has ended without giving it back. Of two that see this, one gets it.
            owners.pop(_OWNER, None)
            return owners.setdefault(_OWNER, who) is who
        return False
