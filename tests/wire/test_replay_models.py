"""Replays of real exchanges that are no chats: models, blobs, embeddings and the server's own routes, through their verbs.

Runs in the thread of the tests; the server that plays is a hub of its own.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client
from ollama_sync._stream.stream import Stream
from ollama_sync.errors import ErrorLine, RequestError, ResponseError, StreamBroken
from ollama_sync.testing import MockOllama, head, replay

# Requests that the verb cannot be made to send. Their replies are played all the same, to another request of that verb.
NOT_SENT = {
    "show_no_model": "refused before it is sent: no model",
    "show_malformed": "no JSON",
    "show_empty_body": "no JSON",
    "pull_no_model": "refused before it is sent: no model",
    "push_no_model": "refused before it is sent: no model",
    "delete_no_model": "refused before it is sent: no model",
    "create_bad_name": "refused before it is sent: an empty name",
    "embed_bad_input": "refused before it is sent: numbers for texts",
    "blob_head_bad_digest": "refused before it is sent: no digest",
    "blob_post_bad_digest": "the client names a blob by the digest of the file that it sends",
    "blob_post_mismatch": "the client names a blob by the digest of the file that it sends",
    "blob_post_created": "the file of 98 MB was not recorded",
    "blob_post_exists": "the file of 98 MB was not recorded",
    "blob_post_chunked": "the client knows the length of a file, and says it",
    "blob_post_exists_chunked": "the client knows the length of a file, and says it",
    "expect100_new": "the client asks for a blob by HEAD, and does not expect a 100",
    "expect100_exists": "the client asks for a blob by HEAD, and does not expect a 100",
}

# No verb makes these; `request` does.
BY_REQUEST = {
    "root_get": "the banner is no JSON",
    "root_head": "a HEAD",
    "version_head": "a HEAD, whose reply has the length of the body that it does not have",
    "delete_via_post": "the wrong method",
}

STAND_INS: dict[str, dict[str, Any]] = {
    "/api/embed": {"model": "m", "input": "x"},
    "/api/show": {"model": "m"},
    "/api/delete": {"model": "m"},
    "/api/pull": {"model": "m"},
    "/api/push": {"model": "m"},
    "/api/create": {"model": "m", "from": "n"},
}

# What we always say, or never, and the server takes for granted.
DEFAULTS: dict[str, dict[str, Any]] = {
    "/api/embed": {"input": ""},
    "/api/pull": {"insecure": False, "stream": True},
    "/api/push": {"insecure": False, "stream": True},
    "/api/create": {"stream": True},
}

STREAMING = ("/api/pull", "/api/push", "/api/create")
BLOBS = "/api/blobs/"
CONTENT = b"the content of a file"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def is_json(exchange: Any) -> bool:
    try:
        return isinstance(json.loads(exchange.sent), dict)
    except ValueError:
        return False


def is_ours(exchange: Any) -> bool:
    return not exchange.is_of_chats and exchange.method != "OPTIONS"


def is_verbs(exchange: Any) -> bool:
    """Whether the exchange is of a verb that sends JSON."""
    return is_ours(exchange) and is_json(exchange) and str(exchange) not in BY_REQUEST


WANTED: dict[str, Callable[[Any], bool]] = {
    "test_the_reply_is_understood": is_ours,
    "test_the_request_is_the_recorded_one": lambda exchange: (
        is_verbs(exchange) and str(exchange) not in NOT_SENT
    ),
    "test_a_request_that_is_not_sent_cannot_be": lambda exchange: (
        str(exchange) in NOT_SENT and "refused before" in NOT_SENT[str(exchange)]
    ),
    "test_what_no_verb_can_say_a_request_can": lambda exchange: (
        is_json(exchange) and bool(exchange.response) and exchange.status >= 400
    ),
    "test_a_result_is_the_last_word": lambda exchange: (
        is_ours(exchange)
        and exchange.path in STREAMING
        and exchange.status == 200
        and exchange.is_whole
        and not exchange.error
    ),
}


def arguments(exchange: Any) -> dict[str, Any]:
    """Return the arguments of a call that is answered by this exchange, as their names are on the wire."""
    if str(exchange) not in NOT_SENT:
        return dict(json.loads(exchange.sent))
    given = dict(STAND_INS[exchange.path])
    if exchange.path in STREAMING:
        given["stream"] = streams(exchange)
    return given


def streams(exchange: Any) -> bool:
    if exchange.path not in STREAMING or not is_json(exchange):
        return False
    return bool(json.loads(exchange.sent).get("stream", True))


def spoken(path: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as the verb of `path` names them; what the request leaves out, the server streams."""
    named = {"from_" if name == "from" else name: value for name, value in given.items()}
    return {"stream": True} | named if path in STREAMING else named


