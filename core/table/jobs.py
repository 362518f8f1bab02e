"""The jobs of a run: the verdict of one row in one scenario.

Each is a core.run.isolate.Job: picklable, run in a child process, never raising.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from core.base.cores import IdleCores
from core.conformance import FINDINGS, SUITE, Result, expected, judge
from core.conformance.judge import Walks
from core.conformance.scenario import Scenario
from core.conformance.verdict import VERDICTS
from core.explore import Limits
from core.explore.check import Observe
from core.explore.learn import answer_within
from core.plugins.arch import PluginError
from core.run.before import preload
from core.run.isolate import INTERRUPTED, Job, interrupted
from core.table.row import Row, shipped_arch
from core.table.shared import KnownCells

if TYPE_CHECKING:
    from core.conformance import LargeRun
    from core.conformance.outside import Outside
    from core.conformance.rule import OutsideRule

preload(__name__, "arch_plugins.generic")

LONGEST = 1e8
"""Seconds that no job takes."""


def out_of_time(result: Result, budget: float) -> Result:
    """`result` of a run whose time of `budget` seconds is up: a cell that was not reached is bounded, and says so."""
    said = f"the run's time of {budget:g} s was up"
    if result.verdict == "error" and result.reason == INTERRUPTED:
        return replace(result, verdict="bounded", reason="", bounds=f"not searched: {said}")
    if result.verdict == "bounded" and result.bounds.startswith(INTERRUPTED):
        return replace(result, bounds=said + result.bounds.removeprefix(INTERRUPTED))
    return result


@dataclass(frozen=True)
class VerdictJob:
    """One architecture in one scenario, of the suite by its id or from outside; answers a Result.

    `thorough`: a large run is made on many layouts.  `rules` from outside are to hold besides, but in large runs.
    `workers`: threads of a large search, which change nothing of its result; one of shipped code uses `idle` cores too.
    """

    row: Row
    scenario: str | Outside
    limits: Limits = Limits()
    searcher: str = "auto"
    walks: Walks | None = None
    thorough: bool = False
    rules: tuple[OutsideRule, ...] = ()
    workers: int = field(default=1, repr=False)  # not in the name under which a result is kept
    idle: IdleCores | None = field(default=None, repr=False)

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        return "\n".join(filter(None, (guests(self.row, self.scenario), *(rule.reference for rule in self.rules))))

    @property
    def kin(self) -> tuple[str, str] | None:
        """What cells have in common of which one may save searching another; None if nothing is known of the cell."""
        if self.guest or not isinstance(self.scenario, str) or self.walks is not None:
            return None
        return self.row.plugin, self.scenario

    def wrong(self, answer: Result) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        want = self.failed("")
        if (answer.architecture, answer.scenario, answer.tier) != (want.architecture, want.scenario, want.tier):
            return f"it is of {answer.architecture} {answer.scenario}"
        if not 0 <= answer.seconds < LONGEST:
            return f"it took {answer.seconds:g} s"
        return "" if answer.verdict in VERDICTS else f"its verdict is {answer.verdict}"

    def run(self) -> Result:
        """Set up the architecture, judge it, and apply what its row declares to fail."""
        return self.judged()

    def judged(self, observe: Observe | None = None) -> Result:
        """As `run`; `observe` is shown what the search has found."""
        started = time.perf_counter()
        return replace(self._judged(observe), seconds=time.perf_counter() - started)

    def _judged(self, observe: Observe | None) -> Result:
        if self.row.problem:
            return self.failed(self.row.problem)
        try:
            # A third party's plugin is set up for each job, so that no job sees what another left behind.
            arch = self.row.arch() if self.row.foreign else shipped_arch(self.row)
        except Exception as error:
            return self.failed(str(error))
        try:
            scenario = scenario_named(self.scenario)
            if self.rules and isinstance(scenario, Scenario):
                from core.conformance.rule import ruled

                scenario = ruled(scenario, [rule.reference for rule in self.rules])
            if isinstance(scenario, Scenario) and not isinstance(self.scenario, str):
                from core.tree.claims import resting

                scenario = replace(scenario, build=resting(scenario.build))
        except PluginError as error:
            return self.failed(str(error))
        judging = partial(
            judge,
            scenario=scenario,
            limits=self.limits,
            searcher=self.searcher,
            walks=self.walks,
            thorough=self.thorough,
            observe=observe,
            workers=self.workers,
            idle=None if self.guest else self.idle,
        )
        with answer_within(self.limits.timeout):
            if observe is None and self.kin is not None and isinstance(scenario, Scenario):
                result = _cells.result((self.kin, self.limits, self.searcher), arch, self.row.era, judging)
            else:
                result = judging(arch, self.row.era)
        if result.bounds.startswith(INTERRUPTED) and not interrupted():
            return self.failed("a program raised KeyboardInterrupt")
        reason = self.row.expect.get(scenario.id)
        return expected(result, reason) if reason else result

    def failed(self, reason: str) -> Result:
        """The result of a job that raised, hung or died: verdict 'error'."""
        scenario = scenario_named(self.scenario) if isinstance(self.scenario, str) else self.scenario
        return Result(self.row.name, scenario.id, scenario.tier, "error", " ".join(reason.split()))


def guests(row: Row, scenario: str | Outside) -> str:
    """The third parties whose code a job of `row` in `scenario` runs; '' for none."""
    outside = "" if isinstance(scenario, str) else scenario.reference
    return "\n".join(filter(None, (row.guest, outside)))


def scenario_named(named: str | Outside) -> Scenario | LargeRun:
    """The scenario itself. PluginError for one from outside that cannot be used."""
    if isinstance(named, str):
        return FINDINGS.get(named) or SUITE[named]
    if named.problem:
        raise PluginError(named.problem)
    from core.conformance.outside import load

    return load(named.reference)


def load_scenarios(named: Iterable[str | Outside]) -> None:
    """Load the suite's own among `named`, in this process and in children that are fresh interpreters."""
    for name in named:
        if isinstance(name, str):
            scenario = scenario_named(name)
            preload(scenario.build.__module__ if isinstance(scenario, Scenario) else "core.conformance.large.judge")


def kindred(jobs: Sequence[Job]) -> list[int]:
    """The order in which to run jobs, as their numbers: where the first one of a kin stands, all of it."""
    first: dict[object, int] = {}
    return sorted(range(len(jobs)), key=lambda n: (first.setdefault(getattr(jobs[n], "kin", None) or n, n), n))


_cells = KnownCells()
