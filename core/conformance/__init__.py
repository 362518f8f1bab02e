"""The conformance suite: scenarios, properties, verdicts, and the tests that third parties run."""

from core.conformance.judge import judge
from core.conformance.scenario import Scenario
from core.conformance.scenarios import FINDINGS, SCENARIOS
from core.conformance.verdict import Result, as_declared, expected

__all__ = ["FINDINGS", "SCENARIOS", "Result", "Scenario", "as_declared", "expected", "judge"]
