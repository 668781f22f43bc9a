"""The mock's own routes: each like a real server's, and all of one mind about which models there are."""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ollama_sync.testing import MockOllama, reply
from ollama_sync.testing._schemas import example

KEY = {"Authorization": "Bearer key"}
DATA = b"GGUF and so on"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
OTHER = f"sha256:{'a' * 64}"
CHAT = {"messages": [{"role": "user", "content": "hi"}]}

Call = Callable[..., "tuple[int, Any]"]


@pytest.fixture
def server() -> Iterator[MockOllama]:
    """A mock with one model, without delays."""
    with MockOllama(chunks=3, delay=0, models=["llama3.2"]) as running:
        yield running


def ask(
    server: MockOllama, method: str, path: str, body: Any = None, headers: Any = None
) -> tuple[int, Any]:
    """Make one request; give its status and its body: decoded, as a list where it is a stream, None where it is empty."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, headers or {})
    response = connection.getresponse()
    said = response.read()
    connection.close()
    if response.getheader("Content-Type") == "application/x-ndjson":
        return response.status, [json.loads(line) for line in said.splitlines()]
    return response.status, json.loads(said) if said else None


@pytest.fixture
def call(server: MockOllama) -> Call:
    """Make one request of `server`."""
    return lambda *args: ask(server, *args)


def names(call: Call) -> list[str]:
    return [model["name"] for model in call("GET", "/api/tags")[1]["models"]]


def loaded(call: Call) -> list[str]:
    return [model["name"] for model in call("GET", "/api/ps")[1]["models"]]


def words(parts: list[dict[str, Any]]) -> list[str]:
    """Give each status of a stream once, without the digests in it."""
    said = [part["status"].partition(" sha256:")[0] for part in parts]
    return list(dict.fromkeys(said))


# One library.


def test_what_is_pulled_is_there(call: Call) -> None:
    """A pulled model is listed first, shown, and answers; a deleted one is gone everywhere."""
    assert call("POST", "/api/chat", {"model": "new", **CHAT})[0] == 404
    call("POST", "/api/pull", {"model": "new"})
    assert names(call) == ["new:latest", "llama3.2:latest"]
    assert call("POST", "/api/chat", {"model": "new", **CHAT, "stream": False})[0] == 200
    assert loaded(call) == ["new:latest"]
    assert call("DELETE", "/api/delete", {"model": "new"}) == (200, None)
    assert (names(call), loaded(call)) == (["llama3.2:latest"], [])
    for method, path in (("POST", "/api/show"), ("DELETE", "/api/delete"), ("POST", "/api/chat")):
        assert call(method, path, {"model": "new"})[0] == 404


def test_a_copy_is_the_same_model(call: Call) -> None:
    """A copy has the digest of its source, and stays when the source goes."""
    body = {"source": "llama3.2", "destination": "me/mine:1"}
    assert call("POST", "/api/copy", body) == (200, None)
    copy, source = call("GET", "/api/tags")[1]["models"]
    assert (copy["name"], copy["digest"]) == ("me/mine:1", source["digest"])
    call("DELETE", "/api/delete", {"name": "llama3.2"})
    assert names(call) == ["me/mine:1"]
    _, parts = call("POST", "/api/push", {"model": "me/mine:1"})
    blobs = [f"/api/blobs/{part['digest']}" for part in parts if "digest" in part]
    assert {call("HEAD", blob)[0] for blob in blobs} == {200}, "they are the copy's as well"
    call("DELETE", "/api/delete", {"name": "me/mine:1"})
    assert {call("HEAD", blob)[0] for blob in blobs} == {404}


def test_reset_restores_the_models(server: MockOllama, call: Call) -> None:
    """After `reset` the models are those of the beginning, and somebody is signed in again."""
    call("POST", "/api/pull", {"model": "new"})
    call("POST", "/api/signout")
    server.reset()
    assert names(call) == ["llama3.2:latest"]
    assert call("POST", "/api/me")[0] == 200


def test_without_names_every_model_exists_until_it_is_deleted() -> None:
    """A mock without a list of models knows every name, lists one, and yet forgets what is deleted."""
    with MockOllama(chunks=1, delay=0) as server:
        assert ask(server, "POST", "/api/show", {"model": "any"})[0] == 200
        assert ask(server, "DELETE", "/api/delete", {"model": "any"})[0] == 200
        assert ask(server, "POST", "/api/show", {"model": "any:latest"})[0] == 404
        assert ask(server, "DELETE", "/api/delete", {"model": "any"})[0] == 404
        ask(server, "POST", "/api/pull", {"model": "any"})
        assert ask(server, "POST", "/api/show", {"model": "any"})[0] == 200
        assert ask(server, "POST", "/api/show", {"model": "bad name!"})[0] == 404


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("LLAMA3.2", "llama3.2:latest"),
        ("registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest"),
        ("library/llama3.2", "llama3.2:latest"),
        ("http://127.0.0.1:5000/library/good", "127.0.0.1:5000/library/good:latest"),
        ("hf.co/me/model:Q4_K_M", "hf.co/me/model:Q4_K_M"),
    ],
)
def test_names(call: Call, asked: str, known: str) -> None:
    """Names are the same with and without the server's defaults, in any case; other hosts stay in them."""
    call("POST", "/api/pull", {"model": asked})
    assert known in names(call)
    assert len(names(call)) == len({known, "llama3.2:latest"})


