"""From the lines of a file to requests: whatever a line is, it is a record, and a bad one stops nothing."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch.records import Record, kind_of, read_records


def records(
    data: bytes | str, kind: str = "jsonl", verb: str = "generate", **more: Any
) -> list[Record]:
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read_records(file, kind, verb, **more))


def test_a_line_of_json_has_the_parameters() -> None:
    """What is not the key is a parameter of the verb."""
    (one,) = records('{"id": 7, "prompt": "a", "options": {"seed": 1}}\n')
    assert (one.key, one.parameters) == ("7", {"prompt": "a", "options": {"seed": 1}})
    assert one.error is None


@pytest.mark.parametrize(
    ("name", "key"), [("custom_id", "a"), ("key", "a"), ("id", "a"), ("no", "line 1")]
)
def test_a_key_has_one_of_three_names(name: str, key: str) -> None:
    """A line without one has its number, by which it is found in the file."""
    (one,) = records(f'{{"{name}": "a", "prompt": "x"}}')
    assert one.key == key


def test_a_line_of_text_is_a_prompt() -> None:
    """Empty lines are left out, and the numbers are those of the file; a byte order mark is no text."""
    found = records("\ufeffone\n\n  two \r\n", "text")
    assert [(one.key, one.parameters["prompt"]) for one in found] == [
        ("line 1", "one"),
        ("line 3", "two"),
    ]


@pytest.mark.parametrize(
    ("verb", "parameters"),
    [
        ("generate", {"prompt": "hi"}),
        ("embed", {"input": "hi"}),
        ("chat", {"messages": [{"role": "user", "content": "hi"}]}),
    ],
)
def test_a_prompt_is_for_its_verb(verb: str, parameters: dict[str, Any]) -> None:
    """A text becomes what the verb takes; so does a JSON string."""
    assert records("hi", "text", verb)[0].parameters == parameters
    assert records('"hi"', "jsonl", verb)[0].parameters == parameters


def test_a_bad_line_is_a_record_with_an_error() -> None:
    """What is no JSON, no object, or no UTF-8 is named by its line, and the lines after it are read."""
    found = records(b'{"a":\n[1]\n\xff\xfe\n{"id": "ok", "prompt": "x"}\n')
    assert [one.error is None for one in found] == [False, False, False, True]
    assert "line 1 cannot be read" in str(found[0].error)
    assert "a JSON object is needed" in str(found[1].error)
    assert "line 1 cannot be read" in str(records(b"\xff", "text")[0].error)


def test_rows_of_a_table_fill_a_template() -> None:
    """Columns stand in braces; a doubled brace is one; quotes, line ends and tabs are those of CSV."""
    table = 'id,text\nr1,"a, ""b""\nc"\nr2,{text}\n'
    found = records(table, "csv", template="{{Say}} {text}!")
    assert [one.key for one in found] == ["r1", "r2"]
    assert found[0].parameters == {"prompt": '{Say} a, "b"\nc!'}
    assert found[1].parameters == {"prompt": "{Say} {text}!"}
    assert records("a\tb\n1\t2\n", "csv", template="{b}")[0].parameters == {"prompt": "2"}
    assert records("a,b\n1,2\n", "csv", template="{b}")[0].key == "row 1"


def test_a_row_that_is_too_short_or_too_long_is_bad() -> None:
    """A prompt with an empty place in it would be answered, and wrongly."""
    found = records("a,b\n1\n1,2,3\n1,2\n", "csv", template="{a}{b}")
    assert [one.error is None for one in found] == [False, False, True]
    assert "2 fields" in str(found[0].error)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (None, "needs a template"),
        ("{c}", r"\{c\} is no column; there are a, b"),
        ("{a", "is no column"),
    ],
)
def test_a_wrong_template_is_refused(template: str | None, text: str) -> None:
    """Before the first row is read it is known which columns there are."""
    with pytest.raises(RequestError, match=text):
        records("a,b\n1,2\n", "csv", template=template)


def test_a_template_looks_into_no_object() -> None:
    """Names only: Python's own formatting would show the insides of what is put in."""
    with pytest.raises(RequestError, match="is no column"):
        records("a\n1\n", "csv", template="{a.__class__}")


def test_a_template_is_for_text_and_objects_too() -> None:
    """Of a line of text it is `{text}`, of an object its members."""
    assert records("x", "text", template="<{text}>")[0].parameters == {"prompt": "<x>"}
    assert records('{"q": "x"}', template="<{q}>")[0].parameters == {"prompt": "<x>"}


def test_the_mark_is_of_the_request() -> None:
    """The same parameters have the same mark, others another."""
    one, two, three = records(
        '{"id": 1, "prompt": "a"}\n{"id": 2, "prompt": "a"}\n{"id": 3, "prompt": "b"}'
    )
    assert one.mark == two.mark != three.mark


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reading(data: bytes) -> None:
    """Whatever is in a file, each line that is not empty is one record."""
    found = records(data)
    lines = [line for line in data.split(b"\n") if line.strip()]
    assert len(found) <= len(lines)
    assert all(one.error is not None or isinstance(one.parameters, dict) for one in found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON", "jsonl"),
        ("a.csv", "csv"),
        ("a.tsv", "csv"),
        ("a.txt", "text"),
        ("-", "text"),
    ],
)
def test_the_kind_goes_by_the_name(name: str, kind: str) -> None:
    """Where nothing was given; what was given wins, and must be one that there is."""
    assert kind_of(name) == kind
    assert kind_of(name, "csv") == "csv"
    with pytest.raises(RequestError, match="input_format='xml'"):
        kind_of(name, "xml")
