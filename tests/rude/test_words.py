"""Servers that say odd things: refusals in every form, and JSON at its limits.

Runs in the thread of the tests; the server is a hub of its own.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from ollama_sync.errors import ErrorLine, ResponseError, StreamBroken
from ollama_sync.testing import chunk, close, end, head, line, raw, reply

A = line({"message": {"role": "assistant", "content": "A"}, "done": False})
FINAL = line({"message": {"role": "assistant", "content": ""}, "done": True})

HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>…</body></html>"

# What a server answers instead of a chat: the step, the status, and a piece of the error's text.
REFUSALS: dict[str, tuple[Any, int, str]] = {
    "empty": (head(403, {}, framing="length"), 403, "gave no reason"),
    "a page": (reply(HTML, 502), 502, "an HTML page instead of an answer: 502 Bad Gateway"),
    "a page without a title": (reply("<html></html>", 500), 500, "no title"),
    "text": (reply("404 page not found", 404), 404, "404 page not found"),
    "a list": (reply([1, 2], 500), 500, "[1,2]"),
    "a number": (reply(7, 500), 500, "7"),
    "null": (reply(None, 500), 500, "null"),
    "an error that is a list": (reply({"error": [1]}, 500), 500, "[1]"),
    "an error that is null": (reply({"error": None}, 500), 500, '{"error":null}'),
    "an error in an object": (reply({"error": {"message": "so"}}, 400), 400, "so"),
    "json in a string": (
        reply({"error": '{"error":{"code":400,"message":"so"}}'}, 400),
        400,
        '{"error":{"code":400,"message":"so"}}',
    ),
    "half of json": (reply(b'{"error":"no', 500), 500, '{"error":"no'),
    "no text": (reply(b"\xff\xfe\x00", 500), 500, "\ufffd\ufffd\x00"),
    "deep": (reply(b"[" * 10_000, 500), 500, "[[[["),
    "a status of its own": (reply({"error": "so"}, 799), 799, "so"),
    "not modified": (head(304, {}, framing="none"), 304, "gave no reason"),
    "too long": (reply("x" * 1_000_000, 500), 500, "xxx"),
}


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("form", REFUSALS)
def test_a_refusal_is_told_in_the_servers_words(form: str, streams: bool, stage: Any) -> None:
    """Whatever form a refusal has: its status, and what is found of its text, from the call itself."""
    step, status, text = REFUSALS[form]
    error = stage.stream(step).error if streams else stage.reply(step)
    assert type(error) is ResponseError
    assert error.status_code == status
    assert text in error.error
    assert len(str(error)) < 5000


def test_a_refusal_may_name_a_place_to_sign_in(stage: Any) -> None:
    """A 401 with a `signin_url` has it as an attribute and in its text."""
    said = {"error": "unauthorized", "signin_url": "https://ollama.com/connect?key=k"}
    error = stage.reply(reply(said, 401))
    assert type(error) is ResponseError
    assert (error.status_code, error.signin_url) == (401, said["signin_url"])
    assert said["signin_url"] in str(error)


def test_a_refusal_cut_short_is_still_a_refusal(stage: Any) -> None:
    """The status was read, and says more than that the rest is missing."""
    body = b'{"error":"half'
    cut_short = [head(500, {}, framing="length", length=100), raw(body), close()]
    error = stage.reply(*cut_short)
    assert type(error) is ResponseError
    assert (error.status_code, error.error) == (500, body.decode())


def part(content: bytes, more: bytes = b"") -> bytes:
    return b'{"message":{"role":"assistant","content":' + content + b"}" + more + b"}\n"


GOOD: dict[str, tuple[bytes, str]] = {
    "an escaped nul": (part(rb'"a\u0000b"'), "a\0b"),
    "a pair of surrogates": (part(rb'"\ud83d\ude00"'), "\U0001f600"),
    "separators of lines": (part('"a\u2028b\u0085c\u2029"'.encode()), "a\u2028b\x85c\u2029"),
    "a name twice": (part(b'"a","content":"b"'), "b"),
    "blanks": (b'  { "message" : { "content" : "a" } }\t \n', "a"),
    "blank lines": (b"\n \n\r\n" + part(b'"a"') + b"\n\n", "a"),
    "the word error": (part(b'"error"', b',"errors":0'), "error"),
}


@pytest.mark.parametrize("form", GOOD)
def test_odd_json_is_json(form: str, stage: Any) -> None:
    """What JSON allows is understood, however rare."""
    data, text = GOOD[form]
    heard = stage.stream(head(), chunk(A), chunk(data), chunk(FINAL), end())
    assert (heard.texts, heard.error) == (["A", text, ""], None)


BAD: dict[str, bytes] = {
    "nul bytes": b"\0\0\0\n",
    "no utf-8": part(b'"\xff\xfe"'),
    "half a character": part(b'"\xc3"'),
    "ten thousand levels": part(b"[" * 10_000 + b"]" * 10_000),
    "ten thousand objects": part(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "an endless list": b"[" * 100_000 + b"\n",
    "a list": b"[1]\n",
    "a text": b'"a"\n',
    "a number": b"1\n",
    "null": b"null\n",
    "two objects": b"{}{}\n",
    "an object over two lines": b'{"message":\n{"content":"a"}}\n',
    "an event": b"data: {}\n",
    "a page": HTML.encode() + b"\n",
    "no quotes": b"{message:1}\n",
}


@pytest.mark.parametrize("form", BAD)
def test_what_is_no_json_object_breaks_the_stream(form: str, stage: Any, server: Any) -> None:
    """A line that is no JSON object ends the stream behind the parts before it, with a text of bounded length."""
    heard = stage.stream(head(), chunk(A), chunk(BAD[form]), chunk(A), chunk(FINAL), end())
    assert heard.texts == ["A"]
    assert type(heard.error) is StreamBroken
    assert "not a JSON object" in str(heard.error)
    assert len(str(heard.error)) < 1000
    assert heard.error.partial.message.content == "A"


@pytest.mark.parametrize("form", BAD)
def test_what_is_no_json_object_is_no_reply(form: str, stage: Any) -> None:
    """The same without a stream, but that a reply may be broken over lines."""
    error = stage.reply(reply(BAD[form]))
    if form == "an object over two lines":
        assert error.message.content == "a"
    else:
        assert type(error) is StreamBroken
        assert "the reply is not" in str(error)
        assert len(str(error)) < 1000


NUMBERS: dict[str, tuple[bytes, Any]] = {
    "large": (b"18446744073709551616", 2**64),
    "very large": (b"1" + b"0" * 400, 10**400),
    "negative": (b"-9223372036854775809", -(2**63) - 1),
    "too large to be a float": (b"1e400", math.inf),
    "too small to be a float": (b"1e-400", 0.0),
    "a fraction": (b"1.5", 1.5),
    "a text": (b'"7"', "7"),
}


@pytest.mark.parametrize("form", NUMBERS)
def test_a_number_out_of_range_is_handed_on(form: str, stage: Any) -> None:
    """A metric that is no sensible number is as it is, and asking for the pace of the stream does not fail."""
    data, value = NUMBERS[form]
    last = part(b'""', b',"done":true,"eval_count":' + data)
    with stage.goes_on():
        stream = stage.chat(head(), chunk(A), chunk(last), end())
        parts = list(stream)
        assert parts[-1].eval_count == value
        assert stream.stats.parts == 2
        assert repr(parts[-1])
        assert stage.chat(head(), chunk(A), chunk(last), end()).result().eval_count == value


@pytest.mark.parametrize(
    "said", [{"error": "so"}, {"error": {"message": "so"}}, {"error": ["so"]}, {"error": 7}]
)
def test_an_error_line_of_any_type_is_an_error(said: Any, stage: Any) -> None:
    """A line whose `error` says something is one, whatever it is."""
    heard = stage.stream(head(), chunk(A), chunk(said), chunk(FINAL), end())
    assert heard.texts == ["A"]
    assert type(heard.error) is ErrorLine
    assert heard.error.partial.message.content == "A"


@pytest.mark.parametrize("said", [{"error": None}, {"error": ""}])
def test_an_error_that_says_nothing_is_none(said: Any, stage: Any) -> None:
    """Some servers send the field with every part; the official client does not take it for an error either."""
    heard = stage.stream(head(), chunk(A), chunk(said), chunk(FINAL), end())
    assert heard.error is None
    assert heard.texts[0] == "A"


STRANGE: list[Any] = [
    {"message": None},
    {"message": []},
    {"message": "a"},
    {"message": {"content": None}},
    {"message": {"content": 7}},
    {"message": {"content": "x", "tool_calls": 7}},
    {"response": "x"},
    {},
]


@pytest.mark.parametrize("said", STRANGE, ids=repr)
def test_parts_of_another_shape_pass_through(said: Any, stage: Any) -> None:
    """An object is a part, whatever is in it: nothing of it is lost, and nothing is raised."""
    with stage.goes_on():
        stream = stage.chat(head(), chunk(A), chunk(said), chunk(FINAL), end())
        assert [part.to_dict() for part in stream][1] == said


@pytest.mark.parametrize("said", STRANGE, ids=repr)
def test_parts_of_another_shape_are_folded(said: Any, stage: Any) -> None:
    """`tokens` and `result` take from such parts what there is, and `partial` does when the stream breaks."""
    steps = [head(), chunk(A), chunk(said), chunk(FINAL)]
    texts = ["A", "x"] if said.get("message") == STRANGE[5]["message"] else ["A"]
    with stage.goes_on():
        assert "".join(texts) == stage.chat(*steps, end()).result().message.content
        if said != {"message": {"content": 7}}:
            assert [*itertools.chain(*stage.chat(*steps, end()).tokens())] == texts
    with pytest.raises(StreamBroken) as broken:
        stage.chat(*steps[:-1], close()).result()
    assert broken.value.partial.message.content == "".join(texts)
