"""Replays of real exchanges through the public client: whole, in the pieces in which they came, and cut where it hurts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ollama_sync import Client
from ollama_sync._stream.stream import Stream
from ollama_sync.errors import ConnectError, ErrorLine, RequestError, ResponseError, StreamBroken
from ollama_sync.testing import MockOllama, replay

NOT_REPLAYED = {"cors_preflight": "browsers only"}

# Requests that the client cannot be made to send. Their replies are played all the same, to another request.
NOT_SENT = {
    "chat_images_bad_base64": "refused before it is sent: text that is no base64",
    "chat_format_bad_string": "refused before it is sent: a format that is neither 'json' nor a schema",
    "chat_no_model": "refused before it is sent: no model",
    "chat_wrong_type": "refused before it is sent: messages that are a text",
    "chat_bad_option_type": "refused before it is sent: an option that is no number",
    "chat_stop_string": "refused before it is sent: `stop` that is no list",
    "chat_malformed_json": "no JSON",
    "chat_malformed_json2": "no JSON",
    "keepalive_4_malformed": "no JSON",
    "chat_empty_body": "no JSON",
    "chat_unknown_field": "no parameter of that name",
}

OTHER_CALLS = {
    "method_wrong": "a GET of /api/chat",
    "route_missing": "a route without a method of the client",
}

STAND_IN: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def given(exchange: Any) -> dict[str, Any] | None:
    """Return the arguments with which the recorded request is made; None where it cannot be."""
    try:
        sent = json.loads(exchange.sent)
    except ValueError:
        return None
    # What the request leaves out, the server streams.
    # A parameter cannot begin with the underscore that `_debug_render_only` has on the wire.
    return {"stream": True} | {
        name.removeprefix("_"): value for name, value in sent.items() if value is not None
    }


def arguments(exchange: Any) -> dict[str, Any]:
    """Return the arguments of a call that is answered by this exchange."""
    if str(exchange) not in NOT_SENT:
        return given(exchange) or {}
    return STAND_IN | {"stream": (given(exchange) or {}).get("stream", True)}


def call(client: Client, exchange: Any) -> Any:
    """Make the call that was recorded, or one like it."""
    if str(exchange) == "method_wrong":
        return client.chat(**STAND_IN)
    if exchange.method == "GET":
        return client.list() if exchange.path == "/api/tags" else client.version()
    verb: Any = client.chat if exchange.path == "/api/chat" else client.generate
    return verb(**arguments(exchange))


def streams(exchange: Any) -> bool:
    return exchange.method == "POST" and bool(arguments(exchange)["stream"])


def route(exchange: Any) -> str:
    return "/api/version" if str(exchange) == "route_missing" else str(exchange.path)


WANTED: dict[str, Callable[[Any], bool]] = {
    "test_the_reply_is_understood": lambda exchange: (
        exchange.is_of_chats and str(exchange) not in NOT_REPLAYED
    ),
    "test_tokens_and_result_are_of_all_parts": lambda exchange: (
        exchange.is_of_chats
        and str(exchange) not in NOT_REPLAYED
        and streams(exchange)
        and bool(exchange.response)
        and exchange.status == 200
        and exchange.is_whole
        and not exchange.error
    ),
    "test_the_request_is_the_recorded_one": lambda exchange: (
        exchange.is_of_chats and exchange.method == "POST" and str(exchange) not in NOT_SENT
    ),
    "test_a_request_that_is_not_sent_cannot_be": lambda exchange: str(exchange) in NOT_SENT,
}


@pytest.fixture
def plays(player: MockOllama) -> Iterator[Callable[..., Client]]:
    """Returns a client whose next call is answered by an exchange."""
    player.reset()
    with Client(player.url) as client:

        def play(exchange: Any, at: Any = None) -> Client:
            player.script([replay(exchange.response, at)], path=route(exchange))
            return client

        yield play


@pytest.mark.parametrize("cut", ["whole", "as_recorded", "awkwardly"])
def test_the_reply_is_understood(exchange: Any, cut: str, plays: Any, refused: Any) -> None:
    """Each reply gives the recorded objects, or the recorded error after them, however its bytes are cut."""
    client = plays(exchange, exchange.cut(cut))
    if not exchange.response:
        with pytest.raises(ConnectError):
            drain(call(client, exchange))
    elif exchange.status >= 400:
        refused(exchange, lambda: drain(call(client, exchange)))
    elif not streams(exchange):
        assert call(client, exchange).to_dict() == exchange.parts[0]
    else:
        flows(exchange, call(client, exchange))


def drain(answer: Any) -> Any:
    return list(answer) if isinstance(answer, Stream) else answer


def flows(exchange: Any, stream: Stream[Any]) -> None:
    """Check that the parts come, in order, and then the end, or the error with everything that had come."""
    iterator = iter(stream)
    for part in exchange.parts:
        assert next(iterator).to_dict() == part
    if exchange.error:
        with pytest.raises(ErrorLine) as reported:
            next(iterator)
        error: StreamBroken = reported.value
        assert (reported.value.error, reported.value.status_code) == (exchange.error, -1)
    elif not exchange.is_whole:
        with pytest.raises(StreamBroken) as broken:
            next(iterator)
        error = broken.value
        assert type(error) is StreamBroken
    else:
        assert list(iterator) == []
        assert stream.done
        return
    assert text_of([error.partial.to_dict()]) == text_of(exchange.parts) != ""
    assert list(iterator) == []


def text_of(parts: list[dict[str, Any]]) -> str:
    return "".join(
        part["message"]["content"] if "message" in part else part["response"] for part in parts
    )


def test_tokens_and_result_are_of_all_parts(exchange: Any, plays: Any) -> None:
    """`tokens` gives all text; `result` joins text and thinking, collects calls and logprobs, and has the final metrics."""
    client = plays(exchange)
    stream = call(client, exchange)
    parts = exchange.parts
    batches = list(stream.tokens())
    assert "".join(itertools.chain(*batches)) == text_of(parts)
    assert all(itertools.chain(*batches))
    result = stream.result().to_dict()
    message = result.get("message", result)
    pieces = [part.get("message", part) for part in parts]
    assert text_of([result]) == text_of(parts)
    assert message.get("thinking", "") == "".join(piece.get("thinking", "") for piece in pieces)
    for where, name, holders in ((message, "tool_calls", pieces), (result, "logprobs", parts)):
        collected = [item for holder in holders for item in holder.get(name) or []]
        assert (where.get(name) or []) == collected
    folded = {"message", "response", "thinking", "tool_calls", "logprobs"}
    final = {name: value for name, value in parts[-1].items() if name not in folded}
    assert {name: result[name] for name in final} == final


def test_the_request_is_the_recorded_one(exchange: Any, plays: Any, player: MockOllama) -> None:
    """The same call sends the same JSON; what we always say and the recording left out are the server's own defaults."""
    try:
        drain(call(plays(exchange), exchange))
    except (ResponseError, StreamBroken, ConnectError):
        pass  # this is about the request
    defaults: dict[str, Any] = {"stream": True}
    if exchange.path == "/api/chat":
        defaults |= {"messages": [], "tools": []}
    sent = player.requests[-1]
    assert (sent.method, sent.path) == ("POST", exchange.path)
    recorded = {
        name: value for name, value in json.loads(exchange.sent).items() if value is not None
    }
    assert defaults | sent.json == defaults | recorded
    assert sent.headers["content-type"] == "application/json"


