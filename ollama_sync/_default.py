"""The module functions: the verbs of one default client, which is made at the first call.

Any thread. The environment is read then, and not when a program imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama_sync._client import Client

# Empty, or the one client. No lock: a child forked while another thread held it would wait for ever.
_made: dict[str, Client] = {}


def default_client() -> Client:
    """Return the client behind the module functions. Made from OLLAMA_HOST and OLLAMA_API_KEY at the first use."""
    client = _made.get("client")
    if client is None:
        # Of two threads that come here at once the first wins; the other's client has no connection yet, and is dropped.
        client = _made.setdefault("client", Client())
    return client


if TYPE_CHECKING:
    # Type checkers see bound methods, with their overloads.
    chat = default_client().chat
    generate = default_client().generate
    list = default_client().list
    version = default_client().version
else:
    import functools
    import inspect

    def _verb(name: str) -> Any:
        method = getattr(Client, name)

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(default_client(), name)(*args, **kwargs)

        signature = inspect.signature(method)
        call.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])
        call.__qualname__ = name
        call.__module__ = "ollama_sync"
        return call

    chat = _verb("chat")
    generate = _verb("generate")
    list = _verb("list")
    version = _verb("version")
