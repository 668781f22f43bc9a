"""How far it is, on the screen: lines by a clock of numbers, the bar at a pseudo terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from ollama_sync import Progress
from ollama_sync.cli._progress import Lines, figures, status
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, wait

MEGA = 1_000_000


def at(status: str, phase: Any, total: int = 0, completed: int = 0, **more: Any) -> Progress:
    given = {"speed": 0.0, "remaining": None, "fraction": None, "layers": (), **more}
    return Progress(status=status, phase=phase, total=total, completed=completed, **given)


def loading(completed: int) -> Progress:
    return at("pulling 0a", "downloading", 100 * MEGA, completed * MEGA, fraction=completed / 100)


def pulling(completed: int) -> dict[str, Any]:
    return {
        "status": "pulling 0a",
        "digest": "sha256:0a",
        "total": 100 * MEGA,
        "completed": completed * MEGA,
    }


def test_a_line_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    """In one phase there is a line a second and no more, whatever comes in between."""
    now = 0.0
    lines = Lines(clock=lambda: now)
    for tenth in range(31):
        now = tenth / 10
        lines.show(loading(tenth))
    percents = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert percents == ["0%,", "10%,", "20%,", "30%,"]


def test_another_phase_is_a_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A phase that begins is shown whenever that is; so is another kind of work that has no phase of its own."""
    steps = [
        at("pulling manifest", "manifest"),
        loading(100),
        at("verifying sha256 digest", "verifying"),
        at("parsing GGUF", "other"),
        at("creating new layer sha256:aa", "other"),
        at("creating new layer sha256:bb", "other"),
        at("success", "done", fraction=1.0),
    ]
    lines = Lines(clock=lambda: 0.0)
    for step in steps:
        lines.show(step)
    shown = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "pulling manifest",
        "pulling 0a",
        "verifying sha256 digest",
        "parsing GGUF",
        "creating new layer sha256",
        "success",
    ]


def test_a_step_that_comes_back_is_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the change that is shown, and not the first time."""
    lines = Lines(clock=lambda: 0.0)
    for progress in (loading(1), at("verifying", "verifying"), loading(1)):
        lines.show(progress)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_figures_say_what_is_known() -> None:
    """Share, bytes, speed and time left stand where they are known, and only while bytes move."""
    known = at("x", "downloading", 4 * MEGA, MEGA, speed=5e5, remaining=6.0, fraction=0.25)
    assert figures(known) == "25%, 1.00 MB of 4.00 MB, 500 KB/s, 6s left"
    assert figures(at("x", "uploading", 4 * MEGA)) == "0 B of 4.00 MB"
    assert figures(loading(100)) == "100%, 100 MB of 100 MB"
    assert figures(at("x", "manifest")) == ""
    assert figures(at("quantizing F16 model to Q4_0", "other", 9, 4)) == "4 B of 9 B"
    assert figures(at("creating new layer", "other", 9, 9)) == ""
    for phase in ("verifying", "writing", "done"):
        assert figures(at("x", phase, 9, 9, fraction=1.0)) == ""


def test_each_phase_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """No phase of the SDK is unknown to the display."""
    lines = Lines()
    phases = get_args(get_type_hints(Progress)["phase"])
    assert "downloading" in phases
    for phase in phases:
        lines.show(at(f"status of {phase}", phase))
    assert len(capsys.readouterr().out.splitlines()) == len(phases)


def test_digests_are_cut() -> None:
    """A digest is shown by as many digits as tell it apart; other words stay."""
    digest = "sha256:" + "0123456789abcdef" * 4
    shown = status(at(f"using existing layer {digest}", "other"))
    assert shown == "using existing layer sha256:0123456789ab"
    assert status(at("pulling 941f309b54ca", "downloading")) == "pulling 941f309b54ca"


def scripted(server: MockOllama, gate: Gate) -> None:
    server.script(
        [
            head(),
            chunk({"status": "pulling manifest"}),
            chunk(pulling(25)),
            wait(gate),
            chunk(pulling(100)),
            chunk({"status": "success"}),
            end(),
        ],
        path="/api/pull",
    )


def test_a_terminal_gets_a_bar(at_terminal: Callable[..., Any]) -> None:
    """With rich, one line of the terminal is drawn again and again; in the end it is full, and the cursor is back."""
    gate = Gate()
    with MockOllama() as server:
        scripted(server, gate)
        terminal = at_terminal("pull", "m", "--host", server.url, term="xterm")
        drawn = terminal.read_until("25%, 25.0 MB of 100 MB")
        assert "━" in drawn
        assert "\x1b[?25l" in drawn
        gate.open()
        rest = terminal.read_rest()
        assert terminal.wait() == 0
    assert "\x1b[2K" in rest  # the line before was wiped
    assert "\x1b[?25h" in rest
    assert "success" in rest


@pytest.mark.parametrize("how", [{"missing": ("rich",)}, {"term": "dumb"}])
def test_without_rich_a_terminal_gets_lines(
    at_terminal: Callable[..., Any], how: dict[str, Any]
) -> None:
    """Where rich is not installed, or the terminal cannot move its cursor, there are plain lines."""
    gate = Gate()
    with MockOllama() as server:
        scripted(server, gate)
        terminal = at_terminal("pull", "m", "--host", server.url, **{"term": "xterm", **how})
        before = terminal.read_until("pulling 0a: 25%, 25.0 MB of 100 MB\r\n")
        gate.open()
        rest = terminal.read_rest()
        assert terminal.wait() == 0
    assert rest.endswith("success\r\n")
    assert "\x1b" not in before + rest


def test_ctrl_c_ends_a_pull(at_terminal: Callable[..., Any]) -> None:
    """Ctrl-C exits with 130, without a traceback, gives the cursor back, and the server stops downloading."""
    with MockOllama() as server:
        scripted(server, Gate())
        terminal = at_terminal("pull", "m", "--host", server.url, term="xterm")
        terminal.read_until("25%")
        terminal.type("\x03")
        rest = terminal.read_rest()
        assert terminal.wait() == 130
        server.wait_disconnect()
    assert "\x1b[?25h" in rest
    assert "Traceback" not in rest
