"""`ServerState`: what is known of one server of a fleet, at one moment. A frozen value; any thread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ServerState:
    """One server of a fleet, as `fleet.servers` shows it.

    Args:
        host: its URL.
        places: how many calls it may work on at a time.
        running: how many it works on now.
        models: the models that it has, with their tags; None while that is not known.
        loaded: those of them that are in its memory.
        is_resting: whether it failed, and has not answered since.
        rest: seconds until it is asked again; 0.0 where it does not rest, or is being asked.
        failures: how often it failed since it last did what it should.
        error: the text of its latest failure, where it rests.
        calls: how many calls have gone there.

    Example:
        >>> ServerState("http://gpu1:11434", places=4, running=4).free
        0
    """

    host: str
    places: int
    running: int = 0
    models: frozenset[str] | None = None
    loaded: frozenset[str] = frozenset()
    is_resting: bool = False
    rest: float = 0.0
    failures: int = 0
    error: str | None = None
    calls: int = 0

    @property
    def free(self) -> int:
        """How many more calls may go there now; 0 while it rests."""
        return 0 if self.is_resting else max(0, self.places - self.running)

    def __json__(self) -> dict[str, Any]:
        """Return the facts by name, for serializers that ask by this name."""
        return {
            **asdict(self),
            "models": None if self.models is None else sorted(self.models),
            "loaded": sorted(self.loaded),
        }
