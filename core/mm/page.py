"""The state of a page: mapcount, PG_dirty, PG_locked and references.

Data types
    cell ('mapcount', page)     how many page-table entries in the reverse map map the page
    cell ('PG_dirty', page)     PG_dirty
    cell ('PG_locked', page)    PG_locked: None, or the Tid of its owner
    cell ('ref', page)          references (core.machine.tlb)

The cgroup that is charged for a page is in core.mm.rmap.
"""

from __future__ import annotations

from core.machine.lock import sleeping_lock, sleeping_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import newer_cell, ref_cell
from core.mm.mm import Mm

FREED_TWICE = "freed-once"

MAPCOUNT = declare("mapcount", 1, panel="page")


def mapcount_cell(page: int, nr: int = 1) -> Cell:
    """The number of page-table entries in the page's reverse map."""
    return Cell(MAPCOUNT, page, nr)


PG_DIRTY = declare("PG_dirty", False, panel="page")


def pg_dirty_cell(page: int, nr: int = 1) -> Cell:
    """PG_dirty."""
    return Cell(PG_DIRTY, page, nr)


PG_LOCKED = declare("PG_locked", None, panel="page")
FOLIO_WITHOUT_LOCK = "folio-without-lock"


def pg_locked_cell(page: int) -> Cell:
    """PG_locked: its owner."""
    return Cell(PG_LOCKED, page)


def set_page_dirty(page: int, nr: int = 1) -> Op:
    """folio_mark_dirty()."""
    cell = pg_dirty_cell(page, nr)
    return Op(
        f"set_page_dirty(page{page})",
        (),
        (cell,),
        lambda: [Outcome(None, (True,))],
        event=("set_dirty", page, nr),
        order=Order.FULL,
    )


def test_clear_page_dirty(page: int) -> Op:
    """folio_test_clear_dirty(). Returns whether it was set."""
    cell = pg_dirty_cell(page)
    return Op(
        f"TestClearPageDirty(page{page})", (cell,), (cell,), lambda dirty: [Outcome(dirty, (False,))], order=Order.FULL
    )


def folio_clear_dirty(page: int) -> Op:
    """folio_clear_dirty(): a bit operation without order."""
    cell = pg_dirty_cell(page)
    return Op(
        f"ClearPageDirty(page{page})", (cell,), (cell,), lambda dirty: [Outcome(None, (False,))], order=Order.ATOMIC
    )


def folio_mapped(page: int, nr: int = 1) -> Op:
    """folio_mapped(): is there a mapping of one of its `nr` pages in the reverse map?

    Read under no lock but the folio's.
    """
    counts = tuple(mapcount_cell(page + at) for at in range(nr))
    return Op(
        f"folio_mapped(page{page})", counts, (), lambda *now: [Outcome(any(n > 0 for n in now))], order=Order.PLAIN
    )


def folio_mapcount(page: int, nr: int = 1) -> Op:
    """folio_mapcount(): read the number of mappings of its `nr` pages in the reverse map."""
    counts = tuple(mapcount_cell(page + at) for at in range(nr))
    return Op(f"folio_mapcount(page{page})", counts, (), lambda *now: [Outcome(sum(now))], order=Order.PLAIN)


async def folio_likely_mapped_shared(page: int, nr: int) -> bool:
    """folio_likely_mapped_shared(), since v6.9, of a folio of `nr` pages that entries of page tables map.

    A guess by the first page, unless a page must be mapped twice.  include/linux/mm.h.
    """
    mappings: int = await folio_mapcount(page, nr)
    if nr == 1 or mappings <= 1 or mappings > nr:
        return mappings > 1
    first: int = await folio_mapcount(page)
    return first > 1


def lock_page(mm: Mm, page: int) -> Op:
    """folio_lock(): a waiter sleeps."""
    return sleeping_lock(pg_locked_cell(page), mm.task)


def unlock_page(mm: Mm, page: int) -> Op:
    """folio_unlock()."""
    return sleeping_unlock(pg_locked_cell(page), mm.task)


def trylock_page(mm: Mm, page: int) -> Op:
    """folio_trylock(). Returns whether the lock was taken."""
    cell, tid = pg_locked_cell(page), mm.task.tid

    def step(owner: object) -> list[Outcome]:
        return [Outcome(owner is None, (tid if owner is None else owner,))]

    return Op(f"trylock {cell}", (cell,), (cell,), step, order=Order.ATOMIC_ACQUIRE)


def folio_test_dirty(page: int) -> Op:
    """folio_test_dirty(): read PG_dirty."""
    return Op(
        f"folio_test_dirty(page{page})", (pg_dirty_cell(page),), (), lambda dirty: [Outcome(dirty)], order=Order.PLAIN
    )


def folio_ref_count(page: int) -> Op:
    """folio_ref_count(): read the reference count."""
    return Op(f"folio_ref_count(page{page})", (ref_cell(page),), (), lambda ref: [Outcome(ref)], order=Order.PLAIN)


def copy_page(page: int, new: int) -> Op:
    """Copy the contents: from now on the copy has the same data, as the disk does after I/O."""
    name = f"copy page{page} to page{new}"
    return Op(name, (), (newer_cell(page),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)


def compare_pages(page: int, other: int) -> Op:
    """pages_identical(), for pages that are: from now on a store to `page` makes them differ."""
    name = f"pages_identical(page{page}, page{other})"
    return Op(name, (), (newer_cell(page),), lambda: [Outcome(True, (False,))], order=Order.PRIVATE)


def inc_mapcount(page: int) -> Op:
    """folio_add_anon_rmap_pte(), folio_add_file_rmap_pte()."""
    cell = mapcount_cell(page)
    return Op(f"page_add_rmap(page{page})", (cell,), (cell,), lambda n: [Outcome(None, (n + 1,))], order=Order.ATOMIC)


def get_page(page: int) -> Op:
    """folio_get()."""
    cell = ref_cell(page)
    return Op(f"get_page(page{page})", (cell,), (cell,), lambda ref: [Outcome(None, (ref + 1,))], order=Order.ATOMIC)


def write_to_disk(page: int) -> Op:
    """The I/O of writeback: the disk now has the data that memory has."""
    return Op(
        f"write page{page} to disk", (), (newer_cell(page),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE
    )


def put_page(page: int, nr: int = 1) -> Op:
    """Drop one reference to each of `nr` pages; the last one frees the page.

    Dropping a reference that does not exist violates freed-once.
    """
    cell = ref_cell(page, nr)

    def step(ref: int) -> list[Outcome]:
        return [Outcome(None, (max(ref - 1, 0),), FREED_TWICE if ref == 0 else "")]

    return Op(f"put_page(page{page})", (cell,), (cell,), step, order=Order.FULL)
