"""What `pytest --pyargs core.conformance --arch NAME` runs: one test for each architecture and scenario.

`--arch` takes a row of arches.toml, `module:object`, `file.py:object` or an entry point, several times if need be.
Without any nothing would be judged, so that is an error.  The options are those of the top-level module
`shootdown_pytest`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from core.base.suggest import hint
from core.cli.resolve_arch import choose
from core.conformance import SUITE
from core.conformance.outside import Outside, described
from core.conformance.verdict import Result, as_declared, expected
from core.explore.text import columns
from core.run.pool import executor, memory_for_each, run
from core.table.jobs import VerdictJob
from core.table.rows import ConfigError, Row

EACH = 16
"""Cells for each core that are found together: a failure under `-x` has cost the verdicts of as many that follow it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per architecture and scenario."""
    names = metafunc.config.getoption("shootdown_arch", [])
    if not names:
        raise pytest.UsageError(
            "no architecture to judge: name one, as in --shootdown-arch mine.py:Mine (module:object, an entry point, "
            "a row), or --arch where that is no option of somebody else"
        )
    declared(metafunc.config.getoption("shootdown_xfails_file", None))  # a wrong file is an error before any test
    metafunc.parametrize("arch_name", names, ids=str)
    suite = [pytest.param(s.id, marks=getattr(pytest.mark, f"shootdown_{s.tier}")) for s in SUITE.values()]
    metafunc.parametrize("scenario_id", [*suite, *metafunc.config.getoption("shootdown_scenario", [])])


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


def job_of(item: pytest.Item) -> VerdictJob | ConfigError:
    """What the test `item` of this module asks, or why it cannot be asked."""
    option, asked = item.config.getoption, cast(pytest.Function, item).callspec.params
    row = chosen(asked["arch_name"], option("shootdown_era"), option("shootdown_arch_config"))
    if isinstance(row, ConfigError):
        return row
    return VerdictJob(row, named(asked["scenario_id"]), searcher=option("shootdown_searcher"), thorough=True)


class Ahead:
    """Verdicts that are found before their tests come: the next cells together, on all cores, as `run` finds them.

    A worker of pytest-xdist does not know which tests it will be given, and has one core: there, one at a time.
    """

    def __init__(self) -> None:
        self.found: dict[str, Result] = {}

    def result(self, item: pytest.Item) -> Result:
        """The verdict that the test `item` is about. pytest.fail.Exception if it cannot be asked for."""
        if item.nodeid not in self.found:
            self._find(item)
        return self.found.pop(item.nodeid)

    def _find(self, item: pytest.Item) -> None:
        first = job_of(item)
        if isinstance(first, ConfigError):
            pytest.fail(str(first), pytrace=False)
        cores = 1 if hasattr(item.config, "workerinput") else os.cpu_count() or 1
        last = 1 if hasattr(item.config, "workerinput") else cores * EACH
        following = _following(item)[1:last]
        asked = {item.nodeid: first} | {i.nodeid: job for i in following if isinstance(job := job_of(i), VerdictJob)}
        with executor("", cores) as workers:
            answers = run(list(asked.values()), workers, together=EACH // 2, memory=memory_for_each(cores))
            self.found |= dict(zip(asked, answers, strict=True))


def _following(item: pytest.Item) -> list[pytest.Item]:
    """The tests of this module that the session has chosen, from `item` on."""
    ours = [other for other in item.session.items if other.path == item.path]
    return ours[ours.index(item) :]


ahead = Ahead()


def test_scenario(arch_name: str, scenario_id: str, request: pytest.FixtureRequest) -> None:
    """The architecture passes the scenario, or does what its row in arches.toml or --xfails-file declares."""
    result = ahead.result(request.node)
    reason = declared(request.config.getoption("shootdown_xfails_file")).get(scenario_id)
    result = expected(result, reason) if reason else result
    if result.verdict == "unsupported":
        pytest.skip(result.reason)
    if result.verdict == "xfail":
        pytest.xfail(result.reason)
    if not as_declared(result):
        pytest.fail(f"{result.verdict}: {result.reason}\n{result.sentence}\n{columns(result.trace)}", pytrace=False)


@cache
def declared(path: Path | None) -> dict[str, str]:
    """Reasons by the scenarios that --xfails-file declares to fail: a line each, the scenario, then the reason."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"--shootdown-xfails-file {path}: {error}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, reason = line.partition("#")[0].strip().partition(" ")
        if name and not reason.strip():
            raise pytest.UsageError(f"{path}:{number}: expected a scenario and the reason why it fails, got {line!r}")
        if name and name not in SUITE:
            raise pytest.UsageError(f"{path}:{number}: scenario {name}: no such scenario; {hint(name, SUITE)}")
        if name:
            found[name] = reason.strip()
    return found
