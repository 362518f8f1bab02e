"""mm/memory.c: zapping a range, and freeing page tables. Page faults are in core/mm/page_fault.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.pte import Entry, Present, Swap, pte_present, set_pte
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.era import RECLAIM_FIX
from core.mm.huge_memory import zap_huge_pmd
from core.mm.mm import Mm, Vma, cond_resched, log, need_resched, pte_unlock
from core.mm.mmu_gather import (
    MmuGather,
    adjust_range,
    tlb_change_page_size,
    tlb_finish_mmu,
    tlb_flush_mmu,
    tlb_flush_mmu_tlbonly,
    tlb_flush_pte_range,
    tlb_flush_rmaps,
    tlb_free_vmas,
    tlb_gather_mmu,
)
from core.mm.page import set_page_dirty
from core.mm.page_fault import do_numa_page as do_numa_page
from core.mm.page_fault import do_wp_page as do_wp_page
from core.mm.page_fault import finish_mkwrite_fault as finish_mkwrite_fault
from core.mm.page_fault import handle_numa_fault as handle_numa_fault
from core.mm.page_fault import handle_pte_fault as handle_pte_fault
from core.mm.page_fault import handle_write_fault as handle_write_fault
from core.mm.page_fault import wp_page_copy as wp_page_copy
from core.mm.page_fault import wp_page_reuse as wp_page_reuse
from core.mm.page_fault import wp_page_shared as wp_page_shared
from core.mm.pgtable import LEVELS as LEVELS
from core.mm.pgtable import clear_upper as clear_upper
from core.mm.pgtable import get_and_clear_full_ptes as get_and_clear_full_ptes
from core.mm.pgtable import pte_offset_map_lock
from core.mm.pgtable import read_upper as read_upper
from core.mm.pgtable import upper_addr_end as upper_addr_end
from core.mm.pgtable import upper_entry as upper_entry
from core.mm.pt_reclaim import reclaim_pt_is_enabled, skip_none_ptes, try_get_and_clear_pmd, try_to_clear_pmd
from core.mm.rmap import folio_remove_rmap_ptes, unlink_file_vma
from core.mm.stand_in import or_c
from core.mm.swap import Table, lru_add_drain
from core.mm.swapfile import free_swap_and_cache

# ---- zap -----------------------------------------------------------------------------------------------------


async def unmap_vmas(tlb: MmuGather, vmas: Sequence[Vma]) -> None:
    """Zap the ranges of several VMAs, in ascending order."""
    for number, vma in enumerate(vmas):
        await log("vma", number)
        await unmap_page_range(tlb, vma, vma.start, vma.end)


async def zap_page_range_single(mm: Mm, vma: Vma, start: int, end: int, reclaim_pt: bool = False) -> None:
    """Zap a range of one VMA with a gather of its own; `reclaim_pt` as in struct zap_details.

    mmap_lock is held for reading at least, or the lock of the file's i_mmap.
    """
    await lru_add_drain(mm)
    tlb = await tlb_gather_mmu(mm)
    tlb.reclaim_pt = reclaim_pt
    await unmap_page_range(tlb, vma, start, end)
    await tlb_finish_mmu(tlb)


@or_c
async def unmap_page_range(tlb: MmuGather, vma: Vma, addr: int, end: int) -> None:
    """Zap a range of one VMA. mmap_lock is held, for reading at least."""
    await tlb.mm.hook.tlb_start_vma(tlb=tlb, vma=vma)
    await zap_upper_range(tlb, 2, addr, end)
    await tlb.mm.hook.tlb_end_vma(tlb=tlb, vma=vma)


async def zap_upper_range(tlb: MmuGather, level: int, addr: int, end: int) -> None:
    """zap_pmd_range(), zap_pud_range(), zap_p4d_range(): skip empty entries, descend into tables."""
    while addr != end:
        next_addr = upper_addr_end(tlb.mm, level, addr, end)
        entry: Any = await read_upper(tlb.mm, level, addr)
        if entry is not None:
            if level:
                await zap_upper_range(tlb, level - 1, addr, next_addr)
            elif pte_present(entry):
                await zap_huge_pmd(tlb, addr, next_addr)
            else:
                next_addr = await zap_pte_range(tlb, addr, next_addr)
        if level < 2:  # zap_p4d_range() has none
            await cond_resched()
        addr = next_addr


async def zap_pte_range(tlb: MmuGather, addr: int, end: int) -> int:
    """Zap the entries of one table.  Takes and releases its page-table lock, several times if necessary.

    Returns where it stopped: before `end` if the table has gone meanwhile.
    """
    mm, hook = tlb.mm, tlb.mm.hook
    start, can_reclaim, direct = addr, reclaim_pt_is_enabled(tlb, addr, end), True
    await tlb_change_page_size(tlb, 1)
    pmd: int | None = None
    while addr != end:
        force_flush = False
        table = await pte_offset_map_lock(mm, addr)
        if table is None:
            return addr
        await flush_tlb_batched_pending(mm)
        await hook.arch_enter_lazy_mmu_mode(mm=mm)
        while addr != end:
            if mm.era.resched_first and await need_resched(mm):
                break
            addr, pte = await skip_none_ptes(mm, addr, end)
            if pte is None or (not mm.era.resched_first and await need_resched(mm)):
                break
            if pte_present(pte):
                nr, forced, full = await zap_present_ptes(tlb, table, addr, end, pte)
                force_flush |= forced or full
                addr += nr
                if full:
                    if not mm.era.has("e6c495a96ce0"):
                        tlb.start, tlb.end = addr - 1, end
                    direct = False
                    break
            else:
                nr = await swap_pte_batch(mm, addr, end - addr, pte)
                if isinstance(pte, Swap):
                    await free_swap_and_cache(mm, pte, nr)
                await clear_not_present_full_ptes(mm, addr, nr)
                addr += nr
        direct = direct and addr == end
        if can_reclaim and direct:
            pmd = await try_get_and_clear_pmd(mm, start)
        await hook.arch_leave_lazy_mmu_mode(mm=mm)
        if force_flush:  # before the lock is dropped: nobody may find the entry gone and its page still written to
            await tlb_flush_mmu_tlbonly(tlb)
            await tlb_flush_rmaps(tlb, table)
        await pte_unlock(mm, table)
        if force_flush:
            await tlb_flush_mmu(tlb)
        if addr != end:
            await cond_resched()
    if can_reclaim:
        if pmd is None:
            pmd = await try_to_clear_pmd(mm, start, end)
        if pmd is not None:
            await hook.pte_free_tlb(tlb=tlb, table=Table("pte", pmd), addr=start if mm.era.has(RECLAIM_FIX) else end)
    return addr


async def zap_present_ptes(tlb: MmuGather, table: int, addr: int, end: int, pte: Present) -> tuple[int, bool, bool]:
    """Clear one mapping, or several of one large folio, under the lock of `table`.

    Returns how many, whether the TLB must be flushed under the lock, and whether the gather is full.
    """
    mm = tlb.mm
    if mm.special(pte.frame):
        await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=tlb.fullmm)
        tlb_flush_pte_range(tlb, addr, 1)
        return 1, False, False
    together = mm.era.folio_entries and mm.folio(pte.frame)[1] > 1
    nr = await folio_pte_batch(mm, addr, pte, end - addr) if together else min(mm.run(addr, end - addr, 1), tlb.room)
    pte = await mm.hook.get_and_clear_full_ptes(mm=mm, addr=addr, nr=nr, full=tlb.fullmm)
    page, force_flush, delay_rmap = pte.frame, False, False
    tlb_flush_pte_range(tlb, addr, nr)
    if not mm.is_anon(page) and pte.dirty:
        await set_page_dirty(mm.folio(page)[0], 1 if together else nr)
        if not mm.era.delays_rmap:
            force_flush = mm.era.has("1cf35d47712d")
        elif mm.hook.tlb_delay_rmap(tlb=tlb):
            force_flush = delay_rmap = True
    if not delay_rmap:
        await folio_remove_rmap_ptes(mm, table, page, nr, "early")
    full = await mm.hook.tlb_remove_page(tlb=tlb, page=page, nr=nr, delay_rmap=delay_rmap)
    return nr, force_flush, full


async def folio_pte_batch(mm: Mm, addr: int, pte: Present, max_nr: int) -> int:
    """How many entries from `addr` map consecutive pages of one folio, dirty or not (FPB_IGNORE_DIRTY)."""
    nr, _ = await writable_pte_batch(mm, addr, pte, max_nr, ignore_dirty=True)
    return nr


async def writable_pte_batch(mm: Mm, addr: int, pte: Present, max_nr: int, ignore_dirty: bool) -> tuple[int, bool]:
    """mm/internal.h:folio_pte_batch(): how many, and whether any behind the first is writable (`any_writable`).

    Without `ignore_dirty` all of them are as dirty as the first.
    """
    head, pages = mm.folio(pte.frame)
    max_nr = min(max_nr, head + pages - pte.frame)
    nr, any_writable = mm.run(addr, max_nr, 1), False
    while nr < max_nr:
        other: Any = await mm.hook.ptep_get(mm=mm, addr=addr + nr)
        if not pte_present(other):
            break
        dirty = other.dirty if ignore_dirty else pte.dirty
        if other != pte._replace(frame=pte.frame + nr, write=other.write, dirty=dirty):
            break
        any_writable |= other.write
        nr += mm.run(addr + nr, max_nr - nr, 1)
    return nr, any_writable


async def swap_pte_batch(mm: Mm, addr: int, max_nr: int, pte: Entry) -> int:
    """How many entries from `addr` on are swap entries with consecutive offsets, of one cgroup; mm/internal.h.

    1 of entries of another kind, and before `Era.swap_batches`.
    """
    nr = mm.run(addr, max_nr, 1)
    if mm.era.swap_batches and isinstance(pte, Swap):
        while nr < max_nr and await mm.hook.ptep_get(mm=mm, addr=addr + nr) == pte._replace(offset=pte.offset + nr):
            nr += 1
    return nr


async def clear_not_present_full_ptes(mm: Mm, addr: int, nr: int) -> None:
    """Clear `nr` entries that are not present: no CPU can have cached one. include/linux/pgtable.h."""
    each = nr if mm.long_runs else 1
    for at in range(addr, addr + nr, each):
        await set_pte(at, None, each, event=("clear_swap", at, each))


# ---- page tables ---------------------------------------------------------------------------------------------


async def free_pgtables(tlb: MmuGather, vmas: Sequence[Vma], floor: int, ceiling: int) -> None:
    """Free the tables that only these VMAs used, if tables come and go in this model.

    mmap_lock is held, or nobody else uses the mm.  `floor` and `ceiling` bound what the neighbours need; ceiling 0 is
    the top. VMAs that are close together are freed in one call.  A VMA with PFN mappings, whose pages only the driver
    knows, or of a shared file is removed from the file's i_mmap first; for others no model has anybody who looks there.
    """
    if tlb.mm.spares_tables:
        return
    await log("pgtables")
    if tlb.mm.era.flush_vmas_late:
        await tlb_free_vmas(tlb)
    for vma in vmas:
        if vma.pfn or vma.shared:
            await unlink_file_vma(tlb.mm, vma)
    if not tlb.mm.tables:
        return
    at = 0
    while at < len(vmas):
        addr, last = vmas[at].start, at
        while last + 1 < len(vmas) and vmas[last + 1].start <= vmas[last].end + tlb.mm.span[0]:
            last += 1
        above = vmas[last + 1].start if last + 1 < len(vmas) else ceiling
        await free_pgd_range(tlb, addr, vmas[last].end, floor, above)
        at = last + 1


async def free_pgd_range(tlb: MmuGather, addr: int, end: int, floor: int, ceiling: int) -> None:
    """Round `addr` up as `floor` requires and `end` down as `ceiling` requires, and free the tables in between."""
    span = tlb.mm.span[0]
    addr -= addr % span
    if addr < floor:
        addr += span
    if ceiling:
        ceiling -= ceiling % span
        if not ceiling:
            return
    if _beyond(end, ceiling):
        end -= span
    if addr > end - 1:
        return
    await tlb_change_page_size(tlb, 1)  # the pages of page tables
    await free_upper_range(tlb, 2, addr, end, floor, ceiling)


def _beyond(end: int, ceiling: int) -> bool:
    """`end - 1 > ceiling - 1` in unsigned arithmetic, where ceiling 0 is the top."""
    return ceiling != 0 and end > ceiling


async def free_upper_range(tlb: MmuGather, level: int, addr: int, end: int, floor: int, ceiling: int) -> None:
    """free_pmd_range(), free_pud_range(), free_p4d_range(): free the tables below `level`, from the bottom up."""
    mm, span = tlb.mm, tlb.mm.span[level]
    free = (mm.hook.pte_free_tlb, mm.hook.pmd_free_tlb, mm.hook.pud_free_tlb)[level]
    while addr != end:
        next_addr = min(addr - addr % span + span, end)
        table = await read_upper(mm, level, addr)
        if table is not None:
            if level:
                await free_upper_range(tlb, level - 1, addr, next_addr, floor, ceiling)
            folded = level + 2 > mm.facts.levels  # pmd_free_tlb() is empty where pgtable-nopmd.h is
            if not folded and (level == 0 or _whole_table(mm, level, addr, next_addr, floor, ceiling)):
                await clear_upper(mm, level, addr)
                start = addr if level == 0 else addr - addr % span
                await free(tlb=tlb, table=Table(("pte", "pmd", "pud")[level], table), addr=start)
        if level == 2 and mm.facts.runtime_p4d and _whole_table(mm, level, addr, next_addr, floor, ceiling):
            adjust_range(tlb, addr - addr % span, 1)  # p4d_free_tlb(), where pgd_none() is never true
            tlb.freed_tables = True
        addr = next_addr


def _whole_table(mm: Mm, level: int, addr: int, end: int, floor: int, ceiling: int) -> bool:
    """Is the table that an entry of `level` points to needed by no neighbour?"""
    span = mm.span[level]
    if addr - addr % span < floor:
        return False
    if ceiling:
        ceiling -= ceiling % span
        if not ceiling:
            return False
    return not _beyond(end, ceiling)
