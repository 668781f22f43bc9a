"""The scenarios, by name, in the order of the page. Importing them imports no peer."""

from __future__ import annotations

from scenarios import beside, calls, costs, many, one
from scenarios._scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (one, many, calls, costs, beside)
    for scenario in module.SCENARIOS
}

__all__ = ["SCENARIOS", "Scenario"]
