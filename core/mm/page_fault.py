"""mm/memory.c: page faults, of stores and of NUMA hints."""

from __future__ import annotations

from typing import Any

from core.machine.pte import ProtNone, Pte
from core.mm.migrate import migrate_misplaced_folio
from core.mm.mm import Mm, Vma, find_vma, mm_tlb_flush_pending, pte_unlock
from core.mm.mmap_lock import lock_vma_under_rcu, mmap_read_lock, mmap_read_unlock, vma_end_read
from core.mm.page import (
    copy_page,
    folio_ref_count,
    get_page,
    inc_mapcount,
    lock_page,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)
from core.mm.pgtable import pte_offset_map_lock, read_upper, set_pte_at
from core.mm.rmap import folio_remove_rmap_pte
from core.mm.stand_in import or_c
from core.mm.swap import folio_add_lru, folio_test_lru, lru_add_drain
from core.mm.swap_state import free_swap_cache
from core.mm.swapfile import folio_free_swap, folio_test_swapcache


async def handle_write_fault(mm: Mm, vma: Vma, addr: int) -> bool:
    """Handle the page fault of a store to `addr`.  True if the store is to be tried again.

    False if the access is not allowed (SIGSEGV), or if the page would have to be read in, which no scenario models.
    """
    return await do_user_addr_fault(mm, vma, addr, write=True)


async def handle_numa_fault(mm: Mm, vma: Vma, addr: int) -> None:
    """Handle the page fault of a load that finds a NUMA hint: migrate the page here."""
    await do_user_addr_fault(mm, vma, addr, write=False)


async def do_user_addr_fault(mm: Mm, vma: Vma, addr: int, write: bool) -> bool:
    """handle_mm_fault() under the lock of the VMA, or under mmap_lock for reading."""
    if await lock_vma_under_rcu(mm, vma):
        done = await handle_pte_fault(mm, vma, addr, write)
        await vma_end_read(mm, vma)
        return done
    await mmap_read_lock(mm)
    there = await find_vma(vma) and await handle_pte_fault(mm, vma, addr, write)
    await mmap_read_unlock(mm)
    return bool(there)


@or_c
async def handle_pte_fault(mm: Mm, vma: Vma, addr: int, write: bool = True) -> bool:
    """A present entry that does not allow the store: make it writable, or only dirty where software does that.

    One that allows no access is a NUMA hint: no scenario has another one and faults on it.

    The entry is read without its table's lock, which decides what kind of fault it is.  Under the lock it must be the
    same, whatever the kind; otherwise the access is tried again.  So nothing follows from the first look that would not
    from the second alone (`Mm.peeks`).
    """
    if not isinstance(await read_upper(mm, 0, addr), int):
        return True
    peeked: Any = await mm.hook.ptep_get_lockless(mm=mm, addr=addr) if mm.peeks else None
    if isinstance(peeked, ProtNone):
        return await do_numa_page(mm, addr, peeked)
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return True
    orig_pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
    if mm.peeks and orig_pte != peeked:
        await pte_unlock(mm, table)
        return True
    if not isinstance(orig_pte, Pte):  # do_pte_missing(), do_swap_page()
        await pte_unlock(mm, table)
        return False
    if write and not orig_pte.write:
        return await do_wp_page(mm, vma, addr, orig_pte, table)
    if write and not orig_pte.dirty:
        await mm.hook.ptep_set_access_flags(mm=mm, addr=addr, entry=orig_pte._replace(dirty=True))
    await pte_unlock(mm, table)
    return True


async def do_wp_page(mm: Mm, vma: Vma, addr: int, orig_pte: Pte, table: int) -> bool:
    """Called with the lock of `table` held, which it releases. A page of userfaultfd waits for user space: False."""
    page = orig_pte.frame
    if vma.uffd_wp and orig_pte.uffd_wp:
        await pte_unlock(mm, table)
        return False  # handle_userfault()
    if vma.uffd_wp and mm.era.has("6ce64428d62a") and await mm_tlb_flush_pending():
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)  # its flush may be put off, and the copy must be the last word
    if not mm.is_anon(page):
        return await wp_page_shared(mm, addr, orig_pte, table)
    if page in mm.exclusive or await wp_can_reuse_anon_folio(mm, page):
        await wp_page_reuse(mm, addr, orig_pte)
        await pte_unlock(mm, table)
        return True
    await get_page(page)
    await pte_unlock(mm, table)
    await wp_page_copy(mm, addr, orig_pte)
    return True


