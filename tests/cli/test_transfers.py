"""pull, push and create, by call: what is asked of the server, what is printed, how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ollama_sync.cli import main
from ollama_sync.testing import MockOllama, chunk, end, head, reply, stream


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


@pytest.mark.parametrize("command", ["pull", "push"])
def test_a_transfer_ends_with_success(
    server: MockOllama, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """In a pipe there are plain lines, the last of which is the server's last word."""
    assert main([command, "llama3.2", "--host", server.url]) == 0
    lines = lines_of(capsys)
    assert lines[-1] == "success"
    assert not any("\x1b" in line for line in lines)
    (request,) = server.requests
    assert request.path == f"/api/{command}"
    assert (request.json["model"], request.json["stream"]) == ("llama3.2", True)
    assert not request.json.get("insecure")


@pytest.mark.parametrize("command", ["pull", "push"])
def test_insecure_is_handed_on(server: MockOllama, command: str) -> None:
    """A registry without TLS is allowed by the option only."""
    assert main([command, "llama3.2", "--insecure", "--host", server.url]) == 0
    assert server.requests[0].json["insecure"] is True


def test_json_is_every_part(server: MockOllama, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each part is a line, all of them, as the server sent them; unknown members too."""
    parts = [
        {"status": "pulling manifest"},
        {"status": "pulling 0a", "digest": "sha256:0a", "total": 9, "new": [1.5, None, "é🙂"]},
        {"status": "success"},
    ]
    server.script([stream(parts)], path="/api/pull")
    assert main(["pull", "m", "--json", "--host", server.url]) == 0
    assert [json.loads(line) for line in lines_of(capsys)] == parts


def test_an_error_in_the_midst_is_code_1(
    server: MockOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """What had been done is shown, then the error in one line."""
    server.script(
        [
            head(),
            chunk({"status": "pulling manifest"}),
            chunk({"error": "pull model manifest: file does not exist"}),
            end(),
        ],
        path="/api/pull",
    )
    assert main(["pull", "m", "--host", server.url]) == 1
    expected = ("pulling manifest\n", "ollama-sync: pull model manifest: file does not exist\n")
    assert capsys.readouterr() == expected


def test_a_refused_transfer_is_code_1(
    server: MockOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal before the first part is one line too."""
    server.script([reply({"error": "invalid model name"}, 400)], path="/api/push")
    assert main(["push", "m", "--host", server.url]) == 1
    assert capsys.readouterr().err.startswith("ollama-sync: invalid model name")


def test_create_reads_a_modelfile(
    server: MockOllama, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What the Modelfile says is asked for, with the level to quantize to."""
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text('FROM llama3.2\nPARAMETER top_k 3\nSYSTEM "Be brief. é"\n', "utf-8")
    words = ["create", "mine", "-f", str(modelfile), "-q", "Q8_0", "--host", server.url]
    assert main(words) == 0
    assert lines_of(capsys)[-1] == "success"
    asked = server.requests[0].json
    assert asked["model"] == "mine"
    assert asked["from"] == "llama3.2"
    assert asked["parameters"] == {"top_k": 3}
    assert asked["system"] == "Be brief. é"
    assert asked["quantize"] == "Q8_0"


def test_create_finds_the_modelfile_of_the_folder(
    server: MockOllama, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without -f it is ./Modelfile."""
    (tmp_path / "Modelfile").write_text("FROM here\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["create", "mine", "--host", server.url]) == 0
    assert server.requests[0].json["from"] == "here"


def test_create_reads_standard_input(server: MockOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -f - the Modelfile comes from a pipe."""
    monkeypatch.setattr("sys.stdin", io.StringIO("FROM piped\n"))
    assert main(["create", "mine", "-f", "-", "--host", server.url]) == 0
    assert server.requests[0].json["from"] == "piped"


def test_create_uploads_files(
    server: MockOllama, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Files are found beside the Modelfile, and uploaded; that this is about to happen is said first."""
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF" * 300)
    (tmp_path / "Modelfile").write_text("FROM ./tiny.gguf\n", "utf-8")
    assert main(["create", "mine", "-f", str(tmp_path / "Modelfile"), "--host", server.url]) == 0
    lines = lines_of(capsys)
    assert lines[0] == "preparing files: 1, 1.20 KB"
    assert lines[-1] == "success"
    assert list(server.requests[-1].json["files"]) == ["tiny.gguf"]
    assert any("/api/blobs/" in request.path for request in server.requests)


def test_what_servers_no_longer_know_is_one_line(
    server: MockOllama,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warning about the Modelfile is a line on stderr, and the model is made."""
    monkeypatch.setattr("sys.stdin", io.StringIO("FROM m\nPARAMETER mirostat 1\n"))
    assert main(["create", "mine", "-f", "-", "--json", "--host", server.url]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("ollama-sync: Modelfile, line 2: ")
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out.splitlines()[-1]) == {"status": "success"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"FORM llama3.2\n", "line 1: 'FORM'"),
        (b"SYSTEM x\n", "no FROM"),
        (b"FROM \xff\n", "not text in UTF-8"),
    ],
)
def test_a_wrong_modelfile_is_code_2(
    server: MockOllama,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: bytes,
    complaint: str,
) -> None:
    """The line says what is wrong with it, and nothing is sent."""
    modelfile = tmp_path / "Modelfile"
    modelfile.write_bytes(text)
    assert main(["create", "mine", "-f", str(modelfile), "--host", server.url]) == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.err.count("\n") == 1
    assert server.requests == ()


def test_a_modelfile_that_is_not_there_is_code_1(
    server: MockOllama, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The line names the file."""
    assert main(["create", "mine", "-f", str(tmp_path / "none"), "--host", server.url]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err
