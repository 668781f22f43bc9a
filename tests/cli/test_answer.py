"""An answer on the screen: plain, rendered, its code alone, and what it took."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.cli import main
from ollama_sync.cli._args import parse
from ollama_sync.cli._outputs import code_in
from ollama_sync.testing import MockOllama, chunk, end, head, stream

ANSWER = "# Title\n\nSome **bold** words:\n\n```python\nprint(1)\n\nprint(2)\n```\n\nDone.\n\n```\nno\n```\n"


def said(text: str, *, done: bool = False) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    figures = {"eval_count": 50, "eval_duration": 2 * 10**9, "load_duration": 1_500_000}
    return {"model": "m", "message": message, "done": done, **(figures if done else {})}


def answers(server: MockOllama, text: str) -> None:
    half = len(text) // 2
    server.script([stream([said(text[:half]), said(text[half:]), said("", done=True)])])


def test_extract_prints_the_first_block_of_code(capsys: pytest.CaptureFixture[str]) -> None:
    """With --extract stdout is the code alone, ready for a file."""
    with MockOllama() as server:
        answers(server, ANSWER)
        assert main(["chat", "m", "hi", "--extract", "--host", server.url]) == 0
    assert capsys.readouterr() == ("print(1)\n\nprint(2)\n", "")


def test_extract_of_a_broken_answer_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a program is worse than none: when the answer breaks off, nothing is printed, and the code is 1."""
    with MockOllama() as server:
        server.script([head(), chunk(said("```\nrm -r a")), chunk({"error": "gone"}), end()])
        assert main(["chat", "m", "hi", "--extract", "--host", server.url]) == 1
    assert capsys.readouterr() == ("", "ollama-sync: gone\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no code", "no code"),
        ("~~~\na\n~~~", "a"),
        ("````md\n```\nin\n```\n````", "```\nin\n```"),
        ("```\nunfinished", "unfinished"),
        ("```\n```", ""),
        ("a ``` b", "a ``` b"),
    ],
)
def test_a_block_of_code_is_what_its_fence_encloses(text: str, code: str) -> None:
    """Fences may be of tildes, hold shorter ones, and lack an end; a text without one is taken whole."""
    assert code_in(text) == code


def test_verbose_says_what_it_took_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens, their speed, loading and the first token are on stderr; the answer on stdout stays alone."""
    with MockOllama() as server:
        answers(server, "Hello")
        assert main(["chat", "m", "hi", "--verbose", "--host", server.url]) == 0
    out, err = capsys.readouterr()
    assert out == "Hello\n"
    assert "50 tokens in 2.00 s, 25.0 tokens/s" in err
    assert "load         1.5 ms" in err
    assert "first token" in err


def test_markdown_is_rendered_at_a_terminal(at_terminal: Callable[..., Any]) -> None:
    """With --markdown a terminal shows bold words bold, and no marks."""
    with MockOllama() as server:
        answers(server, ANSWER)
        terminal = at_terminal("chat", "m", "hi", "--markdown", "--host", server.url, term="xterm")
        shown = terminal.read_rest()
        assert terminal.wait() == 0
    assert "\x1b[1mbold\x1b[0m" in shown
    assert "**" not in shown


def test_markdown_stays_as_it_is_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """A file or a pipe gets the text of the model."""
    with MockOllama() as server:
        answers(server, ANSWER)
        assert main(["chat", "m", "hi", "--markdown", "--host", server.url]) == 0
    assert capsys.readouterr().out == f"{ANSWER}\n"


def test_markdown_without_rich_says_what_to_install(at_terminal: Callable[..., Any]) -> None:
    """The extra that has rich is named, and the exit code is that of wrong arguments."""
    with MockOllama() as server:
        words = ("chat", "m", "hi", "--markdown", "--host", server.url)
        terminal = at_terminal(*words, missing=("rich", "rich.live"))
        assert "ollama-sync[cli]" in terminal.read_rest()
        assert terminal.wait() == 2


def test_a_schema_may_be_a_file(tmp_path: Path) -> None:
    """--format takes json, a schema, and the name of a file that holds one."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    assert parse(["chat", "m", "--format", str(file)]).format == schema


def test_a_schema_may_be_short() -> None:
    """--schema names the members, their types and, behind a colon, what they mean; all are required."""
    schema = parse(["chat", "m", "--schema", "name, age int, ok bool"]).format
    assert schema["required"] == ["name", "age", "ok"]
    assert [member["type"] for member in schema["properties"].values()] == [
        "string",
        "integer",
        "boolean",
    ]
    lines = parse(["chat", "m", "--schema", "name: first, then last\nheight float"]).format
    assert lines["properties"]["name"]["description"] == "first, then last"
    assert lines["properties"]["height"] == {"type": "number"}


@pytest.mark.parametrize("schema", ["", "a date", "a int b", ": what"])
def test_a_wrong_short_schema_is_code_2(schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no member is refused before anything is asked."""
    assert main(["chat", "m", "hi", "--schema", schema]) == 2
    assert "--schema" in capsys.readouterr().err


def test_a_format_and_a_schema_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Two answers to one question are refused."""
    assert main(["chat", "m", "hi", "--format", "json", "--schema", "a"]) == 2
    assert "not allowed with" in capsys.readouterr().err
