"""`Plan`: a call that is checked and encoded, but not made. What `map` makes of each item.

A plan comes from the same verb that a single call uses, called on a stand-in for the client that notes what it is asked to
do. So whatever a verb takes, checks and sends is the same for one call and for many. Pure; runs on the caller's thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast

from ollama_sync._client.calls import reply_of, with_parsed
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.verbs import answers, vectors
from ollama_sync.errors import RequestError
from ollama_sync.types import View

T = TypeVar("T", bound=View)

_VERBS: dict[str, Callable[..., Any]] = {
    "chat": answers.chat,
    "generate": answers.generate,
    "embed": vectors.embed,
}


class Plan(NamedTuple):
    """One call.

    Args:
        endpoint: that is called.
        body: of the request.
        model: that it is for.
        answer_type: that the answer is to be of, where the call gives a type as `format`.
    """

    endpoint: Endpoint[Any]
    body: bytes
    model: str
    answer_type: Any = None

    def reply(self, answer: bytes, tried: str) -> Any:
        """Return the reply that a whole body is.

        Args:
            answer: the body.
            tried: the request, as errors name it.

        Raises:
            OllamaError: it is no good reply, or not of the type that was asked for.
        """
        reply = reply_of(self.endpoint, answer, tried)
        return with_parsed(self.endpoint, reply, self.answer_type)


class _Planner:
    """A client, as the verbs see it, that makes no call."""

    def __init__(self, model: str) -> None:
        self._model = model

    def _answer(self, endpoint: Endpoint[Any], body: bytes, answer_type: Any) -> Plan:
        return Plan(endpoint, body, self._model, answer_type)

    def _reply(self, endpoint: Endpoint[Any], body: bytes) -> Plan:
        return Plan(endpoint, body, self._model)


def plan_of(verb: str, parameters: Mapping[str, Any]) -> Plan:
    """Return the plan of one call.

    Args:
        verb: "chat", "generate" or "embed".
        parameters: of the verb, by name.

    Raises:
        RequestError: there is no such parameter, or a value is wrong.
    """
    check_names(verb, parameters)
    planner = _Planner(str(parameters.get("model", "")))
    return cast("Plan", _VERBS[verb](planner, **parameters))


def check_names(verb: str, parameters: Mapping[str, Any]) -> None:
    """Do nothing, if the verb can be called for many items with parameters of these names.

    Raises:
        RequestError: it cannot.
    """
    if verb not in _VERBS:
        raise RequestError(f"map({verb!r}, ...): one of {', '.join(map(repr, _VERBS))}")
    known = _parameters(verb)
    for name in parameters:
        if name == "stream":
            raise RequestError("map: its replies come whole; leave stream= out, or see merge()")
        if name not in known:
            import difflib  # for a mistake only

            near = difflib.get_close_matches(str(name), known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise RequestError(f"map: {verb} has no parameter {name!r}{meant}")


@cache
def _parameters(verb: str) -> tuple[str, ...]:
    names = [*inspect.signature(_VERBS[verb]).parameters][1:]
    return tuple(name for name in names if name not in ("stream", "chunk"))
