"""Every example runs as its reader would run it: as a program of its own, against a server that OLLAMA_HOST names."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ollama_sync.testing import Gate, MockOllama, chunk, head, silence, wait

EXAMPLES = Path(__file__).parents[2] / "examples"


def environment(server: MockOllama) -> dict[str, str]:
    return {**os.environ, "OLLAMA_HOST": server.url, "PYTHONIOENCODING": "utf-8"}


def run(server: MockOllama, name: str, *words: str, code: int = 0) -> str:
    """Run an example to its end, with every warning an error, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *words],
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        env=environment(server),
    )
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


@contextmanager
def started(server: MockOllama, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program, and end it."""
    process = subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(server),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_examples_are_short_and_explained() -> None:
    """An example answers one question on one page: a docstring that says which, and at most 40 lines."""
    paths = sorted(EXAMPLES.glob("*.py"))
    assert len(paths) >= 8
    for path in paths:
        source = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(source)), path.name
        assert source.count("\n") <= 40, path.name


def test_every_example_is_run_here() -> None:
    """No example is forgotten: each is named by a test of this module."""
    own = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in own, path.name


def test_chat() -> None:
    """The shortest program prints the answer, and nothing else."""
    with MockOllama(chunks=50, delay=0) as server:
        assert run(server, "chat.py") == "A" * 50 + "\n"


def test_ui_loop() -> None:
    """A loop of 20 frames a second loses nothing of an answer that comes faster."""
    with MockOllama(chunks=500, delay=0.0005) as server:
        assert run(server, "ui_loop.py").endswith("\n500 characters\n")


def test_green() -> None:
    """Under gevent three answers are followed at once, and another greenlet goes on meanwhile."""
    with MockOllama(chunks=100, delay=0.003) as server:
        *answers, ticks = run(server, "green.py").splitlines()
    assert answers == ["100 characters"] * 3
    assert int(ticks.split()[0]) > 5


def test_many_prompts() -> None:
    """One thread follows eight answers, and has each one whole."""
    with MockOllama(chunks=30, delay=0.001) as server:
        lines = run(server, "many_prompts.py").splitlines()
        assert len(server.requests) == 8
    assert len(lines) == 8
    assert all(line.endswith(": " + "A" * 30) for line in lines)


def test_timeouts() -> None:
    """A model that answers in time is no error; one that says nothing is named as such."""
    with MockOllama(chunks=5, delay=0) as server:
        assert run(server, "timeouts.py") == "AAAAA\n"
        server.script([silence()])
        assert "No token in 0.2 s" in run(server, "timeouts.py", "0.2", code=1)
        server.wait_disconnect()


def test_cancel() -> None:
    """The stop button ends an answer in its middle: what had come is shown, and the server is told to stop."""
    part = {"model": "m", "message": {"role": "assistant", "content": "once"}, "done": False}
    with MockOllama() as server:
        server.script([head(), chunk(part), wait(Gate())])
        with started(server, EXAMPLES / "cancel.py") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            shown = ""
            while "once" not in shown:
                more = process.stdout.read(1)
                assert more, shown
                shown += more
            process.stdin.write("\n")
            process.stdin.flush()
            server.wait_disconnect()
            assert process.stdout.read().endswith("\nstopped after 1 parts\n")
            assert process.wait(30) == 0


def test_with_responses() -> None:
    """The example's own tests pass without a server."""
    with MockOllama() as server:
        command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
        with started(server, *command, EXAMPLES / "test_with_responses.py") as process:
            assert process.stdout is not None
            said = process.stdout.read()
            assert process.wait(30) == 0, said
        assert "2 passed" in said
        assert server.requests == ()


@contextmanager
def flask_running(server: MockOllama) -> Iterator[socket.socket]:
    """Run the Flask example in Flask's own server, and give a connection to it."""
    app = EXAMPLES / "flask_stream.py"
    command = ["-W", "always::ResourceWarning", "-m", "flask", "--app", app, "run", "--port", "0"]
    with started(server, *command) as process:
        assert process.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        address = ("127.0.0.1", int(found[1]))
        with socket.create_connection(address, timeout=30) as browser:
            browser.sendall(b"GET /ask?about=tea HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            yield browser
        # Another round trip: what the first request left behind has been said by then.
        with socket.create_connection(address, timeout=30) as browser:
            browser.sendall(b"GET /end HTTP/1.0\r\n\r\n")
            assert b" 404 " in read_until(browser, b"</html>")
        process.kill()
        said += process.stdout.read()
    # A stream that only the garbage collector has ended was not closed.
    assert "ResourceWarning" not in said, said


def read_until(browser: socket.socket, end: bytes) -> bytes:
    """Read until `end` has come, or the end of the connection."""
    data = b""
    while end not in data and (more := browser.recv(65536)):
        data += more
    return data


def test_flask_stream_is_whole() -> None:
    """The view streams the answer to its end."""
    pytest.importorskip("flask")
    with MockOllama(chunks=20, delay=0.001) as server, flask_running(server) as browser:
        answer = read_until(browser, b"A" * 1000)
        assert server.requests[0].json["messages"][0]["content"] == "tea"
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"A") == 20


def test_flask_stream_stops_with_the_browser() -> None:
    """When the browser hangs up in mid-answer, the model's server sees the generation cancelled."""
    pytest.importorskip("flask")
    with MockOllama(chunks=100_000, delay=0.002) as server, flask_running(server) as browser:
        assert b"A" in read_until(browser, b"A")
        assert server.disconnects == 0
        browser.close()
        server.wait_disconnect(timeout=30)


def test_flask_stream_refuses_with_a_status() -> None:
    """A model that is not there is an error status, and not a stream that ends early."""
    pytest.importorskip("flask")
    with MockOllama(models=["other"]) as server, flask_running(server) as browser:
        answer = read_until(browser, b"not found")
    assert answer.startswith(b"HTTP/1.1 502")


def test_flask_stream_says_that_no_server_is_there() -> None:
    """A refused connection is an error status too."""
    pytest.importorskip("flask")
    with MockOllama() as server:
        pass
    with flask_running(server) as browser:
        answer = read_until(browser, b"No answer")
    assert answer.startswith(b"HTTP/1.1 502")
