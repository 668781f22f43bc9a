"""The verb that makes many requests: map.

A method of `Client` and of `Fleet`. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar, overload

from ollama_sync._client import arguments
from ollama_sync._client.outcomes import Launcher, Outcomes
from ollama_sync._client.plan import Plan, check_names, plan_of
from ollama_sync.errors import RequestError
from ollama_sync.types import ChatResponse, EmbedResponse, GenerateResponse

I = TypeVar("I")  # noqa: E741 - an item

Request = Callable[[I], Mapping[str, Any]]


class Mapper(Protocol):
    """A client or a fleet, as `map` sees it."""

    def _launcher(self) -> Launcher:
        """Return who makes the calls.

        Raises:
            ClosedError: it was closed.
        """


@overload
def map(  # noqa: A001 - what the verb is called
    self: Mapper,
    verb: Literal["chat"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int = 8,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, ChatResponse]: ...


@overload
def map(  # noqa: A001 - what the verb is called
    self: Mapper,
    verb: Literal["generate"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int = 8,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, GenerateResponse]: ...


@overload
def map(  # noqa: A001 - what the verb is called
    self: Mapper,
    verb: Literal["embed"],
    items: Iterable[I],
    *,
    request: Request[I] | None = None,
    parallel: int = 8,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[I, EmbedResponse]: ...


def map(  # noqa: A001 - what the verb is called
    self: Mapper,
    verb: str,
    items: Iterable[Any],
    *,
    request: Request[Any] | None = None,
    parallel: int = 8,
    ordered: bool = True,
    **common: Any,
) -> Outcomes[Any, Any]:
    """Make one request for each of many items, several at a time, from this one thread.

    Nothing is sent, and no item is pulled, before the first `next()`. Items are pulled one by one as calls end, so they may be a
    generator without an end. A call that fails is an outcome with its error and stops nothing, and so is an item for which no
    request can be made. What the items' own iterator raises is raised by `next()`, after the outcomes of what was under way.

    Args:
        verb: "chat", "generate" or "embed".
        items: whatever the requests are made for.
        request: returns the parameters of the verb for an item, by name. Not needed where the items are mappings of them.
        parallel: how many calls are open at a time, 1 or more. No more items than that are pulled ahead of what was handed over;
            with `ordered` four times as many, among them those that have ended and wait for an earlier one.
        ordered: whether outcomes come in the order of the items, or as they end.
        common: parameters of the verb for every item, as `model`; those of the item win.

    Returns:
        an iterator of `Outcome`; leaving its `with` block cancels what is open.

    Raises:
        RequestError: an argument is wrong. Nothing was sent.
        ClosedError: the client was closed.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> rows = [{"prompt": "one"}, {"prompt": "two", "options": {"seed": "x"}}, {"prompt": 3}]
        >>> with MockOllama(chunks=3) as server, Client(server.url) as client:
        ...     with client.map("generate", rows, model="llama3.2", parallel=2) as outcomes:
        ...         for outcome in outcomes:
        ...             print(outcome.index, outcome.reply.response if outcome.ok else type(outcome.error).__name__)
        0 AAA
        1 RequestError
        2 RequestError
    """
    check_names(verb, common)
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise arguments.refusal("parallel", parallel, "a whole number, 1 or more")
    if request is not None and not callable(request):
        raise arguments.refusal("request", request, "a function from an item to parameters")
    if not isinstance(items, Iterable) or isinstance(items, (str, bytes, Mapping)):
        raise arguments.refusal("items", items, "an iterable of items, as a list")
    # What is wrong with these is wrong with every item, and can be said now.
    plan_of(verb, {"model": "any", **common})

    def plan(item: Any) -> Plan:
        own = item if request is None else request(item)
        if not isinstance(own, Mapping):
            what = "the item" if request is None else "what request returned"
            raise RequestError(
                f"map: {what} is {own!r:.80}: a mapping of parameters of {verb} is needed"
                + ("; give request= to make one" if request is None else "")
            )
        return plan_of(verb, {**common, **own})

    return Outcomes(self._launcher(), plan, items, parallel, ordered=ordered)
