"""Connecting to a host of several addresses: the first that answers is used, and the others are closed."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from ollama_sync._hub import shared_hub
from ollama_sync._transport import connect as connect_module
from ollama_sync._transport.connect import _in_turn, connect

# Of TEST-NET-1 (RFC 5737) none is connected to here: a queue that is full plays the host that does not answer.


def address(place: tuple[str, int], family: int = socket.AF_INET) -> tuple[Any, ...]:
    return (family, socket.SOCK_STREAM, 6, "", place)


@pytest.fixture
def hole() -> Iterator[tuple[str, int]]:
    """A place that does not answer: its queue of connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening.getsockname()
        for one in waiting:
            one.close()


@pytest.fixture
def live() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


@pytest.fixture
def dead() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place: tuple[str, int] = closed.getsockname()
    return place


def connected_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[Any, ...]) -> Any:
    """Return where a host of these addresses was reached."""
    monkeypatch.setattr(connect_module, "addresses_of", lambda *_: list(addresses))

    def work() -> Any:
        sock = connect("host.example", 80, ())
        try:
            return sock.getpeername()
        finally:
            sock.close()

    return shared_hub().call(work)


def test_an_address_that_does_not_answer_is_passed_over(
    hole: tuple[str, int], live: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is tried although the first may still answer; nothing of it is left."""
    assert connected_to(monkeypatch, address(hole), address(hole), address(live)) == live
    gc.collect()  # a socket that was not closed would warn, which is an error here


def test_an_address_that_refuses_is_followed_at_once(
    dead: tuple[str, int], live: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the wait that is for those that are silent."""
    monkeypatch.setattr(connect_module, "_DELAY", 1000.0)
    assert connected_to(monkeypatch, address(dead), address(live)) == live


def test_when_all_refuse_the_last_says_why(
    dead: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has been tried."""
    with pytest.raises(ConnectionRefusedError):
        connected_to(monkeypatch, address(dead), address(dead))


def test_a_host_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may find a name and nothing behind it."""
    with pytest.raises(OSError, match="has no address"):
        connected_to(monkeypatch)


def test_a_call_that_is_killed_leaves_no_attempt(
    hole: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clocks may end it while two are under way."""
    monkeypatch.setattr(connect_module, "_DELAY", 0.001)
    monkeypatch.setattr(connect_module, "addresses_of", lambda *_: [address(hole), address(hole)])

    def work() -> int:
        before = {one for one in gc.get_objects() if isinstance(one, gevent.Greenlet)}
        call = gevent.spawn(connect, "host.example", 80, ())
        gevent.sleep(0.05)
        call.kill()
        gevent.idle()
        now = {one for one in gc.get_objects() if isinstance(one, gevent.Greenlet)}
        return sum(not one.dead for one in now - before)

    assert shared_hub().call(work) == 0


def test_families_take_turns() -> None:
    """A host whose one family is broken is reached by the other's first address."""
    six = [address(("::1", number), socket.AF_INET6) for number in range(3)]
    four = [address(("127.0.0.1", number)) for number in range(2)]
    assert _in_turn([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