def verb(client: Client, path: str) -> Any:
    name = path.rpartition("/")[2]
    return getattr(client, name)


def call(client: Client, exchange: Any, file: Path) -> Any:
    """Make the call that was recorded, or one like it."""
    if str(exchange) in BY_REQUEST:
        body = json.loads(exchange.sent) if exchange.sent else None
        return client.request(exchange.method, exchange.path, json=body)
    if exchange.path.startswith(BLOBS):
        if exchange.method == "POST":
            file.write_bytes(content(exchange))
            return client.create_blob(file)
        return client.blob_exists(digest(exchange))
    if exchange.method == "GET":
        return verb(client, exchange.path)()
    return verb(client, exchange.path)(**spoken(exchange.path, arguments(exchange)))


def content(exchange: Any) -> bytes:
    return CONTENT if str(exchange) in NOT_SENT else exchange.sent


def digest(exchange: Any) -> str:
    return DIGEST if str(exchange) in NOT_SENT else exchange.path.removeprefix(BLOBS)


@pytest.fixture
def plays(player: MockOllama) -> Iterator[Callable[..., Client]]:
    """Returns a client whose next call is answered by an exchange; a blob that it uploads is first said to be missing."""
    player.reset()
    with Client(player.url) as client:

        def play(exchange: Any, at: Any = None) -> Client:
            path = exchange.path
            if path.startswith(BLOBS):
                path = f"{BLOBS}{digest(exchange)}"
                if exchange.method == "POST":
                    player.script([head(404, {}, framing="none")], path=path)
            player.script([replay(exchange.response, at)], path=path)
            return client

        yield play


@pytest.mark.parametrize("cut", ["whole", "as_recorded", "awkwardly"])
def test_the_reply_is_understood(
    exchange: Any, cut: str, plays: Any, refused: Any, tmp_path: Path
) -> None:
    """Each reply gives the recorded objects, or the recorded error after them, however its bytes are cut."""
    client = plays(exchange, exchange.cut(cut))

    def attempt() -> Any:
        answer = call(client, exchange, tmp_path / "file")
        return list(answer) if isinstance(answer, Stream) else answer

    if str(exchange) == "root_get":
        with pytest.raises(StreamBroken, match="not JSON: b'Ollama is running'"):
            attempt()
    elif exchange.method == "HEAD" and exchange.path.startswith(BLOBS):
        if exchange.status == 400:
            refused(exchange, attempt)
        else:
            assert attempt() is (exchange.status == 200)
    elif exchange.status >= 400:
        refused(exchange, attempt)
    elif exchange.path.startswith(BLOBS):
        assert attempt() == digest(exchange)
    elif streams(exchange):
        flows(exchange, call(client, exchange, tmp_path / "file"))
    else:
        empty = {} if exchange.method == "HEAD" else {"status": "success"}
        assert attempt().to_dict() == (exchange.parts[0] if exchange.body else empty)


def flows(exchange: Any, stream: Stream[Any]) -> None:
    """Check that the parts come, in order, and then the end, or the error with the last thing that had come."""
    iterator = iter(stream)
    for part in exchange.parts:
        assert next(iterator).to_dict() == part
    kind = ErrorLine if exchange.error else StreamBroken
    if exchange.is_whole and not exchange.error:
        assert exchange.parts[-1] == {"status": "success"}
        assert list(iterator) == []
        assert stream.done
        return
    with pytest.raises(kind) as broken:
        next(iterator)
    assert type(broken.value) is kind
    if isinstance(broken.value, ErrorLine):
        assert (broken.value.error, broken.value.status_code) == (exchange.error, -1)
    assert broken.value.partial.to_dict() == exchange.parts[-1]
    assert list(iterator) == []


def test_a_result_is_the_last_word(exchange: Any, plays: Any, tmp_path: Path) -> None:
    """`result` of a pull, push or create is its success, and `stats` has counted every line."""
    answer = call(plays(exchange), exchange, tmp_path)
    if isinstance(answer, Stream):
        result = answer.result()
        assert answer.stats.parts == exchange.row["lines"]
        answer = result
    assert answer.status == "success"


