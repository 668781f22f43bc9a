"""The demonstration: what it measures, what it shows while it runs, and what it says in the end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ollama_sync import Client
from ollama_sync.cli import main
from ollama_sync.cli._demo import Caller, Seen, all_arrived, one_part, report
from ollama_sync.cli._demo_screen import last_lines
from ollama_sync.testing import SAMPLE_TEXT, Gate, MockOllama, head, reply, wait


def test_rates_leave_out_the_first_look() -> None:
    """The rate is that of the tokens after the first look: waiting for the first one is not speed."""
    seen = Seen().with_more(["a"] * 10, 1.0).with_more(["b"] * 40, 3.0)
    assert (seen.tokens, seen.at_once, seen.first, seen.last) == (50, 10, 1.0, 3.0)
    assert seen.rate == 20.0
    assert seen.text == "a" * 10 + "b" * 40


def test_without_a_second_look_there_is_no_rate() -> None:
    """Nothing is made up where there is nothing to compute from."""
    assert Seen().rate is None
    assert Seen().with_more(["a"], 0.1).rate is None


def test_a_caller_of_batches_gets_what_has_arrived() -> None:
    """A server that pours 50 tokens is drained by batches in few looks; a caller of single parts takes one a look."""
    fast = Caller("", "", all_arrived)
    with MockOllama(chunks=50, delay=0) as server, Client(server.url) as client:
        fast.ask(client, "m")
        with client.chat("m", [{"role": "user", "content": "hi"}], stream=True) as stream:
            assert len(one_part(stream)) == 1
    assert fast.seen.tokens == 50
    assert fast.seen.text == "A" * 50


def test_a_caller_can_be_stopped_while_it_waits() -> None:
    """Ctrl-C ends the demonstration also when the server says nothing: the stream is cancelled, and the caller ends."""
    gate = Gate()
    caller = Caller("", "", one_part)
    with MockOllama() as server, Client(server.url) as client:
        server.script([head(), wait(gate)])
        thread = threading.Thread(target=caller.ask, args=(client, "m"))
        thread.start()
        gate.wait_reached()
        caller.stop()
        server.wait_disconnect()
        thread.join(30)
        assert not thread.is_alive()
    assert caller.seen == Seen()


def test_the_table_is_a_list_where_it_is_too_wide() -> None:
    """At 34 columns no line is longer, and every figure is there."""
    caller = Caller("all that has arrived", "stream.poll()", all_arrived)
    caller.seen = Seen().with_more(["a"], 0.5).with_more(["b"] * 199, 2.5)
    wide, narrow = report((caller, caller), None), report((caller, caller), 34)
    assert max(map(len, narrow.splitlines())) <= 34
    assert narrow.count("99.5") == wide.count("99.5") == 2
    assert len(wide.splitlines()) == 3


def test_the_end_of_a_text_has_a_fixed_height() -> None:
    """A panel neither grows nor shrinks with its text, and shows the latest words."""
    for text in ("", "one", SAMPLE_TEXT):
        lines = last_lines(text, 30, 5).split("\n")
        assert len(lines) == 5
        assert max(map(len, lines)) <= 30
    assert lines[-1].endswith("sunset.")


@pytest.mark.once  # it lasts one second
def test_the_demo_prints_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipe there is a line a second, then the table, and no escape sequence."""
    monkeypatch.setattr("ollama_sync.cli._demo_screen._LINE_EVERY", 0.1)
    with MockOllama(text="One two three four five six seven.", delay=0.02) as server:
        assert main(["demo", "--host", server.url]) == 0
        assert {request.json["model"] for request in server.requests} == {"llama3.2"}
    out = capsys.readouterr().out
    assert re.search(
        r"^next\(stream\): \d tokens.*; stream\.poll\(\): \d tokens", out, re.MULTILINE
    )
    assert re.search(r"^next\(stream\) +7 ", out, re.MULTILINE)
    assert re.search(r"^stream\.poll\(\) +7 ", out, re.MULTILINE)
    assert "\x1b" not in out


def test_the_demo_is_live_at_a_terminal(at_terminal: Callable[..., Any]) -> None:
    """Two panels show the same real text and bars while it runs, then the table stands below."""
    with MockOllama(text="One two three four.", delay=0.01) as server:
        terminal = at_terminal("demo", "--host", server.url, term="xterm")
        shown = terminal.read_until("LOOKS BY")
        assert terminal.wait() == 0
    assert "one part a look" in shown
    assert "all that has arrived" in shown
    assert "━" in shown
    assert shown.count("One two three four.") >= 2


def test_a_failure_of_a_caller_ends_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """When the server refuses one of the two, the other is stopped, and its words are the error."""
    with MockOllama(delay=0.01) as server:
        server.script([reply({"error": "out of memory"}, 500)])
        assert main(["demo", "--host", server.url]) == 1
    assert capsys.readouterr().err == "ollama-sync: out of memory (status code: 500)\n"


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
