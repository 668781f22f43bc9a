"""The mock's models: which there are, of which layers, which are loaded, and what was uploaded.

One library belongs to one server; the hub thread alone reads and writes it. In memory, without I/O: a layer is a digest and
a size. Deterministic: the same name always gives the same model.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ollama_sync.testing._body import Refused

CONTEXT = 131072
"""Tokens: the longest context of every model here."""

_WEIGHTS = 2_019_377_376
_FOREVER = 292 * 365.25 * 86400.0
_KEEP = 300.0
_OLD = (
    1_746_349_716_290_404_892  # ns since 1970: when the models were made that a server starts with
)
_PART = r"[A-Za-z0-9_][\w.-]{0,79}"
_NAME = re.compile(
    rf"(?:https?://)?(?:(?P<host>[\w.-]+(?::\d+)?)/)?(?:(?P<space>{_PART})/)?(?P<model>{_PART})(?::(?P<tag>{_PART}))?",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Layer:
    """One blob of a model: "sha256:…" and bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Model:
    """One model of the library.

    Args:
        layers: its weights first.
        made: when, in ns since 1970.
        parent: the model that it was made from.
        quantization: how its weights are stored.
        capabilities: what it can do.
        fields: what `create` was told: template, system, license, parameters, messages and so on.
    """

    layers: tuple[Layer, ...]
    made: int = _OLD
    parent: str = ""
    quantization: str = "Q4_K_M"
    capabilities: tuple[str, ...] = ("completion", "tools")
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def digest(self) -> str:
        """What names exactly these layers, in hex."""
        return sha256(" ".join(layer.digest for layer in self.layers)).digest[7:]


class Library:
    """The models of one server.

    Args:
        names: the models that it starts with. None: it lists one, and every other name exists as well, until it is deleted.
    """

    def __init__(self, names: Iterable[str] | None) -> None:
        self._is_open = names is None
        self._gone: set[str] = set()  # deleted; some may be there again
        self._loaded: dict[str, float] = {}  # until when, in seconds since 1970
        self.models: dict[str, Model] = {}
        self.blobs: dict[str, int] = {}
        self.partial: dict[str, int] = {}
        """Bytes of layers whose pull was cut."""
        self.is_signed_in = True
        for name in ("llama3.2",) if names is None else names:
            full = tagged(name)
            self.models[full] = seeded(full)
            self._keep_layers(self.models[full])

    def find(self, name: str) -> Model | None:
        """Return a model, or None."""
        full = self.known_name(name)
        if full in self.models:
            return self.models[full]
        is_made_up = self._is_open and is_name(name) and full not in self._gone
        return seeded(full) if is_made_up else None

    def known_name(self, name: str) -> str:
        """Return a name with its tag, in the case in which it is known."""
        full = tagged(name)
        return next((known for known in self.models if known.lower() == full.lower()), full)

    def put(self, name: str, model: Model) -> None:
        """Keep a model under a name. It becomes the newest."""
        full = self.known_name(name)
        self.models.pop(full, None)
        self.models = {full: model, **self.models}
        self._keep_layers(model)

    def drop(self, name: str) -> None:
        """Forget a model, and the layers that no other has."""
        full = self.known_name(name)
        gone = self.models.pop(full, None)
        self._gone.add(full)
        self._loaded.pop(full, None)
        kept = {layer.digest for model in self.models.values() for layer in model.layers}
        for layer in gone.layers if gone else ():
            if layer.digest not in kept:
                self.blobs.pop(layer.digest, None)

    def load(self, name: str, keep_alive: object) -> None:
        """Have a model in memory, or no longer, for as long as a request's `keep_alive` says.

        Raises:
            Refused: it is no duration.
        """
        seconds = _seconds(keep_alive)
        if seconds:
            self._loaded[self.known_name(name)] = time.time() + seconds
        else:
            self._loaded.pop(self.known_name(name), None)

    def is_loaded(self, name: str) -> bool:
        """Tell whether a model is in memory."""
        return self._loaded.get(self.known_name(name), 0.0) > time.time()

    def loaded(self) -> list[tuple[str, Model, float]]:
        """Return what is in memory: name, model, and until when; the one that stays longest first."""
        now = time.time()
        self._loaded = {name: until for name, until in self._loaded.items() if until > now}
        found = [(name, self.find(name), until) for name, until in self._loaded.items()]
        rows = [(name, model, until) for name, model, until in found if model is not None]
        return sorted(rows, key=lambda row: row[2], reverse=True)

    def _keep_layers(self, model: Model) -> None:
        self.blobs.update((layer.digest, layer.size) for layer in model.layers)


def tagged(name: str) -> str:
    """Return a name without the server's defaults and with its tag.

    Example:
        >>> tagged("registry.ollama.ai/library/llama3.2")
        'llama3.2:latest'
    """
    short = name.partition("://")[2] or name
    short = short.removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def is_name(name: object) -> bool:
    """Tell whether a model may be named so."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def digest_of(text: str) -> str | None:
    """Return a digest as the server writes it, or None where the text is none."""
    match = _DIGEST.fullmatch(text)
    return f"sha256:{match[1].lower()}" if match else None


def sha256(text: str) -> Layer:
    """Return the layer that holds this text."""
    data = text.encode()
    return Layer(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def seeded(name: str) -> Model:
    """Return the model that a registry has under this name."""
    weights = replace(sha256(f"the weights of {name}"), size=_WEIGHTS)
    small = (sha256(f"{what} of {name}") for what in ("template", "license", "params", "config"))
    embeds = "embed" in name or "minilm" in name
    capabilities = ("embedding",) if embeds else ("completion", "tools")
    return Model((weights, *small), capabilities=capabilities)


def _seconds(keep_alive: object) -> float:
    """Return for how long a model stays: a number is seconds, a text a duration as "1h30m", below 0 for ever."""
    if keep_alive is None:
        return _KEEP
    if isinstance(keep_alive, (int, float)):
        return float(keep_alive) if keep_alive >= 0 else _FOREVER
    text = keep_alive if isinstance(keep_alive, str) else ""
    spans = text.lstrip("+-")
    if spans != "0" and ("".join(a + b for a, b in _SPAN.findall(spans)) != spans or not spans):
        raise Refused(400, f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(spans))
    return _FOREVER if text.startswith("-") else seconds
