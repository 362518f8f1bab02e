"""powerpc book3s64 radix: tlbie to all, eieio; tlbsync; ptesync by the issuer; tlbiel where no other CPU has the mm.

arch_plugins/families/radix_tlb.py has the flushes; here is what book3s64/pgtable.c does about single entries, and how a
CPU comes to an mm and leaves it.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.needs_flush import RadixPte
from arch_plugins.families.radix_lazy import load_pid
from arch_plugins.families.radix_tlb import RadixTlb
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, take_ipi
from core.machine.op import Cpu, Op, Tid, barrier
from core.machine.order import Order
from core.machine.pte import Entry, Pte, allow_pte
from core.mm.huge_memory import establish_invalid_pmd, xchg_pmd
from core.mm.kthread import exit_lazy_flush_tlb
from core.mm.mm import Mm, cpumask_set_cpu
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import get_and_clear_pmd


class PowerpcRadix(RadixPte, RadixTlb):
    """64 KiB pages, GTSE."""

    FACTS = Facts(
        memory_model="weak",
        page_size=65536,
        ptes_per_table=32,
        upper_entries=512,
        rcu_table_free=True,
        merge_vmas=True,
        gather_page_size=True,
        capabilities=frozenset(
            {"gup_fast", "huge_vmap", "init_mm_cpumask", "move_pmd", "per_vma_lock", "thp", "trims_mm_cpumask"}
        ),
        sources=(
            "arch/powerpc/mm/book3s64/radix_tlb.c",
            "arch/powerpc/mm/book3s64/pgtable.c",
            "arch/powerpc/include/asm/tlb.h",
        ),
        kernel="6.12.117",
        family="hardware broadcast",
    )

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """radix__ptep_set_access_flags(): atomic, and no flush, for the hardware looks at the entry again."""
        await allow_pte(addr, entry)

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        """book3s64/pgtable.c:pmdp_huge_get_and_clear_full() flushes at once, unless the mm has no users."""
        pmd: Entry = await xchg_pmd(mm, addr)
        if not full:
            await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd

    @hookimpl
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        """The generic one, whose pmdp_huge_get_and_clear() (radix_pgtable.c) does not flush."""
        pmd: Entry = await xchg_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        """book3s64/pgtable.c: as the generic one, by _PAGE_PRESENT and _PAGE_INVALID."""
        pmd: Entry = await establish_invalid_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """radix__flush_tlb_collapsed_pmd(): the page-walk cache, then page by page, however many; with 4 KiB all."""
        table: int | None = await get_and_clear_pmd(mm, addr)
        if mm.facts.page_size == 4096:
            await self.flush_all_mm(mm)
            return table
        end = addr + mm.span[0]
        insns = self.pages(mm, addr, end, 1, leaf=False, both=False)
        await self.flush(mm, insns, FlushRequest(addr, end), await self.flush_type_needed(mm))
        return table

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """The only request that a CPU can receive is to leave the mm."""
        return take_ipi(sender, cpu, mm.addrs) if mm.cpus is not None else exit_lazy_flush_tlb(mm, sender, cpu)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """switch_mm_irqs_off(): the bit is set before the PID is loaded; only exit_lazy_flush_tlb() clears it."""
        if next is not None and next.cpus is None:
            await cpumask_set_cpu(next)
            await barrier(Order.SMP_MB)
            await load_pid(next.task.cpu)


class PowerpcRadixV61(PowerpcRadix):
    """6.1: an mm that is taken down is flushed by tlbie, and no CPU is made to leave it before."""

    FACTS = replace(PowerpcRadix.FACTS, kernel="6.1.192")

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """radix__tlb_flush() (radix_tlb.c:1183)."""
        if tlb.fullmm or tlb.need_flush_all:
            await self.flush_all_mm(tlb.mm, fullmm=True)
            return "mm"
        kind: str | None = await super().tlb_flush(tlb)
        return kind
