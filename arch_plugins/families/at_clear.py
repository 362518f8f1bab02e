"""The words of clearing with a flush: what an entry's clearing instruction does to every TLB, and what is put off.

Cells: ('flush_mm', None) mm->context.flush_mm; ('cpu_attach_mask', None) where the mm has ever been attached.
arch/s390/mm/pgtable.c, arch/s390/include/asm/tlbflush.h.
"""

from __future__ import annotations

from core.machine.insn import insn
from core.machine.op import Cell, Op, Outcome
from core.machine.pte import pte_cell, ptep_get, set_pte
from core.machine.tlb import invalidate, tlb_cell
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_remove_table
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
