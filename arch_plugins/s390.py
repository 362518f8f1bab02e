"""s390: the instruction that clears an entry also flushes it on all CPUs, so nothing is gathered.

arch/s390/include/asm/tlb.h says why; arch/s390/mm/pgtable.c has ptep_flush_direct() and ptep_flush_lazy().  An mm that
has only ever been attached to this CPU is flushed lazily: the entry is only marked, and `flush_mm` makes the next of
tlb_flush() and finish_arch_post_lock_switch(), which runs when a task is switched in, flush before user code runs.
Pages are freed at once all the same, so the switch hook alone prevents the use of a stale entry for a freed page.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from arch_plugins.families.at_clear import (
    ATTACH_MASK,
    activate,
    attach,
    detach,
    flush_mm_lazy,
    free_now,
    pmdp_flush_lazy,
    ptep_flush_lazy,
    ptep_xchg_direct,
    ptep_xchg_lazy,
)
from arch_plugins.s390_pte import DirectEntries
from arch_plugins.s390_tables import Tables
from core.hookspecs import Facts, hookimpl
from core.machine.op import Cell, Cpu
from core.machine.pte import Entry, local_ptep_get_and_clear, set_pte
from core.mm.huge_memory import xchg_pmd
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather


class S390(DirectEntries, Tables):
    """s390 with MMU_GATHER_NO_GATHER, MMU_GATHER_RCU_TABLE_FREE, MMU_GATHER_MERGE_VMAS."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            memory_model="tso",
            gather=False,
            bundle=0,
            ptes_per_table=256,
            upper_entries=2048,
            rcu_table_free=True,
            merge_vmas=True,
            hw_dirty=False,
            kernel="6.12.117",
            family="flush at PTE clear",
            capabilities=frozenset({"flush_mm", "gup_fast", "init_mm_cpumask", "per_vma_lock", "thp"}),
            sources=(
                "arch/s390/include/asm/tlb.h",
                "arch/s390/include/asm/tlbflush.h",
                "arch/s390/include/asm/pgtable.h",
                "arch/s390/mm/pgtable.c",
                "arch/s390/include/asm/mmu_context.h",
            ),
        )

    @hookimpl
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:
        return {ATTACH_MASK: cpus}

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """switch_mm_irqs_off(): entries of `prev` stay cached, and are flushed by IPTE, or when the CPU attaches again.

        finish_arch_post_lock_switch(): the flush that `next` is owed is done before user code runs.
        """
        if prev is not None and prev is not next:
            await detach(prev)
        if next is not None:
            await attach(next)

    @hookimpl
    async def activate_mm(self, mm: Mm) -> None:
        """switch_mm() and the bit of mm_cpumask: exec waits for no flusher, and does no flush that is owed."""
        await activate(mm)

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """ptep_xchg_lazy(), or a plain store if no task runs on the mm any more."""
        if full:
            return await local_ptep_get_and_clear(addr, nr)
        return await ptep_xchg_lazy(mm, addr, nr)

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """pmdp_huge_get_and_clear_full(): pmdp_xchg_lazy(), or a plain store if no task runs on the mm any more."""
        return await (xchg_pmd(mm, addr) if full else pmdp_flush_lazy(mm, addr))

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """ptep_xchg_direct(), on a machine with the local-clearing facility."""
        return await ptep_xchg_direct(mm, addr)

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        """ptep_xchg_lazy(): the entry is invalidated first and then written again."""
        pte: Any = await ptep_flush_lazy(mm, addr, 1)
        await set_pte(addr, mm.hook.pte_wrprotect(mm=mm, pte=pte))

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        """__tlb_remove_page_size(): no TLB that user code could use has the entry any more, so the page is freed at
        once.
        """
        return await free_now(tlb.mm, page, nr)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        return "lazy_mm" if await flush_mm_lazy(tlb.mm) else "lazy_noop"

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_mm_lazy(mm)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_mm_lazy(mm)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Empty: the entry was flushed when it was cleared."""
