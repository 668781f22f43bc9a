"""Servers whose replies end too early, too late, in silence, or on a connection that is no longer there.

Runs in the thread of the tests; the server is a hub of its own.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from ollama_sync import Client, Timeout, merge
from ollama_sync.errors import (
    ConnectError,
    ErrorLine,
    FirstTimeout,
    IdleTimeout,
    StreamBroken,
    TotalTimeout,
)
from ollama_sync.testing import (
    Gate,
    MockOllama,
    chunk,
    close,
    dribble,
    end,
    half_close,
    head,
    line,
    raw,
    reply,
    reset,
    silence,
    wait,
)

MESSAGES = [{"role": "user", "content": "Hi"}]
A = line({"message": {"role": "assistant", "content": "A"}, "done": False})
FINAL = line({"message": {"role": "assistant", "content": ""}, "done": True})


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# Where in its reply a server leaves: what it has said by then.
STAGES: dict[str, tuple[Any, ...]] = {
    "after the headers": (head(),),
    "within a chunk's size": (head(), chunk(A), raw(b"1")),
    "behind a chunk's size": (head(), chunk(A), raw(b"1f\r\n")),
    "within a line": (head(), chunk(A), raw(framed(A)[:40])),
    "within a line, behind a brace": (
        head(),
        chunk(A),
        raw(framed(A)[: framed(A).index(b"},") + 1]),
    ),
    "behind a line, within its chunk": (head(), chunk(A), raw(framed(A)[:-2])),
    "between two chunks": (head(), chunk(A)),
    "within the last chunk": (head(), chunk(A), raw(b"0\r")),
}


@pytest.mark.parametrize("leave", [close, reset, half_close])
@pytest.mark.parametrize("where", STAGES)
def test_a_reply_cut_short_is_broken(where: str, leave: Any, stage: Any) -> None:
    """Wherever a server leaves: the whole parts are delivered, then the error says that the reply was cut."""
    heard = stage.stream(*STAGES[where], leave())
    texts = {"after the headers": [], "behind a line, within its chunk": ["A", "A"]}.get(
        where, ["A"]
    )
    assert heard.texts == texts
    assert type(heard.error) is StreamBroken
    # It tells of the connection, and not of what the last bytes look like.
    assert re.search("closed the connection in the middle|reset by peer", str(heard.error))
    if texts:
        assert heard.error.partial.message.content == "".join(texts)
    else:
        assert heard.error.partial is None


@pytest.mark.parametrize("leave", [close, reset, half_close])
def test_a_result_that_was_complete_needs_no_goodbye(leave: Any, stage: Any) -> None:
    """The same for `result`, for `batches` and for `tokens`: nobody is told of a connection that broke too late."""
    gone = (head(), chunk(A), chunk(FINAL), leave())
    assert stage.chat(*gone).result().message.content == "A"
    assert [text for batch in stage.chat(*gone).tokens() for text in batch] == ["A"]
    stream = stage.chat(*gone)
    assert len([part for batch in stream.batches() for part in batch]) == 2
    assert (stream.error, stream.done) == (None, True)
    (taken,) = {stream for stream, _ in merge([stage.chat(*gone)])}
    assert taken.done


def test_a_stream_of_unknown_kind_ends_with_its_framing(stage: Any) -> None:
    """Where no part can say that it is the last, any clean end is whole, with parts and without."""
    for parts in ([{"a": 1}], []):
        stage.server.script([head(), *map(chunk, parts), end()], path="/api/new")
        stream = stage.client.request("POST", "/api/new", json={}, stream=True)
        assert [part.to_dict() for part in stream] == parts
        assert stream.done


@pytest.mark.parametrize("leave", [close, reset])
def test_a_stream_of_unknown_kind_that_is_cut_is_broken(leave: Any, stage: Any) -> None:
    """Where no part can say that it is the last, a connection that breaks may have lost some."""
    stage.server.script([head(), chunk({"a": 1}), leave()], path="/api/new")
    stream = stage.client.request("POST", "/api/new", json={}, stream=True)
    assert next(stream)["a"] == 1
    with pytest.raises(StreamBroken):
        next(stream)


@pytest.mark.parametrize("leave", [close, reset, half_close])
def test_no_reply_at_all_is_no_connection(leave: Any, stage: Any) -> None:
    """A server that leaves before it has said anything, with a stream and without."""
    heard = stage.stream(leave())
    assert heard.texts == []
    assert type(heard.error) is ConnectError
    # By now there is a kept connection, which is replaced once by a new one: so it takes two.
    stage.server.script([leave()])
    assert type(stage.reply(leave())) is ConnectError


@pytest.mark.parametrize("leave", [close, reset, half_close])
@pytest.mark.parametrize("said", [b"HTT", b"HTTP/1.1 200 OK\r\nContent-"])
def test_half_a_head_is_no_reply(said: bytes, leave: Any, stage: Any) -> None:
    """A server that leaves within its status line or its headers has not begun to answer."""
    heard = stage.stream(raw(said), leave())
    assert heard.texts == []
    assert type(heard.error) is ConnectError


@pytest.mark.parametrize("leave", [close, reset, half_close])
def test_a_reply_that_was_complete_needs_no_goodbye(leave: Any, stage: Any) -> None:
    """Behind the final part nothing is missing, so a connection that breaks there harms nobody."""
    gate = Gate()
    with stage.goes_on():
        stream = stage.chat(head(), chunk(A), chunk(FINAL), wait(gate), leave())
        parts = [next(stream), next(stream)]
        gate.open()
        parts += stream
        assert stream.done
    assert [part.message.content for part in parts] == ["A", ""]


def test_half_a_line_at_a_clean_end_is_no_part(stage: Any) -> None:
    """Where the end of the connection is the end of the body, half a line is seen to be one."""
    heard = stage.stream(head(framing="close"), raw(A + A[:30]), close())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert heard.error.partial.message.content == "A"


def test_a_clean_end_without_a_final_part_is_broken(stage: Any) -> None:
    """A proxy that gives up ends a stream cleanly: what lacks its final part is not taken for whole."""
    heard = stage.stream(head(), chunk(A), end())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert "without its final object" in str(heard.error)
    assert heard.error.partial.message.content == "A"


def test_a_stream_without_any_part_is_broken(stage: Any) -> None:
    """An empty stream is no answer."""
    for steps in [(head(), end()), (head(204, {}, framing="none"),)]:
        heard = stage.stream(*steps)
        assert heard.texts == []
        assert type(heard.error) is StreamBroken
        assert heard.error.partial is None


def test_no_content_is_no_reply_but_where_none_is_due(stage: Any) -> None:
    """A 204 says nothing: that is a fault of a chat, and success of a copy."""
    empty = head(204, {}, framing="none")
    assert type(stage.reply(empty)) is StreamBroken
    stage.server.script([empty], path="/api/copy")
    assert stage.client.copy("a", "b").status == "success"


def test_a_reason_without_done_is_a_final_part(stage: Any) -> None:
    """Some servers name the reason of the end and forget `done`."""
    last = {"message": {"content": "Z"}, "done_reason": "stop"}
    heard = stage.stream(head(), chunk(A), chunk(last), end())
    assert (heard.texts, heard.error) == (["A", "Z"], None)


@pytest.mark.parametrize("finish", [(end(),), (close(),), (reset(),), ()])
def test_an_error_line_needs_no_line_end(finish: Any, stage: Any) -> None:
    """Ollama's error lines end the body without a newline, and often the connection too."""
    heard = stage.stream(head(), chunk(A), chunk(b'{"error":"boom"}'), *finish)
    assert heard.texts == ["A"]
    assert type(heard.error) is ErrorLine
    assert (heard.error.error, heard.error.status_code) == ("boom", -1)
    assert heard.error.partial.message.content == "A"


