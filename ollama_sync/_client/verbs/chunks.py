"""`embed` of more texts than fit into one request: several requests at a time, one reply.

Runs on the caller's thread. Imported when it is asked for: what makes many calls stands above the verb that makes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ollama_sync._client import arguments
from ollama_sync._client.verbs.many import map as map_
from ollama_sync.types import EmbedResponse

if TYPE_CHECKING:
    from ollama_sync._client.verbs.caller import Caller

# What of the replies adds up; of the rest that of the first holds.
_SUMS = ("total_duration", "load_duration", "prompt_eval_count")


def embed_in_chunks(
    self: Caller, texts: str | Sequence[str], chunk: object, **common: Any
) -> EmbedResponse:
    """Return the vectors of all texts, in their order. Blocks until the last has come.

    Args:
        texts: as `embed` takes them.
        chunk: how many go in one request.
        common: the other parameters of `embed`.

    Raises:
        RequestError: an argument is wrong. Nothing was sent.
        OllamaError: the first request that failed; the others are cancelled.
    """
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise arguments.refusal("chunk", chunk, "a whole number of texts, 1 or more, or None")
    given = arguments.texts("input", texts)
    every = [given] if isinstance(given, str) else given or []
    # One at least, empty or not: so that an empty list is answered as without chunks.
    starts = range(0, max(1, len(every)), chunk)
    pieces = [{"input": every[start : start + chunk]} for start in starts]
    with map_(self, "embed", pieces, **common) as outcomes:
        replies = [outcome.get() for outcome in outcomes]
    reply = replies[0].to_dict()
    reply["embeddings"] = [vector for one in replies for vector in one["embeddings"]]
    for name in _SUMS:
        if name in reply:
            reply[name] = sum(one.get(name) or 0 for one in replies)
    return EmbedResponse.view(reply)
