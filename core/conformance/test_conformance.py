"""What `pytest --pyargs core.conformance --arch NAME` runs."""

from __future__ import annotations

import pytest

from core.conformance import SCENARIOS, judge
from core.conformance.choose import choose
from core.conformance.verdict import as_declared, expected
from core.explore.text import columns


def test_scenario(arch_name: str, scenario_id: str, request: pytest.FixtureRequest) -> None:
    """The architecture passes the scenario, or does what its row in arches.toml declares."""
    row = choose(arch_name, request.config.getoption("--era"))
    result = judge(row.arch, row.era, SCENARIOS[scenario_id], searcher=request.config.getoption("--searcher"))
    if scenario_id in row.expect:
        result = expected(result, row.expect[scenario_id])
    if result.verdict == "unsupported":
        pytest.skip(result.reason)
    if result.verdict == "xfail":
        pytest.xfail(result.reason)
    if not as_declared(result):
        pytest.fail(f"{result.verdict}: {result.reason}\n{result.sentence}\n{columns(result.trace)}", pytrace=False)