def test_an_error_behind_the_final_part_is_an_error(stage: Any) -> None:
    """A server that says "success" and then that it failed has failed."""
    heard = stage.stream(head(), chunk(A), chunk(FINAL), chunk({"error": "boom"}), end())
    assert heard.texts == ["A", ""]
    assert type(heard.error) is ErrorLine
    steps = [head(), chunk({"status": "success"}), chunk({"error": "disk full"}), end()]
    stage.server.script(steps, path="/api/pull")
    pulled = stage.client.pull("m", stream=True)
    assert next(pulled).status == "success"
    with pytest.raises(ErrorLine, match="disk full"):
        next(pulled)


SILENT: dict[str, tuple[tuple[Any, ...], Timeout, type[Exception], list[str]]] = {
    "before the headers": ((), Timeout(first=0.15), FirstTimeout, []),
    "within the headers": ((raw(b"HTTP/1.1 20"),), Timeout(first=0.15), FirstTimeout, []),
    "before the first part": ((head(),), Timeout(first=0.15), FirstTimeout, []),
    "behind a part": ((head(), chunk(A)), Timeout(idle=0.15), IdleTimeout, ["A"]),
    "within a part": (
        (head(), chunk(A), raw(framed(A)[:9])),
        Timeout(idle=0.15),
        IdleTimeout,
        ["A"],
    ),
    "in a trickle": (
        (head(), chunk(A), dribble(framed(A)[:-2] + b" " * 1000, delay=0.01)),
        Timeout(idle=5.0, total=0.4),
        TotalTimeout,
        ["A"],
    ),
}


