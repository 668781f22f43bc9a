"""Progress, added up: of recorded streams, and of any other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync._stream.progress import LayerProgress, Progress, ProgressTracker, phase_of

BIG = "sha256:941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5"
SMALL = "sha256:e3b2721cec511e3a627ae0993753abbf5c72cdf4cfcdbc8f5c33ce15c4c4e04b"
ZEROS = "sha256:" + "0" * 64
MIB = 1024 * 1024
SIZE = 98362432


def layer(digest: str, completed: int, total: int = SIZE, verb: str = "pulling") -> dict[str, Any]:
    """Give one part about a layer as the server writes it: what is 0 is left out."""
    part = {"status": f"{verb} {digest[7:19]}", "digest": digest, "total": total}
    return part | ({"completed": completed} if completed else {})


def word(status: str) -> dict[str, str]:
    return {"status": status}


def follow(parts: Iterable[tuple[float, dict[str, Any]]]) -> list[Progress]:
    """Feed parts with their times, and give how far it was after each."""
    tracker = ProgressTracker()
    seen = []
    for now, part in parts:
        tracker.add(part, now)
        seen.append(tracker.progress(now))
    return seen


# As real servers had it.


def test_a_pull() -> None:
    """A recorded pull: the manifest, a layer in steps, one too small to be seen moving, and what comes after."""
    steps = [(0.06 * n, layer(BIG, n * 3 * MIB)) for n in range(1, 32)]
    *moving, small, verifying, writing, done = follow(
        [
            (0.0, word("pulling manifest")),
            *steps,
            (2.05, layer(SMALL, 0, 102)),
            (2.19, word("verifying sha256 digest")),
            (2.26, word("writing manifest")),
            (2.26, word("success")),
        ]
    )
    assert moving[0] == Progress("pulling manifest", "manifest", 0, 0, 0.0, None, None, ())
    assert [(p.phase, p.total) for p in moving[1:]] == [("downloading", SIZE)] * 31
    assert moving[-1].completed == 93 * MIB
    assert moving[-1].speed == pytest.approx(50 * MIB)
    assert moving[-1].remaining == pytest.approx((SIZE - 93 * MIB) / (50 * MIB))
    assert moving[-1].fraction == pytest.approx(93 * MIB / SIZE)
    assert small.layers == (LayerProgress(BIG, SIZE, 93 * MIB), LayerProgress(SMALL, 102, 0))
    assert small.total == SIZE + 102
    # The server never said that all of it was there; now it must be.
    assert [p.phase for p in (verifying, writing, done)] == ["verifying", "writing", "done"]
    for after in (verifying, writing, done):
        assert (after.completed, after.total, after.fraction) == (SIZE + 102, SIZE + 102, 1.0)
        assert (after.speed, after.remaining) == (0.0, None)


def test_a_pull_of_what_is_there() -> None:
    """A recorded pull of layers that are there: each comes once and complete, and no byte has moved."""
    sizes = {BIG: SIZE, SMALL: 102, "sha256:fbacade46b4d": 68}
    parts = [(n * 0.5, layer(d, size, size)) for n, (d, size) in enumerate(sizes.items())]
    last = follow(parts)[-1]
    assert (last.phase, last.completed, last.fraction) == ("downloading", sum(sizes.values()), 1.0)
    assert (last.speed, last.remaining) == (0.0, None)


def test_a_pull_that_is_resumed() -> None:
    """A recorded pull that goes on from 17 MiB: these were there, and are done but not fast."""
    parts = [(n * 0.5, layer(BIG, (17 + n) * MIB)) for n in range(5)]
    assert [p.completed for p in follow(parts)] == [(17 + n) * MIB for n in range(5)]
    assert [p.speed for p in follow(parts)] == [0.0, *[2.0 * MIB] * 4]


def test_a_push() -> None:
    """A recorded push counts up, and its manifest is written last."""
    seen = follow(
        [
            (0.0, word("retrieving manifest")),
            (0.06, layer(BIG, 30572544, verb="pushing")),
            (0.12, layer(BIG, 59277312, verb="pushing")),
            (0.30, layer(BIG, SIZE, verb="pushing")),
            (0.36, layer(SMALL, 102, 102, verb="pushing")),
            (0.49, word("pushing manifest")),
            (0.49, word("success")),
        ]
    )
    phases = ["manifest", *["uploading"] * 4, "writing", "done"]
    assert [p.phase for p in seen] == phases
    assert seen[4].speed == pytest.approx((SIZE - 30572544) / 0.3)
    assert seen[-1].completed == SIZE + 102


def test_a_create_tells_no_bytes() -> None:
    """A recorded create has words only: no fraction until it is done."""
    said = [
        ("parsing GGUF", "other"),
        ("verifying conversion", "verifying"),
        (f"creating new layer {BIG}", "other"),
        ("writing manifest", "writing"),
        ("success", "done"),
    ]
    seen = follow((0.0, word(status)) for status, _ in said)
    assert [(p.status, p.phase) for p in seen] == said
    assert [p.fraction for p in seen] == [None, None, None, None, 1.0]
    assert {(p.total, p.completed, p.layers) for p in seen} == {(0, 0, ())}


def test_a_create_that_pulls_and_quantizes() -> None:
    """What is quantized is counted anew: the bytes pulled before are no part of it."""
    status = "quantizing F16 model to Q4_K_M"
    seen = follow(
        [
            (0.0, layer(BIG, SIZE)),
            (0.1, word("success")),
            (0.2, {"status": status, "digest": ZEROS, "total": 200, "completed": 50}),
            (1.2, {"status": status, "digest": ZEROS, "total": 200, "completed": 150}),
            (1.3, {"status": "quantizing draft", "digest": ZEROS, "total": 100}),
            (1.4, word("creating new layer")),
        ]
    )
    assert [(p.completed, p.total) for p in seen[2:]] == [(50, 200), (150, 200), *[(150, 300)] * 2]
    assert (seen[3].speed, seen[3].remaining) == (pytest.approx(100), pytest.approx(0.5))
    assert seen[4].fraction == 0.75, "another piece of work does not take back what was said"


def test_a_model_as_one_layer() -> None:
    """Servers count some models as a whole, by a digest that is none, and their sum may grow."""
    parts = [{"status": "pulling model", "digest": "sha256:model", "total": t} for t in (10, 30)]
    last = follow(enumerate(parts))[-1]
    assert (last.phase, last.layers) == ("downloading", (LayerProgress("sha256:model", 30, 0),))


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("pulling manifest", "manifest"),
        ("retrieving manifest", "manifest"),
        ("pulling 941f309b54ca", "downloading"),
        ("pulling model", "downloading"),
        ("pushing model", "uploading"),
        ("pushing manifest", "writing"),
        ("writing manifest", "writing"),
        ("removing unused layers", "writing"),
        ("verifying sha256 digest", "verifying"),
        ("success", "done"),
        ("couldn't retrieve manifest", "other"),
        ("using existing layer sha256:00", "other"),
        ("", "other"),
    ],
)
def test_phases(status: str, phase: str) -> None:
    """Each of the server's phrases belongs to a phase; new ones are "other"."""
    assert phase_of(status) == phase


