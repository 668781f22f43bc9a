"""When a call is tried again: the decisions with numbers, then real calls, told by what the server saw of them."""

from __future__ import annotations

import pickle
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.client import RemoteDisconnected
from typing import Any

import gevent.event
import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import Retry

from ollama_sync import (
    ChatResponse,
    Client,
    ClosedError,
    ConnectError,
    ConnectTimeout,
    RequestError,
    ResponseError,
    Stream,
    StreamBroken,
    Timeout,
    TotalTimeout,
)
from ollama_sync._call import retries as retries_module
from ollama_sync._call.retries import Attempts, policy_of
from ollama_sync._hub import shared_hub
from ollama_sync._transport import green
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    end,
    head,
    reply,
    reset,
    silence,
    stream,
    wait,
)

Eventually = Callable[[Callable[[], object]], None]

MESSAGES = [{"role": "user", "content": "hi"}]
INF = float("inf")

# Of urllib3's own kind and without any wait, so that no test takes time.
THRICE = Retry(3, status_forcelist=(502, 503))
BUSY = reply({"error": "server busy"}, 503)
BAD_GATEWAY = reply({"error": "no upstream"}, 502)
REFUSED = ConnectError("refused")


def busy(retry_after: str | None = None, status: int = 503) -> ResponseError:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return ResponseError("busy", status, headers=headers)


def hung_up() -> ConnectError:
    error = ConnectError("hung up")
    error.__cause__ = RemoteDisconnected("hung up")
    return error


def attempts(retries: int | Retry = THRICE, *, safe: bool = True) -> Attempts:
    return Attempts(policy_of(retries), "POST", safe=safe)


def chat(client: Client) -> Stream[ChatResponse]:
    return client.chat("m", MESSAGES, stream=True)


# The decisions.


@pytest.mark.parametrize("retries", [-1, True, 1.0, "3", None, {"total": 3}])
def test_what_is_no_policy_is_refused(retries: Any) -> None:
    """`retries` is a whole number from 0 on, or urllib3's policy; the error names what was given."""
    with pytest.raises(RequestError, match=r"retries=.* urllib3\.Retry") as caught:
        Client(retries=retries)
    assert repr(retries) in str(caught.value)


def test_a_policy_is_used_as_it_is() -> None:
    """A policy of urllib3 decides as it does there, but POST, which urllib3 leaves out by default, is not left out."""
    own = Retry(3, allowed_methods=["GET"])
    assert policy_of(own) is own
    assert Attempts(own, "GET", safe=True).after(busy("1"), INF) == 1.0
    assert Attempts(own, "POST", safe=True).after(busy("1"), INF) is None
    assert policy_of(Retry(3)).allowed_methods is None
    assert policy_of(Retry(3, connect=1)).connect == 1


@pytest.mark.parametrize(("count", "repeats"), [(0, 0), (1, 1), (5, 5)])
def test_a_number_is_how_often_it_is_repeated(count: int, repeats: int) -> None:
    """So many repeats, and not one more."""
    tried = attempts(count)
    waits = [tried.after(REFUSED, INF) for _ in range(repeats + 2)]
    assert waits.count(None) == 2
    assert None not in waits[:repeats]
    assert tried.count == repeats + 1


@given(st.integers(1, 30))
def test_the_wait_doubles_within_bounds(count: int) -> None:
    """The first repeat of a number comes after 0.5 to 1 s, each further one after twice that, none after more than 120 s."""
    tried = attempts(count)
    for number in range(count):
        waited = tried.after(REFUSED, INF)
        assert waited is not None
        assert min(120.0, 0.5 * 2**number) <= waited <= min(120.0, 0.5 * 2**number + 0.5)


