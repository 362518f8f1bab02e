"""mm/ksm.c: merging a page with another page of the same contents."""

from __future__ import annotations

from typing import Any

from core.machine.pte import Present, Pte
from core.mm.mm import Mm, mm_tlb_flush_pending, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.page import compare_pages, get_page, inc_mapcount, lock_page, put_page, set_page_dirty, unlock_page
from core.mm.page_vma_mapped import page_vma_mapped_walk
from core.mm.pgtable import pte_offset_map_lock, set_pte_at
from core.mm.rmap import folio_remove_rmap_pte


async def try_to_merge_one_page(mm: Mm, addr: int, page: int, kpage: int) -> None:
    """Map `kpage` instead of `page` at `addr`, if nothing has changed meanwhile.

    The page is write-protected first, then compared, then replaced if its entry is still the same.

    Where somebody else has the page locked the kernel gives up (trylock_page()); here it waits.
    """
    await mmap_read_lock(mm)
    await lock_page(mm, page)
    orig_pte = await write_protect_page(mm, addr, page)
    if orig_pte is not None:
        await compare_pages(page, kpage)
        await replace_page(mm, addr, page, kpage, orig_pte)
    await unlock_page(mm, page)
    await mmap_read_unlock(mm)


async def write_protect_page(mm: Mm, addr: int, page: int) -> Present | None:
    """Make sure that no CPU can write to the page. Returns its entry; None if it is not mapped there any more.

    A read-only clean entry is sufficient only if no flush is owed for it (b3a81d0841a9).
    """
    found = await page_vma_mapped_walk(mm, page, addr)
    if found is None:
        return None
    entry: Any = found.entry
    pending = mm.era.has("b3a81d0841a9") and await mm_tlb_flush_pending()
    if entry.write or entry.dirty or pending:
        entry = await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        if entry.dirty:
            await set_page_dirty(page)
        entry = entry._replace(write=False, dirty=False)
        await set_pte_at(mm, addr, entry)
    await pte_unlock(mm, found.ptl)
    result: Present = entry
    return result


async def replace_page(mm: Mm, addr: int, page: int, kpage: int, orig_pte: Present) -> None:
    """Map `kpage` instead of `page`, unless the entry has changed or its table has gone (-EFAULT)."""
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return
    if await mm.hook.ptep_get(mm=mm, addr=addr) == orig_pte:
        await get_page(kpage)
        await inc_mapcount(kpage)
        await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        await set_pte_at(mm, addr, Pte(kpage, write=False))
        await folio_remove_rmap_pte(mm, table, page, "early")
        await put_page(page)
    await pte_unlock(mm, table)
