"""Names: one that hangs holds up its own calls only."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.resolver.thread
import gevent.socket
import pytest

from ollama_sync._hub import Hub, allocate_lock, shared_hub
from ollama_sync._transport.names import addresses_of
from ollama_sync._transport.upload import Upload


def places(host: str, port: int = 80) -> list[tuple[Any, ...]]:
    """Return where a job of the hub finds `host`."""
    return [address[4] for address in shared_hub().call(addresses_of, host, port)]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "ollama.localhost"])
def test_names_of_this_machine_need_no_resolver(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are its two loopback addresses (RFC 6761), the server's default first."""
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_: pytest.fail("resolved"))
    assert [place[0] for place in places(name)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.2", "127.0.0.2"), ("[::1]", "::1"), ("[fe80::1%25lo]", "fe80::1")],
)
def test_addresses_need_no_resolver(
    host: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they are written in a URL."""
    monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_: pytest.fail("resolved"))
    assert [place[0].partition("%")[0] for place in places(host)] == [address]


def test_a_name_is_looked_up_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls wait for it; a call that is killed leaves the lookup to the others."""
    asked: list[str] = []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]

    def work() -> list[Any]:
        answered = gevent.event.Event()

        def look_up(host: str, *_: object) -> list[Any]:
            asked.append(host)
            answered.wait()
            return found

        monkeypatch.setattr(gevent.socket, "getaddrinfo", look_up)
        waiting: list[int] = []

        def ask() -> list[Any]:
            waiting.append(1)  # from here to the lookup nothing else runs
            return addresses_of("one.example", 80)

        calls = [gevent.spawn(ask) for _ in range(20)]
        while len(waiting) < 20 or not asked:
            gevent.sleep(0)
        calls[0].kill()
        answered.set()
        gevent.joinall(calls)
        again = addresses_of("one.example", 80)
        return [*(call.value for call in calls[1:]), again]

    assert shared_hub().call(work) == [found] * 20
    assert asked == ["one.example"] * 2


def test_each_call_gets_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one lookup that failed; each is raised on its own way."""

    def work() -> list[Any]:
        def unknown(*_: object) -> None:
            gevent.sleep(0)
            raise socket.gaierror(socket.EAI_NONAME, "not known")

        monkeypatch.setattr(gevent.socket, "getaddrinfo", unknown)

        def ask() -> Any:
            try:
                return addresses_of("none.example", 80)
            except OSError as error:
                return error

        calls = [gevent.spawn(ask) for _ in range(3)]
        gevent.joinall(calls)
        return [call.value for call in calls]

    errors = shared_hub().call(work)
    assert [str(error) for error in errors] == [f"[Errno {socket.EAI_NONAME}] not known"] * 3
    assert len({id(error) for error in errors}) == 3


def test_a_name_that_is_not_known_is_no_bug_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asked gets the error; the log has nothing to report."""

    def unknown(host: Any, *query: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(gevent.resolver.thread._socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        shared_hub().call(addresses_of, "none.example", 80)
    assert caplog.records == []


def test_names_that_hang_leave_threads_for_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Twelve resolvers that do not answer keep neither another name waiting, nor a file that is read."""
    answer = allocate_lock()
    answer.acquire()
    native = gevent.resolver.thread._socket.getaddrinfo

    def slow(host: Any, *query: Any) -> Any:
        if query[-1] == socket.AI_NUMERICHOST:
            return native(host, *query)
        if b"slow" in (host if isinstance(host, bytes) else host.encode()):
            assert answer.acquire(True, 30.0)
            answer.release()
            return []
        return native("127.0.0.1", *query)

    monkeypatch.setattr(gevent.resolver.thread._socket, "getaddrinfo", slow)

    (tmp_path / "file").write_bytes(b"abc")
    file = Upload(tmp_path / "file", 3)

    def work() -> Any:
        stuck = [gevent.spawn(addresses_of, f"slow{number}.example", 80) for number in range(12)]
        gevent.sleep(0.05)
        with gevent.Timeout(10):
            found = addresses_of("fast.example", 80), len(b"".join(file))
        answer.release()
        gevent.joinall(stuck)
        return found

    own = Hub("names")  # whose threads end with it
    (address,), size = own.call(work)
    own.stop()
    assert (address[4], size) == (("127.0.0.1", 80), 3)
