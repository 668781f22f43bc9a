"""What a program says to a server is recorded, and played back; what is secret or another each time is not in the file."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client, ResponseError, StreamBroken, UsageError
from ollama_sync.testing import (
    Gate,
    MockOllama,
    NotRecorded,
    answer,
    chunk,
    close,
    end,
    head,
    playback,
    record,
    reply,
    wait,
)
from ollama_sync.testing._tape import steady

HI = [{"role": "user", "content": "hi"}]
PART = {"model": "m", "message": {"role": "assistant", "content": "Well"}, "done": False}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.fixture
def play(file: Path) -> Iterator[Any]:
    """Start a playback of the file and give a client of it."""
    with ExitStack() as stack:

        def start() -> Client:
            return stack.enter_context(Client(stack.enter_context(playback(file)).url))

        yield start


def talk(client: Client) -> list[Any]:
    """A program that does a little of everything."""
    said: list[Any] = [client.version().version]
    said.append([model.model for model in client.list().models])
    said.append([part.message.content for part in client.chat("m", HI, stream=True)])
    said.append(client.generate("m", "hi").response)
    said.append(client.embed("minilm", "hi").embeddings[0][:3])
    said.append([part.status for part in client.pull("new", stream=True)])
    said.append(client.copy("m", "n").status)
    said.append(client.blob_exists("sha256:" + "0" * 64))
    try:
        client.copy("m", "?")
    except ResponseError as error:
        said.append((error.error, error.status_code))
    return said


def test_what_was_recorded_is_played_back(server: MockOllama, file: Path, play: Any) -> None:
    """A program hears from the recorder what it hears from the server, and from the recording the same again."""
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        heard = talk(client)
    assert heard[0] == "0.33.0"
    assert heard[-1][1] == 400
    assert talk(play()) == heard


def test_two_recordings_of_the_same_are_equal(server: MockOllama, file: Path) -> None:
    """Neither the time of day nor the server's speed is in the file: it changes only where the server says otherwise."""
    files = []
    for _ in range(2):
        with record(file, server.url) as recorder, Client(recorder.url) as client:
            talk(client)
            client.ps()
            client.delete("n")
            client.delete("new")
        files.append(file.read_text(encoding="utf-8"))
        server.reset()
    assert files[0] == files[1]
    assert "hi" in files[0]


def test_a_line_is_a_part(server: MockOllama, file: Path, play: Any) -> None:
    """The file has a line for the request, one for the status, and one for each part; texts are readable."""
    server.script([answer(["Grüß", " Gott\u2028"])])
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        client.chat("m", HI, stream=True).result()
    request, status, *parts = rows(file)
    assert request["request"] == "POST /api/chat"
    assert request["body"]["messages"] == HI
    assert status == {"status": 200, "type": "application/x-ndjson"}
    assert [row["part"]["message"]["content"] for row in parts] == ["Grüß", " Gott\u2028", ""]
    assert file.read_bytes().count(b"\n") == 5
    assert "Grüß" in file.read_text(encoding="utf-8")
    assert parts[-1]["part"]["eval_duration"] == 1_000_000
    assert play().chat("m", HI, stream=True).result().message.content == "Grüß Gott\u2028"


def test_no_secret_is_recorded(server: MockOllama, file: Path) -> None:
    """Headers are forwarded and not recorded; members and parameters that are named as secrets lose their texts."""
    secrets = ["sk-one", "sk-two", "sk-three", "sk-four", "sk-five", "sk-six"]
    server.on("POST", "/api/push", [reply({"signin_url": "sk-five", "n": [{"Api-Key": "sk-six"}]})])
    with record(file, server.url) as recorder:
        connection = http.client.HTTPConnection(recorder.host, recorder.port, timeout=10)
        headers = {"Authorization": "Bearer sk-one", "Cookie": "a=sk-two"}
        body = json.dumps({"model": "m", "x": [{"password": "sk-three"}], "token": 7})
        connection.request("POST", "/api/push?api_key=sk-four&n=1", body, headers)
        assert json.loads(connection.getresponse().read())["signin_url"] == "sk-five"
        connection.close()
    assert server.requests[0].headers["Authorization"] == "Bearer sk-one"
    assert server.requests[0].query == "api_key=sk-four&n=1"
    assert server.requests[0].headers["Host"] == f"127.0.0.1:{server.port}"
    text = file.read_text(encoding="utf-8")
    assert not [secret for secret in secrets if secret in text]
    assert "&n=1" in text
    assert rows(file)[0]["body"]["token"] == 7, (
        "a number is no secret: schemas and options have such names"
    )