# What streams.


def test_a_pull_tells_of_each_layer(call: Call) -> None:
    """Manifest, layers with their bytes, and the words that end it; layers that are there come once, complete."""
    status, first = call("POST", "/api/pull", {"model": "new"})
    assert status == 200
    assert first[0] == {"status": "pulling manifest"}
    assert [p["status"] for p in first[-3:]] == [
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    layers = [part for part in first if "digest" in part]
    assert all(p["status"] == f"pulling {p['digest'][7:19]}" for p in layers)
    done = [p.get("completed", 0) for p in layers if p["digest"] == layers[0]["digest"]]
    assert done == sorted(done)
    assert len(set(done)) == 20 + 1
    assert "completed" not in layers[0], "what is 0 is left out"
    again = [p for p in call("POST", "/api/pull", {"model": "new"})[1] if "digest" in p]
    assert len(again) == len({p["digest"] for p in layers}) == 5
    assert all(p["completed"] == p["total"] for p in again)


def test_a_pull_that_was_cut_goes_on() -> None:
    """What a client had pulled before it went away need not be pulled again; until all of it is there is no model."""
    with MockOllama(models=[], delay=0.02) as server:
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(b'POST /api/pull HTTP/1.1\r\nContent-Length: 15\r\n\r\n{"model":"new"}')
            said = b""
            while b'"completed":' not in said:
                said += client.recv(65536)
        server.wait_disconnect()
        assert ask(server, "GET", "/api/tags")[1] == {"models": []}
        _, parts = ask(server, "POST", "/api/pull", {"model": "new"})
    assert parts[1]["completed"] > 0
    assert parts[-1] == {"status": "success"}
    assert parts[1]["digest"].encode() in said, "it is the layer that was cut"


def test_a_push(call: Call) -> None:
    """The manifest is retrieved, layers are told of, the manifest is pushed."""
    _, parts = call("POST", "/api/push", {"model": "llama3.2"})
    assert parts[0] == {"status": "retrieving manifest"}
    assert parts[-2:] == [{"status": "pushing manifest"}, {"status": "success"}]
    assert parts[-3]["completed"] == parts[-3]["total"]
    assert parts[1]["status"] == f"pushing {parts[1]['digest'][7:19]}"


def test_a_push_of_nothing(call: Call) -> None:
    """What is not there fails in mid-stream, or with a 500 without a stream."""
    _, parts = call("POST", "/api/push", {"model": "me/nope"})
    assert [*parts[0].values(), *parts[1].values()] == [
        "retrieving manifest",
        "couldn't retrieve manifest",
    ]
    assert "manifests/registry.ollama.ai/me/nope/latest: no such file" in parts[2]["error"]
    status, said = call("POST", "/api/push", {"model": "nope", "stream": False})
    assert (status, list(said)) == (500, ["error"])
    assert "library/nope/latest" in said["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/pull", {"model": "new"}),
        ("/api/push", {"model": "llama3.2"}),
        ("/api/create", {"model": "new", "from": "llama3.2"}),
    ],
)
def test_without_a_stream_only_the_end_is_told(call: Call, path: str, body: Any) -> None:
    """The one object is the last of the stream, and the work is done."""
    assert call("POST", path, body | {"stream": False}) == (200, {"status": "success"})
    assert body["model"] == "llama3.2" or "new:latest" in names(call)


