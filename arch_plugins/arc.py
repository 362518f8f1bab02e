"""arc: IPI to mm_cpumask; each CPU erases by probe, or takes a new ASID for 32 pages and more.

arch/arc/mm/tlb.c:local_flush_tlb_range().  local_flush_tlb_mm() does nothing for an mm without users (exit_mmap()).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.cpu_asids import CpuAsids
from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.load_store import LoadStore
from arch_plugins.generic import flush_by_ipi, flush_cpus_by_ipi
from core.hookspecs import hookimpl
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.mm.kthread import mm_users
from core.mm.mm import Mm, mm_cpumask

NOTHING = FlushRequest(0, 0)


class Arc(LoadStore, CpuAsids):
    """ARCv2 with 8 KiB pages."""

    ceiling, page_insn, mm_insn = 31, "tlb_entry_erase", "get_new_mmu_context"
    FACTS = replace(
        TWO_LEVELS,
        page_size=8192,
        ptes_per_table=256,
        walker="writes",
        tables_at_once=("pte", "pmd", "pud"),
        capabilities=frozenset({"cpu_asids", "refill_by_permission", "refill_stores", "thp"}),
        kernel="6.12.117",
        family="synchronous IPI to mm_cpumask",
        sources=("arch/arc/mm/tlb.c", "arch/arc/mm/tlbex.S", "arch/arc/include/asm/pgtable-levels.h"),
    )

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """local_flush_pmd_tlb_range(): one entry maps the huge page."""
        cpus: frozenset[Cpu] = await mm_cpumask(mm)
        for cpu in sorted(cpus):
            await insn(cpu, self.page_insn, 1, Operand(start, 1, end - start, end - start))
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(start, end))

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        """Each CPU is interrupted before it reads mm_users, which stays 0 once it is 0."""
        if request.end is None and await mm_users() == 0:
            await flush_by_ipi(mm, NOTHING)
        else:
            await super().ask(mm, request)
