"""What differs on purpose from the official client and is no matter of one call: a test for each, named by its id.

The ids of these tests and of the tables are those of docs/differences.md.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import ollama_sync
from ollama_sync._client import default
from ollama_sync._policies import ANY_OTHER_CALL, STREAMED_ANSWER
from ollama_sync.testing import MockOllama, end, head, raw, reply

WHY = "the official package is not installed: pip install ollama==0.6.3"
official = pytest.importorskip("ollama", reason=WHY)
httpx = pytest.importorskip("httpx", reason=WHY)

DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
HI = [{"role": "user", "content": "hi"}]
MODEL = {"name": "m", "model": "m", "size": 1, "modified_at": "2026-01-01T00:00:00.123456789Z"}


def test_every_difference_is_documented(tables: Any) -> None:
    """Each id of a row, and of a test of this module, has one line in the document, and each line is tested."""
    in_rows = {name for table in tables.values() for row in table.values() for name in row.differs}
    module = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    tests = {
        node.name.removeprefix("test_").replace("_", "-")
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", DIFFERENCES.read_text(encoding="utf-8"), re.M)
    assert sorted(documented) == sorted(in_rows | tests - {"every-difference-is-documented"})


def test_no_async_half() -> None:
    """The official package has an asynchronous client; this one is for blocking callers."""
    assert hasattr(official, "AsyncClient")
    assert not hasattr(ollama_sync, "AsyncClient")


def test_environment_read_late(recorder: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST set after the import counts for our functions, and comes too late for the official ones."""
    recorder.reset()
    monkeypatch.setattr(default, "_made", {})
    monkeypatch.setenv("OLLAMA_HOST", recorder.url)
    assert ollama_sync.list().models
    default.default_client().close()
    assert str(recorder.port) not in str(official._client._client.base_url)


