"""Every example runs as its reader would run it: as a program of its own, against a server that OLLAMA_HOST names."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ollama_sync.testing import (
    Gate,
    MockOllama,
    answer,
    chunk,
    end,
    head,
    reply,
    silence,
    stream,
    wait,
)

pytestmark = pytest.mark.once

EXAMPLES = Path(__file__).parents[2] / "examples"
PART = {"model": "m", "message": {"role": "assistant", "content": "once"}, "done": False}
LAST = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True}


def environment(server: MockOllama) -> dict[str, str]:
    return {**os.environ, "OLLAMA_HOST": server.url, "PYTHONIOENCODING": "utf-8"}


def run(server: MockOllama, name: str, *words: str, typed: str = "", code: int = 0) -> str:
    """Run an example to its end, with every warning an error, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *words],
        input=typed,
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
    """An example answers one question on one page: its first line says which, and it has at most 40 lines."""
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        first, *rest = (ast.get_docstring(ast.parse(source)) or "").splitlines()
        assert not rest or rest[0] == "", path.name
        question = re.match(r"[^?]+\?", first)
        assert question, path.name
        assert f"| {question[0]} | [{path.name}]({path.name}) |" in index
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


def test_history() -> None:
    """Each question is sent with all that was said before, the answers too."""
    with MockOllama(chunks=3, delay=0) as server:
        assert run(server, "history.py", typed="tea\ncoffee\n\n") == "> AAA\n> AAA\n> "
        first, second = (request.json["messages"] for request in server.requests)
    assert [message["content"] for message in first[1:]] == ["tea"]
    assert second[:2] == first
    assert second[2:] == [
        {"role": "assistant", "content": "AAA"},
        {"role": "user", "content": "coffee"},
    ]


def test_thinking() -> None:
    """What the model thinks is grey, what it answers is not."""
    with MockOllama() as server:
        server.script([answer(["It is ", "three."], thinking=["Letter ", "by letter."])])
        printed = run(server, "thinking.py", "How many r are in strawberry?")
        assert server.requests[0].json["think"] is True
    grey = "".join(re.findall("\033\\[90m(.*?)\033\\[0m", printed))
    plain = re.sub("\033\\[90m.*?\033\\[0m", "", printed)
    assert grey == "Letter by letter."
    assert plain == "It is three.\n17 characters thought, 12 answered\n"


def test_images(tmp_path: Path) -> None:
    """The bytes of the file are in the message."""
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8 a picture")
    with MockOllama(chunks=2, delay=0) as server:
        assert run(server, "images.py", str(tmp_path / "photo.jpg"), "What is this?") == "AA\n"
        (message,) = server.requests[0].json["messages"]
    assert message["content"] == "What is this?"
    assert [base64.b64decode(image) for image in message["images"]] == [b"\xff\xd8 a picture"]


def test_tools() -> None:
    """The model's calls reach the functions, with arguments of their types, and the results reach the model."""
    calls = ("today", {}), ("days_between", {"first": "2026-12-01", "last": "2026-12-31"})
    with MockOllama() as server:
        for call in calls:
            server.script([answer(tool_calls=[call])])
        server.script([answer(["Thirty."])])
        printed = run(server, "tools.py")
        *_, last = server.requests
    assert printed == "Thirty.\nTools that were used: ['today', 'days_between']\n"
    assert [tool["function"]["name"] for tool in last.json["tools"]] == ["today", "days_between"]
    results = [m["content"] for m in last.json["messages"] if m["role"] == "tool"]
    assert re.fullmatch(r"\W?\d{4}-\d\d-\d\d\W?", results[0])
    assert results[1] == "30"


def test_structured() -> None:
    """The schema is sent, and the answer is printed from the object made of it; one that does not fit is said to."""
    fault = {"thing": "kettle", "floor": 2, "urgency": "high"}
    with MockOllama() as server:
        server.script([answer([json.dumps({"faults": [fault]})])], "/api/generate")
        assert run(server, "structured.py") == "kettle, floor 2: high\n"
        assert "faults" in server.requests[0].json["format"]["properties"]
        server.script([answer(['{"faults": [{"thing"'], done_reason="length")], "/api/generate")
        assert run(server, "structured.py").startswith("Not understood: ")


def test_search() -> None:
    """The text whose vector is the question's comes first. The mock gives equal texts equal vectors, and others any."""
    with MockOllama() as server:
        first, *others = run(server, "search.py", "A violin has four strings.").splitlines()
    assert first == " 1.00  A violin has four strings."
    assert len(others) == 3


def test_search_file(tmp_path: Path) -> None:
    """What `embed --out` has stored is found again: the line whose vector is the question's comes first."""
    texts, vectors = tmp_path / "notes.txt", tmp_path / "notes.npy"
    texts.write_text("Tea is hot.\nA violin has four strings.\nIt rains.\n")
    with MockOllama() as server:
        words = ["embed", "all-minilm", "--lines", texts, "--out", vectors]
        subprocess.run(
            [sys.executable, "-m", "ollama_sync", *words], check=True, env=environment(server)
        )
        question = "A violin has four strings."
        printed = run(server, "search_file.py", str(texts), str(vectors), question)
    first, *others = printed.splitlines()
    assert first == " 1.00  A violin has four strings."
    assert len(others) == 2


def test_pull() -> None:
    """One bar grows over all layers, and is full at the end."""
    with MockOllama(delay=0.05) as server:  # so slow that a busy machine sees it grow, too
        *shown, last = run(server, "pull.py", "mistral").removesuffix("\033[K\n").split("\033[K")
    filled = [bar.count("#") for bar in shown]
    assert filled == sorted(filled)
    assert len(set(filled)) > 2
    assert last.strip() == "[" + "#" * 30 + "] 100% done"


