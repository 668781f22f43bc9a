"""The hub room: one native thread with a gevent loop, and how a caller and that thread meet.

Two doors cross the line between threads: `Hub.submit` / `Hub.call_soon` inwards, `Channel` outwards. Nothing here knows
requests, HTTP or JSON.
"""

from gevent.event import Event as HubEvent

from ollama_sync._hub import fork as fork
from ollama_sync._hub.channel import (
    CANCELLED,
    FINISHED,
    Block,
    Cancelled,
    Channel,
    End,
    Failed,
    Finished,
)
from ollama_sync._hub.jobs import Killed
from ollama_sync._hub.loop import Hub
from ollama_sync._hub.native import Lock, allocate_lock, current_greenlet, get_ident
from ollama_sync._hub.registry import shared_hub
from ollama_sync._hub.waiter import Waiter, new_waiter

__all__ = [
    "CANCELLED",
    "FINISHED",
    "Block",
    "Cancelled",
    "Channel",
    "End",
    "Failed",
    "Finished",
    "Hub",
    "HubEvent",
    "Killed",
    "Lock",
    "Waiter",
    "allocate_lock",
    "current_greenlet",
    "get_ident",
    "new_waiter",
    "shared_hub",
]
