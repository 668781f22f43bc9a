"""One client's way to its server: what is the same for every request, and the connections.

`Transport.prepare` runs on the caller's thread, and does there what would block the hub: reading certificate files and
the proxy settings of the environment, and looking at every header. `send` and `close` run on the hub.

    caller's thread, once      the rest
    hub                        _connections, _running, _retired, _closed
"""

from __future__ import annotations

import base64
import ssl
import sys
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import gevent
import requests
from requests.exceptions import RequestException
from requests.utils import get_environ_proxies

from ollama_sync._config import Host, check_headers
from ollama_sync._process import this_process
from ollama_sync._transport.adapter import GreenAdapter
from ollama_sync._transport.blobs import Blob
from ollama_sync._transport.bypassed import refuse_bypassed
from ollama_sync._transport.green import make_tls_context
from ollama_sync._transport.send import Reply, send_request
from ollama_sync._transport.upload import Upload
from ollama_sync._transport.wire import Progress, current_progress
from ollama_sync._version import __version__
from ollama_sync.errors import ClosedError, ConnectError, RequestError

_USER_AGENT = f"ollama_sync/{__version__} ({sys.platform}) Python/{sys.version.split()[0]}"

# Those of the parent process or of a hub that has failed, kept so that no finalizer touches sockets whose loop is not ours.
_abandoned: list[_Connections] = []


# More than there are; those of uploads, which name their file, come and go.
_KEPT_ROUTES = 64

_CONTENT_TYPES: dict[type, str | None] = {
    type(None): None,
    bytes: "application/json",
    Blob: "application/octet-stream",
}


class Call(Protocol):
    """What `Transport` knows of a call under way."""

    def cancel(self) -> None:
        """End it."""


class Transport:
    """Prepares and sends requests to one host.

    Args:
        host: where to.
        api_key: sent as a bearer token with each request; None for none.
        headers: sent with each request; they win over ours.
        verify: how to check the server's certificate; see `make_tls_context`.
        cert: the client's certificate; see `make_tls_context`.
        proxy: the URL of a proxy, "" for none whatever the environment says, or None for what it says.

    Raises:
        RequestError: a header, the proxy or a certificate file cannot be used.
    """

    def __init__(
        self,
        host: Host,
        *,
        api_key: str | None,
        headers: Mapping[str, str | None],
        verify: bool | str | ssl.SSLContext,
        cert: str | tuple[str, str] | None,
        proxy: str | None,
    ) -> None:
        self.host = host
        # A socket has no name; the server accepts this one. The port that no server has keeps a redirect to the real
        # localhost from looking like the same place, to which a key may follow.
        self._base = "http://localhost:0" if host.socket_path else _base_url(host)
        self._headers = _common_headers(host, api_key, check_headers(headers))
        # Made once for each route, and copied: a third of what a request costs its caller.
        self._without_body = lru_cache(_KEPT_ROUTES)(
            partial(_without_body, self._base, self._headers)
        )
        self._proxies = _proxies(host, proxy)
        # Reading a bundle takes 20 to 30 ms: for a plain host it waits for a redirect to https, which is rare.
        self._tls_context = cache(partial(_tls_context, verify, cert))
        if host.scheme == "https" or verify is not True or cert is not None:
            self._tls_context()
        self._connections: _Connections | None = None
        self._closed = False
        self._running: set[Call] = set()
        self._retired = False

    def prepare(
        self, method: str, path: str, body: bytes | Blob | None, accept: str
    ) -> requests.PreparedRequest:
        """Return a request that is ready to be sent. The caller's thread.

        Args:
            method: of HTTP.
            path: from the root of the API, as "/api/chat".
            body: JSON, a file to upload, or None.
            accept: the media type that is asked for.

        Raises:
            RequestError: it cannot be made into a request.
            UsageError: a tool is active that means to catch it and cannot.
        """
        data: Any = Upload(body.path, body.size) if isinstance(body, Blob) and body.size else body
        if isinstance(data, Blob):  # an empty file: requests would send it without a length
            data = b""
        try:
            request = self._without_body(method, path, accept, _CONTENT_TYPES[type(body)]).copy()
            request.prepare_body(data, None)
        except (RequestException, ValueError) as error:
            raise RequestError(f"{method} {path} cannot be sent: {error}") from error
        refuse_bypassed(f"{method} {path}", method, str(request.url))
        return request

    def describe(self, request: requests.PreparedRequest) -> str:
        """Return a request in a few words, for errors and logs: "POST http://host/api/chat". Any thread."""
        if self.host.socket_path is not None:
            return f"{request.method} unix://{self.host.socket_path}:{request.path_url}"
        return f"{request.method} {request.url}"

    @property
    def kept_connections(self) -> int:
        """How many open connections wait for the next call. Any thread."""
        kept = self._connections
        return kept.adapter.kept if kept is not None and kept.process == this_process() else 0

    def send(self, request: requests.PreparedRequest, progress: Progress) -> Reply:
        """Send and return a reply whose headers have come. Runs on the hub, in a greenlet of its own.

        Args:
            request: of `prepare`.
            progress: told how far it has come.

        Raises:
            ConnectError, ResponseError: see `send_request`.
            ClosedError: the client was closed while this call was on its way to the hub.
        """
        if self._closed:
            raise ClosedError(f"{self.describe(request)}: the client was closed")
        watched = _SocketWatch(progress)
        adapter = self._adapter()
        # Not taken back: the body is read for the same call, in this greenlet.
        current_progress.set(watched)
        try:
            post = partial(adapter.send, stream=True, timeout=None, proxies=self._proxies)
            return send_request(post, request, watched.take, self.describe)
        except ConnectError:
            if watched.is_kept:
                # The server has closed what was idle, or was restarted: the others that are kept are dead, too.
                self._close_connections()
            raise

    def began(self, call: Call) -> None:
        """Note a call under way. Runs on the hub."""
        self._running.add(call)

    def ended(self, call: Call) -> None:
        """Note that a call is over. Runs on the hub."""
        self._running.discard(call)
        if self._retired:
            self.retire()

    def retire(self) -> None:
        """Close the connections as soon as no call is under way: nobody can make another. Runs on the hub.

        A client that is dropped comes here and not to a finalizer of its sockets, which would run on any thread.
        """
        self._retired = True
        if not self._running:
            self._close_connections()

    def close(self) -> None:
        """End the calls under way and close every connection. Runs on the hub."""
        self._closed = True
        for call in list(self._running):
            call.cancel()
        self._close_connections()

    def _close_connections(self) -> None:
        if self._connections is not None and self._connections.are_ours:
            self._connections.adapter.close()
            self._connections = None

    def _adapter(self) -> GreenAdapter:
        if self._connections is None or not self._connections.are_ours:
            if self._connections is not None:
                _abandoned.append(self._connections)
            self._connections = _Connections(GreenAdapter(self._tls_context, self.host.socket_path))
        return self._connections.adapter