def test_the_request_is_the_recorded_one(exchange: Any, plays: Any, player: MockOllama) -> None:
    """The same call sends the same JSON; what we always say and the recording left out are the server's own defaults."""
    try:
        answer = call(plays(exchange), exchange, Path())
        if isinstance(answer, Stream):
            list(answer)
    except (ResponseError, StreamBroken):
        pass  # this is about the request
    (sent,) = player.requests
    assert (sent.method, sent.path) == (exchange.method, exchange.path)
    defaults = DEFAULTS.get(exchange.path, {})
    assert defaults | sent.json == defaults | json.loads(exchange.sent)
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["blob_post_small", "blob_post_exists_small"])
def test_an_upload_is_the_recorded_one(
    name: str, recorded: Any, plays: Any, player: MockOllama, tmp_path: Path
) -> None:
    """A file is sent to the place that is named by its digest, byte for byte and with its length, after a HEAD there."""
    exchange = recorded[name]
    call(plays(exchange), exchange, tmp_path / "file")
    asked, sent = player.requests
    assert (asked.method, asked.path) == ("HEAD", exchange.path)
    assert (sent.method, sent.path, sent.body) == ("POST", exchange.path, exchange.sent)
    assert sent.headers["content-length"] == str(len(exchange.sent))
    assert sent.headers["content-type"] == "application/octet-stream"


def test_a_request_that_is_not_sent_cannot_be(
    exchange: Any, plays: Any, player: MockOllama
) -> None:
    """The list of exceptions is true: each of them is refused by the verb, with nothing sent."""
    client = plays(exchange)
    if exchange.path.startswith(BLOBS):
        attempt = functools.partial(client.blob_exists, exchange.path.removeprefix(BLOBS))
    else:
        given = spoken(exchange.path, json.loads(exchange.sent))
        attempt = functools.partial(verb(client, exchange.path), **given)
    with pytest.raises((RequestError, TypeError)):
        attempt()
    assert player.requests == ()


def test_what_no_verb_can_say_a_request_can(
    exchange: Any, player: MockOllama, refused: Any
) -> None:
    """`request` sends any JSON as it is, on any route, and understands the server's refusal of it."""
    player.reset()
    player.script([replay(exchange.response)], path=exchange.path)
    body = json.loads(exchange.sent)
    with Client(player.url) as client:
        refused(exchange, lambda: client.request(exchange.method, exchange.path, json=body))
    assert (player.requests[0].method, player.requests[0].json) == (exchange.method, body)


def test_nothing_recorded_is_forgotten(recorded: Any) -> None:
    """Each exchange is played, here or among the chats, or named as one that is not; and each that is listed exists."""
    ours = {name for name, exchange in recorded.items() if is_ours(exchange)}
    chats = {name for name, exchange in recorded.items() if exchange.is_of_chats}
    assert {*NOT_SENT, *BY_REQUEST} <= ours
    assert not {*NOT_SENT} & {*BY_REQUEST}
    assert ours | chats == set(recorded)
    sent = {name for name in ours if is_verbs(recorded[name]) and name not in NOT_SENT}
    bodiless = {
        name
        for name in ours
        if not recorded[name].sent and name not in NOT_SENT and name not in BY_REQUEST
    }
    uploads = {"blob_post_small", "blob_post_exists_small"}
    assert sent | bodiless | uploads | {*NOT_SENT, *BY_REQUEST} == ours
    assert (len(ours), len(chats)) == (103, 136)


FAULTS: dict[str, tuple[type[Exception], int, str]] = {
    "pull_refused": (ErrorLine, -1, "connection refused"),
    "pull_refused_nonstream": (ResponseError, 500, "connection refused"),
    "pull_manifest_missing": (ErrorLine, -1, "file does not exist"),
    "pull_disconnect": (StreamBroken, 0, "closed the connection"),
    "push_unauthorized": (ErrorLine, -1, "authorized"),
    "create_missing_blob": (ErrorLine, -1, "no such file or directory"),
    "create_no_source": (ResponseError, 400, "neither 'from' or 'files' was specified"),
    "show_missing": (ResponseError, 404, "not found"),
    "delete_missing": (ResponseError, 404, "not found"),
    "embed_single": (ResponseError, 501, "does not support embeddings"),
    "delete_via_post": (ResponseError, 405, "405 method not allowed"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_known_fault_is_told_as_what_it_is(
    name: str, recorded: Any, plays: Any, tmp_path: Path
) -> None:
    """Written out, without the decoder of these tests: the class, the status and the text of each real fault."""
    kind, status, text = FAULTS[name]
    client = plays(recorded[name])
    with pytest.raises(kind, match=text) as caught:
        list(call(client, recorded[name], tmp_path))
    assert type(caught.value) is kind
    if status:
        assert isinstance(caught.value, ResponseError)
        assert caught.value.status_code == status
