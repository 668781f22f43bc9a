"""Where two decoded values differ, in lines for people."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_sync.testing._compare import differences

LONG = "Tea is made from leaves. " * 10


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {}, ["body.a: was 1, is absent"]),
        ({}, {"a": 1}, ["body.a: not was, is 1"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["body.a[1]: was 2, is 3"]),
        ([1], [1, 2], ["body: was [1], is [1, 2]"]),
        ("tea", None, ['body: was "tea", is null']),
    ],
)
def test_each_place_is_told(one: Any, other: Any, said: list[str]) -> None:
    """With both values; equal places are passed over."""
    assert list(differences("body", one, other, "was", "is")) == said


def test_long_texts_are_shown_where_they_differ() -> None:
    """However late that is."""
    (said,) = differences("prompt", f"{LONG}Hot.", f"{LONG}Cold.", "was", "is")
    assert said == (
        'prompt: was …"ves. Tea is made from leaves. Hot.", is …"ves. Tea is made from leaves. Cold."'
    )


def test_long_values_are_cut() -> None:
    """A line stays a line."""
    (said,) = differences("body", list(range(1000)), 1, "was", "is")
    assert len(said) < 150
