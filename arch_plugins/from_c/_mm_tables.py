"""Page tables themselves: their locks, and the entries of the tables above (U_ bits of shim/mm_tables.h).

Such an entry is a table or a huge page.  A lock that C takes of a second table, or of a pmd, is a place of its own
(shim/generic_mm.c); which table it is of, the hands remember.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c._mm_hands import OF_CHILD, MmHands, NoPage, call, index, known, nothing_more, page_of
from core.machine.op import Op
from core.machine.pte import Entry, ProtNone, Pte, pte_present
from core.mm.huge_memory import (
    establish_invalid_pmd,
    pmd_lock,
    pmd_unlock,
    pmdp_test_and_clear_young,
    set_pmd_at,
)
from core.mm.mm import pte_lock, pte_unlock
from core.mm.pgtable import ANOTHER_TABLE, clear_upper, get_and_clear_pmd, pmd_populate, pte_offset_map_lock, read_upper
from core.mm.pte_missing import pte_alloc_one
from core.mm.swap import Table, free_table_page
from core.tree.vocabulary import Rule, Word, hidden, just, truth

TABLE, HUGE, HUGE_DIRTY, HUGE_WRITE, HUGE_PROTNONE, HUGE_UFFD, HUGE_MODIFIED = (1 << at for at in range(7))
"""U_ bits."""

UPPER = (0, TABLE, *(HUGE | more for more in range(0, HUGE_UFFD, HUGE_DIRTY)))
"""Every entry of a pmd table that C tells apart."""


def upper_code(entry: Any) -> int:
    """An entry of a table above as C sees it: a table, or a huge page."""
    if not pte_present(entry):
        return 0 if entry is None else TABLE
    found = HUGE | entry.dirty * HUGE_DIRTY | entry.write * HUGE_WRITE
    return found | HUGE_PROTNONE if isinstance(entry, ProtNone) else found


async def _read_upper(of: MmHands, word: Word) -> int:
    at = ("pmd", "pud", "p4d").index(word.place.partition("+")[0])
    addr = of.addr if of.hugetlb else of.base + index(word) * of.mm.span[at]
    of.upper = await read_upper(of.mm, 0 if of.hugetlb else at, addr)
    of.follow(of.upper)
    return upper_code(of.upper)


async def _populate(of: MmHands, word: Word) -> None:
    found = (one for one in (of.new_table, of.aside, of.deposited) if one is not None)
    table = next(found, of.upper)
    await pmd_populate(of.mm, of.base + word.a * of.mm.span[0], table)
    of.upper = table


async def _alloc(of: MmHands, word: Word) -> int:
    assert of.tables is not None
    of.new_table = await pte_alloc_one(of.tables)
    return 1


def _free(of: MmHands, word: Word) -> Op:
    table = of.aside if of.new_table is None else of.new_table
    assert table is not None
    return free_table_page(Table("pte", table))


async def _withdraw(of: MmHands, word: Word) -> None:
    assert of.deposited is not None
    of.further = of.deposited * of.mm.span[0] - of.pmd


# ---- locks ---------------------------------------------------------------------------------------------------


async def _lock_table(of: MmHands, word: Word) -> int:
    """No table is there if the pmd, as it was read last, is none.  One that was huge may have been split."""
    if of.mm.tables and pte_present(of.upper):
        of.upper = await read_upper(of.mm, 0, of.base + word.a)
    if of.mm.tables and not isinstance(of.upper, int):
        return 0
    table = await pte_offset_map_lock(of.mm, of.base + word.a)
    if table is None:
        return 0
    of.table = table
    return 1


async def _unlock_table(of: MmHands, word: Word) -> None:
    await pte_unlock(of.mm, of.table)


def _is_second(of: MmHands, word: Word) -> bool:
    of.second = of.upper * of.mm.span[0] if of.collapses else of.base + word.a
    return of.mm.table_of(of.table) != of.mm.table_of(of.second)


async def _lock_pmd(of: MmHands, word: Word) -> None:
    of.pmd = of.base + word.a * of.mm.span[0]
    await pmd_lock(of.mm, of.pmd)


async def _lock_child(of: MmHands, word: Word) -> None:
    of.table = of.entry_at(OF_CHILD + word.a)
    await pte_lock(of.mm, of.table)


# ---- huge pages ----------------------------------------------------------------------------------------------


def _take_aside(of: MmHands, addr: int) -> None:
    """The table that the pmd of `addr` led to is nobody else's now."""
    of.aside = of.upper
    of.table = of.second = of.upper * of.mm.span[0]
    of.further = of.table - addr


