"""Where the next call of a fleet goes: a pure policy over what is known of its servers.

Nothing here looks at a clock, a socket or a lock, so it is tested with numbers, and simulated. Runs on any thread; the
fleet asks it on the hub.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Protocol

# Seconds that a server rests after its first failure, and the longest that it rests after many.
SHORTEST_REST = 1.0
LONGEST_REST = 60.0


class Seen(Protocol):
    """What the policy wants to know of one server."""

    @property
    def host(self) -> str:
        """Its URL."""

    @property
    def places(self) -> int:
        """How many calls it may work on at a time."""

    @property
    def running(self) -> int:
        """How many it works on now."""

    @property
    def is_resting(self) -> bool:
        """Whether it failed, and has not answered since."""

    @property
    def models(self) -> Collection[str] | None:
        """The models that it has; None while that is not known."""

    @property
    def loaded(self) -> Collection[str]:
        """Those of them that are in its memory."""


class NoServer(enum.Enum):
    """Why a call has to go nowhere now."""

    BUSY = "every server that could take it has no free place"
    DOWN = "no server that could take it is left"


def choose(
    servers: Sequence[Seen],
    model: str,
    affinity: str | None = None,
    excluded: Collection[int] = (),
) -> int | NoServer:
    """Return the number of the server that the next call goes to.

    Servers that have the model are asked first, then those of which that is not known. One that is known not to have it
    is asked only where no server of the fleet, be it resting, has it. Among those with a free place the one wins that has the
    model loaded, and then the one with the smallest share of its places taken. With an affinity it is the first of the order in
    which rendezvous hashing (Thaler and Ravishankar, 1998) puts the servers for that text: as long as that server has a free place
    all calls of one conversation go there, and when a server comes or goes, only the conversations of that one move.

    Args:
        servers: of the fleet, always in the same order.
        model: that the call is for, as `canonical` spells it.
        affinity: what keeps the calls of one conversation together; None for a call that stands alone.
        excluded: numbers of servers that this call may not go to.

    Returns:
        the number; or why there is none.

    Example:
        >>> from ollama_sync.fleet import ServerState
        >>> a = ServerState("http://a:11434", places=4, running=3, models=frozenset({"llama3.2:latest"}))
        >>> b = ServerState("http://b:11434", places=4, running=1, models=frozenset({"llama3.2:latest"}))
        >>> choose([a, b], "llama3.2:latest")
        1
        >>> choose([a, b], "llama3.2:latest", excluded={0, 1})
        <NoServer.DOWN: 'no server that could take it is left'>
    """
    having: list[int] = []
    unknown: list[int] = []
    lacking: list[int] = []
    somebody_has_it = False
    for number, server in enumerate(servers):
        models = server.models
        if models is None:
            group = unknown
        elif model in models:
            group = having
            somebody_has_it = True
        else:
            group = lacking
        if number not in excluded and not server.is_resting:
            group.append(number)
    candidates = having or unknown or ([] if somebody_has_it else lacking)
    if not candidates:
        return NoServer.DOWN
    free = [number for number in candidates if servers[number].running < servers[number].places]
    if not free:
        return NoServer.BUSY
    if affinity is not None:
        return max(free, key=lambda number: _weight(affinity, servers[number].host))

    def cost(number: int) -> tuple[bool, float, int]:
        server = servers[number]
        # Of servers that are equal otherwise the one with the most free places, so that a fleet fills evenly.
        return (
            model not in server.loaded,
            server.running / server.places,
            server.running - server.places,
        )

    return min(free, key=cost)


def rest_after(failures: int, asked_for: float = 0.0) -> float:
    """Return how many seconds a server rests.

    Args:
        failures: since it last did what it should, 1 or more.
        asked_for: seconds, by the `Retry-After` of its answer.

    Example:
        >>> [rest_after(failures) for failures in (1, 2, 3, 10)]
        [1.0, 2.0, 4.0, 60.0]
    """
    # The exponent is bounded, for a server may be away for days.
    rest = SHORTEST_REST * (1 << min(failures - 1, 10))
    return min(max(rest, asked_for), LONGEST_REST)


def canonical(model: str) -> str:
    """Return a model's name as `/api/tags` spells it: with its tag.

    Example:
        >>> canonical("llama3.2"), canonical("hf.co/a/b:Q4_K_M")
        ('llama3.2:latest', 'hf.co/a/b:q4_k_m')
    """
    name = model.strip().lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _weight(affinity: str, host: str) -> bytes:
    return blake2b(f"{affinity}\0{host}".encode(errors="surrogatepass"), digest_size=8).digest()
