"""The commands, by call and as processes: what they print, and how they exit."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ollama_sync import Client, ResponseError, __version__
from ollama_sync.cli import _mock, main
from ollama_sync.cli._args import parse
from ollama_sync.testing import Gate, MockOllama, chunk, end, head, reply, stream, wait

HI = [{"role": "user", "content": "hi"}]

# A shell that starts the tests in the background has SIGINT ignored, and children would inherit that.
_MAIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from ollama_sync.cli import main; sys.exit(main())"
)


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # What is written must be flushed where a reader waits for it: buffered, as a pipe is for most users.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": done}


def test_chat_prints_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer and one line end are on stdout, and nothing else; the question was asked as given."""
    with MockOllama() as server:
        server.script([stream([said("Hel"), said("lo 🙂"), said("", done=True)])])
        assert main(["chat", "m", "why?", "--host", server.url]) == 0
        asked = server.requests[0].json
    assert capsys.readouterr() == ("Hello 🙂\n", "")
    assert asked["model"] == "m"
    assert asked["messages"] == [{"role": "user", "content": "why?"}]


def test_generate_prints_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer and one line end are on stdout; what the model thinks is not, where no terminal can tell it apart."""
    parts = [
        {"response": "", "thinking": "Hm.", "done": False},
        {"response": "Hel", "done": False},
        {"response": "lo", "done": False},
        {"response": "", "done": True},
    ]
    words = ["generate", "m", "why?", "--system", "s", "--option", "top_k=3", "--think", "high"]
    with MockOllama() as server:
        server.script([stream(parts)], path="/api/generate")
        assert main([*words, "--format", "json", "--keep-alive", "5m", "--host", server.url]) == 0
        asked = server.requests[0].json
    assert capsys.readouterr() == ("Hello\n", "")
    assert asked["prompt"] == "why?"
    assert asked["system"] == "s"
    assert asked["options"] == {"top_k": 3}
    assert (asked["think"], asked["format"], asked["keep_alive"]) == ("high", "json", "5m")


def test_chat_takes_a_system_prompt_and_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system prompt comes first, and a dash is all of standard input without the last line end."""
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nb\n"))
    with MockOllama(chunks=1, delay=0) as server:
        assert main(["chat", "m", "-", "--system", "s", "--host", server.url]) == 0
        asked = server.requests[0].json
    assert capsys.readouterr().out == "A\n"
    assert asked["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a\nb"},
    ]


