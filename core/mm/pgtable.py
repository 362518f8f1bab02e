"""mm/pgtable-generic.c and include/linux/pgtable.h: entries of every level, and what they say of who may use them.

A page table is found by the entry above it and locked by a lock of its own.  Where the kernel frees tables that others
may be about to lock (CONFIG_PT_RECLAIM), the entry above is read once more under that lock.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, cast

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, Present, ProtNone, Pte, set_pte
from core.mm.mm import Mm, mm_tlb_flush_pending, pte_lock, pte_unlock, xchg_order

LEVELS = tuple(declare(level, None, "entry", panel="tables") for level in ("pmd", "pud", "p4d"))
"""The entries above a pte table, by whose span in `Mm.span` they go."""

ENTRY_WITHOUT_LOCK = "entry-without-lock"
NO_PAGE = "no-page"
ANOTHER_TABLE = "another-table"


def upper_entry(level: int, index: int) -> Cell:
    """An upper-level entry: the number of the table that it points to, a huge Pte, or None."""
    return Cell(LEVELS[level], index)


def pmd_cell(mm: Mm, addr: int) -> Cell:
    """The pmd entry that covers `addr`."""
    return upper_entry(0, addr // mm.span[0])


def read_upper(mm: Mm, level: int, addr: int) -> Op:
    """Read *pmd, *pud or *p4d.  If tables do not come and go in this model, no operation is needed."""
    index = addr // mm.span[level]
    if not mm.tables:
        return Op(f"{LEVELS[level]}({addr})", (), (), lambda: [Outcome(index)], order=Order.PRIVATE)
    return Op(
        f"{LEVELS[level]}({addr})", (upper_entry(level, index),), (), lambda table: [Outcome(table)], order=Order.PLAIN
    )


def clear_upper(mm: Mm, level: int, addr: int) -> Op:
    """pmd_clear(), pud_clear(), p4d_clear()."""
    cell = upper_entry(level, addr // mm.span[level])
    return Op(f"{LEVELS[level]}_clear({addr})", (), (cell,), lambda: [Outcome(None, (None,))], order=Order.PLAIN)


def get_and_clear_pmd(mm: Mm, addr: int) -> Op:
    """The pmd of a page table, read and cleared: pmdp_huge_get_and_clear(), which is used of both kinds of pmd."""
    cell = pmd_cell(mm, addr)
    return Op(f"pmd_clear({addr})", (cell,), (cell,), lambda table: [Outcome(table, (None,))], order=xchg_order(mm))


def pmd_populate(mm: Mm, addr: int, table: int | None) -> Op:
    """The pmd of `addr` points to `table` from now on; made from an empty pmd, it points to physical page 0."""
    cell = pmd_cell(mm, addr)
    name = f"pmd_populate({addr}, {'physical page 0' if table is None else f'table {table}'})"
    return Op(
        name,
        (),
        (cell,),
        lambda: [Outcome(None, (table,), "no-page-table" if table is None else "")],
        order=Order.PLAIN,
    )


def upper_addr_end(mm: Mm, level: int, addr: int, end: int) -> int:
    """pmd_addr_end(), pud_addr_end(), p4d_addr_end(): where the entry that covers `addr` ends, at `end` at the latest.

    For readers of runs: where the last of the entries that equal it ends.
    """
    span = mm.span[level]
    first = addr - addr % span
    return min(first + span * mm.run(addr, -(-(end - first) // span), span), end)


# ---- locking a table -----------------------------------------------------------------------------------------


async def pte_offset_map_lock(mm: Mm, addr: int) -> int | None:
    """Lock the page table that maps `addr`; None if there is none, or no longer.

    Returns an address whose entry stands in the table, which names its lock.  The table may have been freed between the
    look at the pmd and the lock, so the pmd is looked at again (0d940a9b270b).  Only where tables are freed while
    others use the mm: elsewhere the answer is known.  __pte_offset_map_lock().

    Some callers of the kernel take the lock without that second look (pte_offset_map_nolock(), then spin_lock()): they
    compare the entry under the lock with what they have read before.  RCU keeps the table until they are done, and a
    table that has gone is empty, so they find the entry changed and stop, as here where None is returned.
    """
    if not tables_may_go(mm):
        await pte_lock(mm, addr)
        return addr
    while isinstance(table := await read_upper(mm, 0, addr), int):
        at = table * mm.span[0] + addr % mm.span[0]
        await pte_lock(mm, at)
        if not mm.era.has("0d940a9b270b") or await read_upper(mm, 0, addr) == table:
            return at
        await pte_unlock(mm, at)
    return None


def tables_may_go(mm: Mm) -> bool:
    """Does anybody free tables of an mm that others use, without mmap_lock for writing?

    MADV_DONTNEED (CONFIG_PT_RECLAIM), or the collapse of a file's pages (`Mm.collapses`).
    """
    return mm.tables and (mm.era.reclaims_tables or mm.collapses)


# ---- entries -------------------------------------------------------------------------------------------------


async def pte_accessible(mm: Mm, pte: Entry) -> bool:
    """May a CPU still have the translation of this entry?  The page-table lock is held.

    A present entry can be cached at any time.  An entry that allows no access can only be cached as long as the flush
    of the operation that removed the access is still to come (commit 20841405940e).
    arch/x86/include/asm/pgtable.h:pte_accessible().
    """
    if isinstance(pte, Pte):
        return True
    if isinstance(pte, ProtNone) and mm.era.has("20841405940e"):
        return bool(await mm_tlb_flush_pending())
    return False


def set_pte_at(mm: Mm, addr: int, pte: Entry) -> Coroutine[Op, Any, None]:
    """Set one entry; the page-table lock is held. include/linux/pgtable.h:set_pte_at()."""
    return mm.hook.set_ptes(mm=mm, addr=addr, pte=pte, nr=1)


# ---- several entries at once: what include/linux/pgtable.h does where an architecture does not ------------------


async def set_ptes(addr: int, pte: Entry, nr: int) -> None:
    """`nr` entries that map consecutive pages from that of `pte` on."""
    await set_pte(addr, pte)
    for at in range(1, nr):
        await set_pte(addr + at, cast(Present, pte)._replace(frame=cast(Present, pte).frame + at))


async def get_and_clear_full_ptes(mm: Mm, addr: int, nr: int, full: bool) -> Pte:
    """Clear `nr` entries.  Returns the first, dirty if any was."""
    at = mm.run(addr, nr, 1)
    # The caller saw the entries present under the lock that is still held.
    first = cast(Pte, await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=at, full=full))
    while at < nr:
        here = mm.run(addr + at, nr - at, 1)
        other = cast(Pte, await mm.hook.ptep_get_and_clear(mm=mm, addr=addr + at, nr=here, full=full))
        first = first._replace(dirty=first.dirty or other.dirty)
        at += here
    return first


async def wrprotect_ptes(mm: Mm, addr: int, nr: int) -> None:
    """Take the write permission of `nr` entries."""
    for at in range(addr, addr + nr):
        await mm.hook.ptep_set_wrprotect(mm=mm, addr=at)


async def clear_young_dirty_ptes(mm: Mm, addr: int, nr: int) -> None:
    """Make `nr` entries old and clean.

    The kernel leaves an entry alone that is neither young nor dirty. An entry here has been used, so it is young.
    """
    for at in range(addr, addr + nr):
        pte = cast(Present, await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False))
        await set_pte_at(mm, at, pte._replace(dirty=False))
