"""Words of mm/hugetlb.c: the table that two processes share, the gather's notes about it, and its huge pages."""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c._mm_entries import code
from arch_plugins.from_c._mm_hands import MmHands, call
from core.machine.pte import Entry, Pte
from core.mm.hugetlb import ptdesc_pmd_pts_count, ptdesc_pmd_pts_dec
from core.mm.pgtable import clear_upper
from core.tree.vocabulary import Rule, Word, hidden, just, truth


async def _read_note(of: MmHands, word: Word) -> int:
    return int(getattr(of.gather, word.place.removeprefix("tlb.")))


async def _write_note(of: MmHands, word: Word) -> int:
    setattr(of.gather, word.place.removeprefix("tlb."), bool(word.a))
    return 0


async def _read_huge(of: MmHands, word: Word) -> int:
    of.entry = await of.mm.hook.ptep_get(mm=of.mm, addr=_entry(of))
    return code(of.entry)


async def _clear_huge(of: MmHands, word: Word) -> int:
    of.upper = of.entry = await of.mm.hook.huge_ptep_get_and_clear(mm=of.mm, addr=_entry(of))
    return code(of.entry)


def _entry(of: MmHands) -> int:
    """Where the entry stands that maps the huge page."""
    return _table(of) * of.mm.span[0]


def _table(of: MmHands) -> int:
    table: Any = of.upper if of.aside is None else of.aside
    assert isinstance(table, int)
    of.aside = table
    return table


HUGE_ENTRIES: tuple[Entry, ...] = (None, *(Pte(0, write, dirty) for write in (False, True) for dirty in (False, True)))

RULES: tuple[Rule, ...] = (
    call("pud_clear", lambda of, word: clear_upper(of.mm, 0, of.addr)),
    call("atomic_read", lambda of, word: ptdesc_pmd_pts_count(_table(of)), just(0, 1), place="table.pt_share_count"),
    call("atomic_add", lambda of, word: ptdesc_pmd_pts_dec(_table(of)), place="table.pt_share_count"),
    Rule("read|READ_ONCE", "tlb.*", _read_note, truth),
    Rule("write|WRITE_ONCE", "tlb.*", _write_note),
    call("tlb_remove_table_sync_one", lambda of, word: of.mm.hook.tlb_remove_table_sync_one(mm=of.mm)),
    Rule("huge_ptep_get", "", _read_huge, just(*map(code, HUGE_ENTRIES))),
    Rule("huge_ptep_get_and_clear", "", _clear_huge, just(*map(code, HUGE_ENTRIES[1:]))),
    hidden("lock|unlock", "hugetlb_lock", why="it keeps reservations of huge pages, which no model has"),
)
