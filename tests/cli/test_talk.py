"""A conversation that goes on: commands with a slash, what is kept, functions that the model may call."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.cli import main
from ollama_sync.testing import MockOllama, chunk, end, head, stream

MARK = ">>> "


def said(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": done}


def answers(server: MockOllama, *texts: str) -> None:
    for text in texts:
        server.script([stream([said(text), said("", done=True)])])


def chats(server: MockOllama) -> list[dict[str, Any]]:
    return [request.json for request in server.requests if request.path == "/api/chat"]


def told(chat: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in chat["messages"]]


def test_settings_hold_from_then_on(at_terminal: Callable[..., Any]) -> None:
    """/set changes what the next questions are asked with, and alone shows what is set."""
    with MockOllama() as server:
        answers(server, "A", "B")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        lines = [
            "system Be brief.",
            "parameter top_k 3",
            "think high",
            "format json",
            "keep_alive 5m",
        ]
        for line in lines:
            terminal.type(f"/set {line}\n")
            terminal.read_until(MARK)
        terminal.type("/set\n")
        shown = terminal.read_until(MARK)
        assert "system: Be brief." in shown
        assert "parameter top_k: 3" in shown
        terminal.type("One\n")
        terminal.read_until(MARK)
        for line in ("nothink", "noformat", "verbose"):
            terminal.type(f"/set {line}\n")
            terminal.read_until(MARK)
        terminal.type("Two\n")
        terminal.read_until("B")
        first, second = chats(server)
    assert told(first) == [("system", "Be brief."), ("user", "One")]
    assert first["options"] == {"top_k": 3}
    assert (first["think"], first["format"], first["keep_alive"]) == ("high", "json", "5m")
    assert second["think"] is False
    assert "format" not in second


def test_what_is_no_command_does_not_go_to_the_model(at_terminal: Callable[..., Any]) -> None:
    """An unknown word with a slash is refused, with the nearest one; so is a setting or a part that there is not."""
    with MockOllama() as server:
        answers(server, "A")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        for line, remedy in [
            ("/clera", "did you mean /clear?"),
            ("/frobnicate", "/? lists them"),
            ("/set sytem x", "did you mean system?"),
            ("/set format yaml", "json, a JSON schema"),
            ("/show licence", "did you mean license?"),
            ("/save", "name of a model"),
        ]:
            terminal.type(f"{line}\n")
            assert remedy in terminal.read_until(MARK)
        terminal.type('"""/etc/passwd: what is it?"""\n')
        terminal.read_until("A")
        (chat,) = chats(server)
    assert told(chat) == [("user", "/etc/passwd: what is it?")]


def test_a_conversation_can_be_saved_as_a_model(at_terminal: Callable[..., Any]) -> None:
    """/save makes a model of what was said and set; /load talks to another one from the beginning; /show shows it."""
    with MockOllama() as server:
        answers(server, "A", "B")
        words = ("chat", "llama3.2", "--system", "s", "--option", "top_k=3")
        terminal = at_terminal(*words, "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("One\n")
        terminal.read_until(MARK)
        terminal.type("/save mine\n")
        assert "saved as model 'mine'" in terminal.read_until(MARK)
        terminal.type("/load mine\n")
        assert "now talking to 'mine'" in terminal.read_until(MARK)
        terminal.type("/show\n")
        assert "architecture" in terminal.read_until(MARK)
        terminal.type("Two\n")
        terminal.read_until("B")
        (made,) = [request.json for request in server.requests if request.path == "/api/create"]
        last = chats(server)[-1]
    assert (made["from"], made["system"], made["parameters"]) == ("llama3.2", "s", {"top_k": 3})
    assert told(made) == [("user", "One"), ("assistant", "A")]
    assert (last["model"], told(last)) == ("mine", [("user", "Two")])


def test_a_model_that_is_not_there_is_not_loaded(at_terminal: Callable[..., Any]) -> None:
    """When /load is refused, the conversation goes on as it was."""
    with MockOllama(models=["m"]) as server:
        answers(server, "A", "B")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("One\n")
        terminal.read_until(MARK)
        terminal.type("/load other\n")
        assert "not found" in terminal.read_until(MARK)
        terminal.type("Two\n")
        terminal.read_until("B")
        assert len(chats(server)[-1]["messages"]) == 3


def test_the_last_conversation_goes_on(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    """With -c a question follows those of the last conversation, with its model and its system prompt."""
    with MockOllama() as server:
        answers(server, "A", "B", "C")
        host = ("--host", server.url)
        assert main(["chat", "one", "Hi", "--system", "s", *host]) == 0
        assert main(["chat", "-c", "two", "And?", *host]) == 0
        first, second = chats(server)
    assert first["model"] == "one"
    assert second["model"] == "two"
    expected = [("system", "s"), ("user", "Hi"), ("assistant", "A"), ("user", "And?")]
    assert told(second) == expected
    assert stat.S_IMODE((state / "conversation.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert os.listdir(state) == ["conversation.json"]


def test_the_last_conversation_goes_on_at_a_terminal(at_terminal: Callable[..., Any]) -> None:
    """With -c alone it is talked on, with the same model; what was said before an answer broke off was said."""
    with MockOllama() as server:
        server.script([head(), chunk(said("Hel")), chunk({"error": "gone"}), end()])
        answers(server, "B")
        assert main(["chat", "one", "Hi", "--host", server.url]) == 1
        terminal = at_terminal("chat", "-c", "--host", server.url)
        assert "one, after 1 question:" in terminal.read_until(MARK)
        terminal.type("And?\n")
        terminal.read_until("B")
        assert told(chats(server)[-1]) == [("user", "Hi"), ("assistant", "Hel"), ("user", "And?")]


def test_nothing_is_kept_where_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OLLAMA_NOHISTORY keeps the disk clean, and -c then says that there is nothing."""
    monkeypatch.setenv("OLLAMA_NOHISTORY", "1")
    with MockOllama() as server:
        answers(server, "A")
        assert main(["chat", "m", "Hi", "--host", server.url]) == 0
        assert not state.exists()
        assert main(["chat", "-c", "m", "Hi", "--host", server.url]) == 2
    assert "none was kept" in capsys.readouterr().err


