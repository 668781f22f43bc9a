"""The simulation of `benchmarks/fleet_sim.py`: it counts right, gives the same each time, and its page is its output."""

from __future__ import annotations

import importlib
import random
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def _imported(name: str) -> Any:
    """Import what lies in `benchmarks`, as its commands do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


fleet_sim = _imported("fleet_sim")
fleet_model = _imported("fleet_model")
SMALL = [run for run in fleet_sim.planned(0.005, seed=7) if run.size <= 100]


@pytest.mark.parametrize("run", SMALL, ids=lambda run: f"{run.kind}-{run.size}-{run.chooser}")
def test_every_prompt_is_answered_once_and_no_server_has_more_than_its_places(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails in between, and whoever chooses."""
    begin = fleet_model.Simulation._begin

    def begin_and_look(simulation: Any, server: Any, prompt: Any) -> None:
        begin(simulation, server, prompt)
        assert server.is_up
        assert 0 < server.running <= server.places
        free = sum(one.places - one.running for one in simulation.servers if not one.is_resting)
        assert simulation._free == free

    monkeypatch.setattr(fleet_model.Simulation, "_begin", begin_and_look)
    simulation = fleet_model.Simulation(run.size, run.chooser, run.seed)
    chance = random.Random(run.seed)
    if run.kind == "file":
        prompts = fleet_model.prompts_of_a_file(run.prompts, chance)
    else:
        prompts = fleet_model.prompts_of_people(run.prompts, simulation.servers, 0.6, chance)
    result = simulation.run(prompts)
    assert result.done == sum(prompt.turns for prompt in prompts)
    assert result.ends == sorted(result.ends)
    assert not any(server.queue for server in simulation.servers)


def test_one_server_that_never_fails_is_as_good_as_the_ideal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With nothing that fails, and one model, all that is lost is its loading, and the end."""
    monkeypatch.setattr(fleet_model, "BREAKS", 0.0)
    monkeypatch.setattr(fleet_model, "SECONDS_BETWEEN_OUTAGES", 1e12)
    (run,) = [run for run in SMALL if (run.size, run.kind, run.chooser) == (1, "file", "fleet")]
    result, ideal = fleet_sim.ran(run._replace(prompts=1000))
    assert ideal < result.ends[-1] < ideal * 1.05 + fleet_model.SECONDS_TO_LOAD
    assert result.loads == 1


def test_the_same_seed_gives_the_same_figures() -> None:
    """And another one gives others."""
    run = SMALL[-1]
    assert fleet_sim.ran(run) == fleet_sim.ran(run)
    assert fleet_sim.ran(run) != fleet_sim.ran(run._replace(seed=8))


def test_the_page_has_the_lines_of_the_tables() -> None:
    """Each run has its line, in the order of the command; the figures are those of a full run."""
    shown = re.findall(r"^\| (\d+) \| ([\d,]+) \| (.+?) \|", PAGE, re.MULTILINE)
    planned = fleet_sim.planned(1.0, seed=1)
    assert [(int(size), name) for size, _, name in shown] == [
        (run.size, fleet_sim.NAMES[run.chooser]) for run in planned
    ]
    for (_, prompts, _), run in zip(shown, planned, strict=True):
        assert run.prompts <= int(prompts.replace(",", "")) < run.prompts + 30
