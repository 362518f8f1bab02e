"""The counts of a workload on an architecture.

Where an operation on a layout is counted, other CPUs run threads of the mm throughout, so every flush that must reach
them costs an IPI to each (or whatever the architecture does instead).  In turns CPUs come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.cost.accountant import Accountant
from core.cost.counts import CEILING, INSN, Counts
from core.cost.layout import HUGE, Layout
from core.cost.page_by_page import PageByPage
from core.cost.page_by_page import small as is_small
from core.cost.played import play
from core.cost.run_summaries import Known
from core.cost.table_summaries import TableSummaries
from core.cost.turns import Turns
from core.cost.workload import Workload, WorkloadStep, layout
from core.mm.era import ERAS, Era
from core.plugins.arch import Arch

REPORTED = (
    "ipis",
    "flushes",
    "pte_flushes",
    "lock_holds",
    "batch_pages",
    "max_held",
    "max_delayed",
    "max_ptes_per_hold",
    "max_ptes_unbroken",
    "max_flushes_per_hold",
    "pages_freed",
    "tables_freed",
    "full_flushes",
    "flushed_pages",
    "small_flushes",
    "small_pages",
    "free_calls",
    "flush_insns",
    "sync_ipis",
    "ipis_running",
    "ipis_lazy",
    "ipis_away",
    "ipis_isolated",
)
"""The counts in a report: IPIs sent and flushes made, entries flushed one by one, holds of a page-table lock, batch
pages allocated; the most pages held back at once, rmap removals delayed at once, entries cleared under one hold of the
lock and without a cond_resched(), flushes under one hold; pages and page tables freed, and the sizes of the flushes;
instructions that invalidate; IPIs of tlb_remove_table_sync_one(), which are not among `ipis`; and all IPIs by what they
interrupted: a thread of the process, a kernel thread on its page tables, another process, a thread of the process on an
isolated CPU.
"""

REMEMBERED = 1000
"""When tables of so many situations and words have been summed up, they are forgotten before the next zap."""


class CannotCount(Exception):
    """A workload that an architecture cannot run; the message names both, in one line."""


@dataclass
class Learned:
    """Counts workloads on one architecture and era, and keeps summaries of runs and tables from one to the next.

    The counts are the same as without.  A plugin that keeps state would make them wrong; core/plugins/purity.py finds
    it.
    """

    arch: Arch
    era: Era
    effects: dict[tuple[int, str], Known] = field(default_factory=dict)
    tables: dict[Any, TableSummaries] = field(default_factory=dict)

    def accounts(self, workload: Workload, cpus: int, ceilings: Sequence[int]) -> list[dict[str, int]]:
        """The counts as from `account`, for each of the ceilings; the workload is run once. CannotCount."""
        for step in workload.steps:
            if isinstance(step, WorkloadStep):
                _whole_huge_pages(self.arch, workload, layout(step.runs))
        total = dict.fromkeys((*REPORTED, *_instructions(self.arch)), 0)
        small = [[0, 0] for _ in ceilings]
        by_c = counts_c(self.arch) and is_small(workload)
        for step in workload.steps:
            counts, names = self._of_step(step, cpus, ceilings, by_c)
            for name, number in counts.items():
                if name.startswith("max_"):
                    total[name] = max(total[name], number)
                elif name in total or name.startswith(INSN):
                    total[name] = total.get(name, 0) + step.times * number
            for numbers, (flushes, pages) in zip(small, names, strict=True):
                numbers[0] += step.times * counts[flushes]
                numbers[1] += step.times * counts[pages]
        return [{**total, "small_flushes": flushes, "small_pages": pages} for flushes, pages in small]

    def _of_step(
        self, step: WorkloadStep | Turns, cpus: int, ceilings: Sequence[int], by_c: bool
    ) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """The counts of one round of a step, and by which names the small flushes of each ceiling go."""
        if isinstance(step, Turns):
            counts = Counts()
            names = [counts.tell_apart(ceiling) for ceiling in ceilings]
            play(self.arch, self.era, step, counts)
            return counts.result(), names
        if by_c:
            paged = PageByPage(self.arch, self.era, layout(step.runs), how=step.how, cpus=cpus, tables=step.tables)
            names = [paged.counts.tell_apart(ceiling) for ceiling in ceilings]
            return paged.count(), names
        accountant = Accountant(self.arch, self.era, layout(step.runs), how=step.how, cpus=cpus, tables=step.tables)
        names = [accountant.counts.tell_apart(ceiling) for ceiling in ceilings]
        accountant.effects.known = self.effects.setdefault((cpus, step.how), {})
        mixed = accountant.periods.mixed
        key = cpus, step.how, step.tables, frozenset(ceilings), mixed.classes
        if len(self.tables.get(key, ())) > REMEMBERED:
            del self.tables[key]
        mixed.known = self.tables.setdefault(key, mixed.known)
        return accountant.count(), names


def counts_c(arch: Arch) -> bool:
    """Has the architecture functions of the core in C, for counting?"""
    return bool(getattr(arch.plugin, "counts_c", False))


def account(arch: Arch, era: Era, workload: Workload, cpus: int = 2, ceiling: int = CEILING) -> dict[str, int]:
    """The counts of a workload by name: those in `REPORTED`, and 'insn:NAME' for each TLB instruction.

    `cpus` CPUs run threads of the mm; a flush of up to `ceiling` pages counts as small.  CannotCount for part of a huge
    page.
    """
    return Learned(arch, era).accounts(workload, cpus, (ceiling,))[0]


def _whole_huge_pages(arch: Arch, workload: Workload, laid: Layout) -> None:
    """CannotCount if a run of huge pages begins or ends within one: splitting is not modelled."""
    span = arch.facts.ptes_per_table
    for stretch in laid.stretches:
        repeats = 1 if stretch.ends[-1] % span == 0 else min(stretch.repeat, 2)
        for at in range(repeats):
            first = stretch.start + at * stretch.ends[-1]
            for (kind, count), end in zip(stretch.pattern, stretch.ends, strict=True):
                if kind == HUGE and (count % span or (first + end) % span):
                    raise CannotCount(
                        f"workload {workload.name}: {HUGE}: {count} pages up to page {first + end} are no whole huge "
                        f"pages of {arch.name}; expected multiples of {span}"
                    )


_NAMED: dict[Any, tuple[str, ...]] = {}


def _instructions(arch: Arch) -> tuple[str, ...]:
    """The instructions with which an architecture flushes one page; none if it does not report instructions.

    They are counted as 0 where a workload flushes nothing, so that its price still uses them and not `local`.
    """
    hook = arch.hook.ptep_clear_flush  # the same for an architecture with other facts
    if hook not in _NAMED:
        counts = Accountant(arch, ERAS["6.12"], Layout((("file_dirty", 1),)), how="clean").count()
        _NAMED[hook] = tuple(name for name in counts if name.startswith(INSN))
    return _NAMED[hook]
