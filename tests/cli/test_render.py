"""Text for a terminal."""

from __future__ import annotations

import pytest

from ollama_sync.cli._render import duration, one_line, table


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
