"""mm/huge_memory.c: entries of a pmd table that map a huge page.

Data types
    Pte, in the cell of a pmd        pmd_trans_huge(): `frame` is the first page of the folio that it maps
    ProtNone, in the cell of a pmd   the result of pmdp_invalidate(): the hardware faults on it, and it is not empty

A huge page takes one slot of the gather whatever its size.  It is queued after its lock has been released, so a dirty
huge page of a file does not force a flush under the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, Present, ProtNone, Pte, pte_present
from core.machine.tlb import ref_cell
from core.mm.era import COLD_FIX, SPLIT_FIX
from core.mm.mm import Mm, pmd_ptl_cell, xchg_order
from core.mm.mmu_gather import MmuGather, adjust_range, tlb_change_page_size, tlb_flush_mmu
from core.mm.page import (
    FREED_TWICE,
    folio_clear_dirty,
    folio_mapcount,
    folio_mapped,
    folio_test_dirty,
    get_page,
    inc_mapcount,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)
from core.mm.pgtable import pmd_cell, pmd_populate
from core.mm.rmap import folio_remove_rmap_pmd
from core.mm.stand_in import or_c
from core.mm.swap import folio_isolate_lru, folio_mark_lazyfree


def pmd_lock(mm: Mm, addr: int) -> Op:
    """pmd_lock(): take the lock of the pmd table that covers `addr`."""
    return spin_lock(pmd_ptl_cell(mm, addr), mm.task, event=("lock",))


def pmd_unlock(mm: Mm, addr: int) -> Op:
    """Release the lock of the pmd table that covers `addr`."""
    return spin_unlock(pmd_ptl_cell(mm, addr), mm.task, event=("unlock",))


@or_c
def tlb_flush_pmd_range(tlb: MmuGather, addr: int, size: int) -> None:
    """A huge entry that covers `size` pages from `addr` has been changed."""
    adjust_range(tlb, addr, size)
    tlb.cleared_pmds = True


async def zap_huge_pmd(tlb: MmuGather, addr: int, end: int) -> None:
    """Remove one huge mapping; nothing if it is huge no more. ValueError for a part: splitting is not modelled."""
    mm = tlb.mm
    _check_whole(mm, addr, end)
    await tlb_change_page_size(tlb, mm.span[0])
    await pmd_lock(mm, addr)
    if not pte_present(await pmdp_get(mm, addr)):  # __pmd_trans_huge_lock(): another has zapped it
        await pmd_unlock(mm, addr)
        return
    pmd: Any = await mm.hook.pmdp_huge_get_and_clear(mm=mm, addr=addr, full=tlb.fullmm)
    tlb_flush_pmd_range(tlb, addr, mm.span[0])
    special = mm.special(pmd.frame)
    if not special:
        await folio_remove_rmap_pmd(mm, addr, pmd.frame)
        if not mm.is_anon(pmd.frame) and pmd.dirty:
            await set_page_dirty(pmd.frame)
    await pmd_unlock(mm, addr)
    if special and mm.era.has("6fcb52a56ff6"):
        return  # the huge zero page, which the mm keeps (mm_put_huge_zero_folio()), or what has no struct page
    if special and not mm.era.has("aa88b68c3b1d"):
        await put_huge_zero_page(pmd.frame)
    elif await mm.hook.tlb_remove_page(tlb=tlb, page=pmd.frame, nr=1, delay_rmap=False):
        await tlb_flush_mmu(tlb)


def _check_whole(mm: Mm, addr: int, end: int) -> None:
    if addr % mm.span[0] or end - addr != mm.span[0]:
        raise ValueError(f"pages {addr} to {end} are part of a huge page, which would have to be split")


def put_huge_zero_page(page: int) -> Op:
    """Drop a reference to the huge zero page: one per mapping or, since 6fcb52a56ff6, one per mm.

    huge_zero_refcount is the page's reference count here.  The last reference belongs to the shrinker, which alone
    frees the page: dropping that one violates freed-once.
    """
    cell = ref_cell(page)

    def step(ref: int) -> list[Outcome]:
        return [Outcome(None, (max(ref - 1, 0),), FREED_TWICE if ref <= 1 else "")]

    return Op("put_huge_zero_page", (cell,), (cell,), step, order=Order.ATOMIC)


async def mm_put_huge_zero_folio(mm: Mm, page: int) -> None:
    """The last user of the mm is gone, and its mappings too; called by __mmput()."""
    if mm.era.has("6fcb52a56ff6"):
        await put_huge_zero_page(page)


def shrink_huge_zero_folio_scan(page: int) -> Op:
    """Free the huge zero page if only the shrinker holds it: atomic_cmpxchg(&huge_zero_refcount, 1, 0)."""
    cell = ref_cell(page)
    return Op(
        "shrink_huge_zero_folio_scan",
        (cell,),
        (cell,),
        lambda ref: [Outcome(ref == 1, (ref if ref > 1 else 0,))],
        order=Order.FULL,
    )


def xchg_pmd(mm: Mm, addr: int) -> Op:
    """Read and clear in one atomic step: the generic pmdp_huge_get_and_clear()."""
    cell = pmd_cell(mm, addr)
    event = ("clear_pmd", addr, mm.span[0])
    return Op(
        f"pmdp_huge_get_and_clear({addr})",
        (cell,),
        (cell,),
        lambda pmd: [Outcome(pmd, (None,))],
        event=event,
        order=xchg_order(mm),
    )


async def local_pmdp_get_and_clear(mm: Mm, addr: int) -> Any:
    """Read, then clear with a plain store: arch/loongarch/include/asm/pgtable.h:pmdp_huge_get_and_clear()."""
    pmd = await pmdp_get(mm, addr)
    cell = pmd_cell(mm, addr)
    event = ("clear_pmd", addr, mm.span[0])
    await Op(f"pmd_clear({addr})", (), (cell,), lambda: [Outcome(None, (None,))], event=event, order=Order.PLAIN)
    return pmd


async def generic_pmdp_establish(mm: Mm, addr: int) -> Any:
    """pmdp_establish() of pmd_mkinvalid() by a load and a store, for architectures without hardware dirty bits.

    include/linux/pgtable.h:generic_pmdp_establish().
    """
    pmd = await pmdp_get(mm, addr)
    cell = pmd_cell(mm, addr)
    await Op(f"set_pmd_at({addr})", (), (cell,), lambda: [Outcome(None, (invalid(pmd),))], order=Order.PLAIN)
    return pmd


def establish_invalid_pmd(mm: Mm, addr: int) -> Op:
    """pmdp_establish() of pmd_mkinvalid(): no CPU can set the dirty bit any more, and the entry is not empty.

    Returns the old entry.
    """
    cell = pmd_cell(mm, addr)
    return Op(
        f"pmdp_invalidate({addr})", (cell,), (cell,), lambda pmd: [Outcome(pmd, (invalid(pmd),))], order=xchg_order(mm)
    )


def invalid(pmd: Entry) -> Entry:
    """pmd_mkinvalid(): what the hardware faults on."""
    return ProtNone(pmd.frame, pmd.write, pmd.dirty) if isinstance(pmd, Pte) else pmd


def set_pmd_at(mm: Mm, addr: int, pmd: Entry) -> Op:
    """Store a pmd entry; its lock is held."""
    return Op(
        f"set_pmd_at({addr})",
        (),
        (pmd_cell(mm, addr),),
        lambda: [Outcome(None, (pmd,))],
        order=Order.PLAIN,
    )


async def folio_mkclean_pmd(mm: Mm, page: int) -> bool:
    """core.mm.rmap:folio_mkclean() of a folio with huge mappings; mm/rmap.c:page_vma_mkclean_one()."""
    cleaned = False
    if not await folio_mapped(page):
        return False
    for addr in mm.mappings[page]:
        await pmd_lock(mm, addr)
        pmd: Any = await pmdp_get(mm, addr)
        if pte_present(pmd) and pmd.frame == page and (pmd.dirty or pmd.write):
            await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
            await set_pmd_at(mm, addr, pmd._replace(write=False, dirty=False))
            cleaned = True
        await pmd_unlock(mm, addr)
    return cleaned


def pmdp_get(mm: Mm, addr: int) -> Op:
    """Read a pmd entry."""
    return Op(f"pmdp_get({addr})", (pmd_cell(mm, addr),), (), lambda pmd: [Outcome(pmd)], order=Order.PLAIN)


async def pmdp_huge_clear_flush(mm: Mm, addr: int) -> Any:
    """mm/pgtable-generic.c: clear a huge entry and flush it on all CPUs."""
    pmd = await mm.hook.pmdp_huge_get_and_clear(mm=mm, addr=addr, full=False)
    await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
    return pmd


@or_c
async def split_huge_pmd(mm: Mm, addr: int) -> None:
    """__split_huge_pmd() of a page of a file: it is unmapped, and faulted in again page by page. Nothing if it is huge
    no more.
    """
    await pmd_lock(mm, addr)
    if pte_present(await pmdp_get(mm, addr)):
        pmd: Any = await mm.hook.pmdp_huge_clear_flush(mm=mm, addr=addr)
        if pmd.dirty and mm.era.has(SPLIT_FIX):
            await set_page_dirty(pmd.frame)
        await folio_remove_rmap_pmd(mm, addr, pmd.frame)
        await put_page(pmd.frame)
    await pmd_unlock(mm, addr)


@or_c
async def split_huge_anon_pmd(mm: Mm, addr: int, table: int) -> None:
    """__split_huge_pmd() of anonymous memory: `table`, which was deposited when the page was mapped, maps it by its
    parts from now on.

    The entry is invalid, and flushed, before the small ones can be found: no CPU may have both of one address, and no
    dirty bit may be set in the huge one behind the look at it.  Nothing if it is huge no more.
    """
    await pmd_lock(mm, addr)
    if pte_present(await pmdp_get(mm, addr)):
        pmd: Any = await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
        if pmd.dirty:
            await set_page_dirty(pmd.frame)
        pages = range(pmd.frame, pmd.frame + mm.span[0])
        for page in pages[1:]:  # the first keeps the reference of the huge entry
            await get_page(page)
        for page in pages:
            await inc_mapcount(page)
        entry = Pte(pmd.frame, pmd.write, pmd.dirty)
        await mm.hook.set_ptes(mm=mm, addr=table * mm.span[0], pte=entry, nr=mm.span[0])
        await folio_remove_rmap_pmd(mm, addr, pmd.frame)
        await pmd_populate(mm, addr, table)
    await pmd_unlock(mm, addr)


async def change_huge_pmd(tlb: MmuGather, addr: int, end: int, change: Callable[[Present], Entry]) -> bool:
    """Change the protection of a huge entry, under mmap_lock; the gather flushes it at the end. False if it is huge no
    more.

    Before ced108037c2a the entry was empty for a moment, and code that looked without the lock took it for unmapped.
    ValueError for a part of one: splitting is not modelled.
    """
    mm = tlb.mm
    _check_whole(mm, addr, end)
    await tlb_change_page_size(tlb, mm.span[0])
    await pmd_lock(mm, addr)
    if not pte_present(await pmdp_get(mm, addr)):  # __pmd_trans_huge_lock(): another has emptied it
        await pmd_unlock(mm, addr)
        return False
    if mm.era.has("ced108037c2a"):
        oldpmd: Any = await mm.hook.pmdp_invalidate_ad(mm=mm, addr=addr)
    else:
        oldpmd = await mm.hook.pmdp_huge_get_and_clear(mm=mm, addr=addr, full=False)
    if pte_present(oldpmd):
        newpmd = change(oldpmd)
        await set_pmd_at(mm, addr, newpmd)
        if mm.hook.huge_pmd_needs_flush(mm=mm, oldpmd=oldpmd, newpmd=newpmd):
            tlb_flush_pmd_range(tlb, addr, mm.span[0])
    await pmd_unlock(mm, addr)
    return True


async def madvise_cold_huge_pmd(tlb: MmuGather, addr: int, end: int, ages: bool, pageout: bool) -> list[int] | None:
    """MADV_COLD of a huge page: make the entry old if it `ages`; the gather flushes it. MADV_PAGEOUT: isolate the page.

    Returns what has been isolated; None if the entry is huge no more.  6.1.192 and mainline invalidate the entry and
    set it again as it was before: a dirty bit that hardware has set between the look and pmdp_invalidate() is lost
    (docs/findings.md).  6.12.117 has a mend.  ValueError for a part of one: split_folio() is not modelled.
    """
    mm, isolated = tlb.mm, []
    _check_whole(mm, addr, end)
    await tlb_change_page_size(tlb, mm.span[0])
    await pmd_lock(mm, addr)
    pmd: Any = await pmdp_get(mm, addr)
    if not pte_present(pmd):
        await pmd_unlock(mm, addr)
        return None
    if not mm.special(pmd.frame) and not await _mapped_by_others(pmd.frame):
        if ages and mm.era.folio_entries and mm.era.has(COLD_FIX):
            await pmdp_test_and_clear_young(mm, addr)
        elif ages:
            old = await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
            await set_pmd_at(mm, addr, old if mm.era.has(COLD_FIX) else pmd)
        if ages:
            tlb_flush_pmd_range(tlb, addr, mm.span[0])
        if pageout and await folio_isolate_lru(mm, pmd.frame):
            isolated.append(pmd.frame)
    await pmd_unlock(mm, addr)
    return isolated


async def _mapped_by_others(page: int) -> bool:
    """folio_likely_mapped_shared(), total_mapcount() before, of a folio with a huge mapping.

    Huge mappings are counted at the first page.
    """
    mappings: int = await folio_mapcount(page)
    return mappings > 1


def pmdp_test_and_clear_young(mm: Mm, addr: int) -> Op:
    """Clear the accessed bit, which no model has, in one atomic step: every other bit stays what it is."""
    cell = pmd_cell(mm, addr)
    return Op(
        f"pmdp_test_and_clear_young({addr})", (cell,), (cell,), lambda pmd: [Outcome(True, (pmd,))], order=Order.ATOMIC
    )


async def madvise_free_huge_pmd(tlb: MmuGather, addr: int, end: int) -> bool:
    """MADV_FREE of a huge page: make the entry old, and it and the page clean. False if that cannot be.

    pmdp_invalidate() flushes under the lock, and the gather again at the end. ValueError for a part of a huge page:
    splitting is not modelled.
    """
    mm = tlb.mm
    _check_whole(mm, addr, end)
    await tlb_change_page_size(tlb, mm.span[0])
    await pmd_lock(mm, addr)
    pmd: Any = await pmdp_get(mm, addr)
    there = pte_present(pmd) and not mm.special(pmd.frame)
    freed = there and not await _mapped_by_others(pmd.frame) and await trylock_page(mm, pmd.frame)
    if freed:
        if await folio_test_dirty(pmd.frame):
            await folio_clear_dirty(pmd.frame)
        await unlock_page(mm, pmd.frame)
        await mm.hook.pmdp_invalidate(mm=mm, addr=addr)
        await set_pmd_at(mm, addr, pmd._replace(dirty=False))
        tlb_flush_pmd_range(tlb, addr, mm.span[0])  # tlb_remove_pmd_tlb_entry()
        await folio_mark_lazyfree(mm, pmd.frame)
    await pmd_unlock(mm, addr)
    return bool(freed)
