"""A test that plays back what a server said (here it was a mock as well, so that the text is short).

A recording is made by:

    with record("tests/recordings/summary.jsonl") as server, Client(server.url) as client:
        print("".join(summary_of("Tea is made from leaves.", client)))
"""

from __future__ import annotations

from pathlib import Path

import pytest
from summaries import summary_of

from ollama_sync import Client
from ollama_sync.testing import NotRecorded, playback

SUMMARY = Path(__file__).parent / "recordings" / "summary.jsonl"


def test_the_recorded_summary() -> None:
    """The same question gets the same answer."""
    with playback(SUMMARY) as server, Client(server.url) as client:
        assert "".join(summary_of("Tea is made from leaves.", client)) == "Tea comes from leaves."


def test_another_question_is_noticed() -> None:
    """The program has changed what it asks: the test says what is different, and asks for a new recording."""
    server = playback(SUMMARY).start()
    with Client(server.url) as client:
        assert "no summary" in "".join(summary_of("Cocoa.", client))
    with pytest.raises(NotRecorded, match=r"content: recorded .*Tea is.* now .*Cocoa"):
        server.stop()
