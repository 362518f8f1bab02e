"""The conformance suite: scenarios, properties, verdicts, and the tests that third parties run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.conformance.judge import judge
from core.conformance.scenario import Scenario
from core.conformance.scenarios import FINDINGS, SCENARIOS
from core.conformance.scenarios.index import LARGE_IDS
from core.conformance.verdict import Result, as_declared, expected

if TYPE_CHECKING:
    from core.conformance.large.scenarios import LARGE, LargeRun


class Suite(Mapping[str, "Scenario | LargeRun"]):
    """All scenarios and large runs by id; what is asked for is imported."""

    def __getitem__(self, name: str) -> Scenario | LargeRun:
        if name not in LARGE_IDS:
            return SCENARIOS[name]
        from core.conformance.large.scenarios import LARGE

        return LARGE[name]

    def __contains__(self, name: object) -> bool:
        return name in SCENARIOS or name in LARGE_IDS

    def __iter__(self) -> Iterator[str]:
        yield from SCENARIOS
        yield from LARGE_IDS

    def __len__(self) -> int:
        return len(SCENARIOS) + len(LARGE_IDS)


SUITE: Mapping[str, Scenario | LargeRun] = Suite()
"""What a plugin can answer for, by id: explored, or run at large."""


def __getattr__(name: str) -> Any:
    if name not in ("LARGE", "LargeRun"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from core.conformance.large import scenarios

    return getattr(scenarios, name)


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
