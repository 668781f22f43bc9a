"""Blobs, and models made of files: what is uploaded, and what is not."""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from ollama_sync import Client, ClosedError, Modelfile, RequestError, ResponseError
from ollama_sync.testing import Gate, MockOllama, reply, wait

SIZE = 5_000_000


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A file of some megabytes whose every byte counts."""
    path = tmp_path / "model.gguf"
    path.write_bytes(array("I", range(SIZE // 4)))
    return path


EMPTY = "sha256:" + hashlib.sha256(b"").hexdigest()


def digest_of(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_uploaded_once(server: MockOllama, client: Client, model_file: Path) -> None:
    """The server gets every byte, under the right digest; what it has is not sent again."""
    digest = client.create_blob(model_file)
    assert digest == digest_of(model_file)
    assert client.blob_exists(digest)
    assert client.create_blob(str(model_file)) == digest
    assert [request.method for request in server.requests] == ["HEAD", "POST", "HEAD", "HEAD"]
    upload = server.requests[1]
    assert upload.body == model_file.read_bytes()
    assert upload.headers["content-length"] == str(SIZE)
    assert upload.headers["content-type"] == "application/octet-stream"


def test_an_empty_file_is_a_blob_too(server: MockOllama, client: Client, tmp_path: Path) -> None:
    """Nothing to send still has a length, and shows progress that is over at once."""
    empty = tmp_path / "empty"
    empty.touch()
    seen: list[tuple[str, int, int]] = []
    assert client.create_blob(empty, on_progress=lambda *told: seen.append(told)) == digest_of(
        empty
    )
    assert all(told == ("uploading", 0, 0) for told in seen)


def test_progress_is_told_on_the_callers_thread(
    server: MockOllama, client: Client, model_file: Path
) -> None:
    """Hashing and uploading are told of, in order, and never go back."""
    gate = Gate()
    seen: list[tuple[str, int, int]] = []
    threads: set[int] = set()

    def told(phase: str, done: int, total: int) -> None:
        seen.append((phase, done, total))
        threads.add(threading.get_ident())
        if phase == "uploading":
            gate.open()

    digest = digest_of(model_file)
    server.script(
        [wait(gate)], path=f"/api/blobs/{digest}"
    )  # HEAD waits until nothing waits for it
    gate.open()
    with pytest.raises(ConnectionError):  # the script ends without a reply
        client.create_blob(model_file, on_progress=told)
    seen.clear()
    client.create_blob(model_file, on_progress=told)
    hashing = [done for phase, done, total in seen if phase == "hashing"]
    uploading = [done for phase, done, total in seen if phase == "uploading"]
    assert hashing == sorted(hashing)
    assert hashing[-1] == SIZE
    assert uploading == sorted(uploading)
    assert all(total == SIZE for _, _, total in seen)
    assert threads == {threading.get_ident()}


def test_an_upload_can_be_cut_off(
    server: MockOllama, client: Client, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Closing the client ends an upload that the server does not take, and its caller hears of it."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    errors: list[BaseException] = []
    uploading = threading.Event()

    def told(phase: str, _done: int, _total: int) -> None:
        if phase == "uploading":
            uploading.set()

    def upload() -> None:
        try:
            client.create_blob(large, on_progress=told)
        except ClosedError as error:
            errors.append(error)

    gate = Gate()
    server.on("POST", "/api/blobs/*", [wait(gate)])
    thread = threading.Thread(target=upload)
    thread.start()
    assert uploading.wait(20)
    client.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(errors) == 1
    gate.open()


def test_a_wrong_digest_is_the_servers_to_refuse(
    server: MockOllama, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changed after it was hashed does not become a blob under the old digest."""
    path = tmp_path / "changing"
    path.write_bytes(b"before")
    real = Client.blob_exists

    def change_meanwhile(*args: object) -> bool:
        path.write_bytes(b"after!")
        return False

    monkeypatch.setattr("ollama_sync._client.verbs.transfer.blob_exists", change_meanwhile)
    with pytest.raises(ResponseError, match="digest mismatch"):
        client.create_blob(path)
    assert not real(client, digest_of(path))


@pytest.mark.parametrize("path", ["no/such/file", "nul\0", 5, None])
def test_a_file_that_cannot_be_read_is_named(
    server: MockOllama, client: Client, path: object
) -> None:
    """Nothing is sent."""
    with pytest.raises(RequestError, match="path="):
        client.create_blob(path)  # type: ignore[arg-type] # wrong types are the point
    assert server.requests == ()


@pytest.mark.parametrize("digest", ["sha256:xyz", "../../etc", "", None, "SHA256:" + 64 * "0"])
def test_what_is_no_digest_reaches_no_path(
    server: MockOllama, client: Client, digest: object
) -> None:
    """A digest is a part of the path, so nothing else may stand in its place."""
    with pytest.raises(RequestError, match="digest="):
        client.blob_exists(digest)  # type: ignore[arg-type] # wrong types are the point
    assert server.requests == ()


def test_create_uploads_what_is_missing(
    server: MockOllama, client: Client, model_file: Path, tmp_path: Path
) -> None:
    """Files given as paths become digests; digests given as text stay."""
    small = tmp_path / "adapter"
    small.write_bytes(b"adapter")
    known = client.create_blob(small)
    progress = client.create(
        "mine", files={"model.gguf": model_file}, adapters={"a.gguf": known}, system="Be brief."
    )
    assert progress.status == "success"
    sent = server.requests[-1].json
    assert sent["files"] == {"model.gguf": digest_of(model_file)}
    assert sent["adapters"] == {"a.gguf": known}
    assert sent["system"] == "Be brief."
    assert client.blob_exists(digest_of(model_file))


def test_a_modelfile_becomes_a_model(server: MockOllama, client: Client, model_file: Path) -> None:
    """What `Modelfile.parse` reads is what `create` takes."""
    text = f"FROM ./{model_file.name}\nPARAMETER temperature 0\nSYSTEM Be brief.\n"
    parsed = Modelfile.parse(text, folder=model_file.parent)
    with client.create("mine", stream=True, **parsed.to_create_arguments()) as stream:
        assert stream.result().status == "success"
    assert server.requests[-1].json["parameters"] == {"temperature": 0}


def test_a_file_of_the_wrong_kind_is_named(server: MockOllama, client: Client) -> None:
    """Which file, and what is accepted."""
    with pytest.raises(RequestError, match=r"files\['a'\]=5"):
        client.create("mine", files={"a": 5})  # type: ignore[dict-item] # the wrong type is the point
    assert server.requests == ()


@pytest.mark.parametrize("status", [400, 405, 501])
def test_a_gateway_that_does_not_know_the_question_gets_the_file(
    status: int, server: MockOllama, client: Client, tmp_path: Path
) -> None:
    """Whatever it answers to HEAD but yes, the upload is tried; what is wrong there, that says."""
    server.script([reply("", status)], path=f"/api/blobs/{EMPTY}")
    (tmp_path / "empty").touch()
    assert client.create_blob(tmp_path / "empty") == EMPTY
    assert [request.method for request in server.requests] == ["HEAD", "POST"]
