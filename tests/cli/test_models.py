"""list, ps, show, copy, delete, version and embed, by call: what is asked, and what is printed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.cli import main
from ollama_sync.testing import MockOllama, reply


def run(server: MockOllama, *words: str) -> int:
    return main([*words, "--host", server.url])


def test_list_is_a_table(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """Each model is a row: name, id, size, and when it changed."""
    assert run(server, "list") == 0
    titles, row = capsys.readouterr().out.splitlines()
    assert titles.split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert row.startswith("llama3.2:latest    ")
    assert row.endswith(" ago")


def test_ps_is_a_table(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """Each loaded model is a row; when none is loaded there are the titles alone."""
    assert run(server, "ps") == 0
    titles = capsys.readouterr().out.splitlines()
    assert [line.split() for line in titles] == [
        ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    ]
    assert run(server, "chat", "llama3.2", "hi") == 0
    assert run(server, "ps") == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("llama3.2:latest")
    assert "100% GPU" in row
    assert row.endswith("minutes from now")


def test_show_is_a_page(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """What is known stands in sections; metadata and tensors on demand only, which the server is asked for then."""
    assert run(server, "show", "llama3.2") == 0
    out = capsys.readouterr().out
    assert out.startswith("  Model\n    architecture        llama\n")
    assert "Tensors" not in out
    assert server.requests[-1].json == {"model": "llama3.2"}
    assert run(server, "show", "llama3.2", "--verbose") == 0
    out = capsys.readouterr().out
    assert "  Tensors\n    token_embd.weight" in out
    assert "general.parameter_count" in out
    assert server.requests[-1].json == {"model": "llama3.2", "verbose": True}


@pytest.mark.parametrize(
    ("only", "begin"),
    [("modelfile", "# Modelfile"), ("template", "{{ .System }}"), ("system", "\n")],
)
def test_show_prints_one_thing(
    server: MockOllama, capsys: pytest.CaptureFixture[str], only: str, begin: str
) -> None:
    """One text alone is printed as it is, for use in a file; one that is not there is empty."""
    assert run(server, "show", "llama3.2", f"--{only}") == 0
    assert capsys.readouterr().out.startswith(begin)


def test_copy_and_delete(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """What was done is said, model by model, up to one that is refused."""
    assert run(server, "copy", "llama3.2", "mine") == 0
    assert run(server, "list") == 0
    assert "mine:latest" in capsys.readouterr().out
    server.reset()
    server.script([reply(b"")], path="/api/delete")
    server.script([reply({"error": "model 'b' not found"}, 404)], path="/api/delete")
    assert run(server, "delete", "a", "b", "c") == 1
    captured = capsys.readouterr()
    assert captured.out == "deleted 'a'\n"
    assert "model 'b' not found" in captured.err
    assert [request.json["model"] for request in server.requests] == ["a", "b"]


def test_version_is_that_of_the_server(
    server: MockOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the bare version, for scripts."""
    server.script([reply({"version": "1.2.3"})], path="/api/version")
    assert run(server, "version") == 0
    assert capsys.readouterr().out == "1.2.3\n"


def test_embed_prints_vectors(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """Each text is a line, a JSON array, in the order of the texts."""
    server.script([reply({"embeddings": [[0.5, -1.25e-05], [1, 0]]})], path="/api/embed")
    assert run(server, "embed", "m", "one", "two", "--dimensions", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [[0.5, -1.25e-05], [1, 0]]
    assert server.requests[0].json == {"model": "m", "input": ["one", "two"], "dimensions": 2}


def test_a_text_may_come_from_a_pipe(server: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash is all of standard input, without the last line end."""
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert run(server, "embed", "m", "-") == 0
    assert server.requests[0].json["input"] == ["one\ntwo"]


def test_vectors_can_be_stored(
    server: MockOllama, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With --out a file has a row for each text, those of the lines of a file behind the others, and the name as given."""
    numpy = pytest.importorskip("numpy")
    server.script([reply({"embeddings": [[0.5, -0.25], [1, 0], [0, 2]]})], path="/api/embed")
    lines, out = tmp_path / "lines.txt", tmp_path / "vectors"
    lines.write_text("two\nthree\n")
    assert run(server, "embed", "m", "one", "--lines", str(lines), "--out", str(out)) == 0
    assert server.requests[0].json["input"] == ["one", "two", "three"]
    assert numpy.load(out).tolist() == [[0.5, -0.25], [1, 0], [0, 2]]
    assert capsys.readouterr().out == f"3 vectors of 2 numbers: {out}\n"


def test_vectors_of_nothing_are_code_2(
    server: MockOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a text nothing is asked."""
    assert run(server, "embed", "m") == 2
    assert not server.requests
    assert "--lines" in capsys.readouterr().err


def test_storing_without_numpy_says_what_to_install(
    server: MockOllama, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra that has numpy is named before the server has worked for nothing."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert run(server, "embed", "m", "a", "--out", "x.npy") == 2
    assert not server.requests
    assert "ollama-sync[numpy]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "path", "sent"),
    [
        (["list"], "/api/tags", {"models": [{"name": "a", "new": {"x": None}}], "more": 1.5}),
        (["ps"], "/api/ps", {"models": []}),
        (["show", "m"], "/api/show", {"model_info": {"a.b": [1, 2]}, "license": "é\n🙂"}),
        (["version"], "/api/version", {"version": "0.1", "commit": "c"}),
        (["embed", "m", "a"], "/api/embed", {"model": "m", "embeddings": [[0.25]]}),
    ],
)
def test_json_is_the_reply(
    server: MockOllama,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    path: str,
    sent: dict[str, Any],
) -> None:
    """With --json the reply is one line, with all that the server sent."""
    server.script([reply(sent)], path=path)
    assert run(server, *words, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == sent


def test_json_of_empty_replies(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the server says nothing but that it is done, the SDK's word for that is printed."""
    assert run(server, "copy", "llama3.2", "b", "--json") == 0
    assert run(server, "delete", "b", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"status": "success"}] * 2


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["ps"],
        ["show", "m"],
        ["copy", "a", "b"],
        ["delete", "m"],
        ["version"],
        ["embed", "m", "a"],
        ["generate", "m", "a"],
        ["pull", "m"],
        ["push", "m"],
    ],
)
def test_without_a_server_each_is_code_1(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was asked, nothing is on stdout, and one line on stderr names the address."""
    with MockOllama() as server:
        url = server.url
    assert main([*words, "--host", url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert url in captured.err
    assert captured.err.count("\n") == 1


def test_an_argument_that_only_the_sdk_refuses_is_code_2(
    server: MockOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty name reaches no server."""
    assert run(server, "copy", "", "b") == 2
    assert "source" in capsys.readouterr().err
    assert server.requests == ()
