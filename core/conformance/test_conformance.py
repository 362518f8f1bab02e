"""What `pytest --pyargs core.conformance --arch NAME` runs."""

from __future__ import annotations

import pytest

from core.apart import isolated
from core.conformance.choose import choose
from core.conformance.verdict import as_declared
from core.explore.text import columns
from core.jobs import Cell


def test_scenario(arch_name: str, scenario_id: str, request: pytest.FixtureRequest) -> None:
    """The architecture passes the scenario, or does what its row in arches.toml declares."""
    row = choose(arch_name, request.config.getoption("--era"))
    result = isolated(Cell(row, scenario_id, searcher=request.config.getoption("--searcher")))
    if result.verdict == "unsupported":
        pytest.skip(result.reason)
    if result.verdict == "xfail":
        pytest.xfail(result.reason)
    if not as_declared(result):
        pytest.fail(f"{result.verdict}: {result.reason}\n{result.sentence}\n{columns(result.trace)}", pytrace=False)
