"""JSON in and out: blocks decode as their lines do, the wrong line is found, and what goes out is what Ollama accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import ujson
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._wire import BadLine, codec, dumps, loads, loads_block

# Beyond 64 bits and some 300 digits the two decoders differ; no field of a reply is there.
numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"), max_size=10)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=4)


def block_of(lines: list[bytes]) -> bytes:
    """Make a block as the framer does."""
    return b"".join(line + b"\n" for line in lines)


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    """By our reader and by the standard library's."""
    text = dumps(value)
    assert loads(text) == json.loads(text) == value


@given(st.lists(objects, max_size=8), st.booleans())
def test_a_block_is_its_lines(parts: list[dict[str, Any]], ascii_only: bool) -> None:
    """One call for all lines gives what a call for each gives."""
    lines = [json.dumps(part, ensure_ascii=ascii_only).encode() for part in parts]
    assert loads_block(block_of(lines)) == ([json.loads(line) for line in lines], None)


def test_a_good_block_is_decoded_by_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lines it has."""
    calls = []
    monkeypatch.setattr(codec.ujson, "loads", lambda text: (calls.append(text), [{}] * 500)[1])
    assert len(loads_block(b'{"a":{"b":1}}\n' * 500)[0]) == 500
    assert len(calls) == 1


odd_lines = st.one_of(
    st.sampled_from(
        [
            b"oops",
            b"{",
            b"}",
            b"[]",
            b"[{}]",
            b"1",
            b"null",
            b'"{}"',
            b"{}{}",
            b"{},{}",
            b"{} {}",
            b'{"a":1',
            b'"b":2}',
            b'{"a":{"b":1}',
            b'{"c":2}}',
            b'{"a":[{}',
            b"{}]}",
            b'{"x":"}',
            b'{"}',
            b"{]",
            b"\xff",
            b'{"a":"\xff"}',
            b"",
            b"\r",
            b" \t",
            b'{"a":1}\r',
            b' {"a":1}',
            b'{"a":1} ',
            b'{"a":1},',
            b"{}//",
            b'{"a":NaN}',
            b'{"a":tru}',
            b"\xef\xbb\xbf{}",
        ]
    ),
    objects.map(lambda part: json.dumps(part).encode()),
)


def one_by_one(lines: list[bytes]) -> tuple[list[dict[str, Any]], int | None]:
    """Decode line by line; return the objects before the first line that is none, and where that is."""
    parts: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            part = ujson.loads(line)
        except ValueError:
            return parts, number
        if not isinstance(part, dict):
            return parts, number
        parts.append(part)
    return parts, None


@given(st.lists(odd_lines, max_size=6))
def test_any_lines_decode_as_one_by_one_unless_made_to_deceive(lines: list[bytes]) -> None:
    """The objects before the first bad line, and that line; what passes as a whole is at least one object a line."""
    parts, bad = loads_block(block_of(lines))
    expected, wrong = one_by_one(lines)
    if bad is None and wrong is not None:
        # Lines that are no objects but are so when joined by commas: as many as there are lines, all of them objects.
        assert any(b"},{" in line for line in lines)
        assert len(parts) == len(lines)
        assert {type(part) for part in parts} == {dict}
    else:
        assert repr(parts) == repr(expected)  # NaN is not equal to itself
        assert (bad is None) == (wrong is None)


BAD = [
    b"oops",
    b"[]",
    b"null",
    b"17",
    b'"{}"',
    b"{}{}",
    b"{},{}",
    b'{"a":1',
    b'"a":1}',
    b'{"a":"\xff"}',
    b"{]",
    b"<html>",
]


@pytest.mark.parametrize("line", BAD, ids=repr)
@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("after", [0, 3])
def test_the_first_bad_line_is_found(line: bytes, before: int, after: int) -> None:
    """What stands before it is delivered, what stands behind it is not, and the error shows it."""
    good = [b'{"n":%d}' % n for n in range(before)]
    parts, bad = loads_block(block_of([*good, line, *[b'{"late":1}'] * after]))
    assert parts == [{"n": n} for n in range(before)]
    assert isinstance(bad, BadLine)
    assert str(bad) == f"not a JSON object: {line.decode('utf-8', 'replace')!r}"


def test_the_bad_line_says_why() -> None:
    """The decoder's own error is the cause; a line that is JSON, but no object, has none."""
    assert isinstance(loads_block(b"oops\n")[1].__cause__, ValueError)  # type: ignore[union-attr]  # it is bad
    assert loads_block(b"[1]\n")[1].__cause__ is None  # type: ignore[union-attr]  # it is bad


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":', b"1}"],
        [b'{"a":{"b":1}', b'{"c":2}}'],
        [b'{"a":[{"b":1}', b'{"c":2}]}'],
        [b'{"a":"x}', b'{y"}'],
        [b'{"a":1', b'"b":2}'],
        [b'{"a":1},{"b":2}', b'{"c":1', b'"d":2}'],
        [b"{}", b'{"a":[{}', b"{}]}", b"{}"],
    ],
    ids=repr,
)
def test_an_object_broken_over_lines_is_bad(lines: list[bytes]) -> None:
    """Joining the lines does not mend it."""
    whole = [line for line in lines if line == b"{}"][:1]
    parts, bad = loads_block(block_of(lines))
    assert len(parts) == len(whole)
    assert bad is not None


