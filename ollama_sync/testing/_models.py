"""The mock's routes about models that are there: list, ps, show, copy, delete.

Runs on the server's hub thread; reads and changes the library, and returns scripts. May not block.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from ollama_sync.testing._body import EMPTY, Refused, decoded, text_of
from ollama_sync.testing._library import CONTEXT, Library, Model, is_name
from ollama_sync.testing._replies import rfc3339
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script

_EMBEDDING = 3072
_TEMPLATE = "{{ .System }}\n{{ .Prompt }}"
_BLOBS = "/usr/share/ollama/.ollama/models/blobs"
_INFO: dict[str, Any] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "general.parameter_count": 3212749888,
    "general.quantization_version": 2,
    "llama.attention.head_count": 24,
    "llama.attention.head_count_kv": 8,
    "llama.block_count": 2,
    "llama.context_length": CONTEXT,
    "llama.embedding_length": _EMBEDDING,
    "llama.vocab_size": 128256,
    "tokenizer.ggml.model": "gpt2",
}
_ARRAYS = {
    "tokenizer.ggml.merges": ["Ġ t", "Ġ a", "h e", "i n", "r e", "o n"],
    "tokenizer.ggml.token_type": [1, 1, 1, 1, 1, 1],
    "tokenizer.ggml.tokens": ["!", '"', "#", "$", "%", "&"],
}
_TENSORS = [
    {"name": "token_embd.weight", "type": "Q6_K", "shape": [3072, 128256]},
    {"name": "blk.0.attn_k.weight", "type": "Q4_K", "shape": [3072, 1024]},
    {"name": "blk.1.attn_k.weight", "type": "Q4_K", "shape": [3072, 1024]},
    {"name": "output_norm.weight", "type": "F32", "shape": [3072]},
]


def tags(library: Library, _: Request) -> Script:
    """Answer `GET /api/tags`: the models, newest first."""
    rows = [
        {
            "name": name,
            "model": name,
            "modified_at": rfc3339(model.made),
            "size": model.size,
            "digest": model.digest,
            "details": _details(model)
            | {"context_length": CONTEXT, "embedding_length": _EMBEDDING},
            "capabilities": list(model.capabilities),
        }
        for name, model in library.models.items()
    ]
    return [reply({"models": rows})]


def ps(library: Library, _: Request) -> Script:
    """Answer `GET /api/ps`: the models in memory."""
    rows = [
        {
            "name": name,
            "model": name,
            "size": model.size + 1_200_000_000,
            "digest": model.digest,
            "details": _details(model),
            "expires_at": rfc3339(int(until * 1e9)),
            "size_vram": model.size + 1_200_000_000,
            "context_length": 4096,
        }
        for name, model, until in library.loaded()
    ]
    return [reply({"models": rows})]


def show(library: Library, request: Request) -> Script:
    """Answer `POST /api/show`: everything about one model; its long arrays only when asked to be verbose."""
    asked = decoded(request)
    name = text_of(asked, "model", "name")
    if not name:
        raise Refused(400, "model is required")
    model = library.find(name)
    if model is None:
        raise Refused(404, f"model '{library.known_name(name)}' not found")
    said = dict(model.fields)
    said |= {key: asked[key] for key in ("system", "template") if asked.get(key)}
    parameters = dict(said.pop("parameters", None) or {}) | (asked.get("options") or {})
    licenses = said.pop("license", None) or []
    arrays = _ARRAYS if asked.get("verbose") else dict.fromkeys(_ARRAYS)
    said.setdefault("template", _TEMPLATE)
    answer = {
        "license": licenses if isinstance(licenses, str) else "\n".join(licenses),
        "modelfile": _modelfile(library.known_name(name), model, said, parameters),
        "parameters": "\n".join(f"{key:<30} {value}" for key, value in _rows(parameters)),
        **said,
        "details": _details(model),
        "model_info": dict(sorted((_INFO | arrays).items())),
        "tensors": _TENSORS,
        "capabilities": list(model.capabilities),
        "modified_at": rfc3339(model.made),
    }
    return [reply({key: value for key, value in answer.items() if value not in ("", None)})]


def copy(library: Library, request: Request) -> Script:
    """Answer `POST /api/copy`."""
    asked = decoded(request)
    for side in ("source", "destination"):
        if not is_name(asked.get(side)):
            raise Refused(400, f'{side} "{text_of(asked, side)}" is invalid')
    model = library.find(asked["source"])
    if model is None:
        raise Refused(404, f'model "{asked["source"]}" not found')
    library.put(asked["destination"], replace(model, made=time.time_ns()))
    return EMPTY


def delete(library: Library, request: Request) -> Script:
    """Answer `DELETE /api/delete`."""
    asked = decoded(request)
    name = text_of(asked, "model", "name")
    if not name:
        raise Refused(400, "model is required")
    if not is_name(name):
        raise Refused(400, f'name "{name}" is invalid')
    if library.find(name) is None:
        raise Refused(404, f"model '{name}' not found")
    library.drop(name)
    return EMPTY


def _details(model: Model) -> dict[str, Any]:
    return {
        "parent_model": model.parent,
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": model.quantization,
    }


def _rows(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a row for each parameter, and for each of its values where it has several."""
    return [
        (name, json.dumps(one))
        for name, value in sorted(parameters.items())
        for one in (value if isinstance(value, list) else [value])
    ]


def _modelfile(name: str, model: Model, said: dict[str, Any], parameters: dict[str, Any]) -> str:
    rows = [
        '# Modelfile generated by "ollama show"',
        "# To build a new Modelfile based on this, replace FROM with:",
        f"# FROM {name}",
        "",
        f"FROM {_BLOBS}/{model.layers[0].digest.replace(':', '-')}",
    ]
    texts = ("template", "system", "renderer", "parser", "requires")
    messages = said.get("messages") or []
    rows += [f'{key.upper()} """{said[key]}"""' for key in texts if said.get(key)]
    rows += [f"PARAMETER {key} {value}" for key, value in _rows(parameters)]
    rows += [f'MESSAGE {m["role"]} """{m["content"]}"""' for m in messages]
    return "\n".join([*rows, ""])
