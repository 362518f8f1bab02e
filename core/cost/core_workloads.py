"""Workloads for patches of the core, besides `CHANGES`: entries are copied, moved, and unmapped in a batch.

They say nothing about an architecture that the others do not say, so only trees whose core is counted as C have them.
"""

from __future__ import annotations

from core.cost.turns import Turn, Turns
from core.cost.workload import Workload
from core.cost.workloads import build
from core.mm.mm import Mm, Vma
from core.mm.syscalls import dup_mmap, mremap

PAGES, TABLE = 8, 512
"""Pages that are mapped, and where another table begins."""

_RUNNING = (*(Turn(cpu, "run") for cpu in range(3)), Turn(0, "fault", 0, PAGES))


async def _fork(mm: Mm) -> None:
    await dup_mmap(mm, [Vma(0, PAGES)], {at: TABLE + at for at in range(PAGES)})


async def _mremap(mm: Mm) -> None:
    await mremap(mm, Vma(0, PAGES), Vma(TABLE, TABLE + PAGES))


def _copies() -> Workload:
    title = f"fork of a process with 3 threads and {PAGES} pages, whose entries are copied"
    return Workload(f"fork pages={PAGES}", title, (Turns((*_RUNNING, Turn(0, _fork)), TABLE + PAGES),))


def _moves() -> Workload:
    title = f"mremap of {PAGES} pages of a process with 3 threads"
    return Workload(f"mremap pages={PAGES}", title, (Turns((*_RUNNING, Turn(0, _mremap)), TABLE + PAGES),))


def _batched() -> Workload:
    found = build("reclaim_file", {"pages": PAGES, "threads": 3})
    return Workload(f"reclaim_file pages={PAGES}", found.title, found.steps)


OF_THE_CORE = {workload.name: workload for workload in (_copies(), _moves(), _batched())}
"""By name."""
