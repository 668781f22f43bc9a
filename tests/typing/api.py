"""The public surface as a user's type checker sees it. Checked by `mypy --strict`, never run.

`assert_type` fails the check when an annotation is looser, or other, than what stands here.
"""

from __future__ import annotations

import pickle
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import assert_type

import ollama_sync as ollama
from ollama_sync import (
    BatchPolicy,
    ChatResponse,
    Client,
    GenerateResponse,
    Image,
    ListResponse,
    Merge,
    Message,
    Options,
    Stream,
    StreamStats,
    Timeout,
    Tool,
    VersionResponse,
)

MESSAGES = [{"role": "user", "content": "hi"}]


def verbs_of_the_module() -> None:
    """`stream=` decides the type: one reply, or a stream."""
    assert_type(ollama.chat("m", MESSAGES), ChatResponse)
    assert_type(ollama.chat("m", MESSAGES, stream=False), ChatResponse)
    assert_type(ollama.chat("m", MESSAGES, stream=True), Stream[ChatResponse])
    assert_type(ollama.generate("m", "p"), GenerateResponse)
    assert_type(ollama.generate("m", "p", stream=False), GenerateResponse)
    assert_type(ollama.generate("m", "p", "suffix", stream=True), Stream[GenerateResponse])
    assert_type(ollama.list(), ListResponse)
    assert_type(ollama.version(), VersionResponse)
    assert_type(ollama.__version__, str)
    ollama.monkey_patch()


def verbs_of_a_client(context: ssl.SSLContext) -> None:
    """A client takes every setting, and has the same verbs."""
    Client(timeout=None)
    Client(timeout=30)
    Client(timeout=Timeout(first=60, idle=None), verify=context)
    Client(verify="bundle.pem", cert=("cert.pem", "key.pem"), proxy="", headers={"X": None})
    with Client(
        "host:1", api_key="k", batch=BatchPolicy(window=0.01, max_size=5), max_buffered=1
    ) as client:
        assert_type(client, Client)
        assert_type(client.chat("m", MESSAGES), ChatResponse)
        assert_type(client.chat("m", MESSAGES, stream=True), Stream[ChatResponse])
        assert_type(client.generate("m", "p"), GenerateResponse)
        assert_type(client.generate("m", "p", stream=True), Stream[GenerateResponse])
        assert_type(client.list(), ListResponse)
        assert_type(client.version(), VersionResponse)
    client.close()


def arguments(schema: dict[str, Any], messages: list[Message]) -> None:
    """What a user has at hand fits: messages as dicts or as views, options too, schemas, images."""
    ollama.chat("m", messages)
    ollama.chat("m", [*messages, {"role": "user", "content": "and?"}], think="high")
    ollama.chat(
        "m",
        [Message(role="user", content="hi", images=[Image(b"png")])],
        tools=[Tool(), {"type": "function"}],
        think=True,
        logprobs=True,
        top_logprobs=2,
        format=schema,
        options=Options(temperature=0.5, seed=1),
        keep_alive="5m",
        truncate=False,
        shift=True,
    )
    ollama.generate("m", "p", format="json", options={"num_predict": 5}, keep_alive=0, raw=True)
    ollama.generate("m", "p", system="s", template="t", context=[1, 2], images=[b"", "", Image("")])


def streams(stream: Stream[ChatResponse]) -> None:
    """Every way to take from a stream is typed by its parts."""
    for part in stream:
        assert_type(part, ChatResponse)
    assert_type(next(stream), ChatResponse)
    assert_type(stream.batches(), Iterator[list[ChatResponse]])
    assert_type(stream.tokens(), Iterator[list[str]])
    assert_type(stream.poll(), list[ChatResponse])
    assert_type(stream.poll(timeout=1), list[ChatResponse])
    assert_type(stream.result(), ChatResponse)
    assert_type(stream.done, bool)
    assert_type(stream.error, ollama.OllamaError | None)
    assert_type(stream.stats, StreamStats)
    with stream as same:
        assert_type(same, Stream[ChatResponse])
    stream.cancel()
    stream.close()


def stats(numbers: StreamStats) -> None:
    """Counts are whole, seconds are floats, and what may not be known yet may be None."""
    assert_type(numbers.parts, int)
    assert_type(numbers.batches, int)
    assert_type(numbers.bytes, int)
    assert_type(numbers.buffered, int)
    assert_type(numbers.elapsed, float)
    assert_type(numbers.longest_gap, float)
    assert_type(numbers.first_part, float | None)
    assert_type(numbers.tokens_per_second, float | None)


def merging(streams: list[Stream[GenerateResponse]], more: Stream[GenerateResponse]) -> None:
    """A merge keeps the type of its streams."""
    merged = ollama.merge(streams)
    assert_type(merged, Merge[GenerateResponse])
    merged.add(more)
    for stream, batch in merged:
        assert_type(stream, Stream[GenerateResponse])
        assert_type(batch, list[GenerateResponse])
    with merged:
        merged.close()


def replies(chat: ChatResponse, generated: GenerateResponse, listed: ListResponse) -> None:
    """Fields are known by attribute; subscripts and what a newer server adds are `Any`."""
    assert_type(chat.message, Message)
    assert_type(chat.message.content, str | None)
    assert_type(chat.done, bool | None)
    assert_type(chat.eval_duration, int | None)
    assert_type(chat.tokens_per_second, float | None)
    for call in chat.message.tool_calls or ():
        assert_type(call.function.name, str)
        assert_type(call.function.arguments, Mapping[str, Any])
    assert_type(chat["new_field"], Any)
    assert_type(chat.to_dict(), dict[str, Any])
    assert_type(chat.model_dump(), dict[str, Any])
    assert_type(generated.response, str | None)
    assert_type(generated.thinking, str | None)
    assert_type(generated.context, Sequence[int] | None)
    for model in listed.models:
        assert_type(model.model, str | None)


