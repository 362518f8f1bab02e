"""The conformance suite: scenarios, properties, verdicts, and the tests that third parties run."""

from core.conformance.judge import judge
from core.conformance.large.scenarios import LARGE, LargeRun
from core.conformance.scenario import Scenario
from core.conformance.scenarios import FINDINGS, SCENARIOS
from core.conformance.verdict import Result, as_declared, expected

SUITE: dict[str, Scenario | LargeRun] = {**SCENARIOS, **LARGE}
"""What a plugin can answer for, by id: explored, or run at large."""

__all__ = [
    "FINDINGS",
    "LARGE",
    "SCENARIOS",
    "SUITE",
    "LargeRun",
    "Result",
    "Scenario",
    "as_declared",
    "expected",
    "judge",
]
