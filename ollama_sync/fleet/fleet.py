"""`Fleet`: several servers that answer as one. What a caller holds; any thread or greenlet may use it.

Which server a call goes to is decided on the hub, by the dispatcher. What changes here: `_dispatchers`, by single operations on a
dict, when the hub is another one (after a fork, or when its loop has ended), and `_closed`, set once.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from ollama_sync._client.calls import Calls
from ollama_sync._client.client import Client
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.outcomes import Launcher
from ollama_sync._client.plan import Plan
from ollama_sync._hub import Hub, shared_hub
from ollama_sync._now import monotonic
from ollama_sync._observe.statistics import ClientStatistics
from ollama_sync.errors import ClosedError, ErrorLine, OllamaError, RequestError, StreamBroken
from ollama_sync.fleet import verbs
from ollama_sync.fleet.caller import JSON
from ollama_sync.fleet.dispatcher import Dispatcher
from ollama_sync.fleet.policy import canonical
from ollama_sync.fleet.route import FleetRoute
from ollama_sync.fleet.server import Server
from ollama_sync.fleet.state import ServerState
from ollama_sync.fleet.wish import Wish

Servers = Mapping[str | Client, int | None] | Iterable[str | Client]

# Seconds that a call of `map` waits for a server to come back, when every one is down.
_PATIENCE = 10.0

# So many times more than there are servers a call of `map` is made, that breaks after its reply has begun.
_MORE_TRIES = 2


class Fleet:
    """Several Ollama servers that answer as one; each call goes to the one that suits it best.

    That is one that has the model, if possible in its memory, and has a free place. A server that refuses, breaks or is overloaded
    rests for a second, then for longer and longer, up to a minute, and is asked whether it is there before it gets work again; a
    call that had no byte of its reply yet moves to another. When no place is free, calls wait in the order in which they came.
    What manages models is done at each server: `for client in fleet: client.pull(...)`.

    Args:
        servers: hosts, as `Client` takes them, or clients; or a mapping from these to the number of their places; None for `parallel`.
        parallel: how many calls a server may work on at a time, where `servers` does not say: the server's OLLAMA_NUM_PARALLEL.
        max_waiting: how many calls may wait for a place before more are refused; None for any number.
        client_options: what `Client` takes, for the servers that are given as hosts. Limits of time, retries, batching and hooks are
            those of the fleet, so they count for every call; where only clients are given, those of the first are taken.

    Raises:
        RequestError: an argument is wrong: no server, one that is named twice, no place.

    Example:
        >>> from ollama_sync import Fleet
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama(chunks=3) as one, MockOllama(chunks=3) as two:
        ...     with Fleet({one.url: 8, two.url: 2}) as fleet:
        ...         reply = fleet.generate("llama3.2", "hi")
        ...         places = [server.places for server in fleet.servers]
        >>> reply.response, places
        ('AAA', [8, 2])
    """

    def __init__(
        self,
        servers: Servers,
        *,
        parallel: int = 4,
        max_waiting: int | None = None,
        **client_options: Any,
    ) -> None:
        if isinstance(servers, (str, bytes, Client)) or not isinstance(servers, Iterable):
            raise RequestError(
                f"Fleet({servers!r}): a list of servers, or a mapping with their places"
            )
        _check_places("parallel", parallel)
        if max_waiting is not None and (
            isinstance(max_waiting, bool) or not isinstance(max_waiting, int) or max_waiting < 0
        ):
            raise RequestError(f"max_waiting={max_waiting!r}: a whole number, or None for any")
        pairs = (
            [(server, parallel if places is None else places) for server, places in servers.items()]
            if isinstance(servers, Mapping)
            else [(server, parallel) for server in servers]
        )
        self._given = (pairs, max_waiting, client_options)
        self._max_waiting = max_waiting
        self._closed = False
        self._own: list[Client] = []
        self._members = self._clients_of(pairs, client_options)
        self._calls: Calls = self._members[0][0].calls
        # By hub: the number is one, until a fork, or the end of its loop.
        self._dispatchers: dict[Hub, Dispatcher] = {}

    # What it answers; see `Client`.
    chat = verbs.chat
    generate = verbs.generate
    embed = verbs.embed
    embeddings = verbs.embeddings
    run_tools = verbs.run_tools
    map = verbs.map

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """What is known of each server now, in their order. Any thread; never blocks.

        Example:
            >>> from ollama_sync import Fleet
            >>> with Fleet(["gpu1", "gpu2"]) as fleet:
            ...     [(server.host, server.free) for server in fleet.servers]
            [('http://gpu1:11434', 4), ('http://gpu2:11434', 4)]
        """
        now = monotonic()
        return tuple(server.state(now) for server in self._dispatcher().servers)

    @property
    def waiting(self) -> int:
        """How many calls wait for a free place now. Any thread; never blocks."""
        return self._dispatcher().waiting

    def statistics(self) -> ClientStatistics:
        """Return how much the calls of this fleet have done so far. Any thread; never blocks."""
        return self._calls.totals.snapshot(
            sum(client.transport.kept_connections for client, _ in self._members)
        )

    def close(self) -> None:
        """End the calls under way. The clients that were given stay open, those made here are closed. Any thread; never blocks.

        What had arrived of a stream is still delivered. Later calls raise `ClosedError`.
        """
        if not self._closed:
            self._closed = True
            for hub, dispatcher in list(self._dispatchers.items()):
                hub.call_soon(dispatcher.close)
            for client in self._own:
                client.close()

    def __iter__(self) -> Iterator[Client]:
        """Iterate over the clients of the servers, for what has to be done at each."""
        return iter([client for client, _ in self._members])

    def __len__(self) -> int:
        return len(self._members)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # As its configuration, as a client; never with the key of the environment.
        return _made_of, (type(self), *self._given)

    def __repr__(self) -> str:
        hosts = ", ".join(client.transport.host.url for client, _ in self._members)
        return f"<Fleet {hosts}{', closed' if self._closed else ''}>"

    # For its verbs, not for users.

    @property
    def calls(self) -> Calls:
        """What its calls have in common."""
        return self._calls

    def route(
        self,
        endpoint: Endpoint[Any],
        body: bytes,
        model: str,
        *,
        accept: str,
        affinity: str | None,
        patience: float,
    ) -> FleetRoute:
        """Return the route of one call.

        Args:
            endpoint: that is called.
            body: of the request.
            model: that the call is for.
            accept: the media type that is asked for.
            affinity: what keeps the calls of one conversation together; None for a call that stands alone.
            patience: seconds that it waits for a server when every one of them is down.

        Raises:
            ClosedError: the fleet was closed.
        """
        tried = f"{endpoint.method} {endpoint.path}"
        if self._closed:
            raise ClosedError(f"{tried}: this fleet was closed; make a new one")
        wish = Wish(tried, canonical(model), affinity, patience)
        return FleetRoute(self._dispatcher(), endpoint, body, accept, wish)

    def launcher(self) -> Launcher:
        """Return who makes many calls.

        Raises:
            ClosedError: the fleet was closed.
        """
        if self._closed:
            raise ClosedError("map: this fleet was closed; make a new one")
        return Launcher(self._calls, self._route_of, self._may_repeat)

    _launcher = launcher  # as `map` asks for it

    def _route_of(self, plan: Plan) -> FleetRoute:
        return self.route(
            plan.endpoint, plan.body, plan.model, accept=JSON, affinity=None, patience=_PATIENCE
        )

    def _may_repeat(self, error: OllamaError, attempts: int) -> bool:
        # Of a whole reply nothing was delivered, so that nothing is told twice.
        return (
            isinstance(error, StreamBroken)
            and not isinstance(error, ErrorLine)
            and attempts < len(self._members) + _MORE_TRIES
            and not self._closed
        )

    def _clients_of(
        self, pairs: list[tuple[str | Client, int]], options: dict[str, Any]
    ) -> list[tuple[Client, int]]:
        if not pairs:
            raise RequestError("Fleet: at least one server is needed")
        if options and all(isinstance(server, Client) for server, _ in pairs):
            raise RequestError(
                f"Fleet({', '.join(f'{name}=' for name in options)}): these are for servers given as hosts; "
                "give them to the clients"
            )
        members: dict[str, tuple[Client, int]] = {}
        for server, places in pairs:
            _check_places(f"places of {server!r}", places)
            if not isinstance(server, (str, Client)):
                raise RequestError(
                    f"Fleet: {server!r} is no server: a host, as 'gpu1', or a Client"
                )
            client = server if isinstance(server, Client) else Client(server, **options)
            if client is not server:
                self._own.append(client)
            host = client.transport.host.url
            if host in members:
                raise RequestError(f"Fleet: {host} is named twice; give it more places instead")
            members[host] = (client, places)
        return list(members.values())

    def _dispatcher(self) -> Dispatcher:
        hub = shared_hub()
        dispatcher = self._dispatchers.get(hub)
        if dispatcher is None:
            servers = [Server(client, places) for client, places in self._members]
            made = Dispatcher(hub, servers, self._max_waiting)
            # Of two threads that come here at once the first wins, so that there is one count of the places.
            dispatcher = self._dispatchers.setdefault(hub, made)
            if dispatcher is made:
                weakref.finalize(self, _retire, hub, made).atexit = False
        return dispatcher


def _check_places(name: str, places: object) -> None:
    if isinstance(places, bool) or not isinstance(places, int) or places < 1:
        raise RequestError(
            f"{name}={places!r}: how many calls at a time, a whole number, 1 or more"
        )


def _made_of(
    kind: type[Fleet],
    pairs: list[tuple[str | Client, int]],
    max_waiting: int | None,
    options: dict[str, Any],
) -> Fleet:
    """Return a fleet of another one's configuration; pickles name this function."""
    return kind(dict(pairs), max_waiting=max_waiting, **options)


def _retire(hub: Hub, dispatcher: Dispatcher) -> None:
    """Have the hub end what a dropped fleet leaves. Runs wherever the fleet was collected."""
    hub.call_soon(dispatcher.close)
