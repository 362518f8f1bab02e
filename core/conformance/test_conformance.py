"""What `pytest --pyargs core.conformance --arch NAME` runs: one test for each architecture and scenario.

`--arch` takes a row of arches.toml, `module:object`, `file.py:object` or an entry point, several times if need be.
Without any nothing would be judged, so that is an error.  The options are those of the top-level module
`shootdown_pytest`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from core.cli.resolve_arch import choose
from core.conformance import SUITE
from core.conformance.outside import Outside, described
from core.conformance.verdict import as_declared
from core.explore.text import columns
from core.run.isolate import isolated
from core.table.jobs import VerdictJob
from core.table.rows import ConfigError, Row


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per architecture and scenario."""
    names = metafunc.config.getoption("shootdown_arch", [])
    if not names:
        raise pytest.UsageError(
            "no architecture to judge: name one, as in --shootdown-arch mine.py:Mine (module:object, an entry point, "
            "a row), or --arch where that is no option of somebody else"
        )
    metafunc.parametrize("arch_name", names, ids=str)
    metafunc.parametrize("scenario_id", [*SUITE, *metafunc.config.getoption("shootdown_scenario", [])])


@cache
def chosen(name: str, era: str | None, config: Path | None) -> Row | ConfigError:
    """The row, or why there is none; it is set up once, not for each scenario."""
    try:
        return choose(name, era, config)
    except ConfigError as error:
        return error


@cache
def named(scenario: str) -> str | Outside:
    """A scenario of the suite by its id, or one from outside, which is loaded in a child process, once."""
    return scenario if scenario in SUITE else described(scenario)


def test_scenario(arch_name: str, scenario_id: str, request: pytest.FixtureRequest) -> None:
    """The architecture passes the scenario, or does what its row in arches.toml declares."""
    option = request.config.getoption
    row = chosen(arch_name, option("shootdown_era"), option("shootdown_arch_config"))
    if isinstance(row, ConfigError):
        pytest.fail(str(row), pytrace=False)
    result = isolated(VerdictJob(row, named(scenario_id), searcher=option("shootdown_searcher"), thorough=True))
    if result.verdict == "unsupported":
        pytest.skip(result.reason)
    if result.verdict == "xfail":
        pytest.xfail(result.reason)
    if not as_declared(result):
        pytest.fail(f"{result.verdict}: {result.reason}\n{result.sentence}\n{columns(result.trace)}", pytrace=False)