def test_a_model_made_from_another(call: Call) -> None:
    """It says what it was told, has its parent's weights, and show prints it as a Modelfile."""
    told = {
        "system": "Be brief.",
        "license": ["MIT", "and more"],
        "parameters": {"stop": ["a", "b"], "temperature": 0.5},
        "messages": [{"role": "user", "content": "hi"}],
        "renderer": "qwen3",
        "requires": "0.14.0",
    }
    body = {"model": "mine", "from": "llama3.2", **told}
    _, parts = call("POST", "/api/create", body)
    expected = ["using existing layer", "creating new layer", "writing manifest", "success"]
    assert words(parts) == expected
    assert words(call("POST", "/api/create", body)[1]) == [expected[0], *expected[2:]]
    _, said = call("POST", "/api/show", {"model": "mine"})
    assert said["details"]["parent_model"] == "llama3.2:latest"
    assert said["system"] == "Be brief."
    assert said["license"] == "MIT\nand more"
    assert (said["messages"], said["renderer"], said["requires"]) == (
        told["messages"],
        "qwen3",
        "0.14.0",
    )
    assert said["parameters"].splitlines() == [
        'stop                           "a"',
        'stop                           "b"',
        "temperature                    0.5",
    ]
    for row in ("# FROM mine:latest", 'SYSTEM """Be brief."""', 'PARAMETER stop "b"'):
        assert row in said["modelfile"].splitlines()


def test_a_model_made_from_one_that_is_not_there(call: Call) -> None:
    """The server pulls it first."""
    _, parts = call("POST", "/api/create", {"model": "mine", "from": "base"})
    assert parts[0] == {"status": "pulling manifest"}
    assert names(call) == ["mine:latest", "base:latest", "llama3.2:latest"]


@pytest.mark.parametrize(
    ("file", "first"), [("a.gguf", "parsing GGUF"), ("a.safetensors", "converting model")]
)
def test_a_model_made_from_files(call: Call, file: str, first: str) -> None:
    """What was uploaded becomes a model, quantized if asked for; without the upload it fails in mid-stream."""
    body = {"model": "mine", "files": {file: DIGEST}}
    _, parts = call("POST", "/api/create", body)
    assert parts[0] == {"status": first}
    assert f"blobs/{DIGEST.replace(':', '-')}: no such file" in parts[1]["error"]
    call("POST", f"/api/blobs/{DIGEST}", DATA)
    _, parts = call("POST", "/api/create", body)
    last = ["verifying conversion", "using existing layer", "writing manifest", "success"]
    assert words(parts) == [first, *last]
    assert call("GET", "/api/tags")[1]["models"][0]["size"] == len(DATA)
    _, parts = call("POST", "/api/create", body | {"quantize": "q8_0"})
    moving = [part for part in parts if "digest" in part]
    assert {part["status"] for part in moving} == {"quantizing F16 model to Q8_0"}
    assert {part["digest"] for part in moving} == {"sha256:" + "0" * 64}
    assert moving[-1]["completed"] == moving[-1]["total"]
    assert (
        call("POST", "/api/show", {"model": "mine"})[1]["details"]["quantization_level"] == "Q8_0"
    )
    _, parts = call("POST", "/api/create", body | {"quantize": "q9"})
    assert parts[-1]["error"].startswith("unsupported quantization type Q9 - supported types are")


# Blobs.


def test_an_upload(call: Call) -> None:
    """A blob is missing, is made, is there; in both spellings of its digest."""
    path = f"/api/blobs/{DIGEST}"
    assert call("HEAD", path)[0] == 404
    assert call("POST", path, DATA) == (201, None)
    assert call("HEAD", path.replace(":", "-"))[0] == 200
    assert call("POST", path, DATA) == (200, None)


