"""The module functions: the verbs of one default client, which is made at the first call.

Any thread. The environment is read then, and not when a program imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ollama_sync._client.client import Client

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
    balance = default_client().balance
    blob_exists = default_client().blob_exists
    chat = default_client().chat
    copy = default_client().copy
    create = default_client().create
    create_blob = default_client().create_blob
    delete = default_client().delete
    embed = default_client().embed
    embeddings = default_client().embeddings
    generate = default_client().generate
    list = default_client().list
    load = default_client().load
    local_web_fetch = default_client().local_web_fetch
    local_web_search = default_client().local_web_search
    map = default_client().map
    ps = default_client().ps
    pull = default_client().pull
    push = default_client().push
    recommendations = default_client().recommendations
    request = default_client().request
    run_tools = default_client().run_tools
    show = default_client().show
    signout = default_client().signout
    status = default_client().status
    systemone = default_client().systemone
    unload = default_client().unload
    usage = default_client().usage
    version = default_client().version
    web_fetch = default_client().web_fetch
    web_search = default_client().web_search
    whoami = default_client().whoami
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

    balance = _verb("balance")
    blob_exists = _verb("blob_exists")
    chat = _verb("chat")
    copy = _verb("copy")
    create = _verb("create")
    create_blob = _verb("create_blob")
    delete = _verb("delete")
    embed = _verb("embed")
    embeddings = _verb("embeddings")
    generate = _verb("generate")
    list = _verb("list")
    load = _verb("load")
    local_web_fetch = _verb("local_web_fetch")
    local_web_search = _verb("local_web_search")
    map = _verb("map")
    ps = _verb("ps")
    pull = _verb("pull")
    push = _verb("push")
    recommendations = _verb("recommendations")
    request = _verb("request")
    run_tools = _verb("run_tools")
    show = _verb("show")
    signout = _verb("signout")
    status = _verb("status")
    systemone = _verb("systemone")
    unload = _verb("unload")
    usage = _verb("usage")
    version = _verb("version")
    web_fetch = _verb("web_fetch")
    web_search = _verb("web_search")
    whoami = _verb("whoami")