def test_host_rules() -> None:
    """The server's own rules: an address to listen on is no place to connect to, and quotes and blanks are dropped."""
    for host, theirs, ours in (
        ("0.0.0.0", "http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("ollama.com", "http://ollama.com:11434", "https://ollama.com:443"),
    ):
        with official.Client(host) as client:
            assert str(client._client.base_url).rstrip("/") == theirs
        with ollama_sync.Client(host) as client:
            assert ours in repr(client)


def test_key_scope(recorder: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's key is for ollama.com: the official client sends it to every host, in clear."""
    recorder.reset()
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    for package in (official, ollama_sync):
        with package.Client(recorder.url) as client:
            client.list()
    theirs, mine = recorder.requests
    assert theirs.headers["authorization"] == "Bearer key"
    assert mine.headers.get("authorization") is None


def test_default_timeouts() -> None:
    """The official client waits for ever; ours 10 s for a connection, and 600 s and 300 s for an answer that streams."""
    with official.Client("http://127.0.0.1:1") as client:
        assert client._client.timeout == httpx.Timeout(None)
    clocks = (STREAMED_ANSWER.connect, STREAMED_ANSWER.first, STREAMED_ANSWER.idle)
    assert clocks == (10.0, 600.0, 300.0)
    others = (ANY_OTHER_CALL.connect, ANY_OTHER_CALL.first, ANY_OTHER_CALL.idle)
    assert others == (10.0, None, None)


def test_dead_connections(recorder: MockOllama) -> None:
    """A server that hangs up when a kept connection is used again is asked once more over a new one."""
    for package in (official, ollama_sync):
        recorder.reset()
        with package.Client(recorder.url) as client:
            client.list()
            recorder.script([raw(b"")])
            if package is official:
                with pytest.raises(httpx.RemoteProtocolError):
                    client.chat("m", HI)
            else:
                assert client.chat("m", HI).done


def test_client_arguments(recorder: MockOllama) -> None:
    """What the official client hands on to httpx has no meaning here, and is a TypeError."""
    for name in ("transport", "auth", "cookies", "limits", "event_hooks", "follow_redirects"):
        with pytest.raises(TypeError):
            ollama_sync.Client(recorder.url, **{name: None})
    assert "kwargs" in inspect.signature(official.Client).parameters


def test_own_headers(recorder: MockOllama) -> None:
    """A header that the caller gives wins; the official client overwrites three of them."""
    recorder.reset()
    for package in (official, ollama_sync):
        with package.Client(recorder.url, headers={"User-Agent": "mine"}) as client:
            client.list()
    theirs, mine = (request.headers["user-agent"] for request in recorder.requests)
    assert theirs.startswith("ollama-python/")
    assert mine == "mine"


def test_accept_of_streams(recorder: MockOllama) -> None:
    """A request for a stream says that it wants lines of JSON; the official one says that it wants one object."""
    recorder.reset()
    for package in (official, ollama_sync):
        with package.Client(recorder.url) as client:
            list(client.chat("m", stream=True))
    accepted = [request.headers["accept"] for request in recorder.requests]
    assert accepted == ["application/json", "application/x-ndjson"]


def test_redirects_keep_post(recorder: MockOllama) -> None:
    """After a 301 the call is made again as it was; the official client makes a GET without a body of it."""
    recorder.reset()
    recorder.on("POST", "/api/show", [reply(b"", 301, {"Location": "/api/embeddings"})])
    with official.Client(recorder.url) as client, pytest.raises(official.ResponseError):
        client.show("m")
    with ollama_sync.Client(recorder.url) as client:
        client.show("m")
    methods = [(request.method, bool(request.body)) for request in recorder.requests]
    assert methods == [("POST", True), ("GET", False), ("POST", True), ("POST", True)]


def test_redirects_drop_headers(recorder: MockOllama) -> None:
    """What the caller's headers say to one origin is not said to another; the official client tells it to any."""
    given = {"X-Gateway": "for the first"}
    with MockOllama() as other:
        recorder.reset()
        recorder.on("GET", "/api/tags", [reply(b"", 307, {"Location": f"{other.url}/api/tags"})])
        for package in (official, ollama_sync):
            with package.Client(recorder.url, headers=given) as client:
                client.list()
        theirs, mine = (request.headers for request in other.requests)
    assert theirs["x-gateway"] == "for the first"
    assert mine.get("x-gateway") is None
    assert mine["accept"] == "application/json"


def test_streams_start_at_once(recorder: MockOllama) -> None:
    """The call sends the request; the official client sends nothing until the first part is asked for."""
    recorder.reset()
    with official.Client(recorder.url) as client:
        client.chat("m", HI, stream=True)
        assert recorder.requests == ()
    with ollama_sync.Client(recorder.url) as client, client.chat("m", HI, stream=True) as stream:
        assert next(stream).model == "m"
    assert len(recorder.requests) == 1


def test_streams_are_no_generators(recorder: MockOllama) -> None:
    """A stream is an object with its own methods; it has `close`, as a generator, but no `send` and no `throw`."""
    recorder.reset()
    with official.Client(recorder.url) as client:
        assert inspect.isgenerator(client.chat("m", HI, stream=True))
    with ollama_sync.Client(recorder.url) as client, client.chat("m", HI, stream=True) as stream:
        assert not inspect.isgenerator(stream)
        assert not hasattr(stream, "send")


def test_connect_errors() -> None:
    """A refused connection is a ConnectionError with `stream` as well; the official client leaks the error of httpx."""
    for package, kind in ((official, httpx.ConnectError), (ollama_sync, ConnectionError)):
        with package.Client("http://127.0.0.1:1") as client:
            with pytest.raises(kind):
                list(client.chat("m", HI, stream=True))
            with pytest.raises(ConnectionError):
                client.chat("m", HI)


def test_lost_connections(recorder: MockOllama) -> None:
    """So is a connection that ends before the reply; in the official client it is an error of httpx."""
    recorder.reset()
    recorder.on("POST", "/api/chat", [raw(b"")])
    for package, kind in ((official, httpx.HTTPError), (ollama_sync, ConnectionError)):
        with package.Client(recorder.url) as client, pytest.raises(kind):
            client.chat("m", HI)


def test_error_text(recorder: MockOllama) -> None:
    """The text of an error may end in what to do about it; an error of a stream does not say "status code: -1"."""
    assert str(official.ResponseError("no")) == "no (status code: -1)"
    assert str(ollama_sync.ResponseError("no")) == "no"
    recorder.reset()
    said = {"error": "unauthorized", "signin_url": "https://ollama.com/connect"}
    recorder.on("POST", "/api/chat", [reply(said, 401)])
    with (
        ollama_sync.Client(recorder.url) as client,
        pytest.raises(ollama_sync.ResponseError) as caught,
    ):
        client.chat("m", HI)
    assert "; sign in at https://ollama.com/connect" in str(caught.value)
    assert caught.value.error == "unauthorized"


def test_lines_end_at_newlines(recorder: MockOllama) -> None:
    """Only a newline ends a part; in the official client U+2028 and an empty line break the stream."""
    for body in ('{"response":"a\u2028b","done":true}\n', '\n{"response":"a","done":true}\n'):
        recorder.reset()
        data = body.encode()
        chunked = raw(b"%x\r\n%b\r\n" % (len(data), data))
        recorder.on("POST", "/api/generate", [head(), chunked, end()])
        with (
            official.Client(recorder.url) as client,
            pytest.raises(ValueError, match=r"Expecting|Unterminated"),
        ):
            list(client.generate("m", "hi", stream=True))
        with ollama_sync.Client(recorder.url) as client:
            (part,) = client.generate("m", "hi", stream=True)
            assert part.response in ("a\u2028b", "a")


def test_unknown_fields_are_kept(outcomes: Any, tables: Any) -> None:
    """What a newer server sends is there by subscript and in dumps; the official client drops it."""
    row = tables["generate"]["members that only a newer server sends"]
    theirs, mine = (outcome.result for outcome in outcomes(row, official, ollama_sync))
    assert "future" not in theirs
    assert mine["future"] == mine.model_dump()["future"] == {"a": [1]}


def test_iteration_gives_names() -> None:
    """A view iterates as a dict does, over names; a pydantic model over pairs. So `dict(view)` works with both."""
    fields = {"role": "user", "content": "hi"}
    assert next(iter(official.Message(**fields))) == ("role", "user")
    assert [*ollama_sync.Message(**fields)] == ["role", "content"]
    assert (
        dict(official.Message(**fields))["content"]
        == dict(ollama_sync.Message(**fields))["content"]
    )


def test_no_pydantic() -> None:
    """Replies are views, without the class methods of pydantic, and are compared, hashed and shown as such."""
    for name in ("model_json_schema", "model_fields", "model_construct"):
        assert hasattr(official.Message, name)
        assert not hasattr(ollama_sync.Message, name)


def test_dumps_are_of_the_wire() -> None:
    """`model_dump` has what was sent, under its names in JSON: no None for what is absent, times as text."""
    theirs = official.ShowResponse(model_info={"a": 1}, modified_at=MODEL["modified_at"])
    mine = ollama_sync.ShowResponse(model_info={"a": 1}, modified_at=MODEL["modified_at"])
    assert {"modelinfo", "license"} <= theirs.model_dump().keys()
    assert mine.model_dump() == {"model_info": {"a": 1}, "modified_at": MODEL["modified_at"]}
    assert theirs.modified_at == mine.modified_at


def test_plain_sizes() -> None:
    """Sizes are whole numbers of bytes, without the methods of pydantic's ByteSize."""
    theirs, mine = (
        package.ListResponse(models=[MODEL]).models[0].size for package in (official, ollama_sync)
    )
    assert theirs == mine
    assert theirs.human_readable() == "1B"
    assert type(mine) is int


def test_one_error_tree() -> None:
    """All errors have one base class, and say more: RequestError is a ValueError, a refusal keeps its headers."""
    assert issubclass(ollama_sync.ResponseError, ollama_sync.OllamaError)
    assert issubclass(ollama_sync.RequestError, ValueError)
    assert official.ResponseError.__mro__[1] is Exception
    assert official.RequestError.__mro__[1] is Exception
