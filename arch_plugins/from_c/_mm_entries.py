"""Entries of page tables as C sees them (E_ bits of shim/mm_entries.h), and the words that read and change them.

An entry is told apart as far as the code looks at it.  What it maps stays with the model: `code()` leaves it out, and
`entry_of()` makes of bits the entry that was read last, with what C has changed of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arch_plugins.from_c._mm_hands import MmHands, call, index, known, nothing_more
from core.machine.pte import Entry, Migration, ProtNone, Pte, Swap, pte_present
from core.mm.memory import clear_not_present_full_ptes, swap_pte_batch, writable_pte_batch
from core.mm.pgtable import NO_PAGE, pte_accessible, set_pte_at
from core.tree.vocabulary import Rule, Word, hidden, just, truth

PRESENT, DIRTY, WRITE, UFFD, PROTNONE, SWAP, MIGRATION, MODIFIED = (1 << at for at in range(8))
"""E_ bits of shim/mm_entries.h."""

ENTRIES = (
    0,
    *(PRESENT | more for more in range(0, UFFD * 2, DIRTY)),
    *(PRESENT | PROTNONE | more for more in range(0, UFFD, DIRTY)),
    SWAP,
    *(MIGRATION | more for more in range(0, UFFD, DIRTY)),
)
"""Every entry that C tells apart."""

PRESENT_ENTRIES = tuple(one for one in ENTRIES if one & PRESENT)


def code(entry: Entry) -> int:
    """An entry as C sees it."""
    if isinstance(entry, Pte):
        return PRESENT | entry.dirty * DIRTY | entry.write * WRITE | entry.uffd_wp * UFFD
    if isinstance(entry, ProtNone):
        return PRESENT | PROTNONE | entry.dirty * DIRTY | entry.write * WRITE
    if isinstance(entry, Migration):
        return MIGRATION | entry.dirty * DIRTY | entry.write * WRITE
    return SWAP if isinstance(entry, Swap) else 0


def entry_of(of: MmHands, said: int) -> Entry:
    """The entry that was read last, with what C has changed of it."""
    entry: Any = of.entry
    if said & MODIFIED:
        assert of.change is not None
        entry = of.change(entry._replace(dirty=bool(said & DIRTY)))  # of the look that C modifies, not the last
        said = code(entry) & ~UFFD | said & (UFFD | WRITE)
    if of.becomes is not None:
        return Pte(of.becomes, bool(said & WRITE), bool(said & DIRTY))
    if said & SWAP and pte_present(entry):
        return Swap(entry.frame)
    if said & MIGRATION:
        return Migration(entry.frame, bool(said & WRITE), bool(said & DIRTY))
    if isinstance(entry, Pte):
        return entry._replace(write=bool(said & WRITE), dirty=bool(said & DIRTY), uffd_wp=bool(said & UFFD))
    result: Entry = entry
    return result if said else None


async def _read_entry(of: MmHands, word: Word) -> int:
    """ptep_get(), or a plain read before v6.5."""
    at = word.a if word.kind == "ptep_get" else index(word)
    return _seen(of, await of.mm.hook.ptep_get(mm=of.mm, addr=of.entry_at(at)))


async def _read_lockless(of: MmHands, word: Word) -> int:
    return _seen(of, await of.mm.hook.ptep_get_lockless(mm=of.mm, addr=of.base + word.a))


def _seen(of: MmHands, entry: Any) -> int:
    of.entry = entry
    of.follow(entry)
    if of.faults and of.orig is None and entry is not None:
        of.orig, of.page = entry, entry.frame
    if of.collapses and pte_present(entry):
        of.page = entry.frame
    return code(entry)


async def _clear_one(of: MmHands, word: Word) -> int:
    of.entry = await of.mm.hook.ptep_get_and_clear(mm=of.mm, addr=of.entry_at(word.a), nr=1, full=bool(word.c))
    return code(of.entry)


async def _clear_several(of: MmHands, word: Word) -> int:
    clear = of.mm.hook.get_and_clear_full_ptes
    return await _present(of, word, await clear(mm=of.mm, addr=of.base + word.a, nr=word.b, full=bool(word.c)))


async def _modify_start(of: MmHands, word: Word) -> int:
    return await _present(of, word, await of.mm.hook.ptep_modify_prot_start(mm=of.mm, addr=of.base + word.a))


async def _present(of: MmHands, word: Word, entry: Any) -> int:
    """`entry` has been cleared by a word for present ones. Where it was none, C has not looked, and the search ends."""
    of.entry = entry
    if not pte_present(entry):
        await nothing_more(word, NO_PAGE)
    return code(entry)


async def _modify_commit(of: MmHands, word: Word) -> None:
    new = entry_of(of, word.b)
    await of.mm.hook.ptep_modify_prot_commit(mm=of.mm, addr=of.base + word.a, oldpte=of.entry, pte=new)
    of.new = new


def _needs_flush(of: MmHands, word: Word) -> bool:
    old, new = entry_of(of, word.a), entry_of(of, word.b)
    return of.mm.hook.pte_needs_flush(mm=of.mm, oldpte=old, newpte=new)


async def _set_entry(of: MmHands, word: Word) -> None:
    addr, entry = of.entry_at(word.a), entry_of(of, word.b)
    if isinstance(entry, Migration):
        of.collected.append((entry.frame, addr))
    await set_pte_at(of.mm, addr, entry)


async def _set_several(of: MmHands, word: Word) -> None:
    entry = entry_of(of, word.b)
    await of.mm.hook.set_ptes(mm=of.mm, addr=of.entry_at(word.a), pte=entry, nr=word.c)


async def _set_access_flags(of: MmHands, word: Word) -> bool:
    """Nothing if the entry allows that much already."""
    entry: Any = entry_of(of, word.b)
    if entry == of.entry:
        return False
    await of.mm.hook.ptep_set_access_flags(mm=of.mm, addr=of.base + word.a, entry=entry)
    return True


FPB_IGNORE_DIRTY, FPB_WRITABLE, BATCH_WRITABLE = 1, 2, 256
"""Of shim/mm_entries.h: what is asked of a batch of entries, and said."""


async def _folio_batch(of: MmHands, word: Word) -> int:
    ignores, asked = bool(word.c & FPB_IGNORE_DIRTY), bool(word.c & FPB_WRITABLE)
    nr, writable = await writable_pte_batch(of.mm, of.base + word.a, of.entry, word.b, ignores)
    return nr | (writable and asked) * BATCH_WRITABLE


def batches(word: Word, cpus: int) -> Iterable[int]:
    """How many entries, and whether any is writable, where that is asked for."""
    said = (0, BATCH_WRITABLE) if word.c & FPB_WRITABLE else (0,)
    return [nr | writable for nr in range(1, word.b + 1) for writable in said]


def up_to(word: Word, cpus: int) -> Iterable[int]:
    """How many entries, of so many."""
    return range(1, word.b + 1)


RULES: tuple[Rule, ...] = (
    Rule("ptep_get", "", _read_entry, just(*ENTRIES)),
    Rule("ptep_get_lockless", "", _read_lockless, just(*ENTRIES)),
    Rule("read|READ_ONCE", "entry*", _read_entry, just(*ENTRIES)),
    Rule("ptep_get_and_clear", "", _clear_one, just(*ENTRIES)),
    Rule("get_and_clear_full_ptes", "", _clear_several, just(*PRESENT_ENTRIES)),
    call(
        "clear_not_present_full_ptes",
        lambda of, word: clear_not_present_full_ptes(of.mm, of.base + word.a, word.b),
    ),
    Rule("folio_pte_batch", "", _folio_batch, batches),
    call("swap_pte_batch", lambda of, word: swap_pte_batch(of.mm, of.base + word.a, word.b, of.entry), up_to),
    call("set_pte_at", _set_entry),
    call("set_ptes", _set_several),
    call("wrprotect_ptes", lambda of, word: of.mm.hook.wrprotect_ptes(mm=of.mm, addr=of.entry_at(word.a), nr=word.b)),
    call("ptep_set_access_flags", _set_access_flags, truth),
    call(
        "ptep_test_and_clear_young",
        lambda of, word: of.mm.hook.ptep_test_and_clear_young(mm=of.mm, addr=of.base + word.a),
        truth,
    ),
    Rule("ptep_modify_prot_start", "", _modify_start, just(*PRESENT_ENTRIES)),
    call("ptep_modify_prot_commit", _modify_commit),
    known("pte_needs_flush", _needs_flush, truth),
    call("pte_accessible", lambda of, word: pte_accessible(of.mm, of.entry), truth),
    known("same_page", lambda of, word: of.orig is None or of.entry == of.orig, truth),
    known("can_change_pte_writable", lambda of, word: of.frame in of.mm.exclusive, truth),
    hidden("pte_install_uffd_wp_if_needed", why="no model has a file's area under userfaultfd"),
)
