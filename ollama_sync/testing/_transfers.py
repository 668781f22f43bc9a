"""The mock's routes that tell of progress: pull, push, create; each part by part, as the library changes.

Runs on the server's hub thread. A pull that is cut keeps what it had, and the next one goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ollama_sync._now import perf_counter
from ollama_sync.testing._body import Refused, decoded, text_of
from ollama_sync.testing._connection import Connection
from ollama_sync.testing._library import (
    Layer,
    Library,
    Model,
    digest_of,
    is_name,
    seeded,
    sha256,
    tagged,
)
from ollama_sync.testing._request import Request
from ollama_sync.testing._script import reply
from ollama_sync.testing._steps import Script, json_bytes

Parts = Iterator[dict[str, Any]]

_STEPS = 20  # parts of a layer that is worth telling of
_SMALL = 1_000_000  # bytes of one that is not
_ZEROS = "sha256:" + "0" * 64
_MODELS = "/usr/share/ollama/.ollama/models"
_QUANTIZATIONS = ("F32", "F16", "Q4_K_S", "Q4_K_M", "Q8_0")
_FIELDS = ("template", "system", "license", "parameters", "messages")
_CONFIG = ("renderer", "parser", "requires")


@dataclass(frozen=True)
class Telling:
    """The step that streams parts as they are made. An error in their midst is the last line.

    Args:
        parts: makes them; used up.
        delay: seconds from part to part.
    """

    parts: Parts
    delay: float

    def run(self, connection: Connection) -> None:
        start = perf_counter()
        connection.begin_stream()
        try:
            for number, part in enumerate(self.parts):
                connection.pace(start + number * self.delay)
                connection.queue_part(json_bytes(part) + b"\n")
        except Refused as refused:
            connection.queue_part(json_bytes(refused.said) + b"\n")
        connection.end_stream()


def pull(library: Library, request: Request, delay: float) -> Script:
    """Answer `POST /api/pull`: every model that may be named so can be had."""
    asked = decoded(request)
    name = text_of(asked, "model", "name")
    if not is_name(name):
        raise Refused(400, "invalid model name")
    return _told(asked, _pulled(library, name), delay)


def push(library: Library, request: Request, delay: float) -> Script:
    """Answer `POST /api/push`."""
    asked = decoded(request)
    name = text_of(asked, "model", "name")
    if not name:
        raise Refused(400, "model is required")
    return _told(asked, _pushed(library, name), delay)


def create(library: Library, request: Request, delay: float) -> Script:
    """Answer `POST /api/create`. What is in the blobs is not looked at: any bytes make a model."""
    asked = decoded(request)
    name = text_of(asked, "model", "name")
    files = asked.get("files") or {}
    if not is_name(name):
        raise Refused(400, "invalid model name")
    if not asked.get("from") and not files:
        raise Refused(400, "neither 'from' or 'files' was specified")
    if any(file.startswith("/") for file in files):
        raise Refused(400, "file path must be relative")
    if asked.get("from") and not is_name(asked["from"]):
        raise Refused(400, "invalid model name")
    template = text_of(asked, "template")
    if template.count("{{") > template.count("}}"):
        raise Refused(400, "template error: template: :1: unclosed action")
    return _told(asked, _created(library, name, asked), delay)


def _told(asked: dict[str, Any], parts: Parts, delay: float) -> Script:
    if asked.get("stream") is not False:
        return [Telling(parts, delay)]
    try:
        *_, last = parts
    except Refused as refused:
        return [reply(refused.said, 500)]
    return [reply(last)]


def _pulled(library: Library, name: str) -> Parts:
    yield {"status": "pulling manifest"}
    model = seeded(tagged(name))
    for layer in model.layers:
        status = {"status": f"pulling {layer.digest[7:19]}", "digest": layer.digest}
        yield from _pulled_layer(library, layer, status | {"total": layer.size})
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    library.put(name, replace(model, made=time.time_ns()))
    yield {"status": "success"}


def _pulled_layer(library: Library, layer: Layer, part: dict[str, Any]) -> Parts:
    if layer.digest in library.blobs:
        yield part | {"completed": layer.size}
    elif layer.size < _SMALL:
        yield part  # gone before anybody counted
    else:
        step = layer.size // _STEPS
        for done in range(library.partial.get(layer.digest, 0), layer.size, step):
            library.partial[layer.digest] = done
            yield part | ({"completed": done} if done else {})
        library.partial.pop(layer.digest, None)
    library.blobs[layer.digest] = layer.size


def _pushed(library: Library, name: str) -> Parts:
    yield {"status": "retrieving manifest"}
    model = library.find(name)
    if model is None:
        yield {"status": "couldn't retrieve manifest"}
        short, _, tag = tagged(name).rpartition(":")
        path = short if "/" in short else f"library/{short}"
        raise Refused(
            500,
            f"open {_MODELS}/manifests/registry.ollama.ai/{path}/{tag}: no such file or directory",
        )
    for layer in model.layers:
        part = {
            "status": f"pushing {layer.digest[7:19]}",
            "digest": layer.digest,
            "total": layer.size,
        }
        if layer.size >= _SMALL:
            for number in range(1, _STEPS):
                yield part | {"completed": layer.size * number // _STEPS}
        yield part | {"completed": layer.size}
    yield {"status": "pushing manifest"}
    yield {"status": "success"}


def _created(library: Library, name: str, asked: dict[str, Any]) -> Parts:
    base = yield from _base(library, asked)
    wanted = asked.get("quantize") or asked.get("quantization")
    if wanted:
        base = yield from _quantized(base, str(wanted))
    if asked.get("files"):
        yield {"status": "verifying conversion"}
    adapters = yield from _uploaded(library, asked.get("adapters") or {}, "converting adapter")
    given = {key: asked[key] for key in (*_FIELDS, *_CONFIG) if asked.get(key)}
    told = [sha256(f"{key} {json.dumps(given[key])}") for key in _FIELDS if key in given]
    # What the model was made from said something of its own about the rest.
    kept = base.layers[1:] if asked.get("from") else ()
    layers = (base.layers[0], *kept, *adapters, *told)
    for layer in layers:
        verb = "using existing" if layer.digest in library.blobs else "creating new"
        yield {"status": f"{verb} layer {layer.digest}"}
    yield {"status": "writing manifest"}
    fields = {**base.fields, **given}
    library.put(name, replace(base, layers=layers, fields=fields, made=time.time_ns()))
    yield {"status": "success"}


def _base(library: Library, asked: dict[str, Any]) -> Generator[dict[str, Any], None, Model]:
    """Tell how the model is got that another is made from, and return it."""
    name = asked.get("from")
    if name:
        if library.find(name) is None:
            yield from _pulled(library, name)
        found = library.find(name) or seeded(tagged(name))
        return replace(found, parent=library.known_name(name))
    files = asked["files"]
    is_gguf = all(file.endswith(".gguf") for file in files)
    layers = yield from _uploaded(library, files, "parsing GGUF" if is_gguf else "converting model")
    return Model(layers, quantization="F16", capabilities=("completion",))


def _uploaded(
    library: Library, files: dict[str, str], status: str
) -> Generator[dict[str, Any], None, tuple[Layer, ...]]:
    """Tell of files that were uploaded, and return their layers."""
    layers = []
    if files:
        yield {"status": status}
    for given in files.values():
        digest = digest_of(given)
        if digest is None:
            raise Refused(400, "invalid digest format")
        if digest not in library.blobs:
            path = f"{_MODELS}/blobs/{digest.replace(':', '-')}"
            raise Refused(500, f"open {path}: no such file or directory")
        layers.append(Layer(digest, library.blobs[digest]))
    return tuple(layers)


def _quantized(base: Model, wanted: str) -> Generator[dict[str, Any], None, Model]:
    """Tell how the weights are made smaller, and return the model with the new ones."""
    level = wanted.upper()
    if level not in _QUANTIZATIONS:
        raise Refused(
            500,
            f"unsupported quantization type {level} - supported types are {', '.join(_QUANTIZATIONS)}",
        )
    weights = base.layers[0]
    part = {
        "status": f"quantizing {base.quantization} model to {level}",
        "digest": _ZEROS,
        "total": weights.size,
    }
    for number in range(_STEPS + 1):
        done = weights.size * number // _STEPS
        yield part | ({"completed": done} if done else {})
    smaller = replace(sha256(f"{weights.digest} as {level}"), size=weights.size // 2)
    return replace(base, layers=(smaller, *base.layers[1:]), quantization=level)
