"""`ollama-sync batch`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Fleet, MapProgress
from ollama_sync.cli import main
from ollama_sync.cli._batch_display import Bar, Lines, open_display
from ollama_sync.testing import MockOllama, reply


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("one\ntwo\n")
    return path


def batch(path: Path, server: MockOllama, *words: str, host: bool = True) -> tuple[int, Path]:
    out = path.with_name("out.jsonl")
    hosts = ("--host", server.url) if host else ()
    return main(["batch", str(path), "-o", str(out), "--model", "m", *hosts, *words]), out


def test_a_batch_is_summed_up(
    server: MockOllama, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answers are in the file, and one line says how it went."""
    code, out = batch(prompts, server)
    assert code == 0
    assert capsys.readouterr().out.startswith("2 of 2 answered, in ")
    assert [json.loads(line)["reply"]["response"] for line in out.read_text().splitlines()] == [
        "AAA",
        "AAA",
    ]
    assert batch(prompts, server)[0] == 0
    assert "2 of 2 answered, 2 of them earlier" in capsys.readouterr().out


def test_a_batch_of_which_some_failed_is_code_1(
    server: MockOllama, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The complaint says how to ask them again, and that does it."""
    server.script([reply({"error": "no"}, 500)], path="/api/generate")
    code, _ = batch(prompts, server, "--parallel", "1")
    assert code == 1
    assert "--retry-failed asks them again" in capsys.readouterr().err
    assert batch(prompts, server, "--retry-failed")[0] == 0


def test_a_batch_goes_over_several_hosts(prompts: Path) -> None:
    """`--host` may come again."""
    prompts.write_text("".join(f"{number}\n" for number in range(20)))
    with (
        MockOllama(models=["m"], chunks=3, delay=0) as one,
        MockOllama(models=["m"], chunks=3, delay=0) as two,
    ):
        hosts = ("--host", one.url, "--host", two.url)
        assert batch(prompts, one, *hosts, "--parallel", "1", host=False)[0] == 0
        asked = [
            sum(one.path == "/api/generate" for one in server.requests) for server in (one, two)
        ]
    assert sum(asked) == 20
    assert min(asked) > 0


def test_options_go_with_each_request(server: MockOllama, prompts: Path) -> None:
    """Options, format, system and keep-alive are those of every request."""
    words = ["--option", "seed=1", "--format", "json", "--system", "Be brief", "--keep-alive", "5m"]
    assert batch(prompts, server, *words)[0] == 0
    sent = server.requests[0].json
    assert (sent["options"], sent["format"], sent["system"]) == ({"seed": 1}, "json", "Be brief")
    assert sent["keep_alive"] == "5m"


def test_a_dry_run_sends_nothing(
    server: MockOllama, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how many there are, and shows the first."""
    code, out = batch(prompts, server, "--dry-run")
    assert code == 0
    said = capsys.readouterr().out
    assert "2 requests, 0 of them done" in said
    assert '"prompt": "one"' in said
    assert not out.exists()
    assert not server.requests


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--verb", "embed", "--system", "x"], "--system is for generate"),
        (["--template", "{x}"], "is no column"),
        (["--parallel", "0"], "parallel=0"),
    ],
)
def test_wrong_arguments_are_code_2(
    server: MockOllama,
    prompts: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    text: str,
) -> None:
    """One line says which and why."""
    assert batch(prompts, server, *words)[0] == 2
    assert text in capsys.readouterr().err
    assert not server.requests


def test_ps_of_several_hosts(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """Each server has its table, and one that does not answer is named, by code 1."""
    with MockOllama() as other:
        assert main(["ps", "--host", server.url, "--host", other.url]) == 0
        said = capsys.readouterr().out
        assert server.url in said
        assert other.url in said
    assert main(["ps", "--host", server.url, "--host", "127.0.0.1:1"]) == 1
    assert "http://127.0.0.1:1" in capsys.readouterr().err


PROGRESS = MapProgress(done=1, failed=0, running=1, total=4, tokens=10, elapsed=2.0)


def test_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """A log is not filled by thousands of answers."""
    now = 0.0
    with Lines(lambda: "2 servers", lambda: now) as display:
        for step in range(23):
            now = step * 0.5
            display.show(PROGRESS, 2, None)
    assert (
        capsys.readouterr().err.splitlines()
        == ["3 of 6, 0.5/s, 5 tokens/s, 6s left, 2 servers"] * 2
    )


def test_a_bar_shows_the_servers_that_work() -> None:
    """A fleet's display counts the servers that do not rest; without rich, or a terminal, it is lines."""
    pytest.importorskip("rich")
    with Fleet(["a", "b"]) as fleet:
        display: Any = open_display(fleet)
        assert isinstance(display, Lines)
        assert display._servers() == "2 servers"
        with Bar(display._servers) as bar:
            bar.show(PROGRESS, 2, None)
        assert bar._bar.tasks[0].completed == 3
        assert bar._bar.tasks[0].total == 6
