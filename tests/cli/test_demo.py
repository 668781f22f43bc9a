"""The demonstration: what it measures, and what it says of it."""

from __future__ import annotations

import pytest

from ollama_sync import Client
from ollama_sync.cli import main
from ollama_sync.cli._demo import Measured, all_arrived, measure, one_part, report
from ollama_sync.testing import MockOllama


def test_rates_leave_out_the_first_look() -> None:
    """The rate is that of the tokens after the first look: waiting for the first one is not speed."""
    seen = Measured(first=1.0, last=3.0, tokens=50, at_once=10)
    assert seen.rate == 20.0
    assert not seen.reached
    assert seen.goal == 1.0 + 990 / 20.0


def test_what_was_reached_is_not_extrapolated() -> None:
    """With 1000 tokens taken, the time for them is the measured one."""
    seen = Measured(first=0.5, last=3.0, tokens=1003, at_once=3)
    assert seen.reached
    assert seen.goal == 3.0


def test_without_a_second_look_there_is_no_rate() -> None:
    """Nothing is made up where there is nothing to compute from."""
    for seen in (Measured(0.0, 0.0, 0, 0), Measured(0.1, 0.1, 5, 5)):
        assert seen.rate is None
        assert seen.goal is None
    assert "-" in report(Measured(0.0, 0.0, 0, 0), Measured(0.1, 0.1, 5, 5))


def test_only_extrapolated_figures_are_marked() -> None:
    """The mark and its note stand where something was extrapolated, and nowhere else."""
    slow = Measured(0.0, 2.0, 41, 1)
    fast = Measured(0.0, 3.0, 1000, 1)
    assert report(slow, fast).count("~") == 2
    assert "~" not in report(fast, fast)


def test_a_caller_of_batches_gets_what_has_arrived() -> None:
    """A server that pours 50 tokens is drained by batches in few looks; a caller of single parts takes one a look."""
    with MockOllama(chunks=50, delay=0) as server, Client(server.url) as client:
        fast = measure(client, "m", all_arrived, seconds=5.0)
        slow = measure(client, "m", one_part, seconds=0.2)
    assert fast.tokens == 50
    assert slow.at_once == 1
    assert 1 <= slow.tokens < 50


@pytest.mark.once  # it lasts two seconds
def test_the_demo_needs_no_ollama(capsys: pytest.CaptureFixture[str]) -> None:
    """Given a server, it shows the answer and the table, and exits with 0."""
    with MockOllama(delay=0) as server:
        assert main(["demo", "--host", server.url]) == 0
        assert server.requests[0].json["model"] == "llama3.2"
    out = capsys.readouterr().out
    assert "A" * 1000 in out
    assert "tokens/s" in out
    assert out.count("~") == 2


def test_the_demo_starts_a_mock(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a host it starts a server of its own, and says so."""
    measured: list[str] = []
    monkeypatch.setattr(
        "ollama_sync.cli._demo.demonstrate", lambda host, model: measured.append(host)
    )
    assert main(["demo"]) == 0
    assert "mock" in capsys.readouterr().out
    assert measured[0].startswith("http://127.0.0.1:")
