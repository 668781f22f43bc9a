"""Several servers that answer as one.

    policy      where the next call goes: pure
    state       what is known of a server

Imports downwards only: below it are the client and everything that a call passes.
"""

from __future__ import annotations

from ollama_sync.fleet.state import ServerState

__all__ = ["ServerState"]
