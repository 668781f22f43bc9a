"""`DaskFleet`: several servers, asked by the workers of a cluster. The caller's thread, one at a time; it owns the cluster that it starts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ollama_sync import Answerer, Client, Fleet
from ollama_sync.dask._outcomes import DaskOutcomes
from ollama_sync.errors import ConnectError, RequestError

if TYPE_CHECKING:
    import distributed

Verb = Literal["chat", "generate", "embed"]

# Threads of each worker of a local cluster: one partition begins while another ends.
_THREADS = 2

# Ctrl-C comes to every process of a terminal; who started the workers ends them.
_LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"

# Seconds to wait for a scheduler, and for its first worker.
_PATIENCE = 30.0


class DaskFleet:
    """Several servers, asked by the workers of a Dask cluster. It goes to `run_batch` as `servers`, and has a `map`.

    The workers need this package, and must reach the servers. All together they keep to the places of each server, unless there are
    more threads than places. A worker that dies costs what it was at: its partitions are asked anew by others, and after a few deaths of
    that kind they fail. Whoever makes a local cluster in a program of its own does that below `if __name__ == "__main__":`,
    for its workers import the program.

    Args:
        servers: as `Fleet` takes them.
        cluster: the address of a scheduler, as "tcp://head:8786"; "local:4" for so many processes on this machine; or a
            `distributed.Client`, which stays open.
        parallel: how many calls a server may work on at a time, from all workers, where `servers` does not say.
        client_options: what `Client` takes, for the servers that are given as hosts.

    Raises:
        RequestError: an argument is wrong. Nothing was started.

    Example:
        >>> fleet = DaskFleet({"gpu1": 8, "gpu2": 2}, "local:4")     # starts nothing before it is used
        >>> fleet
        <DaskFleet http://gpu1:11434, http://gpu2:11434 by local:4>
    """

    def __init__(
        self,
        servers: Mapping[str | Client, int] | Iterable[str | Client],
        cluster: str | distributed.Client,
        *,
        parallel: int = 4,
        **client_options: Any,
    ) -> None:
        if not isinstance(servers, (str, bytes, Client, Mapping)) and isinstance(servers, Iterable):
            servers = list(servers)
        self._options = client_options
        with Fleet(servers, parallel=parallel, **client_options) as fleet:
            self._hosts = [state.host for state in fleet.servers]
        pairs = (
            servers.items()
            if isinstance(servers, Mapping)
            else ((one, parallel) for one in servers)
        )
        self._places = dict(pairs)
        self._cluster = cluster
        self._processes = _processes(cluster)
        self._open = ExitStack()
        self._client: distributed.Client | None = None

    def map(
        self,
        verb: Verb,
        items: Iterable[Any],
        *,
        request: Callable[[Any], Mapping[str, Any]] | None = None,
        parallel: int | None = None,
        ordered: bool = False,
        **common: Any,
    ) -> DaskOutcomes:
        """Make one request for each of many items, by the workers of the cluster.

        As `Fleet.map`, but outcomes come by partitions, so the first ones later. Starts the cluster, or connects with it, and so may block
        for some seconds.

        Args:
            verb: "chat", "generate" or "embed".
            items: pulled as partitions end; each is sent to a worker, and so has to be pickled.
            request: returns the parameters of the verb for an item, by name; sent to the workers.
            parallel: how many calls are open at a server at a time, from all workers, in place of the fleet's own numbers.
            ordered: whether outcomes come in the order of the items, or by partitions as they end.
            common: parameters of the verb for every item.

        Returns:
            an iterator of `Outcome`; leaving its `with` block gives up what is open.

        Raises:
            RequestError: an argument is wrong. Nothing was sent.
            ConnectError: there is no scheduler, or no worker.
        """
        places = {
            server: own if parallel is None else parallel for server, own in self._places.items()
        }

        def answerer(share: int) -> Answerer:
            """Return what one of so many threads gets."""
            return Answerer(
                {
                    server: number if share == 1 else max(1, number // share)
                    for server, number in places.items()
                },
                verb,
                request=request,
                ordered=False,
                client=self._options,
                **common,
            )

        answerer(1)  # says what is wrong before anything starts
        if not isinstance(items, Iterable) or isinstance(items, (str, bytes, Mapping)):
            raise RequestError(
                f"DaskFleet.map(items={items!r:.80}): an iterable of items, as a list"
            )
        return DaskOutcomes(
            self._connected(), answerer, list(places.values()), items, ordered=ordered
        )

    def close(self) -> None:
        """Leave the cluster; a local one ends. Blocks for some seconds, at most."""
        self._client = None
        self._open.close()

    def __enter__(self) -> DaskFleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DaskFleet {', '.join(self._hosts)} by {self._cluster}>"

    def _connected(self) -> distributed.Client:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> distributed.Client:
        try:
            import distributed
        except ImportError as error:
            raise RequestError(
                "DaskFleet: Dask is not installed: pip install 'ollama_sync[dask]'"
            ) from error
        if not isinstance(self._cluster, str):
            return self._cluster
        where: Any = self._cluster
        if self._processes is not None:
            where = self._open.enter_context(
                distributed.LocalCluster(
                    n_workers=self._processes,
                    threads_per_worker=_THREADS,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                    # Nanny: for each worker.
                    preload=[_LEAVE_CTRL_C],
                )
            )
        try:
            client = self._open.enter_context(distributed.Client(where, timeout=_PATIENCE))
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, TimeoutError) as error:
            self._open.close()
            raise ConnectError(
                f"Dask at {self._cluster}: no scheduler with a worker has answered within {_PATIENCE:.0f} s; "
                "see that both run, and that the address is the scheduler's"
            ) from error
        return client


def _processes(cluster: object) -> int | None:
    """Return how many workers a local cluster is to have; None where it is another one."""
    if not isinstance(cluster, str):
        if cluster is None or not hasattr(cluster, "submit"):
            raise RequestError(
                f"DaskFleet(cluster={cluster!r:.80}): an address, 'local:4', or a distributed.Client"
            )
        return None
    kind, _, number = cluster.partition(":")
    if kind != "local":
        return None
    if not number.isdecimal() or int(number) < 1:
        raise RequestError(f"DaskFleet(cluster={cluster!r}): 'local:4' for four processes")
    return int(number)
