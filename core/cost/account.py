"""What a workload costs on an architecture, counted: one schedule, run page by page.

A second CPU runs threads of the mm throughout, so every flush that must reach it is an interrupt (or whatever the
architecture does instead).
"""

from __future__ import annotations

from typing import Any

from core.arch import Arch
from core.cost.workloads import Workload
from core.linux.events import EventStream
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import Era
from core.mm.memory import unmap_page_range
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu

ME, OTHER = Cpu(0), Cpu(1)

COUNTS = {
    "flushes": "flushes",
    "pte_flushes": "pte_flushes",
    "lock_holds": "lock_holds",
    "batch_pages": "batch_pages_allocated",
    "max_held": "max_held_entries",
    "max_delayed": "max_delayed_rmaps_at_once",
    "max_ptes_per_hold": "max_ptes_cleared_per_hold",
    "pages_freed": "pages_freed",
}
"""The name in a report, and in an event stream's summary."""


def account(arch: Arch, era: Era, workload: Workload) -> dict[str, int]:
    """Counts by name: flushes, IPIs sent, page-table-lock holds, batch pages, the largest numbers held and delayed."""
    cells, anon, vma = _lay_out(workload)
    cpus = frozenset({ME, OTHER}) if arch.facts.smp and not arch.facts.one_cpu else frozenset({ME})
    cells[Cell("cpu_attach_mask")] = cpus
    task = Task("unmapper", Tid(1), ME)
    mm = Mm(arch.facts, era, arch.hook, task, is_anon=anon.__getitem__, cpus=cpus)
    stream = EventStream(arch.facts.gather)
    ipis = idle = 0

    def emit(event: tuple[Any, ...]) -> None:
        nonlocal ipis, idle
        if event[0] == "flush" and event[3][0] == "lazy_noop":
            idle += 1  # s390 was called, and found nothing to flush
        if event[0] == "ipi":
            ipis += event[1]
        elif event[0] == "call_rcu":
            stream.emit("call_rcu", len(event[1]))
        elif event[0] in _STREAMED:
            stream.emit(*event)
        elif event[0] == "ask" and event[1] != "resched":
            stream.emit(f"{event[1]}_alloc", True)

    async def unmap() -> None:
        tlb = await tlb_gather_mmu(mm)
        stream.watch(tlb)
        await unmap_page_range(tlb, vma, vma.start, vma.end)
        await tlb_finish_mmu(tlb)

    run(unmap(), cells, _first, emit, [take_ipi(task.tid, OTHER, ())])
    summary = stream.summary()
    counts = {name: summary[counted] for name, counted in COUNTS.items()}
    return {"ipis": ipis, **counts, "flushes": counts["flushes"] - idle}


_STREAMED = frozenset(
    {"lock", "unlock", "flush", "free", "clear", "clear_swap", "pte_flush", "set_dirty", "rmap", "free_now"}
    | {"batch_free", "table_free", "ipi_sync"}
)


def _first(op: Op, outcomes: Any) -> Outcome:
    outcome: Outcome = outcomes[0]
    return outcome


def _lay_out(workload: Workload) -> tuple[Memory, list[bool], Vma]:
    cells, anon, addr = Memory(), [], 0
    for kind, count in workload.runs:
        for _ in range(count):
            cells[pte_cell(addr)] = Pte(addr, True, kind.endswith("dirty"))
            anon.append(kind.startswith("anon"))
            addr += 1
    return cells, anon, Vma(0, addr)
