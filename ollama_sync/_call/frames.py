"""Cuts the cycles that an error's traceback makes. Runs on the hub."""

from __future__ import annotations

import traceback


def clear_frames(error: BaseException) -> None:
    """Drop the locals of the frames that `error` passed through, all on the hub and over by now.

    They hold the call, whose channel holds the error: a cycle, which would keep the reply until a garbage collection.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [one.__cause__, one.__context__]
