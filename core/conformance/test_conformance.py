"""What `pytest --pyargs core.conformance --arch NAME` runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from core.cli.resolve_arch import choose
from core.conformance.verdict import as_declared
from core.explore.text import columns
from core.run.isolate import isolated
from core.table.jobs import VerdictJob
from core.table.rows import ConfigError, Row


@cache
def chosen(name: str, era: str | None, config: Path | None) -> Row | ConfigError:
    """The row, or why there is none; it is set up once, not for each scenario."""
    try:
        return choose(name, era, config)
    except ConfigError as error:
        return error


def test_scenario(arch_name: str, scenario_id: str, request: pytest.FixtureRequest) -> None:
    """The architecture passes the scenario, or does what its row in arches.toml declares."""
    row = chosen(arch_name, request.config.getoption("--era"), request.config.getoption("--arch-config"))
    if isinstance(row, ConfigError):
        pytest.fail(str(row), pytrace=False)
    result = isolated(VerdictJob(row, scenario_id, searcher=request.config.getoption("--searcher")))
    if result.verdict == "unsupported":
        pytest.skip(result.reason)
    if result.verdict == "xfail":
        pytest.xfail(result.reason)
    if not as_declared(result):
        pytest.fail(f"{result.verdict}: {result.reason}\n{result.sentence}\n{columns(result.trace)}", pytrace=False)