async def _clear_huge(of: MmHands, word: Word) -> int:
    """pmdp_huge_get_and_clear(), which is used of both kinds of pmd."""
    addr = of.base + word.a
    if of.of_table:
        of.upper = await get_and_clear_pmd(of.mm, addr)
        if of.collapses:
            _take_aside(of, addr)
    else:
        of.upper = of.entry = await of.mm.hook.pmdp_huge_get_and_clear(mm=of.mm, addr=addr, full=bool(word.b))
    return upper_code(of.upper)


async def _establish(of: MmHands, word: Word) -> int:
    of.upper = of.entry = await establish_invalid_pmd(of.mm, of.base + word.a)
    return upper_code(of.upper)


async def _invalidate_ad(of: MmHands, word: Word) -> int:
    of.upper = of.entry = await of.mm.hook.pmdp_invalidate_ad(mm=of.mm, addr=of.base + word.a)
    return upper_code(of.upper)


def _huge_of(of: MmHands, said: int) -> Entry:
    """The huge entry that was read last with what C has changed of it, or what pmd_modify() has made of it.

    Or that of a new page.  NoPage if none was read.
    """
    if of.becomes is not None:
        return Pte(of.becomes, bool(said & HUGE_WRITE), bool(said & HUGE_DIRTY))
    if not pte_present(of.upper):
        raise NoPage
    if said & HUGE_MODIFIED:
        assert of.change is not None
        return of.change(of.upper._replace(dirty=bool(said & HUGE_DIRTY)))  # of the look that C modifies, not the last
    huge: Entry = of.upper._replace(write=bool(said & HUGE_WRITE), dirty=bool(said & HUGE_DIRTY))
    return huge


async def _set_huge(of: MmHands, word: Word) -> None:
    """change_huge_pmd(), advice, collapse_huge_page()."""
    of.new = _huge_of(of, word.b)
    await set_pmd_at(of.mm, of.base + word.a, of.new)


def _huge_needs_flush(of: MmHands, word: Word) -> bool:
    return of.mm.hook.huge_pmd_needs_flush(mm=of.mm, oldpmd=_huge_of(of, word.a), newpmd=_huge_of(of, word.b))


async def _split(of: MmHands, word: Word) -> None:
    raise ValueError(f"page {of.base + word.a} is in a huge page, which would have to be split")


RULES: tuple[Rule, ...] = (
    Rule("read|READ_ONCE", "pmd*", _read_upper, just(*UPPER)),
    Rule("read|READ_ONCE", "pud*", _read_upper, just(0, TABLE)),
    Rule("read|READ_ONCE", "p4d*", _read_upper, just(0, TABLE)),
    call("pmd_clear", lambda of, word: clear_upper(of.mm, 0, of.base + word.a * of.mm.span[0])),
    call("pmd_populate", _populate),
    Rule("pte_alloc_one", "", _alloc, just(1)),
    call("pte_free", _free),
    call("pgtable_trans_huge_withdraw", _withdraw),
    call("table_of_another_pmd", lambda of, word: nothing_more(word, ANOTHER_TABLE), just()),
    Rule("pte_offset_map_lock", "", _lock_table, truth),
    call("pte_unmap_unlock", _unlock_table),
    known("is_second_table", _is_second, truth),
    call("lock", lambda of, word: pte_lock(of.mm, of.second), place="second_lock"),
    call("unlock", lambda of, word: pte_unlock(of.mm, of.second), place="second_lock"),
    call("pmd_lock", _lock_pmd),
    call("lock", lambda of, word: pmd_lock(of.mm, of.pmd), place="pmd_lock"),
    call("unlock", lambda of, word: pmd_unlock(of.mm, of.pmd), place="pmd_lock"),
    call("lock_child", _lock_child),
    hidden("lock|unlock", "", why="a child's table is never its parent's"),
    Rule("pmdp_huge_get_and_clear", "", _clear_huge, just(*UPPER)),
    Rule("pmdp_establish", "", _establish, just(*UPPER)),
    Rule("pmdp_invalidate_ad", "", _invalidate_ad, just(*UPPER)),
    call("set_pmd_at", _set_huge),
    call("pmdp_test_and_clear_young", lambda of, word: pmdp_test_and_clear_young(of.mm, of.base + word.a), truth),
    known("huge_pmd_needs_flush", _huge_needs_flush, truth),
    known("is_huge_zero_pmd", lambda of, word: of.mm.special(page_of(of.upper)), truth),
    call("split_huge_pmd", _split),
)