def test_an_upload_of_something_else(call: Call) -> None:
    """The digest is compared with the bytes, and nothing is kept when they differ."""
    status, said = call("POST", f"/api/blobs/{OTHER}", DATA)
    expected = f'digest mismatch, expected "{OTHER}", got "{DIGEST}"'
    assert (status, said) == (400, {"error": expected})
    assert call("HEAD", f"/api/blobs/{OTHER}")[0] == 404


@pytest.mark.parametrize("digest", ["nonsense", "sha256:00", DIGEST.replace("sha256", "md5")])
def test_what_is_no_digest(call: Call, digest: str) -> None:
    """A path without a digest is refused, in either method."""
    assert call("POST", f"/api/blobs/{digest}", b"x") == (400, {"error": "invalid digest format"})
    assert call("HEAD", f"/api/blobs/{digest}")[0] == 400


def upload_head(digest: str, length: int, more: bytes = b"") -> bytes:
    path = f"/api/blobs/{digest}".encode()
    return b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n" % (path, length, more)


@pytest.mark.parametrize("more", [b"", b"Expect: 100-continue\r\n"])
def test_a_large_upload_of_what_is_there_is_not_read(
    server: MockOllama, call: Call, more: bytes
) -> None:
    """The answer comes before the body, and the connection ends, as a real server has it; the request is recorded."""
    call("POST", f"/api/blobs/{DIGEST}", DATA)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(upload_head(DIGEST, 3_000_000, more))
        said = b"".join(iter(lambda: client.recv(65536), b"")).split(b"\r\n")
    assert said[0] == b"HTTP/1.1 200 OK"
    assert b"Connection: close" in said
    assert b"Content-Length: 0" in said
    assert server.requests[-1].body == b""
    assert server.disconnects == 0


def test_a_small_upload_of_what_is_there_keeps_the_connection(
    server: MockOllama, call: Call
) -> None:
    """A body that is soon read does not cost the connection."""
    call("POST", f"/api/blobs/{DIGEST}", DATA)
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(2):
        connection.request("POST", f"/api/blobs/{DIGEST}", DATA)
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection")) == (200, None)
        response.read()
    connection.close()
    assert server.connections == 2


def test_a_large_upload_for_a_script_is_read(server: MockOllama, call: Call) -> None:
    """A script or a route for that path gets the whole body, whatever is there."""
    call("POST", f"/api/blobs/{DIGEST}", DATA)
    path, body = f"/api/blobs/{DIGEST}", b"x" * 300_000
    server.script([reply({"by": "script"})], path=path)
    assert call("POST", path, body) == (200, {"by": "script"})
    assert server.requests[-1].body == body
    server.on("POST", "/api/blobs/*", lambda request: [reply({"length": len(request.body)})])
    assert call("POST", path, body) == (200, {"length": len(body)})


# What is loaded.


def test_what_was_used_is_loaded(call: Call) -> None:
    """The model stays for five minutes, or as asked; the one that stays longest comes first."""
    call("POST", "/api/pull", {"model": "new"})
    call("POST", "/api/generate", {"model": "llama3.2", "prompt": "hi"})
    call("POST", "/api/embed", {"model": "new", "input": "hi", "keep_alive": -1})
    _, said = call("GET", "/api/ps")
    forever, usual = said["models"]
    assert [forever["name"], usual["name"]] == ["new:latest", "llama3.2:latest"]
    assert forever["expires_at"] > "2300"
    until = datetime.fromisoformat(usual["expires_at"][:19] + "+00:00")
    assert timedelta(minutes=4) < until - datetime.now(timezone.utc) < timedelta(minutes=5)
    assert usual["digest"] == call("GET", "/api/tags")[1]["models"][1]["digest"]


@pytest.mark.parametrize("keep_alive", [0, "0", "0s"])
def test_unloading(call: Call, keep_alive: Any) -> None:
    """A model that is not to stay is gone after the answer."""
    call("POST", "/api/chat", {"model": "llama3.2"})
    assert loaded(call) == ["llama3.2:latest"]
    call("POST", "/api/chat", {"model": "llama3.2", "keep_alive": keep_alive})
    assert loaded(call) == []


