"""mm/migrate.c and mm/migrate_device.c: moving the contents of a page to another page.

The page is unmapped and replaced by migration entries, on which faults wait.  Then it is copied, and the entries are
set again for the copy.  A store that still reaches the original after the migration entry is set is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.pte import Migration, Pte, pte_present
from core.mm.batched_unmap import UnmapBatch, set_tlb_ubc_flush_pending, should_defer_flush, try_to_unmap_flush
from core.mm.mm import Mm, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.page import (
    copy_page,
    folio_mapped,
    folio_test_dirty,
    get_page,
    inc_mapcount,
    lock_page,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)
from core.mm.page_vma_mapped import page_vma_mapped_walk
from core.mm.pgtable import pte_offset_map_lock, read_upper, set_pte_at
from core.mm.rmap import folio_remove_rmap_pte, rmap_walk
from core.mm.stand_in import or_c

# ---- pages of the LRU ----------------------------------------------------------------------------------------


async def migrate_misplaced_folio(mm: Mm, page: int) -> bool:
    """Move a page to the node of the CPU that faulted on its hint; the caller has isolated it.

    Returns whether it was moved: MIGRATE_ASYNC waits for nobody who has it locked.
    """
    for left in await migrate_pages_batch(mm, [page], waits=False):
        await put_page(left)  # putback_movable_pages()
        return False
    return True


async def migrate_pages(mm: Mm, pages: Sequence[int]) -> None:
    """migrate_pages_sync(): all folios in one batch, and those that somebody else has locked again one by one.

    A large folio is named by its first page.  Whoever holds the locks of some folios must not wait for that of another:
    two such would wait for each other (fb3592c41a44).  Before v6.3 there were no batches.  The caller has isolated the
    pages.
    """
    if not mm.era.batches_migration or len(pages) == 1:
        left = list(pages)
    elif mm.era.has("fb3592c41a44"):
        left = await migrate_pages_batch(mm, pages, waits=False)
    else:
        left = await migrate_pages_batch(mm, pages, waits=True)
    for page in left:
        await migrate_pages_batch(mm, [page], waits=True)


async def migrate_pages_batch(mm: Mm, pages: Sequence[int], waits: bool) -> list[int]:
    """Unmap all pages, flush once for all of them, then move each. Returns those that were locked by somebody else.

    `waits` for their locks instead: MIGRATE_SYNC.
    """
    ubc, locked, left = UnmapBatch(), list[int](), list[int]()
    for page in pages:
        if waits:
            await lock_page(mm, page)
        elif not await trylock_page(mm, page):
            left.append(page)
            continue
        await rmap_walk(mm, page, lambda part, addr: try_to_migrate_one(mm, ubc, part, addr))
        if mm.moves and await folio_mapped(page, mm.folio(page)[1]):  # migrate_folio_unmap(): a mapping was missed
            await _leave(mm, page, page)
        else:
            locked.append(page)
    await try_to_unmap_flush(mm, ubc)
    for page in locked:
        await migrate_folio_move(mm, page)
    return left


async def migrate_folio_move(mm: Mm, page: int) -> None:
    """Copy a folio that is unmapped and locked, and map the copy."""
    new, nr = mm.copies[page], mm.folio(page)[1]
    for at in range(nr):
        await copy_page(page + at, new + at)
    await _leave(mm, page, new)


async def _leave(mm: Mm, page: int, new: int) -> None:
    """remove_migration_ptes(): map `new`, which is the folio itself if it stays; then unlock it, and put it back."""
    await rmap_walk(mm, page, lambda part, addr: remove_migration_pte(mm, part, part - page + new, addr))
    await unlock_page(mm, page)
    await put_page(page, mm.folio(page)[1])


@or_c
async def try_to_migrate_one(mm: Mm, ubc: UnmapBatch, page: int, addr: int) -> None:
    """mm/rmap.c:try_to_migrate_one(): replace the mapping by a migration entry."""
    found = await page_vma_mapped_walk(mm, page, addr)
    if found is None:
        return
    if mm.era.batches_migration and await should_defer_flush(mm):
        pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        await set_tlb_ubc_flush_pending(mm, ubc, pte, addr, addr + 1)
    else:
        pte = await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
    if pte.dirty:
        await set_page_dirty(mm.folio(page)[0])
    await set_pte_at(mm, addr, Migration(page, pte.write, pte.dirty))
    await folio_remove_rmap_pte(mm, found.ptl, page, "early")
    await put_page(page)
    await pte_unlock(mm, found.ptl)


@or_c
async def remove_migration_pte(mm: Mm, page: int, new: int, addr: int) -> None:
    """Map `new` where there is a migration entry for `page`; the folio lock is held."""
    found = await page_vma_mapped_walk(mm, page, addr, migration=True, sync=True)
    if found is None:
        return
    await get_page(new)
    dirty = await folio_test_dirty(mm.folio(page)[0]) and found.entry.dirty
    await inc_mapcount(new)
    await set_pte_at(mm, addr, Pte(new, found.entry.write, dirty))
    await pte_unlock(mm, found.ptl)


# ---- a range, for a device -----------------------------------------------------------------------------------


async def migrate_vma(mm: Mm, start: int, end: int) -> None:
    """migrate_vma_setup() and, because the device takes none of the pages, migrate_vma_finalize() at once."""
    await mmap_read_lock(mm)
    pages = await migrate_vma_collect_pmd(mm, start, end)
    for page, addr in pages:
        await remove_migration_pte(mm, page, page, addr)
        await unlock_page(mm, page)
        await put_page(page)
    await mmap_read_unlock(mm)


@or_c
async def migrate_vma_collect_pmd(mm: Mm, start: int, end: int) -> list[tuple[int, int]]:
    """Replace the entries of one table by migration entries. Returns (page, address) of each; they are locked and
    referenced.  Pages of large folios are left alone.
    """
    collected = []
    while (table := await pte_offset_map_lock(mm, start)) is None:
        if await read_upper(mm, 0, start) is None:
            return []  # migrate_vma_collect_hole()
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    for addr in range(start, end):
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        if not pte_present(pte) or mm.special(pte.frame) or mm.folio(pte.frame)[1] > 1:
            continue
        page = pte.frame
        await get_page(page)
        if not await trylock_page(mm, page):
            await put_page(page)
            continue
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if pte.dirty and mm.era.has("fd35ca3d12cc"):
            await set_page_dirty(mm.folio(page)[0])
        await set_pte_at(mm, addr, Migration(page, pte.write, pte.dirty))
        await folio_remove_rmap_pte(mm, table, page, "early")
        await put_page(page)
        collected.append((page, addr))
    under_lock = mm.era.has("60bae7370896")
    if not under_lock:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
        await pte_unlock(mm, table)
    if collected:
        await mm.hook.flush_tlb_range(mm=mm, start=start, end=end, stride=1)
    if under_lock:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
        await pte_unlock(mm, table)
    return collected