@pytest.mark.parametrize("where", SILENT)
def test_a_silent_server_is_given_up(where: str, stage_with: Any, server: Any) -> None:
    """Wherever a server falls silent, the clock of that phase ends the call, behind what had arrived, and hangs up."""
    steps, timeout, kind, texts = SILENT[where]
    heard = stage_with(timeout=timeout).stream(*steps, silence())
    assert heard.texts == texts
    assert type(heard.error) is kind
    server.wait_disconnect()


def test_a_silence_behind_the_final_part_harms_nobody(stage_with: Any, server: Any) -> None:
    """A server that does not end its reply is waited for as long as the idle clock allows; nothing was missing."""
    stage = stage_with(timeout=Timeout(idle=0.15))
    heard = stage.stream(head(), chunk(A), chunk(FINAL), silence())
    assert (heard.texts, heard.error) == (["A", ""], None)
    server.wait_disconnect()


def test_a_server_that_was_restarted_is_found_again() -> None:
    """The connection that was kept is gone with the old server; the next call makes a new one."""
    old = MockOllama(chunks=1, delay=0.0).start()
    try:
        with Client(old.url) as restarting:
            assert restarting.version().version
            port = old.port
            old.stop()
            with MockOllama(chunks=1, delay=0.0, port=port) as new:
                assert len(list(restarting.chat("m", MESSAGES, stream=True))) == 2
                assert len(new.requests) == 1
    finally:
        old.stop()


@pytest.mark.parametrize("leave", [close, reset])
@pytest.mark.parametrize("streams", [True, False])
def test_a_kept_connection_that_was_closed_is_not_used(
    streams: bool, leave: Any, stage: Any
) -> None:
    """A server may close a connection that idles; the next call goes over another one."""
    said = [head(), chunk(FINAL), end()] if streams else [reply({"done": True, "message": {}})]
    first, closed = Gate(), Gate()
    stage.server.script([*said, wait(first), leave(), wait(closed)])
    with stage.goes_on():
        answer = stage.client.chat("m", MESSAGES, stream=streams)
        if streams:
            assert len(list(answer)) == 1
        first.open()
        closed.wait_reached()
        closed.open()
    assert stage.server.connections == 2


GARBAGE = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"version":"0"}'
BODY = b'{"done":true,"message":{}}'
STRAY: dict[str, tuple[Any, ...]] = {
    "chunked": (head(), raw(framed(FINAL) + b"0\r\n\r\n" + GARBAGE), end()),
    "with a length": (head(framing="length", length=len(BODY)), raw(BODY + GARBAGE)),
}


@pytest.mark.parametrize("framing", STRAY)
@pytest.mark.parametrize("streams", [True, False])
def test_a_reply_that_nobody_asked_for_is_nobodys(
    streams: bool, framing: str, stage: Any, server: Any
) -> None:
    """Bytes behind the end of a reply are not taken for the reply to the next request."""
    for _ in range(2):
        heard = functools.partial(stage.stream if streams else stage.reply, *STRAY[framing])()
        assert getattr(heard, "error", None) is None
        assert stage.client.version().version != "0"


def test_a_connection_with_more_behind_a_reply_is_not_kept(stage: Any, server: MockOllama) -> None:
    """Bytes behind the last chunk may be the beginning of more: the next call goes over another connection."""
    stage.server.script(STRAY["chunked"])
    assert len(list(stage.client.chat("m", MESSAGES, stream=True))) == 1
    assert stage.client.version().version
    assert server.connections == 2


@pytest.mark.parametrize("framing", STRAY)
def test_a_late_reply_that_nobody_asked_for_is_nobodys(framing: str, stage: Any) -> None:
    """The same, when the bytes come while the connection idles in the pool."""
    said = {
        "chunked": [head(), chunk(FINAL), end()],
        "with a length": [reply({"done": True, "message": {}})],
    }
    first, sent = Gate(), Gate()
    stage.server.script([*said[framing], wait(first), raw(GARBAGE), wait(sent)])
    with stage.goes_on():
        stage.client.chat("m", MESSAGES)
        first.open()
        sent.wait_reached()
        assert stage.client.version().version != "0"
        sent.open()