@pytest.mark.parametrize(("keep_alive", "there"), [("1h30m", True), ("-1s", True), ("1ns", False)])
def test_durations(call: Call, keep_alive: str, there: bool) -> None:
    """Durations are read as Go writes them."""
    call("POST", "/api/chat", {"model": "llama3.2", "keep_alive": keep_alive})
    assert loaded(call) == ["llama3.2:latest"] * there


# Show.


def test_show_is_verbose_when_asked(call: Call) -> None:
    """Long arrays are null unless asked for; what the request says of the model takes the place of its own."""
    _, brief = call("POST", "/api/show", {"model": "llama3.2"})
    assert brief["model_info"]["tokenizer.ggml.tokens"] is None
    assert brief["model_info"]["general.architecture"] == "llama"
    assert {"template", "tensors", "capabilities", "modified_at", "modelfile"} <= set(brief)
    asked = {"model": "llama3.2", "verbose": True, "system": "S", "options": {"seed": 1}}
    _, verbose = call("POST", "/api/show", asked)
    assert len(verbose["model_info"]["tokenizer.ggml.tokens"]) > 5
    assert (verbose["system"], verbose["parameters"].split()) == ("S", ["seed", "1"])


# Embeddings.


def test_embeddings_are_vectors_of_length_one(call: Call) -> None:
    """One vector for each text, in order; equal texts have equal ones; fewer dimensions are normalised again."""
    asked = {"model": "llama3.2", "input": ["one text", "another", "one text"]}
    _, said = call("POST", "/api/embed", asked)
    first, second, third = said["embeddings"]
    assert first == third != second
    assert said["prompt_eval_count"] == 5
    assert math.hypot(*first) == pytest.approx(1.0)
    _, short = call("POST", "/api/embed", asked | {"dimensions": 16})
    assert [len(vector) for vector in short["embeddings"]] == [16] * 3
    assert math.hypot(*short["embeddings"][0]) == pytest.approx(1.0)
    _, old = call("POST", "/api/embeddings", {"model": "llama3.2", "prompt": "one text"})
    assert math.hypot(*old["embedding"]) > 2.0
    assert old["embedding"][5] / first[5] == pytest.approx(old["embedding"][6] / first[6])


@pytest.mark.parametrize("given", [{}, {"input": ""}, {"input": []}, {"input": None}])
def test_nothing_to_embed_loads_the_model(call: Call, given: Any) -> None:
    """Without a text there is no vector, but the model is loaded."""
    _, said = call("POST", "/api/embed", {"model": "llama3.2", **given})
    assert said == {"model": "llama3.2", "embeddings": []}
    assert call("POST", "/api/embeddings", {"model": "llama3.2"})[1] == {"embedding": []}
    assert loaded(call) == ["llama3.2:latest"]


# Structured answers.

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "kind": {"enum": ["cat", "dog"]},
        "friends": {"type": "array", "items": {"$ref": "#/$defs/Friend"}},
    },
    "$defs": {"Friend": {"type": "object", "properties": {"near": {"type": "boolean"}}}},
}
FITS = {"name": "A", "age": 0, "kind": "cat", "friends": [{"near": True}]}


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_an_answer_fits_its_schema(call: Call, path: str) -> None:
    """With a schema the text is JSON that fits, streamed or not; the counts are those of its parts."""
    asked = {"model": "llama3.2", "prompt": "hi", **CHAT, "format": PERSON}

    def text(part: dict[str, Any]) -> str:
        said = part["message"]["content"] if "message" in part else part["response"]
        return str(said)

    _, parts = call("POST", path, asked)
    assert json.loads("".join(map(text, parts))) == FITS
    assert parts[-1]["eval_count"] == len(parts) - 1 > 3
    _, whole = call("POST", path, asked | {"stream": False})
    assert json.loads(text(whole)) == FITS
    _, anything = call("POST", path, asked | {"format": "json", "stream": False})
    assert isinstance(json.loads(text(anything)), dict)


