"""The mock's words under the `responses` library: as the SDK hears them, and a program that uses requests itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from ollama_sync import Client, ResponseError, StreamBroken, UsageError
from ollama_sync.testing import (
    Gate,
    MockOllama,
    Request,
    add_chat,
    add_embed,
    add_error,
    add_generate,
    add_list,
    add_mock,
    add_script,
    answer,
    chunk,
    close,
    end,
    head,
    reply,
    silence,
    stream,
    wait,
)

HI = [{"role": "user", "content": "hi"}]
CHAT = {"model": "m", "messages": HI}


@pytest.fixture
def rsps() -> Iterator[responses.RequestsMock]:
    """A mock of requests that complains of what was added and never asked for."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a server that does not exist."""
    with Client("http://mocked.example:11434") as made:
        yield made


@pytest.mark.parametrize("streams", [True, False])
def test_one_answer_serves_both(rsps: Any, client: Client, streams: bool) -> None:
    """`add_chat` answers what streams and what does not, with equal words."""
    call = ("get_weather", {"city": "Paris"})
    add_chat(rsps, ["Hel", "lo"], thinking=["so"], tool_calls=[call], done_reason="length")
    said = client.chat("m", HI, stream=True).result() if streams else client.chat("m", HI)
    assert (said.message.content, said.message.thinking) == ("Hello", "so")
    assert (said.message.tool_calls or [])[0].function.arguments == {"city": "Paris"}
    assert (said.done_reason, said.model) == ("length", "m")
    assert json.loads(rsps.calls[0].request.body)["messages"] == HI


def test_answers_come_in_the_order_in_which_they_were_added(rsps: Any, client: Client) -> None:
    """Each answers once, and the last one stays."""
    add_generate(rsps, ["a"])
    add_generate(rsps, ["b"], thinking=["so"], done_reason="length")
    said = [client.generate("m", "hi", stream=True).result() for _ in range(3)]
    assert [one.response for one in said] == ["a", "b", "b"]
    assert (said[1].thinking, said[1].done_reason) == ("so", "length")


def test_a_program_that_uses_requests_itself(rsps: Any) -> None:
    """What is answered is Ollama's on the wire as well: NDJSON with its content type, or one JSON object."""
    add_chat(rsps, ["a", "b"])
    said = requests.post("http://127.0.0.1:11434/api/chat", json=CHAT, stream=True, timeout=10)
    assert said.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["done"] for line in said.iter_lines()] == [False, False, True]
    asked = CHAT | {"stream": False}
    whole = requests.post("https://far.example/base/api/chat", json=asked, timeout=10)
    assert whole.headers["Content-Type"] == "application/json; charset=utf-8"
    assert whole.json()["message"]["content"] == "ab"


@pytest.mark.parametrize("streams", [True, False])
def test_an_error_instead(rsps: Any, client: Client, streams: bool) -> None:
    """`add_error` answers with the status and the words."""
    add_error(rsps, 503, "server busy")
    with pytest.raises(ResponseError, match="server busy") as raised:
        list(client.chat("m", HI, stream=streams))
    assert raised.value.status_code == 503
    add_error(rsps, 404, "no such model", "/api/show")
    with pytest.raises(ResponseError, match="no such model"):
        client.show("m")


def test_an_error_in_mid_stream(rsps: Any, client: Client) -> None:
    """What came before the error line is delivered, then it is raised."""
    add_chat(rsps, ["a"], error="out of memory")
    add_generate(rsps, ["b"], error="out of memory")
    for call, text in ((client.chat, HI), (client.generate, "hi")):
        broken = call("m", text, stream=True)
        assert not next(broken).done
        with pytest.raises(StreamBroken, match="out of memory"):
            next(broken)


def test_vectors_and_models(rsps: Any, client: Client) -> None:
    """`add_embed` gives the vectors, `add_list` the models, in whole replies."""
    add_embed(rsps, [[0.6, 0.8], [1.0, 0.0]])
    said = client.embed("minilm", ["one", "two words"])
    assert [list(vector) for vector in said.embeddings] == [[0.6, 0.8], [1.0, 0.0]]
    assert (said.model, said.prompt_eval_count) == ("minilm", 3)
    add_list(rsps, ["llama3.2", "gemma3:1b"])
    models = client.list().models
    assert [model.model for model in models] == ["llama3.2:latest", "gemma3:1b"]
    assert models[0].size


