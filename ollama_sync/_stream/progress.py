"""`ProgressTracker`: the parts of a pull, push or create, added up to what a person wants to know.

Pure: no clock, time is an argument; no I/O. A tracker belongs to whoever feeds it, one thread at a time; what it gives away
is frozen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Phase = Literal["manifest", "downloading", "uploading", "verifying", "writing", "done", "other"]

# Seconds. The speed is that of the window before now; looked at over less than the shortest span it would be noise.
_WINDOW = 5.0
_SHORTEST = 0.25
_SPACING = 0.1

# By the beginning of the status, the longer ones first.
_PHASES: tuple[tuple[str, Phase], ...] = (
    ("pulling manifest", "manifest"),
    ("retrieving manifest", "manifest"),
    ("pushing manifest", "writing"),
    ("writing manifest", "writing"),
    ("removing unused layers", "writing"),
    ("pulling ", "downloading"),
    ("pushing ", "uploading"),
    ("verifying ", "verifying"),
    ("success", "done"),
)
# What comes after every byte has been moved. The last part of a layer may say less than all of it.
_AFTER_MOVING: tuple[Phase, ...] = ("verifying", "writing", "done")


@dataclass(frozen=True)
class LayerProgress:
    """How far one layer is.

    Args:
        digest: which layer; servers name pieces of work that are no layer by a digest of zeros, or "sha256:model".
        total: bytes.
        completed: how many of them are done, whether moved now or there before.

    Example:
        >>> layer = LayerProgress(digest="sha256:0a", total=200, completed=50)
        >>> layer.completed / layer.total
        0.25
    """

    digest: str
    total: int
    completed: int


@dataclass(frozen=True)
class Progress:
    """How far a pull, push or create is, over all layers that the server has named so far.

    Args:
        status: the server's latest words.
        phase: what they mean: "manifest", "downloading", "uploading", "verifying", "writing", "done" or "other".
        total: bytes of all layers named so far; it grows as the server comes to the next one. 0 when none was named.
        completed: how many of them are done.
        speed: bytes a second, over the last few seconds; what was there before does not count. 0.0 while unknown.
        remaining: seconds that the layers named so far will take at this speed; None while unknown.
        fraction: how much is done, 0.0 to 1.0; None while unknown. Within a phase it never falls, not even when another
            layer is named: it then waits until the rest has caught up.
        layers: the same layer by layer, in the order in which they were named.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     *_, last = client.pull("llama3.2", stream=True).progress()
        >>> last.phase, last.completed == last.total, last.status
        ('done', True, 'success')
    """

    status: str
    phase: Phase
    total: int
    completed: int
    speed: float
    remaining: float | None
    fraction: float | None
    layers: tuple[LayerProgress, ...]


class ProgressTracker:
    """Adds up the parts of one stream of progress.

    Example:
        >>> tracker = ProgressTracker()
        >>> for second, done in enumerate((10, 20, 30)):
        ...     tracker.add({"status": "pulling 0a", "digest": "sha256:0a", "total": 90, "completed": done}, second)
        >>> tracker.progress(now=2.0).remaining
        6.0
    """

    def __init__(self) -> None:
        self._status = ""
        self._phase: Phase = "other"
        # By status as well: work that is no layer shares its digest with other such work.
        self._layers: dict[tuple[str, str], LayerProgress] = {}
        self._layers_of: Phase = "other"
        self._fraction: float | None = None
        self._moved = 0  # bytes, of all layers ever
        self._samples: deque[tuple[float, int]] = deque()  # when, and what was moved then

    def add(self, part: Mapping[str, Any], now: float) -> None:
        """Take in one part, as decoded.

        Args:
            part: with "status", and "digest", "total" and "completed" where it is about a layer. Others change nothing.
            now: seconds, of any clock that does not go back.
        """
        status = part.get("status")
        if not isinstance(status, str):
            return
        phase = phase_of(status)
        if phase != self._phase:
            self._fraction = None
            if phase not in _AFTER_MOVING and phase != self._layers_of:
                self._begin_layers(phase)
        self._status, self._phase = status, phase
        digest = part.get("digest")
        if isinstance(digest, str) and digest:
            self._add_layer(digest, _count(part.get("total")), _count(part.get("completed")), now)
        elif phase in _AFTER_MOVING:
            self._layers = {
                key: LayerProgress(layer.digest, layer.total, layer.total)
                for key, layer in self._layers.items()
            }
        self._fraction = self._done_so_far()

    def progress(self, now: float) -> Progress:
        """Return how far it is.

        Args:
            now: seconds, of the clock that `add` was given; later than the last part when nothing has come since.
        """
        speed = self._speed(now)
        layers = tuple(self._layers.values())
        total = sum(layer.total for layer in layers)
        completed = sum(layer.completed for layer in layers)
        return Progress(
            status=self._status,
            phase=self._phase,
            total=total,
            completed=completed,
            speed=speed,
            remaining=(total - completed) / speed if speed else None,
            fraction=self._fraction,
            layers=layers,
        )

    def _begin_layers(self, phase: Phase) -> None:
        self._layers_of = phase
        self._layers = {}
        self._samples.clear()

    def _add_layer(self, digest: str, total: int, completed: int, now: float) -> None:
        key = (self._status, digest)
        # What the first part about a layer finds done was there before: an earlier pull's, or moved unseen.
        before = self._layers.get(key) or LayerProgress(digest, 0, completed)
        total = max(total, before.total)
        # A server that begins a piece of a layer again says less than before.
        completed = min(max(completed, before.completed), total)
        self._moved += max(0, completed - before.completed)
        self._layers[key] = LayerProgress(digest, total, completed)
        if not self._samples or now - self._samples[-1][0] >= _SPACING:
            self._samples.append((now, self._moved))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()

    def _speed(self, now: float) -> float:
        if not self._samples or self._phase != self._layers_of:
            return 0.0
        began, moved = max(
            (sample for sample in self._samples if sample[0] <= now - _WINDOW),
            default=self._samples[0],
        )
        seconds = now - began
        return (self._moved - moved) / seconds if seconds >= _SHORTEST else 0.0

    def _done_so_far(self) -> float | None:
        if self._phase == "done":
            return 1.0
        total = sum(layer.total for layer in self._layers.values())
        if not total:
            return self._fraction
        done = sum(layer.completed for layer in self._layers.values()) / total
        return max(done, self._fraction or 0.0)


def phase_of(status: str) -> Phase:
    """Return what the words of the server mean.

    Args:
        status: as "pulling manifest".

    Example:
        >>> phase_of("pulling 941f309b54ca"), phase_of("parsing GGUF")
        ('downloading', 'other')
    """
    return next((phase for begin, phase in _PHASES if status.startswith(begin)), "other")


def _count(value: object) -> int:
    """Return a number of bytes; the server leaves out those that are 0."""
    return value if isinstance(value, int) and value > 0 else 0