def test_tools_do_not_change_the_answer(call: Call) -> None:
    """The fake model never calls a tool: that is for a script to say."""
    asked = {"model": "llama3.2", **CHAT, "tools": [{"type": "function"}], "stream": False}
    assert call("POST", "/api/chat", asked)[1]["message"]["content"] == "AAA"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "minLength": 3}, "AAA"),
        ({"type": "number"}, 0),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": ["string", "null"]}, "A"),
        ({"type": "null"}, None),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"allOf": [{"type": "string"}]}, "A"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, ["A", "A"]),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}, ["A", 0]),
        ({"properties": {"a": {"type": "string"}}}, {"a": "A"}),
        ({"$ref": "#/$defs/no"}, None),
        ({}, None),
        (True, None),
    ],
)
def test_examples_of_schemas(schema: Any, value: Any) -> None:
    """Each simple word of a schema is kept to."""
    assert example(schema) == value


def test_a_schema_that_leads_to_itself_ends() -> None:
    """References in a circle end, instead of going on for ever."""
    inner = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert "next" in example(inner)
    assert example({"$ref": "#"}) is None


# ollama.com.


def test_the_account(call: Call) -> None:
    """Who is signed in, until signed out; then both say where to sign in."""
    assert call("POST", "/api/me")[1]["name"]
    assert call("POST", "/api/signout") == (200, None)
    for method, path in (("POST", "/api/me"), ("POST", "/api/signout")):
        status, said = call(method, path)
        assert (status, said["error"]) == (401, "unauthorized")
        assert said["signin_url"].startswith("https://ollama.com/connect?")


def test_signing_out_by_the_old_route(call: Call) -> None:
    """The deprecated path does the same."""
    assert call("DELETE", "/api/user/keys/c3No") == (200, None)
    assert call("POST", "/api/me")[0] == 401


def test_status_and_recommendations(call: Call) -> None:
    """Both are answered in the shape that clients read."""
    cloud = {"cloud": {"disabled": False, "source": "none"}}
    assert call("GET", "/api/status") == (200, cloud)
    _, said = call("GET", "/api/experimental/model-recommendations")
    assert all({"model", "description"} <= set(row) for row in said["recommendations"])


@pytest.mark.parametrize("prefix", ["/api", "/api/experimental"])
def test_the_web(call: Call, prefix: str) -> None:
    """A search finds as many pages as asked for, five by default; a page has a title, text and links."""
    for asked, count in (({}, 5), ({"max_results": 2}, 2)):
        _, said = call("POST", f"{prefix}/web_search", {"query": "q", **asked}, KEY)
        assert [set(row) for row in said["results"]] == [{"title", "url", "content"}] * count
    _, page = call("POST", f"{prefix}/web_fetch", {"url": "https://example.com"}, KEY)
    assert set(page) == {"title", "content", "links"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/web_search"),
        ("POST", "/api/web_fetch"),
        ("GET", "/api/balance"),
        ("GET", "/api/usage"),
    ],
)
def test_ollama_com_wants_a_key(call: Call, method: str, path: str) -> None:
    """The routes that only ollama.com has are refused without a key."""
    assert call(method, path, {"query": "q", "url": "u"}) == (401, {"error": "unauthorized"})


def test_balance_and_usage(call: Call) -> None:
    """What is left, and what was used in the span that was asked for."""
    _, left = call("GET", "/api/balance", None, KEY)
    assert left["included"]["balance_usd"] <= left["included"]["allowance_usd"]
    assert "balance_usd" in left["purchased"]
    _, used = call("GET", "/api/usage?range=7d&scope=team", None, KEY)
    assert (used["range"], used["scope"], used["granularity"]) == ("7d", "team", "day")
    assert used["totals"]
    assert used["buckets"]
    for query in ("range=1y", "scope=all"):
        assert call("GET", f"/api/usage?{query}", None, KEY)[0] == 400


QUESTIONS = {
    "which": {"type": "choice", "instructions": "?", "criteria": {"a": None, "b": "B"}},
    "true": {"type": "noul", "instructions": "?"},
    "much": {"type": "score", "instructions": "?", "criteria": ["low", "mid", "high"]},
}


def test_decisions(call: Call) -> None:
    """Each question is answered in its kind; probabilities add up."""
    _, said = call(
        "POST", "/v1/systemone", {"model": "llama3.2", "state": "s", "questions": QUESTIONS}
    )
    answers = said["answers"]
    assert {name: answer["type"] for name, answer in answers.items()} == {
        name: question["type"] for name, question in QUESTIONS.items()
    }
    assert answers["which"]["choice"] == "a"
    assert 0.0 <= answers["true"]["noul"] <= 1.0
    assert answers["much"]["legend"] == {"0": "low", "1": "mid", "2": "high"}
    for name in ("which", "much"):
        assert sum(answers[name]["probabilities"].values()) == pytest.approx(1.0)
    assert set(said["usage"]) == {"input_tokens", "output_tokens"}


