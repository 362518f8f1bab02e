"""What a workload costs on an architecture, counted.

Other CPUs run threads of the mm throughout, so every flush that must reach them is an interrupt to each (or whatever
the architecture does instead).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from core.arch import Arch
from core.cost.accountant import Accountant
from core.cost.counts import CEILING, INSN
from core.cost.layout import Layout
from core.cost.workloads import Runs, Workload
from core.mm.era import ERAS, Era

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


def account(arch: Arch, era: Era, workload: Workload, cpus: int = 2, ceiling: int = CEILING) -> dict[str, int]:
    """The counts of the workload by name: `REPORTED`, and 'insn:NAME' for each flushing instruction.

    `cpus` CPUs run the mm; a flush of up to `ceiling` pages counts as small.
    """
    total = dict.fromkeys((*REPORTED, *_instructions(arch)), 0)
    for step in workload.steps:
        counts = Accountant(arch, era, _layout(step.runs), how=step.how, cpus=cpus, ceiling=ceiling).count()
        for name, number in counts.items():
            if name.startswith("max_"):
                total[name] = max(total[name], number)
            elif name in total or name.startswith(INSN):
                total[name] = total.get(name, 0) + step.times * number
    return total


@lru_cache(maxsize=64)
def _layout(runs: Runs) -> Layout:
    """A sweep counts the same layout many times."""
    return Layout(runs)


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