def test_a_request_that_differs_fails_the_test(server: MockOllama, file: Path) -> None:
    """The end of the block raises what differs, place by place, also when the program has swallowed its error."""
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        client.chat("m", HI, options={"seed": 1})
        client.chat("other", [{"role": "system", "content": "hm"}], options={"seed": 1})
    player = playback(file).start()
    with Client(player.url) as client, pytest.raises(ResponseError, match=r"talk\.jsonl"):
        client.chat("m", [{"role": "user", "content": "ho"}], format="json")
    with pytest.raises(NotRecorded) as raised:
        player.stop()
    said = str(raised.value)
    assert "the nearest of 2 differs" in said
    assert 'body.messages[0].content: recorded "hi", now "ho"' in said
    assert 'body.options: recorded {"seed": 1}, now absent' in said
    assert 'body.format: not recorded, now "json"' in said
    player.start()
    with Client(player.url) as client, pytest.raises(ResponseError):
        client.ps()
    with pytest.raises(NotRecorded, match=r"GET /api/ps is not in .*recorded are POST /api/chat"):
        player.stop()


def test_each_reply_is_given_once_and_in_order(server: MockOllama, file: Path) -> None:
    """Equal requests get their replies in the recorded order; one too many fails. Others may come in any order."""
    for text in ("one", "two"):
        server.script([answer([text])], "/api/generate")
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        client.version()
        client.generate("m", "hi")
        client.generate("m", "hi")
    player = playback(file).start()
    with Client(player.url) as client:
        assert [client.generate("m", "hi").response for _ in range(2)] == ["one", "two"]
        assert client.version().version
        with pytest.raises(ResponseError):
            client.generate("m", "hi")
    with pytest.raises(NotRecorded, match="recorded 2 times, and asked once more"):
        player.stop()


def test_parts_pass_as_they_come(server: MockOllama, file: Path) -> None:
    """The recorder holds nothing back: a part is there while the next one is still being made."""
    gate = Gate()
    server.script([head(), chunk(PART), wait(gate), chunk(PART | {"done": True}), end()])
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        stream = client.chat("m", HI, stream=True)
        assert next(stream).message.content == "Well"
        gate.open()
        assert stream.result().done


def test_a_client_that_hangs_up(server: MockOllama, file: Path, play: Any) -> None:
    """The server is told, what had come is recorded, and played back the stream stays open until the client goes again."""
    server.script([head(), chunk(PART), wait(Gate())])
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        with client.chat("m", HI, stream=True) as stream:
            next(stream)
        server.wait_disconnect()
    assert rows(file)[2:] == [{"part": PART}, {"cut": "client"}]
    with play().chat("m", HI, stream=True) as stream:
        assert next(stream).message.content == "Well"
        assert stream.poll(timeout=0.05) == []
        assert not stream.done


def test_a_client_that_leaves_before_the_answer(server: MockOllama, file: Path) -> None:
    """A request without an answer is no exchange, and is left out."""
    gate = Gate()
    server.script([wait(gate)])
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        with client.chat("m", HI, stream=True):
            gate.wait_reached()
        server.wait_disconnect()
        client.version()
    assert [row["request"] for row in rows(file) if "request" in row] == ["GET /api/version"]


def test_a_server_that_breaks_off(server: MockOllama, file: Path, play: Any) -> None:
    """A reply that the server cut is cut for the program, in the recording and again in the playback."""
    server.script([head(), chunk(PART), close()])
    with ExitStack() as stack:
        recorder = stack.enter_context(record(file, server.url))
        client = stack.enter_context(Client(recorder.url))
        with pytest.raises(StreamBroken):
            client.chat("m", HI, stream=True).result()
    assert rows(file)[2:] == [{"part": PART}, {"cut": "server"}]
    with pytest.raises(StreamBroken) as raised:
        play().chat("m", HI, stream=True).result()
    assert raised.value.partial.message.content == "Well"