def test_ui_loop() -> None:
    """A loop of 20 frames a second loses nothing of an answer that comes faster."""
    with MockOllama(chunks=500, delay=0.0005) as server:
        assert run(server, "ui_loop.py").endswith("\n500 characters\n")


def test_green() -> None:
    """Under gevent three answers are followed at once, and another greenlet goes on meanwhile."""
    with MockOllama(chunks=100, delay=0.01) as server:
        *answers, ticks = run(server, "green.py").splitlines()
    assert answers == ["100 characters"] * 3
    assert int(ticks.split()[0]) > 5


def test_gevent_server() -> None:
    """Two browsers are answered at once, and a third that leaves stops its model."""
    gates = Gate(), Gate()
    with MockOllama() as server:
        for gate in gates:
            server.script([head(), chunk(PART), wait(gate), chunk(LAST), end()])
        with started(server, EXAMPLES / "gevent_server.py", "0") as process:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            with asking(port, "/?green+tea") as one:
                assert read_until(one, b"once\r\n").startswith(b"HTTP/1.1 200")
                with asking(port, "/?coffee") as other:
                    assert b"once" in read_until(other, b"once\r\n")
                    for gate in gates:
                        gate.open()
                    assert read_until(one, b"\r\n\r\n") == b"0\r\n\r\n"
                    assert read_until(other, b"\r\n\r\n") == b"0\r\n\r\n"
            assert server.requests[0].json["messages"][0]["content"] == "green tea"
            server.on("POST", "/api/chat", [stream([PART] * 100_000, delay=0.002)])
            with asking(port, "/?water") as browser:
                read_until(browser, b"once")
            server.wait_disconnect(timeout=30)


def test_many_prompts() -> None:
    """One thread follows eight answers, and has each one whole."""
    with MockOllama(chunks=30, delay=0.001) as server:
        lines = run(server, "many_prompts.py").splitlines()
        assert len(server.requests) == 8
    assert len(lines) == 8
    assert all(line.endswith(": " + "A" * 30) for line in lines)


def test_fleet() -> None:
    """Eight prompts are answered, each once, by the servers that there are."""
    with MockOllama(chunks=3, delay=0) as server:
        lines = run(server, "fleet.py").splitlines()
        assert sum(request.path == "/api/generate" for request in server.requests) == 8
    assert len(lines) == 8
    assert all(line.endswith(": AAA") for line in lines)


def test_timeouts() -> None:
    """A model that answers in time is no error; one that says nothing is named as such."""
    with MockOllama(chunks=5, delay=0) as server:
        assert run(server, "timeouts.py") == "AAAAA\n"
        server.script([silence()])
        assert "No token in 0.2 s" in run(server, "timeouts.py", "0.2", code=1)
        server.wait_disconnect()


def test_observe() -> None:
    """A hook draws one bar for each call, with all its steps."""
    with MockOllama(chunks=20, delay=0.001) as server:
        lines = run(server, "observe.py").splitlines()
    assert len(lines) == 3
    for line in lines:
        bar, _, rest = line.partition(" ")
        assert len(bar) == 60
        assert set(bar) <= set(".-#")
        assert rest.endswith(" s, 21 parts")


def test_retry() -> None:
    """A busy server is asked again, which the log tells; one that wants more time than there is is given up."""
    with MockOllama(chunks=5, delay=0) as server:
        server.script([reply({"error": "busy"}, 503, {"Retry-After": "1"})])
        with started(server, EXAMPLES / "retry.py") as process:
            assert process.stdout is not None
            said = process.stdout.read()
            assert process.wait(30) == 0, said
        assert "attempt 1 failed" in said
        assert said.endswith("AAAAA\n")
        server.script([reply({"error": "busy"}, 503, {"Retry-After": "90"})])
        assert "Given up: busy" in run(server, "retry.py", code=1)


def test_cancel() -> None:
    """The stop button ends an answer in its middle: what had come is shown, and the server is told to stop."""
    with MockOllama() as server:
        server.script([head(), chunk(PART), wait(Gate())])
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
def asking(port: int, target: str) -> Iterator[socket.socket]:
    """Connect to a server of this machine as a browser does, and ask for a page."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as browser:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        browser.sendall(head.encode())
        yield browser


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
        port = int(found[1])
        with asking(port, "/ask?about=tea") as browser:
            yield browser
        # Another round trip: what the first request left behind has been said by then.
        with asking(port, "/end") as browser:
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
        answer = read_until(browser, b"event: end\n")
        assert server.requests[0].json["messages"][0]["content"] == "tea"
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b'"content":"A"') == 20


def test_flask_stream_stops_with_the_browser() -> None:
    """When the browser hangs up in mid-answer, the model's server sees the generation cancelled."""
    pytest.importorskip("flask")
    with MockOllama(chunks=100_000, delay=0.002) as server, flask_running(server) as browser:
        assert b'"A"' in read_until(browser, b'"A"')
        assert server.disconnects == 0
        browser.close()
        server.wait_disconnect(timeout=30)


def test_flask_stream_refuses_with_a_status() -> None:
    """A model that is not there is an error status, and not a stream that ends early."""
    pytest.importorskip("flask")
    with MockOllama(models=["other"]) as server, flask_running(server) as browser:
        answer = read_until(browser, b"not found")
    assert answer.startswith(b"HTTP/1.1 404")


def test_flask_stream_says_that_no_server_is_there() -> None:
    """A refused connection is an error status too."""
    pytest.importorskip("flask")
    with MockOllama() as server:
        pass
    with flask_running(server) as browser:
        answer = read_until(browser, b"cannot be reached")
    assert answer.startswith(b"HTTP/1.1 502")
