"""From a name to its addresses, without one name's resolver holding up another.

An address, and the names of this machine, need no resolver. Any other name is asked for once at a time, however many calls
wait for it: a resolver that hangs then keeps one thread of the hub's pool, and not all.

Runs on the hub, which owns what is kept here: on gevent's hub, so that another loop begins anew.
"""

from __future__ import annotations

import socket as native_socket
from typing import Any

import gevent
import gevent.monkey
import gevent.socket

Address = tuple[Any, ...]
"""As `socket.getaddrinfo` gives them: family, kind, protocol, name, and where to connect."""

# Of RFC 6761. The server's own default first.
_LOOPBACK = ("127.0.0.1", "::1")


def addresses_of(host: str, port: int) -> list[Address]:
    """Return the addresses of a host. Waits in the greenlet.

    Args:
        host: a name, or an address as in a URL.
        port: to be connected to.

    Raises:
        OSError: the name is not known (`socket.gaierror`), or cannot be looked up.
        UnicodeError: it is no name.
    """
    # As an address is written outside a URL: without brackets, and with a bare "%" before its zone.
    host = host.strip("[]").replace("%25", "%")
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return [found for address in _LOOPBACK for found in _numeric(address, port)]
    try:
        return _numeric(host, port)
    except native_socket.gaierror:
        return _looked_up(host, port)


def _numeric(host: str, port: int) -> list[Address]:
    # With this flag the call never leaves the process. The original, since a patched process asks gevent's resolver, which
    # takes a thread of the pool even for this.
    native = gevent.monkey.get_original("socket", "getaddrinfo")
    found: list[Address] = native(
        host, port, 0, native_socket.SOCK_STREAM, 0, native_socket.AI_NUMERICHOST
    )
    return found


def _looked_up(host: str, port: int) -> list[Address]:
    hub = gevent.get_hub()
    lookups: dict[tuple[str, int], gevent.Greenlet] | None
    lookups = getattr(hub, "ollama_sync_lookups", None)
    if lookups is None:
        lookups = hub.ollama_sync_lookups = {}
    key = (host, port)
    if key not in lookups:
        lookup = lookups[key] = gevent.spawn(_look_up, host, port)
        lookup.rawlink(lambda _: lookups.pop(key))
    # A call that is killed here leaves the lookup to the others, and to the next call for that name.
    found = lookups[key].get()
    if isinstance(found, BaseException):
        # One for each call: they are raised on several ways.
        raise type(found)(*found.args) from found
    addresses: list[Address] = found
    return addresses


def _look_up(host: str, port: int) -> Any:
    """Return what the resolver finds, or its error, which gevent would print if it were raised."""
    try:
        return gevent.socket.getaddrinfo(host, port, 0, native_socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