def test_a_spoiled_conversation_is_code_2(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no conversation is named."""
    state.mkdir()
    (state / "conversation.json").write_text("[]")
    with MockOllama() as server:
        assert main(["chat", "-c", "m", "Hi", "--host", server.url]) == 2
    assert "conversation.json" in capsys.readouterr().err


def test_an_answer_is_worth_more_than_its_record(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing can be written, the answer is shown and the code is 0; one line says that it is not kept."""
    state.write_text("a file in the place of the folder")
    with MockOllama() as server:
        answers(server, "A")
        assert main(["chat", "m", "Hi", "--host", server.url]) == 0
    out, err = capsys.readouterr()
    assert out == "A\n"
    assert err.count("\n") == 1
    assert "not kept" in err


def test_what_was_typed_comes_back_another_day(
    at_terminal: Callable[..., Any], state: Path
) -> None:
    """The arrow up finds the lines of the session before, kept for the user alone."""
    with MockOllama() as server:
        answers(server, "A", "B")
        terminal = at_terminal("chat", "m", "--host", server.url, term="xterm")
        terminal.read_until(MARK)
        terminal.type("What was that?\n")
        terminal.read_until("A")
        terminal.read_until(MARK)
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert stat.S_IMODE((state / "history").stat().st_mode) == 0o600
        terminal = at_terminal("chat", "m", "--host", server.url, term="xterm")
        terminal.read_until(MARK)
        terminal.type("\x1b[A")
        terminal.read_until("that?")
        terminal.type("\n")
        terminal.read_until("B")
        assert told(chats(server)[-1]) == [("user", "What was that?")]


def test_images_go_with_the_first_question(at_terminal: Callable[..., Any], tmp_path: Path) -> None:
    """In a conversation an image belongs to the first question, and is told again as part of it."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 8)
    with MockOllama() as server:
        answers(server, "A", "B")
        terminal = at_terminal("chat", "m", "--image", str(picture), "--host", server.url)
        for question in ("One", "Two"):
            terminal.read_until(MARK)
            terminal.type(f"{question}\n")
        terminal.read_until("B")
        messages = chats(server)[-1]["messages"]
    assert ["images" in message for message in messages] == [True, False, False]


FUNCTIONS = '''
from datetime import date

def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

def _hidden() -> None: ...
'''


def test_the_model_may_call_functions_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--functions tells the model of the functions of a file, calls them, and -c tells it of the calls again."""
    file = tmp_path / "tools.py"
    file.write_text(FUNCTIONS)
    call = {"function": {"name": "add", "arguments": {"a": 2, "b": 3}}}
    calling = {"role": "assistant", "content": "", "tool_calls": [call]}
    with MockOllama() as server:
        server.script([stream([{"model": "m", "message": calling, "done": True}])])
        answers(server, "It is 5.", "Yes.")
        host = ("--host", server.url)
        assert main(["chat", "m", "2 + 3?", "--functions", str(file), "--verbose", *host]) == 0
        out, err = capsys.readouterr()
        assert main(["chat", "-c", "m", "Sure?", *host]) == 0
        first, second, third = chats(server)
    assert out == "It is 5.\n"
    assert "tools        add" in err
    assert [tool["function"]["name"] for tool in first["tools"]] == ["add"]
    assert told(second)[-1] == ("tool", "5")
    assert [role for role, _ in told(third)] == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("text", [None, "", "def", "raise KeyError('x')", "def _a(): ..."])
def test_a_file_without_functions_is_code_2(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, cannot be run or has no function is named, and nothing is asked."""
    file = tmp_path / "tools.py"
    if text is not None:
        file.write_text(text)
    with MockOllama() as server:
        assert main(["chat", "m", "hi", "--functions", str(file), "--host", server.url]) == 2
        assert not server.requests
    err = capsys.readouterr().err
    assert "tools.py" in err
    assert err.count("\n") == 1


def test_json_of_a_run_is_its_last_reply(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json and --functions stdout has one line: the reply that ends the run."""
    file = tmp_path / "tools.py"
    file.write_text(FUNCTIONS)
    with MockOllama() as server:
        answers(server, "Five.")
        words = ["chat", "m", "hi", "--functions", str(file), "--json"]
        assert main([*words, "--host", server.url]) == 0
    assert json.loads(capsys.readouterr().out)["message"]["content"] == "Five."
