"""What a workload costs on an architecture, counted.

A second CPU runs threads of the mm throughout, so every flush that must reach it is an interrupt (or whatever the
architecture does instead).
"""

from __future__ import annotations

from core.arch import Arch
from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.cost.workloads import Workload
from core.mm.era import Era

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
    "pages_freed",
    "full_flushes",
    "flushed_pages",
    "small_flushes",
    "small_pages",
    "free_calls",
)
"""The counts of a report: IPIs sent and flushes made, entries flushed one by one, page-table-lock holds, batch pages
allocated, the most pages held back at once, the most rmap removals put off at once, the most entries cleared under
one hold of the lock and without a reschedule point, pages freed, and how much the flushes were about."""


def account(arch: Arch, era: Era, workload: Workload) -> dict[str, int]:
    """The counts of one unmapping of the workload's layout, by name (`REPORTED`)."""
    counts = Accountant(arch, era, Layout(workload.runs), fullmm=workload.fullmm).count()
    return {name: counts[name] for name in REPORTED}