# Speed.


def test_the_speed_is_that_of_the_last_seconds() -> None:
    """What was fast some seconds ago no longer counts."""
    fast = [(n * 0.5, layer(BIG, n * 4 * MIB)) for n in range(11)]
    slow = [(5 + n * 0.5, layer(BIG, (40 * MIB) + n * MIB // 2)) for n in range(1, 14)]
    seen = follow(fast + slow)
    assert seen[10].speed == 8 * MIB
    assert seen[14].speed == pytest.approx((24 + 2) * MIB / 5)
    assert seen[-1].speed == pytest.approx(MIB)


def test_a_stall_is_seen_without_a_part() -> None:
    """The speed falls while nothing comes, and the time that remains grows."""
    tracker = ProgressTracker()
    for n in range(5):
        tracker.add(layer(BIG, n * MIB), n)
    speeds = [tracker.progress(now).speed for now in (4, 6, 8, 60)]
    assert speeds == [MIB, pytest.approx(0.6 * MIB), pytest.approx(0.2 * MIB), 0.0]
    assert tracker.progress(60).remaining is None


def test_no_speed_is_made_of_an_instant() -> None:
    """Parts that come in one batch, with one time, tell no speed."""
    seen = follow((at, layer(BIG, n * MIB)) for n, at in enumerate((0.0, 0.0, 0.01, 0.2, 0.25)))
    assert [p.speed for p in seen] == [0.0, 0.0, 0.0, 0.0, 16 * MIB]


def test_many_parts_take_little_memory() -> None:
    """However many parts come, those of the window that tell something are kept."""
    tracker = ProgressTracker()
    for n in range(20_000):
        tracker.add(layer(BIG, n), n / 1000)
    assert len(tracker._samples) < 60
    assert tracker.progress(19.999).speed == pytest.approx(1000, rel=0.01)


# Whatever comes.


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"error": "file does not exist"},
        {"status": None},
        {"status": 1, "digest": BIG, "total": 5, "completed": 5},
    ],
)
def test_what_is_no_part_changes_nothing(part: dict[str, Any]) -> None:
    """An object without a status leaves everything as it was."""
    tracker = ProgressTracker()
    tracker.add(layer(BIG, MIB), 0.0)
    before = tracker.progress(0.0)
    tracker.add(part, 0.0)
    assert tracker.progress(0.0) == before