class _Connections:
    """What was connected in one process, by one loop. After a fork, or with another hub, they are not ours."""

    def __init__(self, adapter: GreenAdapter) -> None:
        self.adapter = adapter
        self.process = this_process()
        self._hub = gevent.get_hub()

    @property
    def are_ours(self) -> bool:
        """Whether they may be used now. Runs on the hub."""
        return self.process == this_process() and self._hub is gevent.get_hub()


class _SocketWatch:
    """Passes progress on and remembers the socket."""

    def __init__(self, progress: Progress) -> None:
        self.sock: Any = None
        self.is_kept = False
        self._progress = progress
        self.received = progress.received

    def connected(self, sock: Any, *, kept: bool) -> None:
        self.sock = sock
        self.is_kept = kept
        self._progress.connected(sock, kept=kept)

    def sent(self) -> None:
        self._progress.sent()

    def take(self) -> Any:
        """Return the socket of the latest connection and forget it: a redirect may be answered by another."""
        sock, self.sock = self.sock, None
        return sock


def _base_url(host: Host) -> str:
    """Return the host's URL as people write it: without the port that its scheme implies. So mocks of it match."""
    if (host.scheme, host.port) in (("http", 80), ("https", 443)):
        return host.url.removesuffix(host.prefix).removesuffix(f":{host.port}") + host.prefix
    return host.url


def _without_body(
    base: str,
    common: dict[str, str],
    method: str,
    path: str,
    accept: str,
    content_type: str | None,
) -> requests.PreparedRequest:
    headers = {"Accept": accept}
    if content_type is not None:
        headers["Content-Type"] = content_type
    headers.update(common)
    request = requests.Request(method, base + path, headers).prepare()
    # There are none, and a jar would be copied with each request.
    request._cookies = None  # type: ignore[attr-defined] # requests' own, for its session, which is not used here
    return request


def _common_headers(host: Host, api_key: str | None, own: Mapping[str, str]) -> dict[str, str]:
    # Compressed small chunks would be held back by whoever compresses them.
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    elif host.username is not None:
        pair = f"{host.username}:{host.password or ''}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
    # requests ignores the case of names, and of two it takes the last.
    return {**headers, **own}


def _proxies(host: Host, proxy: str | None) -> dict[str, str]:
    if host.socket_path is not None or proxy == "":
        return {}
    if proxy is None:
        # A proxy cannot reach our own loopback, so one for everything would only break local servers.
        return {} if host.is_loopback else dict(get_environ_proxies(host.url, no_proxy=None))
    if not _is_http_url(proxy):
        raise RequestError(
            # Only its scheme: the rest may hold a password.
            f"proxy={proxy.partition('://')[0]!r}...: an http:// or https:// URL, or '' for none; "
            "SOCKS is not supported"
        )
    return {"http": proxy, "https": proxy}


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket that is not closed
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _tls_context(verify: bool | str | ssl.SSLContext, cert: str | tuple[str, str] | None) -> Any:
    # By what it can do, not by its class: a context may be older than a program's monkey-patching.
    if not (isinstance(verify, (bool, str)) or hasattr(verify, "wrap_bio")):
        raise RequestError(
            f"verify={verify!r}: True, False, the path of a bundle, or an ssl.SSLContext"
        )
    try:
        return make_tls_context(verify, cert)
    except (OSError, TypeError, ValueError) as error:
        raise RequestError(f"verify={verify!r}, cert={cert!r}: cannot be used: {error}") from error
