"""Rules of timestamps: every form that the server sends is read, on every Python."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.types import ListResponse, ProcessResponse
from ollama_sync.types._time import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T13:08:36.290404892Z", datetime(2026, 11, 22, 13, 8, 36, 290404, timezone.utc)),
        ("2026-11-22T13:08:36Z", datetime(2026, 11, 22, 13, 8, 36, 0, timezone.utc)),
        ("2026-11-22t13:08:36.5z", datetime(2026, 11, 22, 13, 8, 36, 500000, timezone.utc)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("2319-03-04T13:02:47.968895943Z", datetime(2319, 3, 4, 13, 2, 47, 968895, timezone.utc)),
        (
            "2026-01-01T00:00:00.1+05:30",
            datetime(2026, 1, 1, 0, 0, 0, 100000, timezone(timedelta(hours=5, minutes=30))),
        ),
        ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
        ("2026-01-01T00:00:00-08:00", datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=8)))),
        ("2026-01-01 00:00:00", datetime(2026, 1, 1)),
    ],
)
def test_forms(text: str, expected: datetime) -> None:
    """Nanoseconds, offsets, Go's zero time and the far future are read exactly, to the microsecond."""
    parsed = parse_time(text)
    assert parsed.replace(tzinfo=None) == expected.replace(tzinfo=None)
    assert parsed.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00Z "],
)
def test_no_time(text: str) -> None:
    """A text that is no time is a ValueError, not a wrong time."""
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@given(st.datetimes(timezones=st.just(timezone.utc)), st.integers(0, 999))
def test_any_time_of_the_server(when: datetime, nanoseconds: int) -> None:
    """What a server would write for any time, with any digits past microseconds, is that time."""
    digits = f"{when.microsecond:06}{nanoseconds:03}".rstrip("0")
    text = (
        when.replace(microsecond=0, tzinfo=None).isoformat()
        + (f".{digits}" if digits else "")
        + "Z"
    )
    assert parse_time(text) == when


def test_fields_are_read_as_times() -> None:
    """The times of list, ps and show are datetimes by attribute and by subscript."""
    model = ListResponse.view(
        {"models": [{"modified_at": "2026-11-22T13:08:36.290404892Z"}]}
    ).models[0]
    assert (
        model.modified_at
        == model["modified_at"]
        == datetime(2026, 11, 22, 13, 8, 36, 290404, timezone.utc)
    )
    forever = ProcessResponse.Model.view({"expires_at": "2319-03-04T13:02:47.968895943Z"})
    assert forever.expires_at is not None
    assert forever.expires_at.year == 2319


def test_a_field_that_is_no_time_says_so() -> None:
    """An unreadable time is an error that shows the text and says where it still is."""
    model = ListResponse.Model.view({"modified_at": "soon"})
    with pytest.raises(ValueError, match=r"'soon' is not an RFC 3339 time; .*to_dict"):
        model.modified_at  # noqa: B018 - that is the rule
    assert model.to_dict() == {"modified_at": "soon"}
    assert repr(model) == "ListResponse.Model(modified_at='soon')"
