"""The generic behaviour (include/asm-generic/tlb.h, mm/pgtable-generic.c), and generic SMP on top of it.

`Generic` implements every hook and is registered under every architecture.  Where the kernel's generic code calls a
function that each architecture must provide (flush_tlb_range), it is the synchronous IPI to mm_cpumask that most have.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import cast

from core.hookspecs import Architecture, Facts, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.ipi import FlushRequest, take_ipi
from core.machine.op import Cell, Cpu, Op, Tid
from core.machine.pte import Entry, Present, Pte, ptep_get, wrprotect_pte, xchg_pte
from core.mm.batched_unmap import UnmapBatch
from core.mm.huge_memory import establish_invalid_pmd, pmdp_huge_clear_flush, xchg_pmd
from core.mm.mm import Mm, Vma, cpumask_set_cpu, mm_cpumask, xchg_order
from core.mm.mmu_gather import (
    MmuGather,
    adjust_range,
    gather_page,
    tlb_flush_mmu_tlbonly,
    tlb_get_unmap_size,
    tlb_remove_table,
    tlb_remove_table_sync_one,
)
from core.mm.pgtable import (
    clear_upper,
    clear_young_dirty_ptes,
    get_and_clear_full_ptes,
    get_and_clear_pmd,
    pte_accessible,
    set_pte_at,
    set_ptes,
    wrprotect_ptes,
)
from core.mm.smp import flush_by_ipi as flush_by_ipi
from core.mm.smp import flush_cpus_by_ipi as flush_cpus_by_ipi
from core.mm.smp import on_each_cpu
from core.mm.swap import Table, free_table, free_table_page


class Generic(Architecture):
    """asm-generic, hook by hook."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts()

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """Entries are tagged by address space: the CPU is sent flushes from now on, also while it runs other mms."""
        if next is not None:
            await cpumask_set_cpu(next)

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return {}

    @hookimpl
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:
        return {}

    @hookimpl
    async def switch_to(self, mm: Mm) -> None:
        """Nothing about the mm: it switches stacks and registers."""

    @hookimpl
    async def enter_from_user_mode(self, mm: Mm) -> None:
        """Nothing about translations."""

    @hookimpl
    async def exit_to_user_mode(self, mm: Mm) -> None:
        """Nothing about translations."""

    @hookimpl
    async def activate_mm(self, mm: Mm) -> None:
        """asm-generic/mmu_context.h: switch_mm()."""
        await mm.hook.switch_mm(prev=None, next=mm)

    @hookimpl
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        """asm-generic/mmu_context.h: nothing."""

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """tlb_update_vma_flags(); a whole-mm gather does not look at VMAs."""
        if not tlb.fullmm:
            tlb.vma_pfn = vma.pfn or (tlb.mm.era.flush_vmas_late and tlb.vma_pfn)

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush at the VMA's end, unless ranges are merged; always for PFN mappings, whose pages the core does not
        track (commit b67fbebd4cf9), but see `Era.flush_vmas_late`.
        """
        merged = tlb.mm.facts.merge_vmas or tlb.mm.facts.no_range
        pfn = tlb.vma_pfn and not tlb.mm.era.flush_vmas_late and tlb.mm.era.has("b67fbebd4cf9")
        if not tlb.fullmm and (pfn or not merged):
            await tlb_flush_mmu_tlbonly(tlb)

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        return False

    @hookimpl
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        """No section was open."""

    @hookimpl
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        pass

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        pass

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        pass

    @hookimpl
    async def ptep_get(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await ptep_get(addr)
        return entry

    @hookimpl
    async def ptep_get_lockless(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await ptep_get(addr, lockless=True)
        return entry

    @hookimpl
    async def set_ptes(self, mm: Mm, addr: int, pte: Entry, nr: int) -> None:
        await set_ptes(addr, pte, nr)

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """No flush: a CPU that has less cached faults again."""
        await set_pte_at(mm, addr, entry)

    @hookimpl
    async def get_and_clear_full_ptes(self, mm: Mm, addr: int, nr: int, full: bool) -> Pte:
        return await get_and_clear_full_ptes(mm, addr, nr, full)

    @hookimpl
    async def wrprotect_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        await wrprotect_ptes(mm, addr, nr)

    @hookimpl
    async def clear_young_dirty_ptes(self, mm: Mm, addr: int, nr: int) -> None:
        await clear_young_dirty_ptes(mm, addr, nr)

    @hookimpl
    async def ptep_modify_prot_start(self, mm: Mm, addr: int) -> Present:
        return cast(Present, await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False))

    @hookimpl
    async def ptep_modify_prot_commit(self, mm: Mm, addr: int, oldpte: Present, pte: Entry) -> None:
        await set_pte_at(mm, addr, pte)

    @hookimpl
    async def ptep_test_and_clear_young(self, mm: Mm, addr: int) -> bool:
        return bool(await test_and_clear_young(addr))

    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        young = False
        for at in range(addr, addr + nr):
            young |= await mm.hook.ptep_clear_flush_young(mm=mm, addr=at)
        return young

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """include/linux/pgtable.h: flush_tlb_range(), in which nothing says that the entries are large."""
        await mm.hook.flush_tlb_range(mm=mm, start=start, end=end, stride=1)

    @hookimpl
    async def huge_ptep_get_and_clear(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await xchg_pte(addr, 1, order=xchg_order(mm))
        return entry

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """xchg: the walker of another CPU may set the dirty bit until the entry is cleared."""
        entry: Entry = await xchg_pte(addr, nr, ("clear", addr, nr), xchg_order(mm))
        return entry

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        entry: Entry = await xchg_pmd(mm, addr)
        return entry

    @hookimpl
    async def pmdp_huge_clear_flush(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await pmdp_huge_clear_flush(mm, addr)
        return entry

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await establish_invalid_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return entry

    @hookimpl
    async def pmdp_invalidate_ad(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
        return entry

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """The entries below are flushed, not the pmd: with them goes what is remembered of it."""
        table: int | None = await get_and_clear_pmd(mm, addr)
        await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + mm.span[0], stride=1)
        return table

    @hookimpl
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        """As x86 and powerpc have it: arch/x86/mm/pgtable.c, arch/powerpc/mm/book3s64/radix_pgtable.c."""
        await clear_upper(mm, 0, addr)
        await mm.hook.flush_tlb_kernel_range(mm=mm, start=addr, end=addr + 1)
        await free_table_page(Table("pte", addr // mm.span[0]))

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        return await ptep_clear_flush(mm, addr)

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        young = bool(await test_and_clear_young(addr))
        if young:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return young

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        await wrprotect_pte(addr)

    @hookimpl
    def pte_wrprotect(self, mm: Mm, pte: Present) -> Present:
        return pte._replace(write=False)

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return True

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return True

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        """CONFIG_SMP with a gather delays; UP and s390 share the fallback that does not."""
        if not (tlb.mm.facts.smp and tlb.mm.facts.gather):
            return False
        tlb.delayed_rmap = True
        return True

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, nr, delay_rmap)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """With NO_RANGE any range flushes the mm; otherwise the range is flushed."""
        if tlb.mm.facts.no_range:
            if not tlb.end:
                return None
        elif not (tlb.fullmm or tlb.need_flush_all):
            if not tlb.end:
                return None
            stride = tlb_get_unmap_size(tlb)
            await tlb.mm.hook.flush_tlb_range(mm=tlb.mm, start=tlb.start, end=tlb.end, stride=stride)
            return "range"
        await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
        return "mm"

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_by_ipi(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """on_each_cpu(), as x86, riscv, mips, sparc and others have it."""
        await on_each_cpu(mm, FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await flush_by_ipi(mm, FlushRequest(addr, addr + 1))

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        return take_ipi(sender, cpu, mm.addrs)

    @hookimpl
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:
        return ()

    @hookimpl
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:
        return True

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """x86: note which CPUs may have the entry."""
        batch.cpus |= await mm_cpumask(mm)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """x86: flush everything on the CPUs noted."""
        cpus, batch.cpus = batch.cpus, frozenset()
        await flush_cpus_by_ipi(mm, cpus, FlushRequest())

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        await tlb_remove_table_sync_one(mm)

    @hookimpl
    async def arch_exit_mmap(self, mm: Mm) -> None:
        """Nothing."""

    @hookimpl
    async def destroy_context(self, mm: Mm) -> None:
        """Nothing."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await give_back(tlb, table)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_puds = tlb.freed_tables = True
        await give_back(tlb, table)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_p4ds = tlb.freed_tables = True
        await give_back(tlb, table)

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        """Nothing: the page was flushed before it was freed."""

    @hookimpl
    def tlb_needs_table_invalidate(self) -> bool:
        return True


async def give_back(tlb: MmuGather, table: Table) -> None:
    """__pte_free_tlb(), __pmd_free_tlb(), __pud_free_tlb(): free a table after the flush, or at once where the macro
    does that.
    """
    if table.level in tlb.mm.facts.tables_at_once:
        await free_table(table)
    else:
        await tlb_remove_table(tlb, table)


async def ptep_clear_flush(mm: Mm, addr: int) -> Entry:
    """mm/pgtable-generic.c: no flush for an entry that no CPU can have cached."""
    pte: Entry = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
    if await pte_accessible(mm, pte):
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)
    return pte


class Smp(Architecture):
    """Generic SMP: everything as asm-generic has it."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            family="synchronous IPI to mm_cpumask",
            capabilities=frozenset(
                {"batched_unmap", "gup_fast", "move_pmd", "per_vma_lock", "shares_pmd_tables", "thp"}
            ),
            sources=("include/asm-generic/tlb.h", "mm/mmu_gather.c", "mm/pgtable-generic.c"),
        )
