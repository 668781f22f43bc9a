"""The verbs about the models that a server has, but for those that bring models in or out (`_transfer`).

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ollama_sync._client import arguments, endpoints
from ollama_sync._client.verbs.caller import Caller
from ollama_sync.types import (
    GenerateResponse,
    ListResponse,
    Options,
    ProcessResponse,
    ShowResponse,
    StatusResponse,
)


def list(self: Caller) -> ListResponse:  # noqa: A001 - the official package's name
    """Return the models that the server has, the latest changed first.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError: nothing listens there.
        ResponseError: the server refuses.
        WaitTimeout: see `Timeout`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     names = [model.model for model in client.list().models]
        >>> "llama3.2:latest" in names
        True
    """
    return self._reply(endpoints.LIST, None)


def ps(self: Caller) -> ProcessResponse:
    """Return the models that are loaded now, the one that stays longest first.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     _ = client.load("llama3.2")
        ...     [model.model for model in client.ps().models]
        ['llama3.2:latest']
    """
    return self._reply(endpoints.PS, None)


def show(
    self: Caller,
    model: str,
    *,
    verbose: bool | None = None,
    system: str | None = None,
    options: Mapping[str, Any] | Options | None = None,
) -> ShowResponse:
    """Return what the server knows of one model.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.
        verbose: also send long arrays, such as the vocabulary: megabytes.
        system: shown in place of the model's system prompt.
        options: shown merged into the model's parameters.

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     capabilities = client.show("llama3.2").capabilities
        >>> "completion" in capabilities
        True
    """
    body = arguments.body(
        model=arguments.model_name(model),
        verbose=arguments.flag("verbose", verbose),
        system=arguments.text("system", system),
        options=arguments.options(options),
    )
    return self._reply(endpoints.SHOW, body)


def copy(self: Caller, source: str, destination: str) -> StatusResponse:
    """Give a model a second name. Nothing is copied on the disk.

    Blocks the caller's thread or greenlet.

    Args:
        source: the name that it has.
        destination: the name that it gets as well.

    Returns:
        a status of "success".

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.copy("llama3.2", "mine").status
        'success'
    """
    body = arguments.body(
        source=arguments.required("source", source),
        destination=arguments.required("destination", destination),
    )
    return self._reply(endpoints.COPY, body)


def delete(self: Caller, model: str) -> StatusResponse:
    """Delete a model; its data go when no other name uses them.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.

    Returns:
        a status of "success".

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.delete("llama3.2").status
        'success'
    """
    body = arguments.body(model=arguments.model_name(model))
    return self._reply(endpoints.DELETE, body)


def load(self: Caller, model: str, *, keep_alive: float | str | None = None) -> GenerateResponse:
    """Load a model, so that the first answer need not wait for that.

    Blocks the caller's thread or greenlet until it is loaded, which may take minutes.

    Args:
        model: its name.
        keep_alive: how long it stays loaded: seconds, or "5m"; -1 for ever.

    Returns:
        a reply without text, whose `done_reason` is "load".

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.load("llama3.2").done_reason
        'load'
    """
    body = arguments.body(
        model=arguments.model_name(model),
        stream=False,
        keep_alive=arguments.keep_alive(keep_alive),
    )
    return self._reply(endpoints.GENERATE, body)


def unload(self: Caller, model: str) -> GenerateResponse:
    """Have a model leave the memory as soon as nothing uses it.

    Blocks the caller's thread or greenlet.

    Args:
        model: its name.

    Returns:
        a reply without text, whose `done_reason` is "unload".

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `list`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.unload("llama3.2").done_reason
        'unload'
    """
    body = arguments.body(model=arguments.model_name(model), stream=False, keep_alive=0)
    return self._reply(endpoints.GENERATE, body)