def test_lines_made_to_deceive_gain_no_value_that_is_no_object() -> None:
    """Broken objects and commas can be balanced so that the counts are right: what comes out is objects, or an error."""
    parts, bad = loads_block(block_of([b'{"a":[{}', b'{}]},5,{"b":1}', b'{"c":[{}', b"{}]}"]))
    assert all(isinstance(part, dict) for part in parts)
    assert bad is not None


def test_a_value_that_joins_lines_is_no_newline() -> None:
    """Separators of text inside strings, escaped newlines and commas change nothing."""
    part = {"a": "x\u0085\u2028\u2029\n,}{\r", "b": "},{"}
    assert loads_block(block_of([dumps(part)] * 3)) == ([part] * 3, None)


@pytest.mark.parametrize("blank", [b"", b"\r", b"  ", b"\t", b" \r", b"\r\r"], ids=repr)
@pytest.mark.parametrize("where", [0, 1, 2])
def test_blank_lines_are_left_out(blank: bytes, where: int) -> None:
    """At the front, between and at the end; they are no parts and nothing wrong."""
    lines = [b'{"a":1}', b'{"a":2}']
    lines[where:where] = [blank, blank]
    assert loads_block(block_of(lines)) == ([{"a": 1}, {"a": 2}], None)


def test_a_carriage_return_before_the_newline_is_none_of_the_line() -> None:
    """A server may end its lines with both."""
    assert loads_block(b'{"a":1}\r\n{"a":2}\r\n') == ([{"a": 1}, {"a": 2}], None)


def test_no_lines() -> None:
    """An empty block has no parts and nothing wrong."""
    assert loads_block(b"") == ([], None)


def test_nesting_that_is_just_too_deep_for_the_array_still_decodes() -> None:
    """The array around the lines takes one level: such a block goes the long way."""
    depth = 1023
    line = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    assert one_by_one([line])[1] is None
    parts, bad = loads_block(block_of([line, b"{}"]))
    assert (len(parts), bad) == (2, None)


def test_a_long_bad_line_is_cut_in_the_message() -> None:
    """120 characters, also of characters of many bytes."""
    for letter in ("x", "é", "😀"):
        text = str(loads_block((letter * 5000 + "\n").encode())[1])
        assert text == f"not a JSON object: '{letter * 120}…'"
    assert "…" not in str(loads_block(b"x" * 120 + b"\n")[1])


def test_an_unpaired_surrogate_can_be_read() -> None:
    """A model may cut an emoji in two; the escape decodes to what Python has for it."""
    assert loads_block(b'{"a":"\\ud83d"}\n') == ([{"a": "\ud83d"}], None)


def test_slashes_and_letters_are_written_as_they_are() -> None:
    r"""No `\/`, which makes base64 grow, and no `\u` for what UTF-8 has."""
    assert dumps({"a": "a/b+c==", "é": "日😀"}) == '{"a":"a/b+c==","é":"日😀"}'.encode()


def test_markup_is_written_as_it_is() -> None:
    """Tools and prompts hold tags."""
    assert dumps("<think>&</think>") == b'"<think>&</think>"'


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        b"bytes",
        {1, 2},
        pytest.param(object(), id="an object"),
        {"a": {"b": b""}},
    ],
    ids=repr,
)
def test_what_has_no_json_form_is_refused(value: Any) -> None:
    """By one of the errors that the docstring names, and never sent as something else."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        dumps(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    """Not a crash."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises((ValueError, OverflowError, RecursionError)):
        dumps(value)


@pytest.mark.parametrize(
    "text", [b"", b"oops", b"{", b"{}x", b"\xff", b'"\xff"', b"[1,]"], ids=repr
)
def test_what_is_no_json_is_no_value(text: bytes) -> None:
    """`loads` raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own text
        loads(text)


def test_an_integer_of_many_digits_is_a_number() -> None:
    """Python converts none of more than 4,300 digits; a part with one is a part, as its text is one for `tokens()`."""
    parts, bad = loads_block(b'{"response":"a","n":' + b"1" * 5000 + b"}\n")
    assert bad is None
    assert parts[0]["response"] == "a"
    assert parts[0]["n"] > 1e300


def test_halves_of_a_character_are_joined() -> None:
    """A gateway cut an emoji apart, and the parts of a stream were put together: it is whole again."""
    assert dumps({"a": "hi \ud83d\ude00"}) == '{"a":"hi 😀"}'.encode()


def test_half_a_character_is_written_as_none() -> None:
    """What is left of an emoji that was cut is U+FFFD, wherever it stands."""
    assert dumps({"\ud83d": ["a\ude00b"]}) == '{"\ufffd": ["a\ufffdb"]}'.replace(": ", ":").encode()