def test_a_request_that_is_not_sent_cannot_be(
    exchange: Any, plays: Any, player: MockOllama
) -> None:
    """The list of exceptions is true: each of them is no JSON, or is refused by the client with nothing sent."""
    wanted = given(exchange)
    if wanted is not None:
        with pytest.raises((RequestError, TypeError)):
            plays(exchange).chat(**wanted)
    assert player.requests == ()


def test_nothing_recorded_is_forgotten(recorded: Any) -> None:
    """Each exchange is played, or named as one that is not; and each that is listed exists."""
    ours = {name: exchange for name, exchange in recorded.items() if exchange.is_of_chats}
    assert {*NOT_REPLAYED, *NOT_SENT, *OTHER_CALLS} <= set(ours)
    others = {name for name, exchange in ours.items() if exchange.method not in ("GET", "POST")}
    assert others == set(NOT_REPLAYED)
    assert len(ours) == 136


def test_one_connection_carries_five_exchanges(
    recorded: Any, one_connection: Any, refused: Any
) -> None:
    """Replies, errors among them, follow each other on a kept connection as they did when they were recorded."""
    names = [
        "keepalive_1",
        "keepalive_2",
        "keepalive_3_error",
        "keepalive_4_malformed",
        "keepalive_5",
    ]
    exchanges = [recorded[name] for name in names]
    with Client(one_connection(exchanges)) as client:
        for exchange in exchanges:
            if exchange.status >= 400:
                refused(exchange, lambda exchange=exchange: drain(call(client, exchange)))
            elif streams(exchange):
                flows(exchange, call(client, exchange))
            else:
                assert call(client, exchange).to_dict() == exchange.parts[0]


FAULTS: dict[str, tuple[type[Exception], int, str]] = {
    "runner_killed_midstream": (ErrorLine, -1, "unexpected EOF"),
    "runner_killed_midstream_generate": (ErrorLine, -1, "unexpected EOF"),
    "runner_killed_nonstream": (ResponseError, 500, "unexpected EOF"),
    "server_sigterm_midstream": (StreamBroken, 0, "closed the connection"),
    "server_sigkill_midstream": (StreamBroken, 0, "closed the connection"),
    "disconnect_midstream_chat": (StreamBroken, 0, "closed the connection"),
    "disconnect_nonstream_chat": (ConnectError, 0, "closed connection without response"),
    "disconnect_prompt_eval": (ConnectError, 0, "closed connection without response"),
    "queue_full_0": (ResponseError, 503, "server busy"),
    "host_mismatch": (ResponseError, 403, "gave no reason"),
    "origin_denied": (ResponseError, 403, "gave no reason"),
    "route_missing": (ResponseError, 404, "404 page not found"),
    "method_wrong": (ResponseError, 405, "405 method not allowed"),
    "chat_load_failure": (ResponseError, 500, "error loading model"),
    "chat_broken_model": (ResponseError, 404, "not found"),
    "chat_unknown_model": (ResponseError, 404, "not found"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_known_fault_is_told_as_what_it_is(name: str, recorded: Any, plays: Any) -> None:
    """Written out, without the decoder of these tests: the class, the status and the text of each real fault."""
    kind, status, text = FAULTS[name]
    with pytest.raises(kind, match=text) as caught:
        drain(call(plays(recorded[name]), recorded[name]))
    assert type(caught.value) is kind
    if status:
        assert isinstance(caught.value, ResponseError)
        assert caught.value.status_code == status


@pytest.mark.parametrize(
    "name", ["http10", "connection_close", "accept_encoding_gzip", "loading_chat_second"]
)
def test_every_framing_of_a_stream_was_recorded(name: str, recorded: Any, plays: Any) -> None:
    """Ended by the connection, closed behind the last chunk, asked for compressed, and after a wait: all whole."""
    exchange = recorded[name]
    stream = call(plays(exchange), exchange)
    assert len(list(stream)) == exchange.row["lines"]
