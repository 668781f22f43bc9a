"""`run_batch`: a file of requests in, a file of answers out, after whatever end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Fleet, RequestError, plan_batch, run_batch
from ollama_sync.testing import Gate, MockOllama, chunk, close, head, pause, reply, wait

Eventually = Callable[[Callable[[], object]], None]


def answer(text: str) -> Any:
    return reply({"model": "m", "response": text, "done": True, "eval_count": 2})


@pytest.fixture
def echo(server: MockOllama) -> MockOllama:
    """A server that answers each prompt with itself; "bad" by an error."""

    def respond(request: Any) -> Any:
        text = request.json["prompt"]
        return [reply({"error": "no"}, 500)] if text == "bad" else [answer(text)]

    server.on("POST", "/api/generate", respond)
    return server


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("one\nbad\ntwo\n")
    return path


def lines(path: Path) -> dict[str, Any]:
    """The lines of a file of answers by their keys, each of which is there once."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    keys = [line.get("key") or line["custom_id"] for line in found]
    assert len(keys) == len(set(keys))
    return dict(zip(keys, found, strict=True))


def test_every_request_has_a_line(echo: MockOllama, prompts: Path, tmp_path: Path) -> None:
    """Answers and failures are in the file, and the summary counts them."""
    out = tmp_path / "out.jsonl"
    summary = run_batch(prompts, out, servers=echo.url, model="m")
    found = lines(out)
    assert found["line 1"]["reply"]["response"] == "one"
    assert found["line 2"]["error"].startswith("no")
    assert found["line 2"]["type"] == "ResponseError"
    assert (summary.total, summary.answered, summary.failed, summary.earlier) == (3, 2, 1, 0)
    assert (summary.tokens, summary.ok, summary.left) == (4, False, 0)


def test_a_second_run_asks_only_what_is_left(
    echo: MockOllama, prompts: Path, tmp_path: Path
) -> None:
    """What has an answer is not asked again; what failed is, when that was asked for."""
    out = tmp_path / "out.jsonl"
    run_batch(prompts, out, servers=echo.url, model="m")
    with prompts.open("a") as file:
        file.write("three\n")
    summary = run_batch(prompts, out, servers=echo.url, model="m")
    assert (summary.total, summary.answered, summary.earlier) == (4, 3, 3)
    asked = Counter(request.json["prompt"] for request in echo.requests)
    assert asked == {"one": 1, "bad": 1, "two": 1, "three": 1}
    echo.on("POST", "/api/generate", [answer("now")])
    summary = run_batch(prompts, out, servers=echo.url, model="m", retry_failed=True)
    assert (summary.ok, summary.earlier) == (True, 3)
    assert lines(out)["line 2"]["reply"]["response"] == "now"


def test_an_output_of_another_input_is_refused(
    echo: MockOllama, prompts: Path, tmp_path: Path
) -> None:
    """Before anything is sent: an answer to another request under a key, or under a key that there is not."""
    out = tmp_path / "out.jsonl"
    run_batch(prompts, out, servers=echo.url, model="m")
    before, asked = out.read_bytes(), len(echo.requests)
    prompts.write_text("another\nbad\ntwo\n")
    with pytest.raises(RequestError, match="its answer to 'line 1' is to another request"):
        run_batch(prompts, out, servers=echo.url, model="m")
    prompts.write_text("one\n")
    with pytest.raises(RequestError, match="which is not in the input"):
        run_batch(prompts, out, servers=echo.url, model="m")
    assert (out.read_bytes(), len(echo.requests)) == (before, asked)


def test_two_requests_of_one_key_are_refused(echo: MockOllama, tmp_path: Path) -> None:
    """One of them could not be gone on with."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    with pytest.raises(RequestError, match="two requests have the key 'a'"):
        run_batch(path, tmp_path / "out.jsonl", servers=echo.url, model="m")
    assert not echo.requests


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"verb": "pull"}, "'chat', 'generate', 'embed'"),
        ({"modle": "m"}, "did you mean 'model'"),
        ({"parallel": 0}, "parallel=0"),
        ({"input_format": "xml"}, "input_format='xml'"),
        ({"servers": []}, "at least one server"),
        ({"options": 7}, "options=7"),
    ],
)
def test_wrong_arguments_are_said_first(
    echo: MockOllama, prompts: Path, tmp_path: Path, more: dict[str, Any], text: str
) -> None:
    """Nothing is sent when it can be known that it would be wrong."""
    with pytest.raises(RequestError, match=text):
        run_batch(prompts, tmp_path / "o", **{"servers": echo.url, **more})
    assert not echo.requests


def test_a_fleet_answers_a_batch(tmp_path: Path) -> None:
    """Over several servers, one of which breaks a reply: every key is there once."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f'{{"id": {number}, "prompt": "{number}"}}\n' for number in range(40)))
    with (
        MockOllama(models=["m"], chunks=3, delay=0) as one,
        MockOllama(models=["m"], chunks=3, delay=0) as two,
    ):
        one.script([head(), chunk({"response": "x"}), close()], path="/api/generate")
        summary = run_batch(path, tmp_path / "out", servers=[one.url, two.url], model="m")
        assert summary.ok
        assert len(lines(tmp_path / "out")) == 40
        with Fleet([one.url]) as fleet:
            assert run_batch(path, tmp_path / "out2", servers=fleet, model="m").ok
            assert fleet.generate("m", "x").response


