"""What `pytest --pyargs core.conformance --arch NAME` runs: one test for each architecture and scenario.

`--arch` takes a row of arches.toml, `module:object`, `file.py:object` or an entry point, several times if need be.
Without any nothing would be judged, so that is an error.  The options are those of the top-level module
`shootdown_pytest`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
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
from core.run.isolate import interrupt, interrupted
from core.run.pool import executor, memory_for_each, run
from core.table.jobs import VerdictJob
from core.table.row import Row
from core.table.rows import ConfigError

TOGETHER = 8
"""Cells that share a child process."""


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
    """Verdicts that are found before their tests come, on all cores, as `run` finds them.

    One search after another is begun, in the order of the tests, and each test waits for its own; those that no test
    came for (`-x`) end with the session.  A worker of pytest-xdist does not know which tests it will be given, and has
    one core: there, one at a time.
    """

    def __init__(self) -> None:
        self.found: dict[str, Result] = {}
        self.asked: dict[str, VerdictJob] = {}
        self.coming: Iterator[tuple[str, Result]] = iter(())

    def result(self, item: pytest.Item) -> Result:
        """The verdict that the test `item` is about. pytest.fail.Exception if it cannot be asked for."""
        if item.nodeid not in self.asked:
            self._begin(item)
        for name, result in () if item.nodeid in self.found else self.coming:
            if interrupted():  # each search says how far it came, and that is no verdict
                raise KeyboardInterrupt
            self.found[name] = result
            if name == item.nodeid:
                break
        del self.asked[item.nodeid]
        return self.found.pop(item.nodeid)

    def _begin(self, item: pytest.Item) -> None:
        """Search from `item` on, in the order of the tests."""
        self.close()
        first = job_of(item)
        if isinstance(first, ConfigError):
            pytest.fail(str(first), pytrace=False)
        alone = hasattr(item.config, "workerinput")
        items = [item] if alone else _following(item)
        self.asked = {one.nodeid: job for one in items if isinstance(job := job_of(one), VerdictJob)}
        self.coming = _verdicts(dict(self.asked), 1 if alone else os.cpu_count() or 1)
        item.config.add_cleanup(self.close)

    def close(self) -> None:
        """End the searches that no test has come for."""
        if isinstance(self.coming, Generator):
            self.coming.close()
        self.coming, self.found, self.asked = iter(()), {}, {}


def _verdicts(asked: Mapping[str, VerdictJob], cores: int) -> Generator[tuple[str, Result], None, None]:
    """The verdicts of jobs by their names, in their order, each as soon as it is ready."""
    with executor("", cores) as workers:
        answers = run(list(asked.values()), workers, together=TOGETHER, memory=memory_for_each(cores))
        with closing(cast(Generator[Result, None, None], answers)):
            try:
                yield from zip(asked, answers, strict=True)
            except GeneratorExit:
                interrupt()  # the executor waits for what is running
                raise


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
