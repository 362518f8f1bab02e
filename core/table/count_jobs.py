"""The job that counts workloads on one row: a core.run.isolate.Job, as those of core.table.jobs.

It is apart from them because they load the explorer, which counting does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.base.errortext import describe
from core.base.told import Told
from core.base.watchdog import TooLate, watchdog
from core.cost.page_by_page import small
from core.cost.workload_counts import REPORTED, CannotCount, account, counts_c
from core.cost.workloads import Workload
from core.mm.era import Era
from core.plugins.arch import Arch, PluginError
from core.plugins.hook_calls import HookCall, recording
from core.plugins.purity import remembering_nothing
from core.run.before import preload
from core.table.row import Row

if TYPE_CHECKING:
    from core.cost.outside import OutsideWorkload

preload(__name__, "arch_plugins.generic")

COUNTING_TIMEOUT = 100.0
"""Seconds to count a third-party plugin: less than CELL_TIMEOUT, so that a hang is noticed before the process is
killed.
"""


@dataclass(frozen=True)
class Counted:
    """The counts of workloads on one row, by workload; `problem` says why they could not be counted, or is ''.

    `unasked` are the workloads in which none of the plugin's own hooks ran: their counts say nothing about it.
    `by_text` are those for which functions of the core that the plugin has in C were the text in Python; None if it has
    none.
    """

    architecture: str
    counts: dict[str, dict[str, int]]
    problem: str = ""
    unasked: tuple[str, ...] = ()
    by_text: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CountJob:
    """Workloads on one row, whose threads run on `cpus` CPUs; its result is Counted."""

    row: Row
    workloads: tuple[Workload | OutsideWorkload, ...]
    cpus: int = 2
    timeout: float = COUNTING_TIMEOUT

    @property
    def guest(self) -> str:
        """The third parties whose code is run."""
        outside = [load.reference for load in self.workloads if not isinstance(load, Workload)]
        return "\n".join(filter(None, (self.row.guest, *outside)))

    def wrong(self, answer: Counted) -> str:
        """Why `answer` is not one of this job; '' if it may be."""
        if answer.architecture != self.row.name:
            return f"it is of {answer.architecture}"
        if not answer.problem and list(answer.counts) != [load.name for load in self.workloads]:
            return "it is not of the workloads"
        lacking = [name for counts in answer.counts.values() for name in REPORTED if name not in counts]
        return f"it has no {lacking[0]}" if lacking else ""

    def run(self) -> Counted:
        """Count all workloads. A third-party plugin that hangs is noticed here, before its process is killed."""
        if self.row.problem:
            return self.failed(self.row.problem)
        try:
            arch = self.row.arch()
            hung = watchdog(f"timed out after {self.timeout:g} s", self.timeout)
            with hung, remembering_nothing(arch.plugin):
                counts, unasked, own = {}, [], arch.own - {"arch_facts"}
                by_text: list[str] = []
                for load in self.workloads:
                    calls: set[HookCall] = set()
                    counted, small = _counted(recording(arch, calls), self.row.era, load, self.cpus)
                    counts[load.name] = counted
                    if not small:
                        by_text.append(load.name)
                    if own and not any(call.hook in own for call in calls):
                        unasked.append(load.name)
        except (CannotCount, Told, TooLate) as error:
            return self.failed(str(error))
        texts = tuple(by_text) if counts_c(arch) else None
        return Counted(self.row.name, counts, unasked=tuple(unasked), by_text=texts)

    def failed(self, reason: str) -> Counted:
        """The result of a job that raised, hung or died."""
        return Counted(self.row.name, {}, " ".join(reason.split()))


def _counted(arch: Arch, era: Era, load: Workload | OutsideWorkload, cpus: int) -> tuple[dict[str, int], bool]:
    """The counts of a workload, and whether it is small enough for C.

    PluginError if it is from outside and raises, or is not the same twice.
    """
    if isinstance(load, Workload):
        return account(arch, era, load, cpus), small(load)
    from core.cost.outside import load as load_workload

    found = load_workload(load.reference)
    try:
        first, second = account(arch, era, found, cpus), account(arch, era, found, cpus)
    except (CannotCount, PluginError):
        raise
    except Exception as error:
        raise PluginError(f"workload {load.reference}: {describe(error)}") from error
    if first != second:
        raise PluginError(f"workload {load.reference}: counting it twice gives different counts")
    return first, small(found)