def test_no_two_clients_come_back_together() -> None:
    """The waits are not the same twice."""
    assert len({attempts(1).after(REFUSED, INF) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("status", "retry_after", "is_repeated"),
    [
        (503, None, True),
        (502, None, True),
        (429, "1", True),
        (429, None, False),  # a quota that is used up
        (413, "1", True),
        (500, None, False),
        (500, "1", False),
        (404, None, False),
        (200, None, False),
    ],
)
def test_which_answers_are_repeated(
    status: int, retry_after: str | None, is_repeated: bool
) -> None:
    """Those of a server that is overloaded or not yet there, and those that say when to come back."""
    assert (attempts(1).after(busy(retry_after, status), INF) is not None) is is_repeated


def test_the_server_says_how_long_to_wait() -> None:
    """A `Retry-After` in seconds, or as a date, is waited for; 0 and what cannot be read are as good as none."""
    assert attempts(1).after(busy("7"), INF) == 7.0
    waited = attempts(1).after(busy(formatdate(usegmt=True)), INF)
    assert waited is not None
    assert waited <= 1.0
    too_late = "Mon, 01 Jan 99999999999 00:00:00 GMT"
    for text in ("0", "soon", "", "-1", "1" * 5000, "Mon, 99 Foo 99999 99:99:99 GMT", too_late):
        waited = attempts(1).after(busy(text), INF)
        assert waited is None or 0.5 <= waited <= 1.0
    ignoring = Retry(3, status_forcelist=(503,), respect_retry_after_header=False)
    assert attempts(ignoring).after(busy("7"), INF) == 0.0


@given(st.text() | st.integers().map(str) | st.datetimes().map(str))
def test_a_wait_is_bounded_whatever_the_server_says(text: str) -> None:
    """No header makes a call wait for more than two minutes, or fail by anything but its own error."""
    waited = attempts(1).after(busy(text), INF)
    assert waited is None or 0 <= waited <= 120


def test_a_server_that_wants_too_much_time_is_not_waited_for() -> None:
    """More than the longest wait of the policy is not waited at all: to come back earlier would be in vain."""
    assert attempts(1).after(busy("120"), INF) == 120.0
    assert attempts(1).after(busy("121"), INF) is None
    assert attempts(Retry(1, backoff_max=5)).after(busy("6"), INF) is None


def test_what_the_total_clock_does_not_leave_is_not_waited() -> None:
    """A wait that would outlast the call is not begun: its error is told now."""
    assert attempts(1).after(busy("10"), left=10.5) == 10.0
    assert attempts(1).after(busy("10"), left=10.0) is None


def test_a_lost_call_is_repeated_only_where_that_does_no_harm() -> None:
    """When the server had the request whole, or a proxy answers for it, only a safe call is made again."""
    for safe in (True, False):
        lost = attempts(safe=safe)
        lost.sent()
        assert (lost.after(REFUSED, INF) is None) is not safe
        assert (attempts(safe=safe).after(busy(status=502), INF) is None) is not safe
        # Here nothing was done.
        unsent = attempts(safe=safe)
        unsent.connected(kept=False)
        assert unsent.after(REFUSED, INF) is not None
        assert attempts(safe=safe).after(busy(), INF) is not None
        assert attempts(safe=safe).after(busy("1", 429), INF) is not None


def test_each_attempt_is_judged_by_itself() -> None:
    """That one attempt was sent says nothing of the next."""
    tried = attempts(safe=False)
    tried.sent()
    assert tried.after(busy(), INF) is not None
    assert tried.after(REFUSED, INF) is not None


def test_the_counters_of_a_policy_are_told_apart() -> None:
    """What was not sent counts for `connect`, what was lost for `read`, an answer for `status`."""
    assert attempts(Retry(5, connect=0)).after(REFUSED, INF) is None
    assert attempts(Retry(5, read=0)).after(REFUSED, INF) is not None
    assert attempts(Retry(5, status=0, status_forcelist=(503,))).after(busy(), INF) is None
    lost = attempts(Retry(5, read=0))
    lost.sent()
    assert lost.after(REFUSED, INF) is None
    for off in (Retry(False), Retry(5, connect=False)):
        assert attempts(off).after(REFUSED, INF) is None


def test_a_kept_connection_is_replaced_once() -> None:
    """Whatever the policy, one that the server had closed gives way at once to a new one; the second failure counts."""
    tried = attempts(0)
    tried.connected(kept=True)
    tried.sent()
    assert tried.renews(hung_up())
    tried.connected(kept=True)
    assert not tried.renews(hung_up())
    assert tried.after(hung_up(), INF) is None
    assert tried.count == 2


@pytest.mark.parametrize(
    ("kept", "sent", "safe", "error"),
    [
        (False, True, True, hung_up()),  # a server that hangs up on a new connection is at fault
        (True, True, False, hung_up()),  # it may have been done
        (True, True, True, REFUSED),  # something else than a hang-up
        (True, True, True, busy()),
        (True, False, True, ConnectTimeout("connect", 1, "POST http://x")),
    ],
)
def test_what_is_no_closed_connection_is_not_replaced(
    kept: bool, sent: bool, safe: bool, error: Any
) -> None:
    """Without a policy nothing else is repeated."""
    tried = attempts(0, safe=safe)
    tried.connected(kept=kept)
    if sent:
        tried.sent()
    assert not tried.renews(error)
    assert tried.after(error, INF) is None


def test_a_false_certificate_is_not_tried_again() -> None:
    """It would be the same the next time."""
    error = ConnectError("no TLS")
    error.__cause__ = ssl.SSLCertVerificationError("expired")
    assert attempts().after(error, INF) is None


# Calls.


def test_a_call_is_not_repeated_by_itself(server: MockOllama, client: Client) -> None:
    """Without `retries` an answer is an answer, and its error has one attempt."""
    server.script([BUSY])
    with pytest.raises(ResponseError) as caught:
        client.chat("m", MESSAGES)
    assert len(server.requests) == 1
    assert caught.value.attempts == 1
    assert "attempts" not in str(caught.value)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("answer", [BUSY, BAD_GATEWAY, reply({}, 429, {"Retry-After": "0"})])
def test_a_busy_server_is_asked_again(server: MockOllama, streams: bool, answer: Any) -> None:
    """The caller sees nothing of it but the reply, once and whole."""
    server.script([answer])
    server.script([answer])
    with Client(server.url, retries=THRICE) as client:
        whole = chat(client).result() if streams else client.chat("m", MESSAGES)
    assert whole.message.content == "AAA"
    first, *others = server.requests
    assert [other.body for other in others] == [first.body] * 2


def test_the_last_error_says_how_often(server: MockOllama) -> None:
    """When it never succeeds, the error tells the attempts and the time; also after it was pickled."""
    for _ in range(4):
        server.script([BUSY])
    with Client(server.url, retries=THRICE) as client, pytest.raises(ResponseError) as caught:
        client.chat("m", MESSAGES)
    error = caught.value
    assert len(server.requests) == error.attempts == 4
    assert error.__context__ is None  # the errors before are not its cause
    assert "(4 attempts in 0." in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.attempts, again.elapsed, str(again)) == (4, error.elapsed, str(error))


