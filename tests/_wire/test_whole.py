"""A body that is one text: nothing until the end, then all of it, up to a cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._wire import BadFraming, WholeBody
from ollama_sync._wire.whole import MAX_BODY


@given(st.lists(st.binary(max_size=20)))
def test_the_pieces_come_out_as_one(pieces: list[bytes]) -> None:
    """Unchanged: newlines and blanks are not the collector's business."""
    whole = WholeBody()
    assert all(whole.feed(piece) == b"" for piece in pieces)
    assert whole.close() == b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1))
def test_the_cap_counts_all_pieces(pieces: list[bytes]) -> None:
    """A body of just the cap passes; one byte more is refused when it comes."""
    size = len(b"".join(pieces))
    whole = WholeBody(size)
    for piece in pieces:
        whole.feed(piece)
    with pytest.raises(BadFraming, match=f"more than {size} bytes"):
        whole.feed(b"x")
    assert whole.close() == b"".join(pieces)


def test_the_default_cap_is_far_above_any_reply() -> None:
    """But there is one."""
    assert MAX_BODY == 512 * 1024 * 1024
    assert WholeBody()._max_body == MAX_BODY
