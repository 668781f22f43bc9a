"""`Answerer`: many requests as one picklable function, for engines that spread work over processes and machines.

Runs in whichever thread and process calls it, on the caller's side; each call has a fleet of its own, which ends with it.
Nothing mutable is shared, and nothing but the configuration crosses to another process.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from ollama_sync._client.client import Client
from ollama_sync._client.outcome import Outcome
from ollama_sync._client.plan import check_names, plan_of
from ollama_sync.errors import OllamaError, RequestError
from ollama_sync.fleet.fleet import Fleet, Servers

Verb = Literal["chat", "generate", "embed"]


class Answerer:
    """A function from items to outcomes that can be sent to another process.

    It holds no connection. Called with an iterable of items, it makes their requests from where it is called, as `Fleet.map` does,
    and yields an `Outcome` for each. So it fits into whatever maps a function over partitions: Dask, Spark, Ray, joblib,
    `multiprocessing`. What it holds is pickled with it: `request` has to be a function of a module for plain pickle; Dask, Spark, Ray
    and joblib also take a lambda. A key is pickled only where it was given as `api_key`, never one of the environment.

    Args:
        servers: as `Fleet` takes them.
        verb: "chat", "generate" or "embed".
        parallel: how many calls this one call of the answerer may have at a server at a time, where `servers` does not say. With W of them
            at once in all processes, a server gets W times as many.
        request: returns the parameters of the verb for an item, by name; not needed where the items are mappings of them.
        ordered: whether outcomes come in the order of the items, or as they end.
        client: parameters of `Client`, for the servers that are given as hosts: `{"timeout": 60, "retries": 3}`.
        common: parameters of the verb for every item, as `model`.

    Raises:
        RequestError: an argument is wrong. Nothing was sent.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from ollama_sync import Answerer
        >>> from ollama_sync.testing import MockOllama
        >>> def answers(items):                              # what a worker of an engine does
        ...     return [outcome.get().response for outcome in answerer(items)]
        >>> with MockOllama(chunks=3) as server, ThreadPoolExecutor(2) as workers:
        ...     answerer = Answerer([server.url], "generate", parallel=2, model="llama3.2")
        ...     list(workers.map(answers, [[{"prompt": "one"}, {"prompt": "two"}], [{"prompt": "three"}]]))
        [['AAA', 'AAA'], ['AAA']]
    """

    def __init__(
        self,
        servers: Servers,
        verb: Verb,
        parallel: int = 4,
        *,
        request: Callable[[Any], Mapping[str, Any]] | None = None,
        ordered: bool = True,
        client: Mapping[str, Any] | None = None,
        **common: Any,
    ) -> None:
        check_names(verb, common)
        plan_of(verb, {"model": "any", **common})
        if request is not None and not callable(request):
            raise RequestError(
                f"Answerer(request={request!r:.80}): a function from an item to parameters"
            )
        if not isinstance(servers, (str, bytes, Client, Mapping)) and isinstance(servers, Iterable):
            servers = list(servers)  # an iterator would be used up by the first fleet
        self._fleet = (servers, parallel, dict(client or {}))
        self._verb: Verb = verb
        self._request = request
        self._ordered = ordered
        self._common = common
        self._make_fleet().close()

    def __call__(self, items: Iterable[Any]) -> Iterator[Outcome[Any, Any]]:
        """Make the requests for these items, and yield what becomes of each. Blocks while it is iterated.

        Dropping the iterator cancels what is open. An outcome can always be pickled: an error of `request` that cannot be is
        given as a `RequestError` with its text.

        Args:
            items: pulled as calls end, not all at once.

        Raises:
            Exception: what the items' own iterator raised, after what was under way.
        """
        with (
            self._make_fleet() as fleet,
            fleet.map(
                self._verb, items, request=self._request, ordered=self._ordered, **self._common
            ) as outcomes,
        ):
            for outcome in outcomes:
                yield _that_can_be_pickled(outcome)

    def __repr__(self) -> str:
        servers, parallel, _ = self._fleet
        return f"<Answerer: {self._verb} at {servers}, {parallel} at a time>"

    def _make_fleet(self) -> Fleet:
        servers, parallel, client = self._fleet
        return Fleet(servers, parallel=parallel, **client)


def _that_can_be_pickled(outcome: Outcome[Any, Any]) -> Outcome[Any, Any]:
    error = outcome.error
    if error is None or isinstance(error, OllamaError):
        return outcome
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made in the line itself
    except Exception:  # noqa: BLE001 - classes of users fail in all ways, many only when they are loaded
        # An engine would lose the whole partition by it, or hang.
        text = f"map: no request could be made for item {outcome.index}: {type(error).__name__}: {error}"
        return replace(outcome, error=RequestError(text))
    return outcome