@pytest.mark.parametrize("command", ["chat", "generate"])
def test_json_of_an_answer_is_every_part(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each part is a line, as the server sent it, and nothing else is printed."""
    parts = [said("Hé"), {**said("", done=True), "total_duration": 5, "new": {"a": None}}]
    with MockOllama() as server:
        server.script([stream(parts)], path=f"/api/{command}")
        assert main([command, "m", "hi", "--json", "--host", server.url]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == parts
    assert captured.err == ""


@pytest.mark.own_process
def test_json_outlives_a_terminal_without_the_characters() -> None:
    """JSON in an encoding that lacks a character is escaped, and not spoiled."""
    with MockOllama() as server:
        server.script([stream([said("a🙂b", done=True)])])
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ollama_sync",
                "chat",
                "m",
                "hi",
                "--json",
                "--host",
                server.url,
            ],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
    assert json.loads(done.stdout)["message"]["content"] == "a🙂b"


def test_chat_goes_by_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --host the server is that of OLLAMA_HOST."""
    with MockOllama(chunks=2, delay=0) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        assert main(["chat", "m", "why?"]) == 0
    assert capsys.readouterr().out == "AA\n"


def test_a_refusal_is_one_line_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The server's own words reach stderr in one line, whatever they look like."""
    with MockOllama() as server:
        server.script([reply({"error": "model 'm'\nnot found"}, 404)])
        assert main(["chat", "m", "hi", "--host", server.url]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("ollama-sync: model 'm' not found")
    assert captured.err.count("\n") == 1


def test_a_failure_in_mid_answer_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """What had arrived was shown; then the error, and no traceback."""
    with MockOllama() as server:
        server.script([head(), chunk(said("Hel")), chunk({"error": "out of memory"}), end()])
        assert main(["chat", "m", "hi", "--host", server.url]) == 1
    captured = capsys.readouterr()
    assert captured.out == "Hel"
    assert captured.err == "ollama-sync: out of memory\n"


def test_a_server_that_is_not_there_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the address that was tried."""
    with MockOllama() as server:
        url = server.url
    assert main(["chat", "m", "hi", "--host", url]) == 1
    assert url in capsys.readouterr().err


def test_a_host_that_cannot_be_is_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument that only the client notices is a wrong argument all the same."""
    assert main(["chat", "m", "hi", "--host", "a b"]) == 2
    assert "host 'a b'" in capsys.readouterr().err


@pytest.mark.own_process
def test_text_that_the_terminal_lacks_is_replaced() -> None:
    """A terminal without a character shows a mark in its place; the answer goes on."""
    with MockOllama() as server:
        server.script([stream([said("a🙂b"), said("", done=True)])])
        done = subprocess.run(
            [sys.executable, "-m", "ollama_sync", "chat", "m", "hi", "--host", server.url],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
    assert done.stdout.split() == [b"a?b"]


@pytest.mark.own_process
def test_a_reader_that_leaves_ends_the_chat() -> None:
    """When the other end of a pipe has gone, the command ends without a traceback, and the generation with it."""
    gate = Gate()
    with MockOllama() as server:
        server.script([head(), chunk(said("x")), wait(gate), *[chunk(said("y"))] * 9, end()])
        with running("chat", "m", "hi", "--host", server.url) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read(1) == "x"
            process.stdout.close()
            gate.open()
            assert process.stderr.read() == ""
            assert process.wait(30) == 1


@pytest.mark.own_process
def test_a_reader_that_left_before_is_met_quietly() -> None:
    """What still waits in a buffer when the reader has left ends with 1 and no traceback either."""
    with MockOllama() as server:
        gate = Gate()
        server.script([wait(gate), reply({"models": []})], path="/api/tags")
        with running("list", "--host", server.url) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            gate.wait_reached()
            process.stdout.close()
            gate.open()
            assert process.stderr.read() == ""
            assert process.wait(30) == 1


@pytest.mark.own_process
def test_python_m_runs_it() -> None:
    """`python -m ollama_sync` is the same command line."""
    command = [sys.executable, "-m", "ollama_sync", "--version"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout == f"ollama-sync {__version__}\n"


@pytest.mark.own_process
def test_ctrl_c_cancels_the_chat() -> None:
    """Ctrl-C in mid-answer exits with 130, without a traceback, and the server is told to stop."""
    with MockOllama() as server:
        server.script([head(), chunk(said("x")), wait(Gate())])
        with running("chat", "m", "hi", "--host", server.url) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read(1) == "x"
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr.read() == ""
        server.wait_disconnect()


@pytest.mark.own_process
def test_ctrl_c_ends_the_mock() -> None:
    """A mock prints its URL first, serves, logs to stderr, and exits with 0 at Ctrl-C."""
    with running("mock", "--chunks", "45", "--delay", "0") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        with urlopen(f"{url}/api/version") as answer:
            assert b"version" in answer.read()
        assert main(["chat", "m", "hi", "--host", url]) == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        log = process.stderr.read().splitlines()
    chunks = [int(line.split()[1].rstrip(":")) for line in log]
    assert chunks == [*range(1, 21), 30, 40]
    assert all("made in" in line and "encoded in" in line and "since" in line for line in log)


@contextmanager
def mock(*words: str) -> Iterator[Client]:
    """Give a client of what `ollama-sync mock` runs with these options."""
    with _mock._server(parse(["mock", *words])) as server, Client(server.url) as client:
        yield client


def test_the_mock_says_a_text() -> None:
    """People who try things see words, one a part, and num_predict ends them."""
    with mock("--delay", "0") as client:
        told = client.generate("llama3.2", "hi", options={"num_predict": 3}, stream=True)
        assert [part.response for part in told] == ["Sunlight", " looks", " white,", ""]


def test_the_mock_has_a_library() -> None:
    """A model that is not in it gets 404, as the quickstart shows; `--model` names those that are."""
    with mock("--delay", "0") as client:
        assert [model.model for model in client.list().models] == [
            "llama3.2:latest",
            "all-minilm:latest",
        ]
        with pytest.raises(ResponseError, match="model 'no-such-model' not found"):
            client.chat("no-such-model", HI)
    with mock("--delay", "0", "--model", "one", "--model", "two:7b") as client:
        assert [model.model for model in client.list().models] == ["one:latest", "two:7b"]


def test_the_mock_calls_a_tool() -> None:
    """Given tools, it calls one, and then tells what the tool has returned."""

    def sunrise(city: str) -> str:
        """When the sun rises."""
        return f"at six in {city}"

    with mock("--delay", "0") as client:
        run = client.run_tools("llama3.2", HI, [sunrise])
        assert "sunrise says: at six in" in (run.result().message.content or "")


def test_the_mock_says_a_over_and_over() -> None:
    """With `--fake-stream`, or when the number of chunks is given, for every model."""
    with mock("--fake-stream", "--delay", "0") as client:
        assert client.generate("any", "hi").response == "A" * 1000
    with mock("--chunks", "4", "--delay", "0") as client:
        assert client.generate("any", "hi").response == "AAAA"


def test_the_mock_fails_as_often_as_asked() -> None:
    """With `--fail 0.5`, every second answer."""
    with mock("--fail", "0.5", "--delay", "0") as client:
        client.generate("llama3.2", "hi")
        with pytest.raises(ResponseError, match="server busy"):
            client.generate("llama3.2", "hi")


@pytest.mark.parametrize(
    ("words", "delay", "load"),
    [
        ((), 0.02, 0.0),
        (("--fake-stream",), 0.003, 0.0),
        (("--slow",), 0.2, 5.0),
        (("--slow", "--delay", "1"), 1.0, 5.0),
    ],
)
def test_the_mock_is_as_slow_as_asked(words: tuple[str, ...], delay: float, load: float) -> None:
    """`--slow` takes its time to load and to speak; a delay that is given wins."""
    fake = _mock._server(parse(["mock", *words]))._fake
    assert (fake.delay, fake.load) == (delay, load)


@pytest.mark.own_process
def test_the_mock_follows_a_script(tmp_path: Path) -> None:
    """Each line of the file answers one request, of a chat or a generate."""
    file = tmp_path / "answers.jsonl"
    file.write_text('"First answer"\n{"status": 503, "error": "server busy"}\n', encoding="utf-8")
    with running("mock", "--script", str(file)) as process:
        assert process.stdout is not None
        with Client(process.stdout.readline().strip()) as client:
            assert client.chat("any", HI).message.content == "First answer"
            with pytest.raises(ResponseError, match="server busy"):
                client.generate("any", "hi")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [(None, "No such file"), ('{"txt": "hi"}', "did you mean 'text'?"), ("", "no answer in it")],
)
def test_a_script_that_cannot_be_read_is_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str | None, said: str
) -> None:
    """Nothing is served, and a line says what is wrong."""
    file = tmp_path / "answers.jsonl"
    if script is not None:
        file.write_text(script, encoding="utf-8")
    assert main(["mock", "--script", str(file)]) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert str(file) in printed.err
    assert printed.out == ""


def test_a_port_that_is_taken_is_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A mock that cannot listen says so in one line, and leaves the log as it was."""
    log = logging.getLogger("ollama_sync.testing")
    before = (log.level, list(log.handlers))
    with MockOllama() as server:
        assert main(["mock", "--port", str(server.port)]) == 1
    assert "in use" in capsys.readouterr().err
    assert (log.level, list(log.handlers)) == before


def test_the_mock_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the server's thread and the log's handler are gone."""
    threads = threading.active_count()

    def interrupted(server: MockOllama) -> None:
        server.stop()
        raise KeyboardInterrupt

    monkeypatch.setattr(MockOllama, "serve_forever", interrupted)
    assert main(["mock"]) == 0
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
    assert threading.active_count() == threads
    assert logging.getLogger("ollama_sync.testing").handlers == []