def errors(error: ollama.OllamaError) -> None:
    """The facts of an error have types; the tree is that of the builtins too."""
    broad: type[ConnectionError] = ollama.ConnectError
    broader: type[TimeoutError] = ollama.WaitTimeout
    wrong: type[ValueError] = ollama.RequestError
    pickle.dumps([error, broad, broader, wrong])
    if isinstance(error, ollama.ResponseError):
        assert_type(error.error, str)
        assert_type(error.status_code, int)
        assert_type(error.headers, Mapping[str, str])
        assert_type(error.signin_url, str | None)
        assert_type(error.hint, str | None)
    if isinstance(error, ollama.WaitTimeout):
        assert_type(error.phase, str)
        assert_type(error.seconds, float)
        assert_type(error.tried, str)
    if isinstance(error, ollama.StreamsFailed):
        assert_type(error.errors, tuple[BaseException, ...])
    if isinstance(error, ollama.StreamBroken):
        assert_type(error.partial, Any)
    usage: list[type[ollama.UsageError]] = [
        ollama.ClosedError,
        ollama.ConcurrentUseError,
        ollama.ForkedError,
        ollama.RequestError,
    ]
    waits: list[type[ollama.WaitTimeout]] = [
        ollama.ConnectTimeout,
        ollama.FirstTimeout,
        ollama.IdleTimeout,
        ollama.TotalTimeout,
    ]
    rest: list[type[ollama.OllamaError]] = [*usage, *waits, ollama.ErrorLine, ollama.HubError]
    pickle.dumps(rest)


def every_other_verb(client: Client, path: Path) -> None:
    """Each verb of a client, and its double in the module, has the type of its reply."""
    assert_type(client.chat("m", MESSAGES, stream=bool(path)), ChatResponse | Stream[ChatResponse])
    assert_type(client.embed("m", ["a", "b"], dimensions=3), ollama.EmbedResponse)
    assert_type(client.embeddings("m", "a"), ollama.EmbeddingsResponse)
    assert_type(client.ps(), ollama.ProcessResponse)
    assert_type(client.show("m", verbose=True), ollama.ShowResponse)
    assert_type(client.copy("a", "b"), ollama.StatusResponse)
    assert_type(client.delete("m"), ollama.StatusResponse)
    assert_type(client.load("m", keep_alive=-1), GenerateResponse)
    assert_type(client.unload("m"), GenerateResponse)
    assert_type(client.pull("m"), ollama.ProgressResponse)
    assert_type(client.pull("m", insecure=True, stream=True), Stream[ollama.ProgressResponse])
    assert_type(client.push("m", stream=True), Stream[ollama.ProgressResponse])
    assert_type(client.create("m", from_="b", files={"a": path}), ollama.ProgressResponse)
    assert_type(client.create("m", stream=True), Stream[ollama.ProgressResponse])
    assert_type(client.create_blob(path, on_progress=print), str)
    assert_type(client.blob_exists("sha256:"), bool)
    assert_type(client.status(), ollama.CloudStatusResponse)
    assert_type(client.whoami(), ollama.WhoamiResponse)
    assert_type(client.signout(), ollama.StatusResponse)
    assert_type(client.recommendations(), ollama.RecommendationsResponse)
    assert_type(client.web_search("q", 5), ollama.WebSearchResponse)
    assert_type(client.web_fetch("u"), ollama.WebFetchResponse)
    assert_type(client.local_web_search("q"), ollama.WebSearchResponse)
    assert_type(client.local_web_fetch("u"), ollama.WebFetchResponse)
    assert_type(client.balance(), ollama.BalanceResponse)
    assert_type(client.usage("7d"), ollama.UsageResponse)
    assert_type(client.systemone("m", "s", {"q": {"type": "noul"}}), ollama.SystemOneResponse)
    assert_type(client.request("GET", "/api/x"), ollama.View)
    assert_type(client.request("POST", "/api/x", json={}, stream=True), Stream[ollama.View])
    assert_type(ollama.embed("m", "a"), ollama.EmbedResponse)
    assert_type(ollama.pull("m", stream=True), Stream[ollama.ProgressResponse])


def tools_and_types(client: Client) -> None:
    """Functions are tools, types are formats, and a pull shows its progress."""

    def add(a: int, b: int) -> int:
        return a + b

    run = client.run_tools("m", MESSAGES, [add], max_rounds=3, max_calls=5, think=True)
    assert_type(run, ollama.ToolRun)
    for tokens in run:
        assert_type(tokens, list[str])
    assert_type(run.result(), ChatResponse)
    assert_type(run.messages, list[Message])
    client.chat("m", MESSAGES, tools=[add, {"type": "function"}], format=list[int])
    for progress in client.pull("m", stream=True).progress():
        assert_type(progress, ollama.Progress)
        assert_type(progress.fraction, float | None)
        assert_type(progress.layers, tuple[ollama.LayerProgress, ...])
    modelfile = ollama.Modelfile.parse("FROM a")
    client.create("m", **modelfile.to_create_arguments())