# Refusals, in the words of a real server where they were recorded.


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/api/show", b"", 400, "missing request body"),
        ("POST", "/api/show", b'{"model":', 400, "unexpected EOF"),
        (
            "POST",
            "/api/pull",
            b"[1]",
            400,
            "json: cannot unmarshal array into Go value of type api.PullRequest",
        ),
        ("POST", "/api/show", {}, 400, "model is required"),
        ("POST", "/api/show", {"model": "nope"}, 404, "model 'nope:latest' not found"),
        ("DELETE", "/api/delete", {}, 400, "model is required"),
        ("DELETE", "/api/delete", {"model": "nope"}, 404, "model 'nope' not found"),
        ("DELETE", "/api/delete", {"model": "no!"}, 400, 'name "no!" is invalid'),
        ("POST", "/api/copy", {"source": "a", "destination": "b"}, 404, 'model "a" not found'),
        (
            "POST",
            "/api/copy",
            {"source": "llama3.2", "destination": "b!"},
            400,
            'destination "b!" is invalid',
        ),
        ("POST", "/api/pull", {}, 400, "invalid model name"),
        ("POST", "/api/pull", {"model": "bad name!!"}, 400, "invalid model name"),
        ("POST", "/api/push", {}, 400, "model is required"),
        ("POST", "/api/create", {"from": "a"}, 400, "invalid model name"),
        (
            "POST",
            "/api/create",
            {"model": "a"},
            400,
            "neither 'from' or 'files' was specified",
        ),
        (
            "POST",
            "/api/create",
            {"model": "a", "files": {"/a": OTHER}},
            400,
            "file path must be relative",
        ),
        (
            "POST",
            "/api/create",
            {"model": "a", "from": "b", "template": "{{ .Bad"},
            400,
            "template error: template: :1: unclosed action",
        ),
        ("POST", "/api/create", {"model": "a", "from": "b!"}, 400, "invalid model name"),
        (
            "POST",
            "/api/embed",
            {"model": "nope", "input": "x"},
            404,
            'model "nope" not found, try pulling it first',
        ),
        ("POST", "/api/embed", {"model": "llama3.2", "input": [1]}, 400, "invalid input type"),
        (
            "POST",
            "/api/embed",
            {"model": "llama3.2", "input": "w " * 131073, "truncate": False},
            400,
            "the input length exceeds the context length",
        ),
        (
            "POST",
            "/api/chat",
            {"model": "llama3.2", "keep_alive": "soon"},
            400,
            'time: invalid duration "soon"',
        ),
        ("POST", "/api/chat", {"model": "bad name!!", **CHAT}, 400, "invalid model name"),
        (
            "POST",
            "/api/chat",
            {"model": "llama3.2", **CHAT, "format": "xml"},
            500,
            'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
        ),
        ("POST", "/api/experimental/web_search", {}, 400, "query is required"),
        ("POST", "/api/experimental/web_fetch", {}, 400, "url is required"),
        ("POST", "/v1/systemone", {}, 400, "model is required"),
        ("POST", "/v1/systemone", {"model": "nope"}, 404, "model 'nope' not found"),
        ("POST", "/v1/systemone", {"model": "llama3.2", "state": " "}, 400, "state is required"),
        (
            "POST",
            "/v1/systemone",
            {"model": "llama3.2", "state": "s", "questions": {}},
            400,
            "questions must have between 1 and 64 entries",
        ),
        (
            "POST",
            "/v1/systemone",
            {"model": "llama3.2", "state": "s", "questions": {"q": {"type": "guess"}}},
            400,
            'question "q" is invalid',
        ),
    ],
)
def test_refusals(call: Call, method: str, path: str, body: Any, status: int, error: str) -> None:
    """What a real server refuses is refused, with its status and its text."""
    assert call(method, path, body) == (status, {"error": error})
