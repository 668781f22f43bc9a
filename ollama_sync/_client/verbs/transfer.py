"""The verbs that bring models in and out: pull, push, create, and the blobs that a model is made of.

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from ollama_sync._client import arguments, endpoints
from ollama_sync._client.endpoints import Endpoint
from ollama_sync._client.verbs.caller import Caller
from ollama_sync._stream.stream import Stream
from ollama_sync._transport import blobs
from ollama_sync.errors import ResponseError
from ollama_sync.types import Message, Options, ProgressResponse

if TYPE_CHECKING:
    from typing_extensions import Unpack

Progress = ProgressResponse | Stream[ProgressResponse]
Files = Mapping[str, str | Path]


@overload
def pull(
    self: Caller, model: str, *, insecure: bool = False, stream: Literal[False] = False
) -> ProgressResponse: ...


@overload
def pull(
    self: Caller, model: str, *, insecure: bool = False, stream: Literal[True]
) -> Stream[ProgressResponse]: ...


@overload
def pull(self: Caller, model: str, *, insecure: bool = False, stream: bool) -> Progress: ...


def pull(self: Caller, model: str, *, insecure: bool = False, stream: bool = False) -> Progress:
    """Have the server download a model. A download that was cut off goes on where it stopped.

    Blocks the caller's thread or greenlet: until all is there, or with `stream` until the request is on the wire.

    Args:
        model: its name.
        insecure: allow a registry without TLS.
        stream: return a `Stream` of what has been done so far, instead of only the last word.

    Returns:
        the last progress, whose status is "success", or a `Stream`.

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `chat`.
        StreamBroken: of a stream: it ended without "success".

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.pull("all-minilm").status
        'success'
    """
    return _transfer(self, endpoints.PULL, model, insecure, stream)


@overload
def push(
    self: Caller, model: str, *, insecure: bool = False, stream: Literal[False] = False
) -> ProgressResponse: ...


@overload
def push(
    self: Caller, model: str, *, insecure: bool = False, stream: Literal[True]
) -> Stream[ProgressResponse]: ...


@overload
def push(self: Caller, model: str, *, insecure: bool = False, stream: bool) -> Progress: ...


def push(self: Caller, model: str, *, insecure: bool = False, stream: bool = False) -> Progress:
    """Have the server upload a model. The server's own key must be registered with the registry.

    Blocks the caller's thread or greenlet: until all is there, or with `stream` until the request is on the wire.

    Args:
        model: its name, with the namespace of the account.
        insecure: allow a registry without TLS.
        stream: return a `Stream` of what has been done so far, instead of only the last word.

    Returns:
        the last progress, whose status is "success", or a `Stream`.

    Raises:
        RequestError, ConnectError, ResponseError, WaitTimeout, StreamBroken: as `pull`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.push("llama3.2").status
        'success'
    """
    return _transfer(self, endpoints.PUSH, model, insecure, stream)


def _transfer(
    self: Caller, endpoint: Endpoint[ProgressResponse], model: str, insecure: bool, stream: bool
) -> Progress:
    body = arguments.body(
        model=arguments.model_name(model),
        insecure=arguments.flag("insecure", insecure),
        stream=arguments.stream(stream),
    )
    return self._stream(endpoint, body) if stream else self._reply(endpoint, body)


class CreateMore(TypedDict, total=False):
    """The parameters of `create` behind the model, for the overloads."""

    quantize: str | None
    from_: str | None
    files: Files | None
    adapters: Files | None
    template: str | None
    license: str | Sequence[str] | None
    system: str | None
    parameters: Mapping[str, Any] | Options | None
    messages: Sequence[Mapping[str, Any] | Message] | None
    renderer: str | None
    parser: str | None
    requires: str | None
    info: Mapping[str, Any] | None
    draft_files: Files | None
    draft_quantize: str | None
    remote_host: str | None


@overload
def create(
    self: Caller, model: str, *, stream: Literal[False] = False, **more: Unpack[CreateMore]
) -> ProgressResponse: ...


@overload
def create(
    self: Caller, model: str, *, stream: Literal[True], **more: Unpack[CreateMore]
) -> Stream[ProgressResponse]: ...


@overload
def create(self: Caller, model: str, *, stream: bool, **more: Unpack[CreateMore]) -> Progress: ...


def create(
    self: Caller,
    model: str,
    quantize: str | None = None,
    from_: str | None = None,
    files: Files | None = None,
    adapters: Files | None = None,
    template: str | None = None,
    license: str | Sequence[str] | None = None,
    system: str | None = None,
    parameters: Mapping[str, Any] | Options | None = None,
    messages: Sequence[Mapping[str, Any] | Message] | None = None,
    *,
    stream: bool = False,
    renderer: str | None = None,
    parser: str | None = None,
    requires: str | None = None,
    info: Mapping[str, Any] | None = None,
    draft_files: Files | None = None,
    draft_quantize: str | None = None,
    remote_host: str | None = None,
) -> Progress:
    """Make a model from another, or from files.

    Blocks the caller's thread or greenlet: files given as `Path` are hashed and, where the server lacks them, uploaded;
    then until the model is made, or with `stream` until the request is on the wire.

    Args:
        model: the name of the new model.
        quantize: to what, as "q4_K_M".
        from_: the name of the model to begin with.
        files: what the model consists of: a `Path`, or the digest of a blob ("sha256:…"), by relative name.
        adapters: to apply, as `files`.
        template: of its prompts.
        license: one, or several.
        system: its system prompt.
        parameters: its options, as temperature; see `Options`.
        messages: a conversation that each chat begins with.
        stream: return a `Stream` of what has been done so far, instead of only the last word.
        renderer: the server's built-in renderer of prompts to use; Ollama 0.12 and newer.
        parser: the server's built-in parser of answers to use; Ollama 0.12 and newer.
        requires: the oldest version of the server that can run it; Ollama 0.14 and newer.
        info: what cannot be read from the files, as capabilities; Ollama 0.12 and newer.
        draft_files: of a smaller model that drafts, as `files`; Ollama 0.30 and newer.
        draft_quantize: to what the draft is quantized; needs `draft_files`.
        remote_host: where the model runs, if not here; Ollama 0.12 and newer.

    Returns:
        the last progress, whose status is "success", or a `Stream`.

    Raises:
        RequestError: an argument is wrong, or a file cannot be read.
        ConnectError, ResponseError, WaitTimeout, StreamBroken: as `pull`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.create("mine", from_="llama3.2", system="Be brief.").status
        'success'
    """
    fields = {
        "model": arguments.model_name(model),
        "stream": arguments.stream(stream),
        "quantize": arguments.text("quantize", quantize),
        "from": arguments.text("from_", from_),
        "template": arguments.text("template", template),
        "license": arguments.texts("license", license),
        "system": arguments.text("system", system),
        "parameters": arguments.options(parameters, "parameters"),
        "messages": None if messages is None else arguments.messages(messages),
        "renderer": arguments.text("renderer", renderer),
        "parser": arguments.text("parser", parser),
        "requires": arguments.text("requires", requires),
        "info": arguments.mapping("info", info),
        "draft_quantize": arguments.text("draft_quantize", draft_quantize),
        "remote_host": arguments.text("remote_host", remote_host),
    }
    # Last, when everything else is known to be right: this uploads.
    for name, given in (("files", files), ("adapters", adapters), ("draft_files", draft_files)):
        fields[name] = _digests(self, name, given)
    body = arguments.body(**fields)
    endpoint = endpoints.CREATE
    return self._stream(endpoint, body) if stream else self._reply(endpoint, body)


def _digests(self: Caller, name: str, given: Files | None) -> dict[str, str] | None:
    """Return the digest of each file, having uploaded those that are given as paths."""
    files = arguments.mapping(name, given)
    if files is None:
        return None
    for key, value in files.items():
        if not isinstance(value, (str, Path)):
            raise arguments.refusal(f"{name}[{key!r}]", value, "a Path, or a digest as 'sha256:…'")
    return {
        key: create_blob(self, value) if isinstance(value, Path) else value
        for key, value in files.items()
    }


def create_blob(
    self: Caller, path: str | Path, *, on_progress: blobs.OnProgress | None = None
) -> str:
    """Upload a file, unless the server has it, and return its digest.

    Blocks the caller's thread or greenlet. The file is read once to be hashed and, if the server lacks it, once more to be
    sent; neither takes memory that grows with it. An interrupt (Ctrl-C, a killed greenlet) cancels the upload.

    Args:
        path: of the file.
        on_progress: called now and then, on the caller's thread, with "hashing" or "uploading", the bytes done, and the
            bytes in total.

    Returns:
        "sha256:" and 64 hexadecimal digits.

    Raises:
        RequestError: the file cannot be read.
        ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> import tempfile
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client, tempfile.NamedTemporaryFile() as file:
        ...     client.create_blob(file.name)
        'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    blob = blobs.read_blob(path, on_progress)
    try:
        has_blob = blob_exists(self, blob.digest)
    except ResponseError:
        # Gateways may not know this route. If something else is wrong, the upload is refused as well, and says why.
        has_blob = False
    if not has_blob:
        endpoint = replace(endpoints.CREATE_BLOB, path=f"/api/blobs/{blob.digest}")
        self._upload(endpoint, blob, on_progress)
    return blob.digest


def blob_exists(self: Caller, digest: str) -> bool:
    """Return whether the server has a blob.

    Blocks the caller's thread or greenlet.

    Args:
        digest: "sha256:" and 64 hexadecimal digits.

    Raises:
        RequestError: it is no digest.
        ConnectError, ResponseError, WaitTimeout: as `chat`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.blob_exists("sha256:" + 64 * "0")
        False
    """
    endpoint = replace(endpoints.BLOB_EXISTS, path=f"/api/blobs/{blobs.checked_digest(digest)}")
    try:
        self._reply(endpoint, None)
    except ResponseError as error:
        if error.status_code == 404:
            return False
        raise
    return True
