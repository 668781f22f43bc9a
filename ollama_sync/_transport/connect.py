"""Connects to a host by whichever of its addresses answers first (Happy Eyeballs, RFC 8305).

The addresses are tried one after another, families in turn, each 250 ms after the one before or as soon as that has failed.
The first that connects is used, and the others are closed.

Runs on the hub, in the greenlet of the call, and in one for each address where there are several.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from typing import Any

import gevent
import gevent.event

from ollama_sync._transport.names import Address, addresses_of
from ollama_sync._transport.wire import PlainSocket

# Seconds; the "Connection Attempt Delay" of RFC 8305, section 5.
_DELAY = 0.25


def connect(host: str, port: int, options: Iterable[tuple[Any, ...]]) -> PlainSocket:
    """Return a gevent socket that is connected to `host`.

    Args:
        host: a name or an address, as in a URL.
        port: of TCP.
        options: for `setsockopt`.

    Raises:
        OSError: there is no such name, or none of its addresses answers: the error of the last.
        UnicodeError: it is no name.
    """
    addresses = _in_turn(addresses_of(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    if len(addresses) == 1:
        return _connected(addresses[0], options)
    return _Race(addresses, options).run()


class _Race:
    """The attempts at connecting to one host.

    Args:
        addresses: in the order in which they are tried.
        options: for `setsockopt`.
    """

    def __init__(self, addresses: list[Address], options: Iterable[tuple[Any, ...]]) -> None:
        self._left = addresses
        self._options = options
        self._results: deque[PlainSocket | OSError] = deque()
        self._news: Any = gevent.event.Event()
        self._attempts: list[gevent.Greenlet] = []
        self._is_over = False

    def run(self) -> PlainSocket:
        """Return the first socket that is connected."""
        failed = 0
        try:
            while True:
                if self._left:
                    self._attempts.append(gevent.spawn(self._try, self._left.pop(0)))
                if not self._results:
                    self._news.wait(_DELAY if self._left else None)
                self._news.clear()
                if not self._results:
                    continue
                found = self._results.popleft()
                if isinstance(found, PlainSocket):
                    return found
                failed += 1
                if failed == len(self._attempts) and not self._left:
                    raise found
        finally:
            # The call may have been killed here, too.
            self._is_over = True
            gevent.killall(self._attempts, block=False)
            for late in self._results:
                if isinstance(late, PlainSocket):
                    late.close()

    def _try(self, address: Address) -> None:
        try:
            sock = _connected(address, self._options)
        except OSError as error:
            self._tell(error)
            return
        if self._is_over:  # it connected in the round in which another one won
            sock.close()
        else:
            self._tell(sock)

    def _tell(self, result: PlainSocket | OSError) -> None:
        self._results.append(result)
        self._news.set()


def _connected(address: Address, options: Iterable[tuple[Any, ...]]) -> PlainSocket:
    family, kind, proto, _, where = address
    sock = PlainSocket(family, kind, proto)
    try:
        for option in options:
            # urllib3-future, which may stand in for urllib3, adds a fourth item that names the protocol.
            if option[3:] in ((), ("tcp",)):
                sock.setsockopt(*option[:3])
        sock.connect(where)
    except BaseException:  # a killed greenlet, too: its descriptor may not outlive it
        sock.close()
        raise
    return sock


def _in_turn(addresses: list[Address]) -> list[Address]:
    """Return the addresses with their families in turn, each family in the resolver's order (RFC 8305, section 4)."""
    families: dict[Any, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for one in rounds for address in one if address is not None]
