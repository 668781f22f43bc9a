"""requests' adapter over gevent's connections: which pool serves a request, and what requests makes of a reply.

The seams: `PoolManager.pool_classes_by_scheme` names the pools, `ConnectionCls` the connections, and the pool key carries
the TLS context. The call goes through `requests.adapters.HTTPAdapter.send`, which is what the `responses` library replaces.

Runs on the hub only.
"""

from __future__ import annotations

import socket as native_socket
from collections.abc import Callable
from functools import partial
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ollama_sync._transport.green import GreenHTTPConnection, GreenHTTPSConnection, UnixConnection

# So many idle connections are kept per host. Above it, a connection is closed after use.
_KEPT_CONNECTIONS = 128

# Places whose pools are remembered.
_MOST_POOLS = 8


class _Pool(HTTPConnectionPool):
    """Keeps connections, up to a number, and closes what is above it: that is meant, and no reason for a warning."""

    def _put_conn(self, conn: Any) -> None:
        if self.pool is not None and self.pool.full():
            if conn is not None:
                conn.close()
        else:
            super()._put_conn(conn)


class GreenHTTPPool(_Pool):
    """Keeps plain connections."""

    ConnectionCls = GreenHTTPConnection


class GreenHTTPSPool(_Pool, HTTPSConnectionPool):
    """Keeps TLS connections."""

    ConnectionCls = GreenHTTPSConnection


class UnixPool(_Pool):
    """Keeps connections to a Unix socket."""

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = partial(UnixConnection, path)  # type: ignore[assignment] # urllib3 only calls it


def _keep_alive_options() -> list[tuple[int, int, int]]:
    """Have the system notice a peer that vanished: after 60 s of silence, 4 probes 15 s apart."""
    options = [
        (native_socket.IPPROTO_TCP, native_socket.TCP_NODELAY, 1),
        (native_socket.SOL_SOCKET, native_socket.SO_KEEPALIVE, 1),
    ]
    # macOS calls the first one TCP_KEEPALIVE.
    named = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    for name, value in named:
        option = getattr(native_socket, name, None)
        if option is not None and not (
            name == "TCP_KEEPALIVE" and hasattr(native_socket, "TCP_KEEPIDLE")
        ):
            options.append((native_socket.IPPROTO_TCP, option, value))
    return options


class GreenAdapter(HTTPAdapter):
    """Sends prepared requests over gevent's sockets.

    Args:
        tls_context: returns the one of `make_tls_context` for every https connection.
        socket_path: of a Unix socket to which every plain connection goes, or None.
    """

    def __init__(self, tls_context: Callable[[], Any], socket_path: str | None = None) -> None:
        self._tls_context = tls_context
        plain = GreenHTTPPool if socket_path is None else partial(UnixPool, socket_path)
        self._pools = {"http": plain, "https": GreenHTTPSPool}
        self._options = [] if socket_path else _keep_alive_options()
        # Blocking when the pool is empty would block the loop; retrying sleeps natively: both stay off.
        super().__init__(pool_maxsize=_KEPT_CONNECTIONS, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of direct connections."""
        self._pool_of: dict[str, Any] = {}
        super().init_poolmanager(*args, socket_options=self._options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the manager of the connections through `proxy`."""
        if proxy.lower().startswith("socks"):
            # Their sockets are the standard library's and would block every stream of the process.
            raise InvalidSchema("SOCKS proxies are not supported; use an http:// or https:// proxy")
        tls_context = self._tls_context() if proxy.lower().startswith("https") else None
        manager = super().proxy_manager_for(
            proxy, proxy_ssl_context=tls_context, socket_options=self._options, **kwargs
        )
        manager.pool_classes_by_scheme = self._pools
        return manager

    @property
    def kept(self) -> int:
        """How many open connections wait for the next request. Any thread."""
        # Past the managers' lock: who waits for one that another thread holds may not be in a callback of the loop.
        pools = [
            pool
            for manager in (self.poolmanager, *list(self.proxy_manager.values()))
            for pool in list(manager.pools._container.values())
        ]
        queues = [list(pool.pool.queue) for pool in pools if pool.pool is not None]
        return sum(conn is not None and conn.sock is not None for queue in queues for conn in queue)

    def close(self) -> None:
        """Close every connection that is kept. urllib3 would leave it to the garbage collector, so to any thread."""
        self._pool_of.clear()
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - no mapping: it cannot be iterated over
                manager.pools[key].close()
        super().close()

    def build_response(self, request: PreparedRequest, raw: Any) -> Response:
        """Return requests' view of a reply, without cookies: there is no session to keep them, and reading them takes long."""
        response = Response()
        response.status_code = raw.status
        response.reason = raw.reason
        response.headers = CaseInsensitiveDict(raw.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = raw
        response.url = str(request.url)
        response.request = request
        response.connection = self
        return response

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the context has everything, and urllib3 would read the bundle again at each connect."""

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool for a request. Finding it anew each time takes a tenth of a short call."""
        place = "/".join(str(request.url).split("/", 3)[:3])
        pool = self._pool_of.get(place)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            # Fewer than the managers keep, so that none of these was closed by them.
            if len(self._pool_of) >= _MOST_POOLS:
                self._pool_of.clear()
            self._pool_of[place] = pool
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Return where to connect and, for TLS, our context in place of requests' own."""
        where, how = super().build_connection_pool_key_attributes(request, verify, cert)
        if where["scheme"] == "https":
            context = self._tls_context()
            return where, {"ssl_context": context, "cert_reqs": context.verify_mode}
        return where, how
