"""A conversation at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ollama_sync.testing import Gate, MockOllama, chunk, head, reply, stream, wait

MARK = ">>> "


def said(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": done}


def answers(server: MockOllama, *texts: str) -> None:
    for text in texts:
        server.script([stream([said(text), said("", done=True)])])


def asked(server: MockOllama) -> list[list[tuple[str, str]]]:
    """Give the messages of each chat."""
    return [
        [(message["role"], message["content"]) for message in request.json["messages"]]
        for request in server.requests
        if request.path == "/api/chat"
    ]


def test_the_conversation_is_kept(at_terminal: Callable[..., Any]) -> None:
    """Each question is sent with all that was said before; /clear forgets all but the system prompt; /bye ends with 0."""
    with MockOllama() as server:
        answers(server, "Hello!", "Fine.", "Who?")
        terminal = at_terminal("chat", "m", "--system", "Be brief.", "--host", server.url)
        assert "m: /?" in terminal.read_until(MARK)
        terminal.type("Hi\n")
        assert "Hello!\r\n" in terminal.read_until(MARK)
        terminal.type("How are you?\n")
        assert "Fine." in terminal.read_until(MARK)
        terminal.type("/clear\n")
        terminal.read_until(MARK)
        terminal.type("It is me\n")
        assert "Who?" in terminal.read_until(MARK)
        terminal.type("/bye\n")
        assert terminal.wait() == 0
        first, second, third = asked(server)
    system = ("system", "Be brief.")
    assert first == [system, ("user", "Hi")]
    assert second == [*first, ("assistant", "Hello!"), ("user", "How are you?")]
    assert third == [system, ("user", "It is me")]


def test_three_quotes_hold_several_lines(at_terminal: Callable[..., Any]) -> None:
    """A question in three quotes may span lines, and is sent without the quotes; blank ones are no question."""
    with MockOllama() as server:
        answers(server, "A", "B", "C")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type('\n   \n""""""\n')
        for _ in range(3):
            terminal.read_until(MARK)
        terminal.type('"""\n')
        terminal.read_until("... ")
        terminal.type("one\n")
        terminal.read_until("... ")
        terminal.type('  two"""\n')
        assert "A" in terminal.read_until(MARK)
        terminal.type('"""all in one"""\n')
        assert "B" in terminal.read_until(MARK)
        terminal.type("/?\n")
        assert "Ctrl-C" in terminal.read_until(MARK)
        terminal.type("\x04")
        assert terminal.wait() == 0
        questions = [messages[-1][1] for messages in asked(server)]
    assert questions == ["one\n  two", "all in one"]


def test_ctrl_c_stops_the_answer_only(at_terminal: Callable[..., Any]) -> None:
    """Ctrl-C in mid-answer stops the generation; what was said stays said, and the next question can be asked."""
    with MockOllama() as server:
        server.script([head(), chunk(said("Once upon")), wait(Gate())])
        answers(server, "Yes.")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("A story\n")
        terminal.read_until("Once upon")
        terminal.type("\x03")
        terminal.read_until(MARK)
        server.wait_disconnect()
        terminal.type("Are you there?\n")
        assert "Yes." in terminal.read_until(MARK)
        terminal.type("\x04")
        rest = terminal.read_rest()
        assert "Traceback" not in rest
        assert terminal.wait() == 0
        _, second = asked(server)
    told = [("user", "A story"), ("assistant", "Once upon"), ("user", "Are you there?")]
    assert second == told


def test_ctrl_c_before_the_answer_takes_the_question_back(at_terminal: Callable[..., Any]) -> None:
    """When nothing was answered yet, the model is not told of the question again."""
    gate = Gate()
    with MockOllama() as server:
        server.script([head(), wait(gate)])
        answers(server, "Yes.")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("A story\n")
        gate.wait_reached()
        terminal.type("\x03")
        terminal.read_until(MARK)
        terminal.type("Are you there?\n")
        terminal.read_until("Yes.")
        assert asked(server)[1] == [("user", "Are you there?")]


def test_ctrl_c_at_the_mark_takes_the_line_back(at_terminal: Callable[..., Any]) -> None:
    """Ctrl-C while typing, also between three quotes, begins the line anew; the program goes on."""
    with MockOllama() as server:
        answers(server, "Yes.")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("half a ques")
        terminal.read_until("ques")
        terminal.interrupt_line(MARK)
        terminal.type('"""half\n')
        terminal.read_until("... ")
        terminal.interrupt_line(MARK)
        terminal.type("whole\n")
        terminal.read_until("Yes.")
        assert asked(server) == [[("user", "whole")]]


def test_a_failure_does_not_end_the_conversation(at_terminal: Callable[..., Any]) -> None:
    """At a terminal a failed answer is one line, its question is taken back, and another can be asked."""
    with MockOllama() as server:
        server.script([reply({"error": "out of memory"}, 500)])
        answers(server, "Yes.")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("One\n")
        assert "ollama-sync: out of memory" in terminal.read_until(MARK)
        terminal.type("Two\n")
        terminal.read_until("Yes.")
        assert asked(server)[1] == [("user", "Two")]


def test_a_model_that_is_not_there_ends_it_at_once(at_terminal: Callable[..., Any]) -> None:
    """Nobody types a question to a model that does not exist: it ends with 1 before the first mark."""
    with MockOllama(models=["other"]) as server:
        terminal = at_terminal("chat", "m", "--host", server.url)
        rest = terminal.read_rest()
        assert terminal.wait() == 1
    assert "not found" in rest
    assert MARK not in rest


def test_thinking_is_dim_at_a_terminal(at_terminal: Callable[..., Any]) -> None:
    """What the model thinks stands dim before the answer, and is not told to it again."""
    thought = {"role": "assistant", "content": "", "thinking": "Hm."}
    with MockOllama() as server:
        server.script(
            [stream([{"message": thought, "done": False}, said("42"), said("", done=True)])]
        )
        answers(server, "So.")
        terminal = at_terminal("chat", "m", "--host", server.url)
        terminal.read_until(MARK)
        terminal.type("Why?\n")
        assert "\x1b[2mHm.\x1b[0m\r\n\r\n42\r\n" in terminal.read_until(MARK)
        terminal.type("And?\n")
        terminal.read_until("So.")
        assert asked(server)[1][1] == ("assistant", "42")
