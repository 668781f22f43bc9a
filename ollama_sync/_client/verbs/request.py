"""The verb for a route that has none.

A method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload
from urllib.parse import unquote

from ollama_sync._client import arguments
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.verbs.caller import Caller
from ollama_sync._stream import kinds
from ollama_sync._stream.stream import Stream
from ollama_sync.types import View

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@overload
def request(
    self: Caller,
    method: str,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    stream: Literal[False] = False,
) -> View: ...


@overload
def request(
    self: Caller,
    method: str,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    stream: Literal[True],
) -> Stream[View]: ...


@overload
def request(
    self: Caller,
    method: str,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    stream: bool,
) -> View | Stream[View]: ...


def request(
    self: Caller,
    method: str,
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> View | Stream[View]:
    """Call any route of the server, also one that this SDK does not know.

    Blocks the caller's thread or greenlet: for the whole reply, or with `stream` until the request is on the wire.

    Args:
        method: of HTTP.
        path: from the root of the server, as "/api/tags"; it may have a query.
        json: the body; sent as it is, so put "stream" into it where the route asks for it.
        stream: return a `Stream` of the lines of the reply. Any clean end is taken for a complete reply.

    Returns:
        the reply as a `View` (an empty one for an empty body), or a `Stream` of views.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.request("GET", "/api/version")["version"]
        '0.33.0'
    """
    if method not in _METHODS:
        raise arguments.refusal("method", method, f"one of {', '.join(_METHODS)}")
    if not isinstance(path, str) or not path.startswith("/") or not _is_plain(path):
        raise arguments.refusal(
            "path", path, "a path that begins with '/', in ASCII without blanks and dots alone"
        )
    fields = arguments.mapping("json", json)
    body = None if fields is None else arguments.body(**fields)
    safe = method in ("GET", "HEAD")  # of any other we cannot know
    endpoint: Endpoint[View] = Endpoint(
        "request", method, path, View, kinds.ANY, empty={}, safe=safe
    )
    return self._stream(endpoint, body) if arguments.stream(stream) else self._reply(endpoint, body)


def _is_plain(path: str) -> bool:
    # A line end would smuggle in a header, a fragment would be cut off, "//host" would name another place, and "/../"
    # would leave the prefix of the host.
    segments = unquote(path.partition("?")[0]).split("/")
    return (
        path.isascii()
        and path.isprintable()
        and not set(path) & set(" #\\")
        and path[:2] != "//"
        and not {".", ".."} & set(segments)
    )