def test_an_error_line_is_a_part(server: MockOllama, file: Path, play: Any) -> None:
    """What goes wrong in mid-stream is played back as it was."""
    server.script([answer(["a"], error="out of memory")])
    with ExitStack() as stack:
        recorder = stack.enter_context(record(file, server.url))
        client = stack.enter_context(Client(recorder.url))
        with pytest.raises(StreamBroken):
            client.chat("m", HI, stream=True).result()
    with pytest.raises(StreamBroken, match="out of memory"):
        play().chat("m", HI, stream=True).result()


def test_a_blob_is_a_digest(server: MockOllama, file: Path, tmp_path: Path, play: Any) -> None:
    """Bytes that are no JSON are recorded by their digest, and compared by it."""
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(b"\x00\xff" * 1000)
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        digest = client.create_blob(weights)
    assert rows(file)[-1]["status"] == 201
    assert any(row.get("body", {}).get("bytes") == 2000 for row in rows(file))
    assert play().create_blob(weights) == digest


def test_many_at_once(server: MockOllama, file: Path, play: Any) -> None:
    """Programs with threads are recorded too: each request with its own reply."""

    def ask_all(client: Client) -> list[str]:
        said: dict[int, str] = {}

        def ask(number: int) -> None:
            said[number] = client.generate("m", str(number), stream=True).result().response or ""

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [said[number] for number in range(8)]

    def shout(request: Any) -> Any:
        return [answer([f"<{request.json['prompt']}>"])]

    server.on("POST", "/api/generate", shout)
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        heard = ask_all(client)
    assert heard == [f"<{number}>" for number in range(8)]
    assert ask_all(play()) == heard


def test_a_block_that_raises_keeps_the_old_file(server: MockOllama, file: Path) -> None:
    """A recording that broke off does not replace a good one."""
    file.write_text("old", encoding="utf-8")
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(LookupError))
        recorder = stack.enter_context(record(file, server.url))
        stack.enter_context(Client(recorder.url)).version()
        raise LookupError
    assert file.read_text(encoding="utf-8") == "old"


def test_an_upstream_that_is_not_there(file: Path) -> None:
    """The program is told so by a status, the test by an error that names the server."""
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(OSError, match=r"cannot reach http://127\.0\.0\.1:1"))
        recorder = stack.enter_context(record(file, "http://127.0.0.1:1"))
        client = stack.enter_context(Client(recorder.url))
        with pytest.raises(ResponseError, match="cannot reach"):
            client.version()
    assert not file.exists()
    with pytest.raises(UsageError, match="localhost:11434"), record(file, "localhost:11434"):
        pass


def test_a_file_that_is_no_recording(file: Path) -> None:
    """A broken file is refused at once, with the line."""
    for text in ('{"request": "GET /"}\n{"who": 1}\n', '{"request": "GET /"}\nno\n'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="line 2"):
            playback(file)
    file.write_text('{"part": {}}', encoding="utf-8")
    with pytest.raises(UsageError, match="line 1"):
        playback(file)
    with pytest.raises(FileNotFoundError):
        playback(file.with_name("none"))


@pytest.mark.parametrize(
    "name",
    ["x-api-key", "accessToken", "session_id", "sig", "client_secret", "privateKey", "APIKEY"],
)
def test_what_smells_of_a_key_is_hidden(name: str) -> None:
    """By a word in its name, however that is written."""
    assert steady({name: "sk-one"}) == {name: "(not recorded)"}


@pytest.mark.parametrize("name", ["design", "keyboard", "tokens", "content", "authority"])
def test_what_only_sounds_so_is_kept(name: str) -> None:
    """Whole words count; and the token of a log probability is text of the model's."""
    assert steady({name: "text"}) == {name: "text"}
    assert steady({"token": "Hi", "logprob": -0.1})["token"] == "Hi"


@pytest.mark.skipif(os.name != "posix", reason="no such modes")
def test_a_recording_is_for_its_maker_alone(server: MockOllama, file: Path) -> None:
    """Prompts may be nobody else's business."""
    with record(file, server.url) as recorder, Client(recorder.url) as client:
        client.version()
    assert file.stat().st_mode & 0o777 == 0o600
