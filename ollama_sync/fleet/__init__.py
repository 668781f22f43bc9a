"""Several servers that answer as one.

    fleet         what a caller holds; `verbs` and `caller` are how it makes calls
    policy        where the next call goes: pure
    dispatcher    places, those that wait, failures and rest, on the hub; `server`, `wish`, `inquiry` are its parts
    route         the way of one call
    answerer      many requests as one picklable function, for engines that spread work
    state         what is known of a server, to look at

Imports downwards only: below it are the client and everything that a call passes.
"""

from __future__ import annotations

from ollama_sync.fleet.answerer import Answerer
from ollama_sync.fleet.fleet import Fleet
from ollama_sync.fleet.state import ServerState

__all__ = ["Answerer", "Fleet", "ServerState"]