def test_a_refused_connection_is_tried_again_by_the_call(server: MockOllama) -> None:
    """It is known before the call returns, so the call raises it."""
    port = server.port
    server.stop()
    with (
        Client(f"127.0.0.1:{port}", retries=THRICE) as client,
        pytest.raises(ConnectError, match=r"\(4 attempts in .* s\)") as caught,
    ):
        chat(client)
    assert caught.value.attempts == 4


def test_a_number_waits_between_the_attempts(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is nobody's silence: neither the connect clock nor the first clock runs meanwhile."""
    monkeypatch.setattr(retries_module, "_FIRST_WAIT", 0.3)
    monkeypatch.setattr(retries_module, "_JITTER", 0.0)
    server.script([BUSY])
    with Client(server.url, retries=1, timeout=Timeout(connect=0.15, first=0.15)) as client:
        assert chat(client).result().message.content == "AAA"


def test_part_of_a_reply_is_never_repeated(server: MockOllama) -> None:
    """Once something has come, a break is a break."""
    part = {"message": {"role": "assistant", "content": "a"}, "done": False}
    server.script([head(), chunk(part), close()])
    with Client(server.url, retries=THRICE) as client, pytest.raises(StreamBroken) as caught:
        chat(client).result()
    assert len(server.requests) == caught.value.attempts == 1


@pytest.mark.parametrize("leave", [close, reset])
def test_a_lost_call_is_made_again(server: MockOllama, leave: Any) -> None:
    """A server that leaves before it has begun its reply is asked again, if a second answer does no harm."""
    server.script([leave()])
    server.script([leave()])
    with Client(server.url, retries=THRICE) as client:
        assert chat(client).result().message.content == "AAA"
        assert len(server.requests) == 3
        server.script([leave()], path="/api/delete")
        with pytest.raises(ConnectError):
            client.delete("m")
    assert len(server.requests) == 4


def test_a_file_is_sent_again_from_its_beginning(server: MockOllama, tmp_path: Any) -> None:
    """An upload that was refused, or lost, is repeated whole."""
    content = bytes(range(256)) * 4096
    path = tmp_path / "blob"
    path.write_bytes(content)
    with Client(server.url, retries=THRICE) as client:
        digest = client.create_blob(path)
        uploads = f"/api/blobs/{digest}"
        server.reset()
        server.script([reply({}, 404)], path=uploads)  # it is not there
        server.script([BUSY], path=uploads)
        server.script([reset()], path=uploads)
        assert client.create_blob(path) == digest
    assert [request.body for request in server.requests] == [b"", content, content, content]


def test_the_total_clock_spans_the_attempts(server: MockOllama) -> None:
    """It does not begin anew, and its error tells the attempts, too."""
    server.script([BUSY])
    server.script([silence()])
    limits = Timeout(total=0.2)
    with Client(server.url, retries=THRICE, timeout=limits) as client:
        with pytest.raises(TotalTimeout, match="2 attempts") as caught:
            client.chat("m", MESSAGES)
        assert caught.value.attempts == 2
        server.wait_disconnect()


def test_what_cannot_be_waited_for_is_told_now(server: MockOllama) -> None:
    """A server that asks for more time than the call has is not waited for."""
    server.script([reply({}, 503, {"Retry-After": "60"})])
    with (
        Client(server.url, retries=THRICE, timeout=Timeout(total=30)) as client,
        pytest.raises(ResponseError) as caught,
    ):
        client.chat("m", MESSAGES)
    assert (caught.value.attempts, len(server.requests)) == (1, 1)


def test_any_other_request_is_safe_by_its_method(server: MockOllama) -> None:
    """Of a route without a verb only GET and HEAD are known to do no harm."""
    with Client(server.url, retries=THRICE) as client:
        for method, requests_seen in (("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1)):
            server.reset()
            server.script([close()], path="/x")
            server.on(method, "/x", [reply({})])
            try:
                client.request(method, "/x")
            except ConnectError:
                pass
            assert len(server.requests) == requests_seen


@contextmanager
def waiting(server: MockOllama, eventually: Eventually) -> Iterator[tuple[Client, Any]]:
    """Give a stream that waits for its second attempt."""
    server.script([reply({}, 503, {"Retry-After": "60"})])
    with Client(server.url, retries=THRICE) as client:
        running = chat(client)
        eventually(lambda: running._exchange.attempts == 2)
        yield client, running
    assert len(server.requests) == 1


def test_a_wait_can_be_cancelled(server: MockOllama, eventually: Eventually) -> None:
    """A cancel does not wait for the next attempt."""
    with waiting(server, eventually) as (_, running):
        running.cancel()
        assert list(running) == []


def test_a_wait_ends_with_its_client(server: MockOllama, eventually: Eventually) -> None:
    """So does a client that is closed."""
    with waiting(server, eventually) as (client, running):
        client.close()
        assert list(running) == []


def test_other_calls_go_on_during_a_wait(server: MockOllama, eventually: Eventually) -> None:
    """Nothing sleeps but the call that waits."""
    with waiting(server, eventually) as (_, running), MockOllama(chunks=3, delay=0) as other:
        with Client(other.url) as quick:
            assert quick.chat("m", MESSAGES).message.content == "AAA"
        assert not running.done
        running.close()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have so many connections hang while they are made, after the first few."""
    real = green.connect

    def hang(count: int, after: int = 0) -> None:
        hangs = iter([False] * after + [True] * count)

        def connect(*args: Any) -> Any:
            if next(hangs, False):
                gevent.event.Event().wait()
            return real(*args)

        monkeypatch.setattr(green, "connect", connect)

    return hang


def test_a_connection_that_takes_too_long_is_tried_again(server: MockOllama, stuck: Any) -> None:
    """Each attempt has a connect clock of its own; nothing was sent, so every call may be repeated."""
    stuck(2)
    with Client(server.url, retries=THRICE, timeout=Timeout(connect=0.05)) as client:
        client.copy("m", "n")
        assert len(server.requests) == 1


def test_the_last_connect_timeout_is_raised(server: MockOllama, stuck: Any) -> None:
    """It is an error like any other when there is no further attempt."""
    stuck(4)
    limits = Timeout(connect=0.05)
    with (
        Client(server.url, retries=THRICE, timeout=limits) as client,
        pytest.raises(ConnectTimeout, match=r"within 0\.05 s.*4 attempts") as caught,
    ):
        chat(client)
    assert caught.value.__context__ is None


def test_the_connect_clock_counts_from_the_end_of_the_wait(
    server: MockOllama, stuck: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not run out during the wait, and runs after it."""
    monkeypatch.setattr(retries_module, "_FIRST_WAIT", 0.1)
    monkeypatch.setattr(retries_module, "_JITTER", 0.0)
    server.script([reply({}, 503, {"Connection": "close"})])
    stuck(1, after=1)
    with (
        Client(server.url, retries=1, timeout=Timeout(connect=0.05)) as client,
        pytest.raises(ConnectTimeout, match="2 attempts"),
    ):
        client.chat("m", MESSAGES)


@pytest.mark.parametrize("late", [0, 1])
def test_a_call_that_the_hub_kills_is_not_tried_again(
    server: MockOllama, stuck: Any, late: int
) -> None:
    """It is over, and is not taken for one that connected too late, also after one that did."""
    stuck(late)
    gate = Gate()
    server.script([wait(gate)])
    with Client(server.url, retries=THRICE, timeout=Timeout(connect=0.05)) as client:
        running = chat(client)
        gate.wait_reached()
        shared_hub().call(shared_hub().kill, running._exchange._job)
        assert list(running) == []
        assert running.error is None
    assert len(server.requests) == 1


@contextmanager
def waiting_for_a_server(eventually: Eventually) -> Iterator[Any]:
    """Give the exchange of a call that was refused twice, and waits."""
    with MockOllama() as gone:
        port = gone.port
    client = Client(f"127.0.0.1:{port}", retries=Retry(9, backoff_factor=60))

    def call() -> None:
        with pytest.raises(ClosedError):
            client.version()

    thread = threading.Thread(target=call)
    thread.start()
    running = client._transport._running
    eventually(lambda: [one for one in list(running) if one.attempts == 3])  # type: ignore[attr-defined] # the calls are exchanges
    yield next(iter(running))
    client.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_connect_clock_that_loses_a_race_does_nothing(
    server: MockOllama, eventually: Eventually
) -> None:
    """When it runs out in the moment in which the connection is there, or was refused, the call goes on as it was."""
    late = ConnectTimeout("connect", 1, "POST http://x")
    gate = Gate()
    server.script([wait(gate), stream([{"message": {"content": "a"}, "done": True}])])
    with Client(server.url, retries=THRICE) as client:
        running = chat(client)
        gate.wait_reached()
        shared_hub().call_soon(running._exchange._stop_attempt, late)
        shared_hub().call(int)  # now it has run
        gate.open()
        assert running.result().message.content == "a"
    with waiting_for_a_server(eventually) as exchange:
        shared_hub().call_soon(exchange._stop_attempt, late)
        shared_hub().call(int)
        assert exchange.channel.ended is None


def test_a_stuck_connection_ends_with_its_client(
    server: MockOllama, stuck: Any, eventually: Eventually
) -> None:
    """An end from outside, within an attempt or between two, is no failed attempt."""
    stuck(1000)
    client = Client(server.url, retries=Retry(1000), timeout=Timeout(connect=0.01))
    said: list[str] = []

    def call() -> None:
        try:
            client.chat("m", MESSAGES)
        except ClosedError as error:
            said.append(str(error))

    before = shared_hub().jobs
    thread = threading.Thread(target=call)
    thread.start()
    eventually(lambda: shared_hub().jobs > before)
    client.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(said) == 1
    assert server.requests == ()


@responses.activate
def test_mocked_calls_are_repeated_too() -> None:
    """With the `responses` library, refused connections and busy servers can be rehearsed."""
    url = "http://localhost:11434/api/chat"
    responses.post(url, body=requests.ConnectionError("refused"))
    responses.post(url, status=503, json={"error": "busy"})
    responses.post(url, status=429, headers={"Retry-After": "0"}, json={"error": "busy"})
    responses.post(url, json={"message": {"role": "assistant", "content": "Yes"}, "done": True})
    with Client("http://localhost:11434", retries=THRICE) as client:
        assert client.chat("m", MESSAGES).message.content == "Yes"
    assert len(responses.calls) == 4


# Connections that are kept.


@pytest.mark.parametrize("leave", [close, reset])
def test_a_kept_connection_that_is_dead_costs_nothing(
    server: MockOllama, client: Client, leave: Any
) -> None:
    """A server may close what idles, in the moment in which it is used again: the call goes over a new connection."""
    assert client.chat("m", MESSAGES).message.content == "AAA"
    server.script([leave()])
    assert chat(client).result().message.content == "AAA"
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_kept_connection_is_replaced_one_time_only(server: MockOllama, client: Client) -> None:
    """What fails on the new connection, too, is an error, and tells both."""
    client.version()
    server.script([close()])
    server.script([close()])
    with pytest.raises(ConnectError, match="2 attempts"):
        client.chat("m", MESSAGES)
    assert len(server.requests) == 3


def test_a_call_that_changes_something_is_not_made_twice(
    server: MockOllama, client: Client
) -> None:
    """When the server had the whole request, nobody knows what it did with it: the caller has to decide."""
    client.version()
    server.script([close()], path="/api/delete")
    with pytest.raises(ConnectError):
        client.delete("m")
    assert len(server.requests) == 2


def test_all_kept_connections_are_given_up_together(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """Where one is dead the others are, too: no later call tries its luck with them."""
    gate = Gate()
    part = {"message": {"role": "assistant", "content": "a"}, "done": True}
    for _ in range(2):
        server.script([head(), wait(gate), chunk(part), end()])
    running = [chat(client), chat(client)]
    gate.open()
    for one in running:
        one.result()
    eventually(lambda: client._transport.kept_connections == 2)
    server.script([close()])
    client.chat("m", MESSAGES)
    eventually(lambda: client._transport.kept_connections == 1)
    assert server.connections == 3


def test_a_new_connection_that_breaks_says_nothing_of_the_others(
    server: MockOllama, client: Client, eventually: Eventually
) -> None:
    """They stay, and are kept."""
    gate = Gate()
    server.script([head(), wait(gate), chunk({"message": {}, "done": True}), end()])
    server.script([close()])
    running = chat(client)
    gate.wait_reached()
    with pytest.raises(ConnectError):
        client.chat("m", MESSAGES)
    gate.open()
    running.result()
    eventually(lambda: client._transport.kept_connections == 1)
    client.version()
    assert server.connections == 2


@pytest.mark.parametrize("safe", [True, False])
def test_a_server_may_be_restarted_between_two_calls(safe: bool) -> None:
    """What was kept from before is not even tried, so no call is lost, whatever it does."""
    with MockOllama() as server, Client(server.url) as client:
        client.version()
        port = server.port
        server.stop()
        with MockOllama(port=port, models=["m"]) as restarted:
            _ = client.version() if safe else client.delete("m")
            assert len(restarted.requests) == 1


def test_closed_in_the_moment_of_use() -> None:
    """A server that closes each connection when it has answered, without saying so, loses no call of 300."""
    answer = [stream([{"response": "a", "done": True}]), close()]
    with MockOllama() as server, Client(server.url) as client:
        server.on("POST", "/api/generate", answer)
        for _ in range(300):
            assert client.generate("m", "hi").response == "a"
