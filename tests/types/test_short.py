"""Rules of the bounded `repr`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.types import Image
from ollama_sync.types._short import MAX_TEXT, short, short_fields

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(json_values)
def test_small_values_are_shown_whole(value: Any) -> None:
    """Whatever is small shows as its own `repr`, or with a mark where it was cut for depth."""
    text = short(value)
    assert "…" in text or text == repr(value)


def test_cuts_are_marked_with_what_is_missing() -> None:
    """A cut string, list or object says how much is missing."""
    assert short("x" * 100) == repr("x" * 80) + "… +20"
    assert short(list(range(9))) == "[0, 1, 2, 3, 4, 5, … +3]"
    assert short({str(n): n for n in range(30)}).endswith("'23': 23, … +6}")
    assert short([[[[[1]]]]]) == "[[[[…]]]]"
    assert short([[[[[]]]]]) == "[[[[[]]]]]"


def test_whole_text_is_bounded() -> None:
    """Wide and deep values together stay below the bound."""
    wide: Any = "x" * 100
    for _ in range(4):
        wide = {str(n): wide for n in range(30)}
    assert len(short_fields("Name", {"a": wide})) == MAX_TEXT + 1


def test_images_are_cut() -> None:
    """An image shows a few of its bytes."""
    assert repr(Image(b"x" * 10**6)) == f"Image(value={b'x' * 80!r}… +999920)"
    assert repr(Image("a.png")) == "Image(value='a.png')"