def test_a_wrong_embed_is_refused_as_by_a_server(rsps: Any) -> None:
    """The vectors are for requests that a server would accept."""
    add_embed(rsps, [[1.0]])
    said = requests.post("http://127.0.0.1:11434/api/embed", json={}, timeout=10)
    assert said.status_code in (400, 404)
    assert list(said.json()) == ["error"]


def test_everything_else_is_the_mocks(client: Client) -> None:
    """`add_mock` answers every route from one library, whatever the method; what was added before comes first."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as rsps:
        add_chat(rsps, ["mine"])
        add_mock(rsps, models=["llama3.2"], chunks=2)
        assert client.chat("llama3.2", HI).message.content == "mine"
        assert client.chat("llama3.2", HI).message.content == "AA"
        assert client.version().version
        client.pull("gemma3")
        client.delete("llama3.2")
        assert [model.model for model in client.list().models] == ["gemma3:latest"]
        assert not client.blob_exists("sha256:" + "0" * 64)
        with pytest.raises(ResponseError, match="not found"):
            client.chat("llama3.2", HI)


def test_one_host_may_be_meant(client: Client) -> None:
    """With `host` no other server is answered for."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as rsps:
        add_chat(rsps, ["other"], host="http://other.example:11434/")
        add_chat(rsps, ["mine"], host="http://mocked.example:11434")
        assert client.chat("m", HI).message.content == "mine"
        assert client.chat("m", HI).message.content == "mine"
        with Client("http://other.example:11434") as other:
            assert other.chat("m", HI).message.content == "other"


def test_a_path_is_meant_exactly(rsps: Any, client: Client) -> None:
    """A path answers for itself, without regard to a query; with a star for all that begin so."""
    add_script(rsps, [reply({"error": "one"}, 400)], "/api/tags", "GET")
    add_script(rsps, [reply({"error": "some"}, 400)], "/api/v*", "GET")
    for path, error in (("/api/tags?x=1", "one"), ("/api/version", "some"), ("/api/v", "some")):
        said = requests.get(f"http://mocked.example{path}", timeout=10)
        assert said.json()["error"] == error
    with pytest.raises(requests.ConnectionError):
        requests.get("http://mocked.example/api/tags/more", timeout=10)


def test_scripts_say_the_same_as_on_the_server(rsps: Any, client: Client) -> None:
    """A script, a function that makes one, and cut-up chunks: byte for byte what `MockOllama` sends."""
    parts = [{"response": "A"}, {"response": "B", "done": True}]
    lines = json.dumps(parts[1]).encode() + b"\n"

    def shout(request: Request) -> Any:
        return [reply({"response": request.json["prompt"].upper()})]

    scripts: list[Any] = [
        [stream(parts)],
        [head(), chunk(parts[0]), chunk(lines[:5]), chunk(lines[5:]), end()],
        shout,
        [answer(["x"])],
    ]
    for script in scripts:
        rsps.add_passthru("http://127.0.0.1")
        with MockOllama() as server:
            server.on("POST", "/api/generate", script)
            asked = {"model": "m", "prompt": "hi", "stream": False}
            real = requests.post(f"{server.url}/api/generate", json=asked, timeout=10)
        add_script(rsps, script, "/api/generate")
        mocked = requests.post("http://mocked.example/api/generate", json=asked, timeout=10)
        assert without_time(mocked.text) == without_time(real.text)
        assert mocked.headers["Content-Type"] == real.headers["Content-Type"]
        rsps.reset()


def without_time(text: str) -> list[Any]:
    return [json.loads(line) | {"created_at": None} for line in text.splitlines()]


@pytest.mark.parametrize(
    "step", [silence(), wait(Gate()), close()], ids=lambda step: type(step).__name__
)
def test_what_needs_a_connection_is_refused(rsps: Any, client: Client, step: Any) -> None:
    """Steps that a mock of requests cannot play say so, and do not hang."""
    add_script(rsps, [head(), chunk({"response": "A"}), step], "/api/generate")
    with pytest.raises(UsageError, match="MockOllama"):
        client.generate("m", "hi", stream=True).result()


def test_an_incomplete_script_is_refused(rsps: Any, client: Client) -> None:
    """A reply without its end is the script's mistake, and is reported as that."""
    add_script(rsps, [head(), chunk({"response": "A"})], "/api/generate")
    with pytest.raises(UsageError, match="no complete reply"):
        client.generate("m", "hi", stream=True).result()


@responses.activate
def test_the_module_may_be_given(client: Client) -> None:
    """The decorator of the library works as well: then the module itself is what is added to."""
    add_chat(responses, ["Hello"])
    assert client.chat("m", HI).message.content == "Hello"
    assert len(responses.calls) == 1