async def wp_can_reuse_anon_folio(mm: Mm, page: int) -> bool:
    """Is the mapping's the only reference to the page?  What is seen without the folio lock is only a hint.

    Not asked of pages that are marked as exclusive (`Mm.exclusive`).  A large folio is never reused here: its other
    pages may still be mapped.
    """
    if mm.folio(page)[1] > 1:
        return False
    if await folio_ref_count(page) > MOST_REFERENCES:
        return False
    if page in mm.lru_batched and not await folio_test_lru(page):
        await lru_add_drain(mm)  # the batch of this CPU may have a reference
    references = await folio_ref_count(page)
    cached = page in mm.swaps and await folio_test_swapcache(page)
    if references > 1 + cached or not await trylock_page(mm, page):
        return False
    if page in mm.swaps and await folio_test_swapcache(page):
        await folio_free_swap(mm, page)
    only: bool = await folio_ref_count(page) == 1
    await unlock_page(mm, page)
    return only


MOST_REFERENCES = 3
"""To a page that might still be reused: of its mapping, the swap cache and the LRU cache of a CPU."""


async def wp_page_copy(mm: Mm, addr: int, orig_pte: Pte) -> None:
    """Copy on write: the copy is made without the page-table lock, and mapped if the entry is still the same.

    The caller has taken a reference to the page, which is dropped.  The table may go meanwhile, and the entry with it.
    """
    page, new = orig_pte.frame, mm.copies[orig_pte.frame]
    await get_page(new)  # folio_prealloc()
    await copy_page(page, new)
    table = await pte_offset_map_lock(mm, addr)
    same = table is not None and await mm.hook.ptep_get(mm=mm, addr=addr) == orig_pte
    if table is not None and same:
        await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        await inc_mapcount(new)
        await folio_add_lru(mm, new)
        await set_pte_at(mm, addr, Pte(new, write=True, dirty=True))
        await folio_remove_rmap_pte(mm, table, page, "early")
    unmapped = page if same else new
    if not mm.era.unlocks_copy_first:
        await put_page(unmapped)
    if table is not None:
        await pte_unlock(mm, table)
    if mm.era.unlocks_copy_first:
        await put_page(unmapped)
    if same and page in mm.swaps:
        await free_swap_cache(mm, page)
    await put_page(page)


async def do_numa_page(mm: Mm, addr: int, orig_pte: ProtNone) -> bool:
    """Migrate the page of a NUMA hint here, if there is a copy for it to become (mpol_misplaced()), or map it again.

    Neither if the entry is another by now, which is looked at again behind a migration that failed.
    """
    page = orig_pte.frame
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return True
    write = orig_pte.write if mm.era.saves_write else page in mm.exclusive  # can_change_pte_writable()
    same: bool = await mm.hook.ptep_get(mm=mm, addr=addr) == orig_pte
    if same and page in mm.copies and not mm.special(page):
        await get_page(page)  # migrate_misplaced_folio_prepare()
        await pte_unlock(mm, table)
        if await migrate_misplaced_folio(mm, page):
            return True
        table = await pte_offset_map_lock(mm, addr)
        if table is None:
            return True
        write = mm.era.saves_write and write
        same = await mm.hook.ptep_get(mm=mm, addr=addr) == orig_pte
    if same:
        await numa_rebuild_single_mapping(mm, addr, write)
    await pte_unlock(mm, table)
    return True


async def numa_rebuild_single_mapping(mm: Mm, addr: int, write: bool) -> None:
    """The entry allows loads again, and stores too if `write`; the page-table lock is held."""
    oldpte: Any = await mm.hook.ptep_modify_prot_start(mm=mm, addr=addr)
    entry = Pte(oldpte.frame, write, oldpte.dirty)
    await mm.hook.ptep_modify_prot_commit(mm=mm, addr=addr, oldpte=oldpte, pte=entry)


async def wp_page_shared(mm: Mm, addr: int, orig_pte: Pte, table: int) -> bool:
    """Tell the file system (page_mkwrite, which returns with the folio locked) before the page may be written.

    Called with the lock of `table` held.  The entry is checked again afterwards; the folio lock is taken before the
    page-table lock.  A reference keeps the page meanwhile.
    """
    page, folio = orig_pte.frame, mm.folio(orig_pte.frame)[0]
    await get_page(page)
    await pte_unlock(mm, table)
    await lock_page(mm, folio)
    if await finish_mkwrite_fault(mm, addr, orig_pte):
        await set_page_dirty(folio)  # fault_dirty_shared_page()
    await unlock_page(mm, folio)
    await put_page(page)
    return True  # not the same: VM_FAULT_NOPAGE, the store is tried again


async def wp_page_reuse(mm: Mm, addr: int, orig_pte: Pte) -> None:
    """The page may be written as it is; the page-table lock is held."""
    await mm.hook.ptep_set_access_flags(mm=mm, addr=addr, entry=orig_pte._replace(write=True, dirty=True))


async def finish_mkwrite_fault(mm: Mm, addr: int, orig_pte: Pte) -> bool:
    """Make the entry writable if it is still the same, and its table has not gone. Returns whether it was."""
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return False
    same: bool = await mm.hook.ptep_get(mm=mm, addr=addr) == orig_pte
    if same:
        await wp_page_reuse(mm, addr, orig_pte)
    await pte_unlock(mm, table)
    return same