def test_numbers_that_make_no_sense_do_no_harm() -> None:
    """More done than there is, numbers below 0 and what is no number are put right."""
    bad: list[tuple[Any, Any, tuple[int, int]]] = [
        (10, 20, (10, 10)),
        (-5, -3, (0, 0)),
        ("10", None, (0, 0)),
        (None, 5, (0, 0)),
    ]
    for total, completed, shown in bad:
        part = {"status": "pulling x", "digest": BIG, "total": total, "completed": completed}
        (said,) = follow([(0.0, part)])
        assert (said.total, said.completed) == shown
    assert follow([(0.0, {"status": "pulling x", "digest": 5})])[0].layers == ()


def test_a_layer_does_not_shrink() -> None:
    """A server that says less of the same layer later, as when it begins again, takes nothing back."""
    said = follow([(0, layer(BIG, 60, 100)), (1, layer(BIG, 10, 50)), (2, layer(BIG, 0, 0))])
    assert [(p.completed, p.total) for p in said] == [(60, 100)] * 3


_NUMBERS = st.one_of(st.none(), st.integers(-5, 1000), st.just("x"))
_LAYERS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["pulling a", "pushing a", "quantizing"]),
        "digest": st.sampled_from(["a", "b"]),
        "total": _NUMBERS,
        "completed": _NUMBERS,
    }
)
_WORDS = st.sampled_from(
    ["pulling manifest", "verifying sha256 digest", "writing manifest", "success", "parsing GGUF"]
).map(word)
_TIMED = st.lists(st.tuples(st.floats(0, 10), st.one_of(_LAYERS, _LAYERS, _WORDS)), max_size=60)


@given(_TIMED)
def test_nothing_goes_backwards_within_a_phase(steps: list[tuple[float, dict[str, Any]]]) -> None:
    """Whatever a server says: within a phase nothing that is counted falls, and the numbers fit together."""
    now = 0.0
    timed = []
    for pause, part in steps:
        now += pause
        timed.append((now, part))
    before: Progress | None = None
    for said in follow(timed):
        assert 0 <= said.completed <= said.total
        assert said.completed == sum(layer.completed for layer in said.layers)
        assert said.total == sum(layer.total for layer in said.layers)
        assert said.fraction is None or 0.0 <= said.fraction <= 1.0
        assert said.speed >= 0.0
        assert said.remaining is None or said.remaining >= 0.0
        if before is not None and before.phase == said.phase:
            assert said.completed >= before.completed
            assert said.total >= before.total
            assert len(said.layers) >= len(before.layers)
            assert (said.fraction or 0.0) >= (before.fraction or 0.0)
        before = said
