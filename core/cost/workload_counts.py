"""What a workload costs on an architecture, counted.

Other CPUs run threads of the mm throughout, so every flush that must reach them is an interrupt to each (or whatever
the architecture does instead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.cost.accountant import Accountant
from core.cost.counts import CEILING, INSN
from core.cost.layout import Layout
from core.cost.run_summaries import Known
from core.cost.workloads import Workload, layout
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
    "full_flushes",
    "flushed_pages",
    "small_flushes",
    "small_pages",
    "free_calls",
)
"""The counts of a report: IPIs sent and flushes made, entries flushed one by one, page-table-lock holds, batch pages
allocated, the most pages held back at once, the most rmap removals put off at once, the most entries cleared under
one hold of the lock and without a reschedule point, the most flushes under one hold, pages freed, and how much the
flushes were about."""


@dataclass
class Learned:
    """What counting has taught about an architecture with its facts and an era: it saves time, and changes no count.

    A plugin that changes from one count to the next would make it wrong (core/plugins/purity.py finds those that do).
    """

    arch: Arch
    era: Era
    effects: dict[tuple[int, str], Known] = field(default_factory=dict)

    def accounts(self, workload: Workload, cpus: int, ceilings: Sequence[int]) -> list[dict[str, int]]:
        """As `account` has them, one for each of the ceilings; the workload is done once."""
        total = dict.fromkeys((*REPORTED, *_instructions(self.arch)), 0)
        small = [[0, 0] for _ in ceilings]
        for step in workload.steps:
            accountant = Accountant(self.arch, self.era, layout(step.runs), how=step.how, cpus=cpus)
            names = [accountant.counts.tell_apart(ceiling) for ceiling in ceilings]
            accountant.effects.known = self.effects.setdefault((cpus, step.how), {})
            counts = accountant.count()
            for name, number in counts.items():
                if name.startswith("max_"):
                    total[name] = max(total[name], number)
                elif name in total or name.startswith(INSN):
                    total[name] = total.get(name, 0) + step.times * number
            for numbers, (flushes, pages) in zip(small, names, strict=True):
                numbers[0] += step.times * counts[flushes]
                numbers[1] += step.times * counts[pages]
        return [{**total, "small_flushes": flushes, "small_pages": pages} for flushes, pages in small]


def account(arch: Arch, era: Era, workload: Workload, cpus: int = 2, ceiling: int = CEILING) -> dict[str, int]:
    """The counts of the workload by name: `REPORTED`, and 'insn:NAME' for each flushing instruction.

    `cpus` CPUs run the mm; a flush of up to `ceiling` pages counts as small.
    """
    return Learned(arch, era).accounts(workload, cpus, (ceiling,))[0]


_NAMED: dict[Any, tuple[str, ...]] = {}


def _instructions(arch: Arch) -> tuple[str, ...]:
    """What an architecture that names its instructions flushes one page with: nothing if it names none.

    With it an unmapping that needs no flush still says whose it is.
    """
    hook = arch.hook.ptep_clear_flush  # the same for an architecture with other facts
    if hook not in _NAMED:
        counts = Accountant(arch, ERAS["6.12"], Layout((("file_dirty", 1),)), how="clean").count()
        _NAMED[hook] = tuple(name for name in counts if name.startswith(INSN))
    return _NAMED[hook]
