"""Text for a terminal."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from ollama_sync import View
from ollama_sync.cli._render import (
    columns,
    duration,
    json_line,
    one_line,
    size,
    table,
    time_left,
    when,
)


def test_a_table_lines_up() -> None:
    """The first column stands to the left, the others to the right, and no line ends in blanks."""
    assert table([["", "a", "long"], ["name", "12345", ""]]) == "          a  long\nname  12345"


def test_rows_of_unequal_length_are_refused() -> None:
    """A row that lacks a cell is a mistake, and not shown shorter."""
    with pytest.raises(ValueError, match="shorter"):
        table([["a", "b"], ["c"]])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 ms"), (0.99949, "999.5 ms"), (1, "1.00 s"), (9.994, "9.99 s"), (50.04, "50.0 s")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    """Below a second milliseconds, then three digits of seconds."""
    assert duration(seconds) == text


def test_an_error_is_one_line() -> None:
    """Line ends inside a message do not reach the terminal."""
    assert one_line(" a\r\n\n\tb ") == "a b"


def test_columns_line_up_to_the_left() -> None:
    """Every column stands to the left, four blanks from the longest cell before it; no line ends in blanks."""
    assert columns([["A", "B"], ["long", ""], ["x", "y"]]) == "A       B\nlong\nx       y"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 KB"),
        (9_994, "9.99 KB"),
        (9_996, "10.0 KB"),
        (99_960, "100 KB"),
        (999_499, "999 KB"),
        (999_500, "1.00 MB"),
        (2_019_393_189, "2.02 GB"),
        (5_000_000_000_000_000, "5000 TB"),
    ],
)
def test_sizes_have_three_digits(count: int, text: str) -> None:
    """Bytes are shown by three digits and a power of 1000, without a jump where the unit changes."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (3599, "59m 59s"), (3600, "1h 00m")],
)
def test_time_left_is_short(seconds: float, text: str) -> None:
    """It fits beside a bar, and its units do not overflow."""
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (0.5, "less than a second ago"),
        (1, "1 second ago"),
        (119, "1 minute ago"),
        (7200, "2 hours ago"),
        (86_400 * 6.9, "6 days ago"),
        (86_400 * 15, "2 weeks ago"),
        (86_400 * 70, "2 months ago"),
        (86_400 * 800, "2 years ago"),
        (-60, "1 minute from now"),
    ],
)
def test_times_are_told_from_now(past: float, text: str) -> None:
    """The largest unit alone is named, rounded down, on either side of now."""
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert when(now - timedelta(seconds=past), now) == text


@pytest.mark.parametrize("encoding", [None, "utf-8", "ascii", "latin-1"])
def test_json_keeps_every_character(encoding: str | None) -> None:
    """What the encoding of the output lacks is escaped, so that nothing is lost; the rest is as it is."""
    reply = View.view({"text": "é🙂", "a": [1, None]})
    line = json_line(reply, encoding)
    assert json.loads(line.encode(encoding or "utf-8").decode(encoding or "utf-8")) == reply
    assert ("🙂" in line) == (encoding in (None, "utf-8"))
    assert " " not in line
