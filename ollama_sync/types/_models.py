"""Replies of the verbs that manage models: list, ps, show, pull, push, create, copy, delete, version.

Plain data, on any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ollama_sync.types._messages import Message
from ollama_sync.types._view import View

__all__ = [
    "ListResponse",
    "ModelDetails",
    "ProcessResponse",
    "ProgressResponse",
    "ShowResponse",
    "StatusResponse",
    "Tensor",
    "ThinkingLevels",
    "VersionResponse",
]


class ModelDetails(View):
    """What kind of model it is.

    Attributes:
        parent_model: the model that it was made from.
        format: "gguf" or "safetensors".
        family: its architecture.
        families: all of its architectures.
        parameter_size: number of parameters, as text ("134.52M").
        quantization_level: how its numbers are stored ("Q4_K_M").
        context_length: longest context that it was trained for, in tokens.
        embedding_length: length of its vectors.

    Example:
        >>> ModelDetails(family="llama", parameter_size="3.2B").family
        'llama'
    """

    parent_model: str | None = None
    format: str | None = None
    family: str | None = None
    families: Sequence[str] | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None
    context_length: int | None = None
    embedding_length: int | None = None


class ListResponse(View):
    """Reply of list: the models that the server has.

    Attributes:
        models: newest first.

    Example:
        >>> reply = ListResponse(models=[{"model": "llama3.2", "size": 2019393189}])
        >>> [(model.model, model.size) for model in reply.models]
        [('llama3.2', 2019393189)]
    """

    class Model(View):
        """A model that the server has.

        Attributes:
            model: its name.
            name: the same name.
            modified_at: when it was made or pulled.
            digest: SHA-256 of its manifest, in hex.
            size: bytes on disk.
            details: what kind of model it is.
            capabilities: what it can do ("completion", "tools", "vision", …).
            remote_model: its name where it runs, when that is another server.
            remote_host: where it runs, when that is another server.
        """

        model: str | None = None
        name: str | None = None
        modified_at: datetime | None = None
        digest: str | None = None
        size: int | None = None
        details: ModelDetails | None = None
        capabilities: Sequence[str] | None = None
        remote_model: str | None = None
        remote_host: str | None = None

    models: Sequence[Model]


class ProcessResponse(View):
    """Reply of ps: the models that are loaded.

    Attributes:
        models: the one that stays longest first.

    Example:
        >>> reply = ProcessResponse(models=[{"model": "llama3.2", "expires_at": "2026-01-01T12:00:00Z"}])
        >>> reply.models[0].expires_at.year
        2026
    """

    class Model(View):
        """A model that is loaded.

        Attributes:
            model: its name.
            name: the same name.
            digest: SHA-256 of its manifest, in hex.
            expires_at: when it will be unloaded; about 292 years ahead means never.
            size: bytes that it takes in all.
            size_vram: bytes of them on the GPU.
            details: what kind of model it is.
            context_length: length of the context that it was loaded with, in tokens.
        """

        model: str | None = None
        name: str | None = None
        digest: str | None = None
        expires_at: datetime | None = None
        size: int | None = None
        size_vram: int | None = None
        details: ModelDetails | None = None
        context_length: int | None = None

    models: Sequence[Model]


class Tensor(View):
    """One tensor of a model.

    Attributes:
        name: its name.
        type: how its numbers are stored.
        shape: its dimensions.
    """

    name: str | None = None
    type: str | None = None
    shape: Sequence[int] | None = None


class ThinkingLevels(View):
    """How a model can think.

    Attributes:
        values: what `think` may be: False, True, and names of levels.
        default: what it is when a request does not say.
    """

    values: Sequence[bool | str] | None = None
    default: bool | str | None = None


class ShowResponse(View, wire={"modelinfo": "model_info"}):
    """Reply of show: everything about one model.

    Attributes:
        modified_at: when it was made or pulled.
        template: its prompt template.
        modelfile: a Modelfile that would make it.
        license: its licence.
        details: what kind of model it is.
        modelinfo: metadata of its file (`model_info` in JSON); long arrays are empty unless asked for.
        parameters: its options as text, one a line.
        capabilities: what it can do ("completion", "tools", "vision", …).
        system: its system prompt.
        messages: messages that begin every conversation with it.
        projector_info: metadata of the part that reads images.
        tensors: its tensors.
        renderer: what renders its prompts, when that is no template.
        parser: what reads its output.
        requires: oldest version of the server that can run it.
        thinking: how it can think.
        template_source: where its template comes from.
        remote_model: its name where it runs, when that is another server.
        remote_host: where it runs, when that is another server.

    Example:
        >>> reply = ShowResponse(capabilities=["completion"], modelinfo={"general.architecture": "llama"})
        >>> reply.capabilities, reply.modelinfo["general.architecture"]
        (['completion'], 'llama')
    """

    modified_at: datetime | None = None
    template: str | None = None
    modelfile: str | None = None
    license: str | None = None
    details: ModelDetails | None = None
    modelinfo: Mapping[str, Any] | None = None
    parameters: str | None = None
    capabilities: Sequence[str] | None = None
    system: str | None = None
    messages: Sequence[Message] | None = None
    projector_info: Mapping[str, Any] | None = None
    tensors: Sequence[Tensor] | None = None
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None
    thinking: ThinkingLevels | None = None
    template_source: str | None = None
    remote_model: str | None = None
    remote_host: str | None = None


class StatusResponse(View):
    """Reply of delete and copy.

    Attributes:
        status: "success" or "error".

    Example:
        >>> StatusResponse(status="success").status
        'success'
    """

    status: str | None = None


class ProgressResponse(StatusResponse):
    """Reply of pull, push and create, or one part of it. The last says "success".

    Attributes:
        status: what is going on, as text.
        digest: the layer that it is about.
        total: bytes of that layer.
        completed: how many of them are done.

    Example:
        >>> part = ProgressResponse(status="pulling 0a", digest="sha256:0a", total=200, completed=50)
        >>> part.completed / part.total
        0.25
    """

    digest: str | None = None
    total: int | None = None
    completed: int | None = None


class VersionResponse(View):
    """Reply of version.

    Attributes:
        version: the server's version, as "0.33.0"; "0.0.0" of one built by hand.

    Example:
        >>> VersionResponse(version="0.33.0").version
        '0.33.0'
    """

    version: str
