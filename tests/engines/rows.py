"""What the programs of these tests share: rows, and what a worker does with a partition of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from ollama_sync import Answerer

ROWS = [{"id": number, "text": f"row {number}"} for number in range(60)]
PARTS = [ROWS[start : start + 10] for start in range(0, len(ROWS), 10)]


def request(row: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters for a row; of one row it cannot."""
    if row["id"] == 7:
        raise KeyError("text")
    return {"prompt": row["text"]}


def answerer() -> Answerer:
    """Return what is sent to the workers."""
    return Answerer(json.loads(os.environ["SERVERS"]), "generate", 2, request=request, model="m")


def answered(answerer: Answerer, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer a partition: what a worker does."""
    return [
        {
            "id": outcome.item["id"],
            "said": outcome.reply.response if outcome.ok else type(outcome.error).__name__,
            "process": os.getpid(),
        }
        for outcome in answerer(rows)
    ]


def told(results: Iterable[list[dict[str, Any]]]) -> None:
    """Print what has come of all partitions."""
    flat = [one for part in results for one in part]
    said = {one["id"]: one["said"] for one in flat}
    is_elsewhere = all(one["process"] != os.getpid() for one in flat)
    print(json.dumps({"lines": len(flat), "said": said, "is_elsewhere": is_elsewhere}))
