"""Operations that clear an entry and flush it: what the clearing instruction does to every TLB, and what is deferred.

Cells: ('flush_mm', None) mm->context.flush_mm; ('cpu_attach_mask', None) where the mm is attached; mm_cpumask where it
has been attached since the last flush of the mm; ('flush_count', None) how many flushers are active, for which a CPU
that attaches waits; ('context.lock', None).  arch/s390/mm/pgtable.c, arch/s390/include/asm/tlbflush.h.

Where the masks cannot change in a model (Mm.cpus is set), nobody waits for a flusher, and none is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.lock import spin_lock, spin_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, ProtNone, Pte, pte_cell, ptep_get, set_pte
from core.machine.tlb import invalidate, tlb_cell
from core.mm.era import DETACH_FIX, FLUSH_MM_FIX
from core.mm.huge_memory import pmdp_get, set_pmd_at, xchg_pmd
from core.mm.mm import CPUMASK, Mm, log, mm_cpumask
from core.mm.mmu_gather import MmuGather, tlb_remove_table
from core.mm.pgtable import pmd_cell
from core.mm.swap import Table
from core.mm.swap_state import free_page_and_swap_cache

FLUSH_MM = Cell(declare("flush_mm", False, of_mm=True))
ATTACH_MASK = Cell(declare("cpu_attach_mask", frozenset(), of_mm=True))


FLUSH_COUNT = Cell(declare("flush_count", 0, of_mm=True))
CONTEXT_LOCK = Cell(declare("context.lock", None, of_mm=True))


def cpu_attach_mask(mm: Mm) -> Op:
    """mm->context.cpu_attach_mask; that of init_mm has every CPU, like its mm_cpumask (smp_start_secondary())."""
    if mm.is_init_mm:
        return mm_cpumask(mm)
    return Op("cpu_attach_mask", (ATTACH_MASK,), (), lambda cpus: [Outcome(cpus)], order=Order.PLAIN)


def set_flush_mm(to: bool) -> Op:
    """mm->context.flush_mm = to."""
    return Op(f"flush_mm = {int(to)}", (), (FLUSH_MM,), lambda: [Outcome(None, (to,))], order=Order.PLAIN)


def test_and_clear_flush_mm() -> Op:
    """Under mm->context.lock: is a flush owed?  If so, the caller has to do it."""
    return Op(
        "test and clear flush_mm", (FLUSH_MM,), (FLUSH_MM,), lambda owed: [Outcome(owed, (False,))], order=Order.PLAIN
    )


def ipte(mm: Mm, addr: int, nr: int, local: bool = False) -> Op:
    """Invalidate Page Table Entry: marks it and removes it from the TLBs of all CPUs before it completes.

    `local`: with the local-clearing control it leaves the TLBs of other CPUs alone.  The entry's later overwrite with
    _PAGE_INVALID changes nothing that any CPU can see.
    """
    pte = pte_cell(addr, nr)
    cpus = sorted({mm.task.cpu, *(() if local else mm.online)})
    entries = tuple(tlb_cell(cpu, a) for cpu in cpus for a in mm.addrs if addr <= a < addr + nr)
    return Op(
        f"IPTE({addr}){', local' if local else ''}",
        (pte,),
        (pte, *entries),
        lambda old: [Outcome(old, (None,) * (1 + len(entries)), awaits=frozenset(entries))],
        event=("clear", addr, nr),
        order=Order.FLUSH if local else Order.FLUSH_ALL,
    )


async def ptep_flush_direct(mm: Mm, addr: int) -> Entry:
    """Clear and flush one entry; on this CPU alone if the mm has nowhere else been attached since its last flush.

    An entry that is invalid is in no TLB, and is returned as it is.
    """
    old: Entry = await ptep_get(addr)
    if not isinstance(old, Pte):
        return old
    await count_flusher(mm, +1)
    local = await mm_cpumask(mm) == {mm.task.cpu}
    pte: Entry = await ipte(mm, addr, 1, local=local)
    await insn(mm.task.cpu, "IPTE", 1, Operand(addr, 1, everywhere=not local))
    del local  # no part of the state any more
    await count_flusher(mm, -1)
    return pte


async def ptep_flush_lazy(mm: Mm, addr: int, nr: int) -> Entry:
    """Clear `nr` entries; if the mm is attached to this CPU only, the flush is deferred.

    Entries that are invalid are in no TLB: they are returned as they are, and no flush is owed.
    """
    old: Entry = await ptep_get(addr)
    if not isinstance(old, Pte):
        return old
    await count_flusher(mm, +1)
    if await cpu_attach_mask(mm) == {mm.task.cpu}:
        await set_pte(addr, None, nr, event=("clear", addr, nr))
        await set_flush_mm(True)
    else:
        await ipte(mm, addr, nr)
        await insn(mm.task.cpu, "IPTE", nr, Operand(addr, nr, everywhere=True))
        await log("pte_flush", addr, nr)
    await count_flusher(mm, -1)
    return old


async def ptep_xchg_direct(mm: Mm, addr: int) -> Entry:
    """Empty an entry, flushed if it was valid."""
    return await emptied(addr, 1, await ptep_flush_direct(mm, addr))


async def ptep_xchg_lazy(mm: Mm, addr: int, nr: int) -> Entry:
    """Empty `nr` entries, flushed or marked if they were valid."""
    return await emptied(addr, nr, await ptep_flush_lazy(mm, addr, nr))


async def emptied(addr: int, nr: int, old: Entry) -> Entry:
    """ptep_xchg_commit() of an empty entry.  One that was valid has been emptied with the flush."""
    if not isinstance(old, Pte):
        await set_pte(addr, None, nr, event=("clear", addr, nr))
    return old


def idte_pmd(mm: Mm, addr: int, becomes: Callable[[Entry], object] = lambda pmd: None, local: bool = False) -> Op:
    """Invalidate DAT Table Entry, of a segment-table entry that maps a huge page: as `ipte`.

    What the entry `becomes` is written behind it; the hardware faults on it in between.
    """
    pmd, event = pmd_cell(mm, addr), ("clear_pmd", addr, mm.span[0])
    cpus = [mm.task.cpu, *(() if local else sorted(mm.online - {mm.task.cpu}))]
    covered = [a for a in mm.addrs if addr <= a < addr + mm.span[0]]
    entries = tuple(tlb_cell(cpu, a) for cpu in cpus for a in covered)
    return Op(
        f"IDTE of pmd({addr}){', local' if local else ''}",
        (pmd,),
        (pmd, *entries),
        lambda old: [Outcome(old, (becomes(old), *(None for _ in entries)), awaits=frozenset(entries))],
        event=event,
        order=Order.FLUSH if local else Order.FLUSH_ALL,
    )


async def pmdp_flush_direct(mm: Mm, addr: int, becomes: Callable[[Entry], object]) -> Entry:
    """Change and flush one huge entry; on this CPU alone as in `ptep_flush_direct`, and none that is invalid."""
    old: Entry = await pmdp_get(mm, addr)
    if old is None or isinstance(old, ProtNone):
        await set_pmd_at(mm, addr, cast(Entry, becomes(old)))
        return old
    await count_flusher(mm, +1)
    local = await mm_cpumask(mm) == {mm.task.cpu}
    pmd: Entry = await idte_pmd(mm, addr, becomes, local=local)
    await insn(mm.task.cpu, "IDTE", 1, Operand(addr, 1, everywhere=not local))
    del local
    await count_flusher(mm, -1)
    return pmd


async def pmdp_flush_lazy(mm: Mm, addr: int) -> Entry:
    """Clear a huge entry; if the mm is attached to this CPU only, the flush is deferred, and owed for a valid one."""
    old: Entry = await pmdp_get(mm, addr)
    if old is None or isinstance(old, ProtNone):
        await xchg_pmd(mm, addr)
        return old
    await count_flusher(mm, +1)
    if await cpu_attach_mask(mm) == {mm.task.cpu}:
        pmd: Entry = await xchg_pmd(mm, addr)
        await set_flush_mm(True)
    else:
        pmd = await idte_pmd(mm, addr)
        await insn(mm.task.cpu, "IDTE", 1, Operand(addr, 1, everywhere=True))
    await count_flusher(mm, -1)
    return pmd


async def flush_mm_lazy(mm: Mm) -> bool:
    """__tlb_flush_mm_lazy(): flush if a flush was deferred. Returns whether it was.

    The flag is cleared before the flush, because it may be set again at any time, and under a lock, because whoever
    finds it clear relies on that.  Before FLUSH_MM_FIX the flush came first, and there was no lock.
    """
    if not mm.era.has(FLUSH_MM_FIX):
        owed = bool(await Op("test flush_mm", (FLUSH_MM,), (), lambda owed: [Outcome(owed)], order=Order.PLAIN))
        if owed:
            await flush_mm(mm)
            await set_flush_mm(False)
        return owed
    await spin_lock(CONTEXT_LOCK, mm.task)
    owed = bool(await test_and_clear_flush_mm())
    if owed:
        await flush_mm(mm)
    await spin_unlock(CONTEXT_LOCK, mm.task)
    return owed


async def flush_mm(mm: Mm) -> None:
    """__tlb_flush_mm(): on every CPU; mm_cpumask is reset to where the mm is attached now.

    The mask is reset first: so a CPU that detaches in between is flushed, and not left out.
    """
    await insn(mm.task.cpu, "IDTE", 1, EVERYWHERE)
    await count_flusher(mm, +1)
    if mm.era.has(DETACH_FIX):
        await reset_cpumask(mm)
    await invalidate(sorted({mm.task.cpu, *mm.online}), mm.addrs, "IDTE")
    if not mm.era.has(DETACH_FIX):
        await reset_cpumask(mm)
    await count_flusher(mm, -1)


async def flush_kernel(mm: Mm) -> None:
    """__tlb_flush_kernel(): mappings of the kernel go on every CPU, whatever mm it is on."""
    await insn(mm.task.cpu, "IDTE", 1, EVERYWHERE)
    await invalidate(sorted(mm.cpu_online_mask), mm.addrs, "IDTE", order=Order.FLUSH_ALL)


async def reset_cpumask(mm: Mm) -> None:
    """cpumask_copy(mm_cpumask(mm), &mm->context.cpu_attach_mask): a read, and a write."""
    if mm.cpus is None:
        await set_cpumask(await cpu_attach_mask(mm))


def set_cpumask(cpus: frozenset[Cpu]) -> Op:
    """Write mm_cpumask as a whole."""
    return Op("mm_cpumask = cpu_attach_mask", (), (CPUMASK,), lambda: [Outcome(None, (cpus,))], order=Order.PLAIN)


async def count_flusher(mm: Mm, by: int) -> None:
    """atomic_inc(&mm->context.flush_count), atomic_dec()."""
    if mm.cpus is None:
        cell = (FLUSH_COUNT,)
        await Op(f"flush_count {by:+d}", cell, cell, lambda n: [Outcome(None, (n + by,))], order=Order.ATOMIC)


async def attach(mm: Mm) -> None:
    """switch_mm() and finish_arch_post_lock_switch(): wait for flushers, join both masks, do the flush that is owed."""
    if mm.cpus is None:
        await join(ATTACH_MASK, mm.task.cpu)
        await Op("wait for flush_count", (FLUSH_COUNT,), (), lambda n: [] if n else [Outcome(None)], order=Order.PLAIN)
        await join(CPUMASK, mm.task.cpu)
    await flush_mm_lazy(mm)


async def activate(mm: Mm) -> None:
    """activate_mm(): finish_arch_post_lock_switch() is not called, and nobody is at work on an mm that is new."""
    await join(ATTACH_MASK, mm.task.cpu)
    await join(CPUMASK, mm.task.cpu)


def join(mask: Cell, cpu: Cpu) -> Op:
    """cpumask_set_cpu()."""
    return Op(
        f"{mask} += CPU{cpu}", (mask,), (mask,), lambda cpus: [Outcome(None, (cpus | {cpu},))], order=Order.ATOMIC
    )


def detach(mm: Mm) -> Op:
    """switch_mm() to another mm; entries stay cached."""
    cell, cpu = (ATTACH_MASK,), mm.task.cpu
    return Op(f"detach CPU{cpu}", cell, cell, lambda cpus: [Outcome(None, (cpus - {cpu},))], order=Order.ATOMIC)


async def free_table_later(tlb: MmuGather, table: Table) -> None:
    """The mm must be flushed before the table is freed, whatever was cleared."""
    await set_flush_mm(True)
    tlb.freed_tables = True
    await tlb_remove_table(tlb, table)


async def free_now(mm: Mm, page: int, nr: int) -> bool:
    """__tlb_remove_page_size() of s390: the pages go back at once, and the gather is never full."""
    await log("free_now", page, nr)
    await free_page_and_swap_cache(mm, page, nr)
    return False