def test_lines_of_openais_format_are_answered_in_kind(server: MockOllama, tmp_path: Path) -> None:
    """The verb is that of the first line, and a line for another fails by itself."""
    messages = [{"role": "user", "content": "hi"}]
    asked = [
        ("a", "/v1/chat/completions", {"model": "m", "messages": messages}),
        ("b", "/v1/embeddings", {"model": "m", "input": "x"}),
    ]
    rows = [
        {"custom_id": key, "method": "POST", "url": url, "body": body} for key, url, body in asked
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = run_batch(path, tmp_path / "out", servers=server.url)
    found = lines(tmp_path / "out")
    choice = found["a"]["response"]["body"]["choices"][0]
    assert choice["message"]["content"] == "AAA"
    assert "is for embed" in found["b"]["error"]["message"]
    assert (summary.answered, summary.failed) == (1, 1)
    assert run_batch(path, tmp_path / "out", servers=server.url).earlier == 2


def test_vectors_become_a_matrix(server: MockOllama, tmp_path: Path) -> None:
    """In the order of the input, when all are there; until then the answers are beside it."""
    np = pytest.importorskip("numpy")
    path = tmp_path / "texts.jsonl"
    path.write_text(
        '{"id": "a", "input": ["x", "y"]}\n{"id": "b", "input": "z"}\n{"id": "c", "input": 3}\n'
    )
    out = tmp_path / "v.npy"
    assert run_batch(path, out, "embed", servers=server.url, model="m").failed == 1
    assert not out.exists()
    path.write_text('{"id": "a", "input": ["x", "y"]}\n{"id": "b", "input": "z"}\n')
    (tmp_path / "v.npy.jsonl").unlink()
    assert run_batch(path, out, "embed", servers=server.url, model="m", parallel=1).ok
    matrix = np.load(out)
    assert matrix.shape[0] == 3
    found = lines(tmp_path / "v.npy.jsonl")
    expected = found["a"]["reply"]["embeddings"] + found["b"]["reply"]["embeddings"]
    assert np.allclose(matrix, expected)
    with pytest.raises(RequestError, match="holds vectors"):
        run_batch(path, tmp_path / "w.npy", servers=server.url, model="m")


def test_a_dry_run_only_looks(echo: MockOllama, prompts: Path, tmp_path: Path) -> None:
    """Nothing is sent, nothing is written, and a torn line is not mended."""
    out = tmp_path / "out.jsonl"
    plan = plan_batch(prompts, out, model="m")
    assert (plan.total, plan.earlier, plan.left) == (3, 0, 3)
    assert plan.first == ("line 1", {"model": "m", "prompt": "one"})
    assert not out.exists()
    run_batch(prompts, out, servers=echo.url, model="m")
    with out.open("ab") as file:
        file.write(b"{torn")
    before = out.read_bytes()
    assert plan_batch(prompts, out, model="m").earlier == 3
    assert plan_batch(prompts, out, model="m", retry_failed=True).earlier == 2
    assert out.read_bytes() == before
    assert len(echo.requests) == 3


def test_progress_is_told_after_each_answer(
    echo: MockOllama, prompts: Path, tmp_path: Path
) -> None:
    """With how many earlier runs had done, so that a bar begins where it was."""
    out = tmp_path / "out.jsonl"
    told: list[tuple[int, int | None, int]] = []

    def tell(progress: Any, earlier: int, outcome: Any) -> None:
        assert outcome.item.key.startswith("line")
        told.append((progress.done, progress.total, earlier))

    run_batch(prompts, out, servers=echo.url, model="m", parallel=1, on_progress=tell)
    assert told == [(1, 3, 0), (2, 3, 0), (3, 3, 0)]


_BATCH = """
import sys
from ollama_sync import run_batch
summary = run_batch(sys.argv[1], sys.argv[2], servers=sys.argv[3], model="m", parallel=4)
print(summary.answered, summary.total)
"""


def start(path: Path, out: Path, url: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _BATCH, str(path), str(out), url]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.own_process
def test_a_batch_survives_being_killed_ten_times(server: MockOllama, tmp_path: Path) -> None:
    """Every key is there once, no line is half, and no prompt whose answer is in the file is asked again."""
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(f'{{"id": {number}, "prompt": "{number}"}}\n' for number in range(300)))
    asked: list[str] = []
    news = threading.Semaphore(0)

    def respond(request: Any) -> Any:
        asked.append(request.json["prompt"])
        news.release()
        return [pause(0.002), answer(request.json["prompt"] * 50)]

    server.on("POST", "/api/generate", respond)
    chance = random.Random(7)
    for _ in range(10):
        answered = {json.loads(line)["key"] for line in whole_lines(out)}
        before = len(asked)
        process = start(path, out, server.url)
        for _ in range(chance.randrange(5, 30)):
            if not news.acquire(timeout=10):
                break
        process.kill()
        process.communicate(timeout=10)
        assert not answered & set(asked[before:])
    process = start(path, out, server.url)
    said, complaint = process.communicate(timeout=60)
    assert said == "300 300\n", complaint
    assert sorted(map(int, lines(out))) == list(range(300))


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, as the next start will find them."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1].splitlines()


@pytest.mark.own_process
@pytest.mark.skipif(os.name != "posix", reason="no such signal")
def test_ctrl_c_ends_a_batch_at_once(server: MockOllama, tmp_path: Path) -> None:
    """What was done is in the file, and the process is gone although calls were open."""
    path, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    path.write_text("a\nb\nc\nd\n")
    gates = [Gate(), Gate()]
    server.script([answer("a")], path="/api/generate")
    server.script([answer("b")], path="/api/generate")
    for gate in gates:
        server.script([wait(gate), answer("x")], path="/api/generate")
    process = start(path, out, server.url)
    for gate in gates:
        gate.wait_reached(timeout=20)
    while len(whole_lines(out)) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in complaint
    assert len(lines(out)) == 2
    for gate in gates:
        gate.open()
