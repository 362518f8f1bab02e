"""The scenarios, by id, in the order of the table."""

from core.conformance.scenario import Scenario
from core.conformance.scenarios import gather, lost_dirty, nested, stale

SCENARIOS: dict[str, Scenario] = {
    scenario.id: scenario for module in (lost_dirty, stale, gather, nested) for scenario in module.SCENARIOS
}
