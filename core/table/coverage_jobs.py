"""The jobs of `coverage`: what of a plugin's hooks runs in one scenario, or in one workload."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from core.base.watchdog import TooLate, watchdog
from core.conformance import judge
from core.conformance.coverage import Covered, covered
from core.conformance.outside import Outside
from core.conformance.scenario import Scenario
from core.cost.workload import Workload
from core.cost.workload_counts import CannotCount, account
from core.hookspecs import SPECS
from core.plugins.arch import PluginError
from core.plugins.hook_calls import HookCall, recording
from core.run.before import preload
from core.table.count_jobs import COUNTING_TIMEOUT
from core.table.jobs import guests, scenario_named
from core.table.row import Row

preload(__name__)


@dataclass(frozen=True)
class CoverageJob:
    """What one scenario, by its id or from outside, calls of the hooks of one row; its result is Covered."""

    row: Row
    scenario: str | Outside

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        return guests(self.row, self.scenario)

    def wrong(self, answer: Covered) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        return _wrong_coverage(answer, self.failed(""))

    def run(self) -> Covered:
        """Set up the architecture and explore the scenario; a large run has one schedule, and no locks are noted."""
        if self.row.problem:
            return self.failed(self.row.problem)
        try:
            arch, scenario = self.row.arch(), scenario_named(self.scenario)
        except PluginError as error:
            return self.failed(str(error))
        if isinstance(scenario, Scenario):
            return covered(arch, self.row.era, scenario)
        calls: set[HookCall] = set()
        judge(recording(arch, calls), self.row.era, scenario)
        return Covered(self.row.name, scenario.id, frozenset(calls))

    def failed(self, reason: str) -> Covered:
        """The result of a job that raised, hung or died."""
        where = self.scenario if isinstance(self.scenario, str) else self.scenario.id
        return Covered(self.row.name, where, problem=" ".join(reason.split()))


def _wrong_coverage(answer: Covered, want: Covered) -> str:
    if (answer.architecture, answer.where) != (want.architecture, want.where):
        return f"it is of {answer.architecture} {answer.where}"
    unknown = sorted(call.hook for call in answer.calls if call.hook not in SPECS)
    return f"there is no hook {unknown[0]}" if unknown else ""


@dataclass(frozen=True)
class WorkloadCoverageJob:
    """What one workload calls of the hooks of one row; its result is Covered, without locks."""

    row: Row
    workload: Workload

    @property
    def guest(self) -> str:
        """The third party whose code is run."""
        return self.row.guest

    def wrong(self, answer: Covered) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        return _wrong_coverage(answer, self.failed(""))

    def run(self) -> Covered:
        """Count the workload and keep the calls."""
        if self.row.problem:
            return self.failed(self.row.problem)
        calls: set[HookCall] = set()
        try:
            arch = self.row.arch()
            hung = watchdog(f"timed out after {COUNTING_TIMEOUT:g} s", COUNTING_TIMEOUT)
            with hung if self.row.foreign else nullcontext():
                account(recording(arch, calls), self.row.era, self.workload)
        except (CannotCount, PluginError, TooLate) as error:
            return self.failed(str(error))
        return Covered(self.row.name, self.workload.name, frozenset(calls))

    def failed(self, reason: str) -> Covered:
        """The result of a job that raised, hung or died."""
        return Covered(self.row.name, self.workload.name, problem=" ".join(reason.split()))
