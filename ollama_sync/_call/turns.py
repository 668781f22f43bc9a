"""When a call that reads gives way to the others.

Runs on the hub, in the greenlet of the call, which owns everything here.
"""

from __future__ import annotations

from ollama_sync._hub import Hub
from ollama_sync._now import monotonic

# Bytes of the wire that one call may read before the others have their turn: some thousand parts, well below a millisecond.
_TURN = 131072
# What a read costs besides, in bytes: a stream of small pieces that never has to wait gives way, too.
_READ_COST = 2048
# Fewer bytes will do where they have taken so many seconds.
_LEAST_TURN = 8192
_LONGEST_TURN = 0.003


class Turns:
    """Counts what one call reads between two looks of the loop at the sockets.

    Args:
        hub: whose other jobs have their turn.
    """

    __slots__ = ("_began", "_bytes", "_hub", "_round")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._bytes = 0
        self._began = 0.0
        self._round = 0

    def is_over(self, size: int) -> bool:
        """Count `size` bytes that came over the wire, and say whether it is the others' turn."""
        if self._round != self._hub.round:  # the loop has looked at the sockets since
            self._round = self._hub.round
            self._bytes = 0
            self._began = monotonic()
        self._bytes += size + _READ_COST
        if self._bytes >= _TURN or (
            self._bytes >= _LEAST_TURN and monotonic() - self._began >= _LONGEST_TURN
        ):
            self._round = 0
            return True
        return False
