"""The cells of the table: a verdict of one architecture in one scenario, and what workloads cost on one.

Each is a job (core.run.isolate.Job): picklable, answered in a child process, never raising.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from core.conformance import FINDINGS, SCENARIOS, Result, expected, judge
from core.conformance.judge import Walks
from core.conformance.scenario import Scenario
from core.cost import Workload, account
from core.explore import Hung, Limits
from core.explore.learn import answer_within, watchdog
from core.plugins.arch import PluginError
from core.plugins.purity import remembering_nothing
from core.run.isolate import INTERRUPTED, interrupted, preload
from core.table.rows import Row

preload(__name__)

COUNTING_TIMEOUT = 100.0
"""Seconds that a foreign plugin may be counted for: less than CELL_TIMEOUT, so that it costs no process, no retry."""


@dataclass(frozen=True)
class VerdictJob:
    """One architecture in one scenario; answers a Result."""

    row: Row
    scenario: str
    limits: Limits = Limits()
    searcher: str = "auto"
    walks: Walks | None = None

    def run(self) -> Result:
        """Set the architecture up, explore, and apply what its row declares."""
        if self.row.problem:
            return self.failed(self.row.problem)
        try:
            arch = self.row.arch()
        except Exception as error:
            return self.failed(str(error))
        scenario = _scenario(self.scenario)
        with answer_within(self.limits.timeout):
            result = judge(arch, self.row.era, scenario, limits=self.limits, searcher=self.searcher, walks=self.walks)
        if result.bounds.startswith(INTERRUPTED) and not interrupted():
            return self.failed("a program raised KeyboardInterrupt")
        reason = self.row.expect.get(self.scenario)
        return expected(result, reason) if reason else result

    def failed(self, reason: str) -> Result:
        """An error result."""
        scenario = _scenario(self.scenario)
        return Result(self.row.name, scenario.id, scenario.tier, "error", " ".join(reason.split()))


def _scenario(name: str) -> Scenario:
    return FINDINGS.get(name) or SCENARIOS[name]


@dataclass(frozen=True)
class Counted:
    """What workloads cost on one architecture: by workload, or why they could not be counted."""

    architecture: str
    counts: dict[str, dict[str, int]]
    problem: str = ""


@dataclass(frozen=True)
class CountJob:
    """Workloads on one architecture, `cpus` CPUs of which run them; answers Counted."""

    row: Row
    workloads: tuple[Workload, ...]
    cpus: int = 2
    timeout: float = COUNTING_TIMEOUT

    def run(self) -> Counted:
        """Count them all. A foreign plugin that hangs is found out here, before its process is given up."""
        if self.row.problem:
            return self.failed(self.row.problem)
        try:
            arch = self.row.arch()
            hung = watchdog(f"timed out after {self.timeout:g} s", self.timeout)
            with hung if self.row.foreign else nullcontext(), remembering_nothing(arch.plugin):
                counts = {load.name: account(arch, self.row.era, load, self.cpus) for load in self.workloads}
        except (PluginError, Hung) as error:
            return self.failed(str(error))
        return Counted(self.row.name, counts)

    def failed(self, reason: str) -> Counted:
        """Nothing counted."""
        return Counted(self.row.name, {}, " ".join(reason.split()))
