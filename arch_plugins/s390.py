"""s390: the entry is invalidated and flushed everywhere by the instruction that clears it, so nothing is gathered.

arch/s390/include/asm/tlb.h says why; arch/s390/mm/pgtable.c has ptep_flush_direct() and ptep_flush_lazy().  An mm that
has only ever been attached to this CPU is treated lazily: the entry is only marked, and `flush_mm` makes whoever
comes next flush before user code runs: tlb_flush(), or finish_arch_post_lock_switch() when a task is switched in.
Pages are freed at once all the same, so that hook is what stands between a freed page and a stale entry.

Cells: ('flush_mm', None) mm->context.flush_mm; ('cpu_attach_mask', None) where the mm has ever been attached.
"""

from __future__ import annotations

from core.hookspecs import Facts, hookimpl
from core.machine.insn import insn
from core.machine.op import Cell, Op, Outcome
from core.machine.pte import pte_cell, ptep_get, set_pte
from core.machine.tlb import invalidate, tlb_cell
from core.mm.mm import Mm, log
from core.mm.mmu_gather import MmuGather, adjust_range, tlb_remove_table
from core.mm.page import put_page
from core.mm.swap import Table

FLUSH_MM = Cell("flush_mm")
ATTACH_MASK = Cell("cpu_attach_mask")


def cpu_attach_mask() -> Op:
    """mm->context.cpu_attach_mask."""
    return Op("cpu_attach_mask", (ATTACH_MASK,), (), lambda cpus: [Outcome(cpus)])


def set_flush_mm(to: bool) -> Op:
    """mm->context.flush_mm = to."""
    return Op(f"flush_mm = {int(to)}", (), (FLUSH_MM,), lambda: [Outcome(None, (to,))])


def test_and_clear_flush_mm() -> Op:
    """Under mm->context.lock: whether a flush is owed; the caller now owes it."""
    return Op("test and clear flush_mm", (FLUSH_MM,), (FLUSH_MM,), lambda owed: [Outcome(owed, (False,))])


def ipte(mm: Mm, addr: int, nr: int) -> Op:
    """Invalidate Page Table Entry: marks it and removes it from the TLBs of all CPUs before it completes.

    The entry's later overwrite with _PAGE_INVALID changes nothing that any CPU can see.
    """
    pte = pte_cell(addr, nr)
    cpus = sorted({mm.task.cpu, *(mm.cpus or ())})
    entries = tuple(tlb_cell(cpu, a) for cpu in cpus for a in mm.addrs if addr <= a < addr + nr)
    return Op(
        f"IPTE({addr})",
        (pte,),
        (pte, *entries),
        lambda old: [Outcome(old, (None,) * (1 + len(entries)))],
        event=("clear", addr, nr),
    )


class S390:
    """s390 with MMU_GATHER_NO_GATHER, MMU_GATHER_RCU_TABLE_FREE, MMU_GATHER_MERGE_VMAS."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            gather=False,
            bundle=0,
            ptes_per_table=256,
            upper_entries=2048,
            rcu_table_free=True,
            merge_vmas=True,
            hw_dirty=False,
            family="flush at PTE clear",
            sources=(
                "arch/s390/include/asm/tlb.h",
                "arch/s390/include/asm/tlbflush.h",
                "arch/s390/include/asm/pgtable.h",
                "arch/s390/mm/pgtable.c",
                "arch/s390/include/asm/mmu_context.h",
            ),
        )

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """finish_arch_post_lock_switch(): pay what is owed before user code runs."""
        await flush_mm_lazy(mm)

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        """ptep_xchg_lazy(), or a plain store when nobody runs on the mm any more."""
        if full:
            return await clear_entry(addr, nr)
        if await cpu_attach_mask() == frozenset({mm.task.cpu}):
            pte = await clear_entry(addr, nr)
            await set_flush_mm(True)
            return pte
        await insn(mm.task.cpu, "IPTE", nr)
        pte = await ipte(mm, addr, nr)
        await log("pte_flush", addr, nr)
        return pte

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        """ptep_xchg_direct(). On this CPU alone with the local-clearing facility: IPTE with the local bit."""
        await insn(mm.task.cpu, "IPTE")
        return await ipte(mm, addr, 1)

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        """__tlb_remove_page_size(): no TLB that user code could use has it any more, so it is freed at once."""
        await log("free_now", page, nr)
        await put_page(page, nr)
        return False

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        return "lazy_mm" if await flush_mm_lazy(tlb.mm) else "lazy_noop"

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_mm_lazy(mm)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int, freed_tables: bool) -> None:
        await flush_mm_lazy(mm)

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """Empty: whoever cleared the entry flushed it."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = True
        await free_table_later(tlb, table)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_puds = True
        await free_table_later(tlb, table)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Does not widen the range: the flush is one of the whole mm anyway."""
        tlb.cleared_p4ds = True
        await free_table_later(tlb, table)


async def clear_entry(addr: int, nr: int) -> object:
    """Mark the entry invalid with an ordinary store; TLBs are left alone."""
    pte = await ptep_get(addr)
    await set_pte(addr, None, nr, event=("clear", addr, nr))
    return pte


async def flush_mm_lazy(mm: Mm) -> bool:
    """__tlb_flush_mm_lazy(): flush if somebody put it off. Returns whether it did."""
    if not await test_and_clear_flush_mm():
        return False
    await insn(mm.task.cpu, "IDTE")
    await invalidate(sorted({mm.task.cpu, *(mm.cpus or ())}), mm.addrs, "IDTE")
    return True


async def free_table_later(tlb: MmuGather, table: Table) -> None:
    """The mm must be flushed before the table is freed, whatever was cleared."""
    await set_flush_mm(True)
    tlb.freed_tables = True
    await tlb_remove_table(tlb, table)
