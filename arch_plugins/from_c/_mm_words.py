"""What the functions of mm/ ask for, in C (shim/generic_mm.h), as calls of the model's own text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.machine.op import Op
from core.machine.pte import Entry, Migration, Present, ProtNone, Pte, Swap, pte_present
from core.mm.batched_unmap import UnmapBatch, add_batched, read_batched, set_flushed, should_defer_flush, store_batched
from core.mm.huge_memory import establish_invalid_pmd, pmd_lock, pmd_unlock, set_pmd_at, tlb_flush_pmd_range
from core.mm.memory import clear_not_present_full_ptes, folio_pte_batch, swap_pte_batch
from core.mm.mm import Mm, Vma, cond_resched, mm_tlb_flush_pending, need_resched, pte_lock, pte_unlock
from core.mm.mmu_gather import (
    MmuGather,
    tlb_change_page_size,
    tlb_flush_mmu,
    tlb_flush_mmu_tlbonly,
    tlb_flush_pte_range,
    tlb_flush_rmaps,
)
from core.mm.page import (
    copy_page,
    folio_mapcount,
    folio_ref_count,
    folio_test_dirty,
    get_page,
    inc_mapcount,
    lock_page,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)
from core.mm.page_vma_mapped import MappedEntry, page_vma_mapped_walk
from core.mm.pgtable import (
    clear_upper,
    get_and_clear_pmd,
    pmd_populate,
    pte_accessible,
    pte_offset_map_lock,
    read_upper,
    set_pte_at,
)
from core.mm.rmap import folio_remove_rmap_pmd, folio_remove_rmap_ptes, rmap_lock, rmap_unlock
from core.mm.swap import folio_add_lru, folio_test_lru, lru_add_drain
from core.mm.swap_state import free_swap_cache
from core.mm.swapfile import folio_free_swap, folio_test_swapcache, free_swap_and_cache, swap_duplicate
from core.tree.vocabulary import EVERYWHERE, Answers, Rule, Vocabulary, Word, hidden, just, truth

PRESENT, DIRTY, WRITE, UFFD, PROTNONE, SWAP, MIGRATION, MODIFIED = (1 << at for at in range(8))
"""E_ bits of shim/generic_mm.h."""

TABLE, HUGE, HUGE_DIRTY, HUGE_WRITE, HUGE_PROTNONE, HUGE_UFFD, HUGE_MODIFIED = (1 << at for at in range(7))
"""U_ bits."""

UPPER = (0, TABLE, *(HUGE | more for more in range(0, HUGE_UFFD, HUGE_DIRTY)))
"""Every entry of a pmd table that C tells apart."""

ENTRIES = (
    0,
    *(PRESENT | more for more in range(0, UFFD * 2, DIRTY)),
    *(PRESENT | PROTNONE | more for more in range(0, UFFD, DIRTY)),
    SWAP,
    *(MIGRATION | more for more in range(0, UFFD, DIRTY)),
)
"""Every entry that C tells apart."""

PRESENT_ENTRIES = tuple(one for one in ENTRIES if one & PRESENT)


PVMW_MIGRATION = 2
"""As in include/linux/rmap.h."""

OF_CHILD = 1 << 32
"""CHILD_ENTRY of shim/generic_mm.h."""


@dataclass
class MmHands:
    """A function of mm/ at work: its pages count from `base`, which the highest table maps first.

    `table` names the page-table lock that is held, and `second` that of another table.  `entry` is the entry that was
    read last, `new` what it has become; `upper` is an entry of a table above, and `pmd` the address whose pmd is
    locked.  `of_table`: the pmd is that of a table.  `change` is what pte_modify() makes of an entry.

    In a fork the child's entries are `child` pages further on.  In rmap.c `page` is looked for at `addr`, or `nr` pages
    are, and may have been `found`; `ubc` is the task's batch.  In migrate.c, and for a copy, `becomes` takes the place
    of the page, and `collected` is (page, address) of what has been replaced.  In a page fault (`faults`) `orig` is the
    entry that was read first, which maps `page`.  In a split `deposited` is the table that maps the parts, whose
    entries are `further` on.
    """

    mm: Mm
    base: int = 0
    vma: Vma | None = None
    tlb: MmuGather | None = None
    table: int = 0
    second: int = 0
    entry: Any = None
    new: Entry = None
    upper: Any = None
    pmd: int = 0
    of_table: bool = False
    addr: int = 0
    nr: int = 1
    page: int = 0
    child: int = 0
    becomes: int | None = None
    collected: list[tuple[int, int]] = field(default_factory=list)
    deposited: int | None = None
    further: int = 0
    faults: bool = False
    orig: Entry = None
    found: MappedEntry | None = None
    ubc: UnmapBatch = field(default_factory=UnmapBatch)
    change: Callable[[Present], Entry] | None = None

    def entry_at(self, number: int) -> int:
        """Where an entry is that C names by its page: elsewhere if its table has been moved, or in a child."""
        if number >= OF_CHILD:
            return self.base + number - OF_CHILD + self.child
        return self.base + number + self.further if self.found is None else self.found.addr

    @property
    def frame(self) -> int:
        """The page that the entry maps; in a fault, that of the entry that was read first."""
        frame: int = self.page if self.faults else self.entry.frame
        return frame

    @property
    def gather(self) -> MmuGather:
        """The gather of a function that has one."""
        assert self.tlb is not None
        return self.tlb


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
        entry = of.change(entry)
        said = code(entry) & ~UFFD | said & UFFD
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


def upper_code(entry: Any) -> int:
    """An entry of a table above as C sees it: a table, or a huge page."""
    if not pte_present(entry):
        return 0 if entry is None else TABLE
    found = HUGE | entry.dirty * HUGE_DIRTY | entry.write * HUGE_WRITE
    return found | HUGE_PROTNONE if isinstance(entry, ProtNone) else found


Call = Callable[[MmHands, Word], Awaitable[object]]


def call(kinds: str, what: Call, answers: Answers | None = None, place: str = "*") -> Rule:
    """A word that is `what`, of which C looks at nothing, or at the answer as a number."""

    async def do(of: MmHands, word: Word) -> int:
        said = await what(of, word)
        return 0 if answers is None else int(said)  # type: ignore[call-overload]

    return Rule(kinds, place, do, *(() if answers is None else (answers,)))


def known(kinds: str, what: Callable[[MmHands, Word], object], answers: Answers | None = None) -> Rule:
    """The same of something that nobody else can change."""

    async def at_once(of: MmHands, word: Word) -> object:
        return what(of, word)

    return call(kinds, at_once, answers)


def up_to(word: Word, cpus: int) -> Iterable[int]:
    """How many entries, of so many."""
    return range(1, word.b + 1)


def index(word: Word) -> int:
    """Of an entry of 8 bytes, in the table that its place names."""
    return int(word.place.partition("+")[2] or 0) // 8


# ---- entries -------------------------------------------------------------------------------------------------


async def _read_entry(of: MmHands, word: Word) -> int:
    """ptep_get(), or a plain read before v6.5."""
    at = word.a if word.kind == "ptep_get" else index(word)
    return _seen(of, await of.mm.hook.ptep_get(mm=of.mm, addr=of.entry_at(at)))


async def _read_lockless(of: MmHands, word: Word) -> int:
    return _seen(of, await of.mm.hook.ptep_get_lockless(mm=of.mm, addr=of.base + word.a))


def _seen(of: MmHands, entry: Any) -> int:
    of.entry = entry
    if of.faults and of.orig is None and entry is not None:
        of.orig, of.page = entry, entry.frame
    return code(entry)


async def _clear_one(of: MmHands, word: Word) -> int:
    of.entry = await of.mm.hook.ptep_get_and_clear(mm=of.mm, addr=of.entry_at(word.a), nr=1, full=bool(word.c))
    return code(of.entry)


async def _clear_several(of: MmHands, word: Word) -> int:
    clear = of.mm.hook.get_and_clear_full_ptes
    of.entry = await clear(mm=of.mm, addr=of.base + word.a, nr=word.b, full=bool(word.c))
    return code(of.entry)


async def _read_upper(of: MmHands, word: Word) -> int:
    at = ("pmd", "pud", "p4d").index(word.place.partition("+")[0])
    of.upper = await read_upper(of.mm, at, of.base + index(word) * of.mm.span[at])
    return upper_code(of.upper)


async def _lock_table(of: MmHands, word: Word) -> int:
    """No table is there if the pmd, as it was read last, is none or huge: pte_offset_map_lock() looks at it again."""
    if of.mm.tables and not isinstance(of.upper, int):
        return 0
    table = await pte_offset_map_lock(of.mm, of.base + word.a)
    if table is None:
        return 0
    of.table = table
    return 1


async def _unlock_table(of: MmHands, word: Word) -> None:
    await pte_unlock(of.mm, of.table)


async def _split(of: MmHands, word: Word) -> None:
    raise ValueError(f"page {of.base + word.a} is in a huge page, which would have to be split")


async def _modify_start(of: MmHands, word: Word) -> int:
    of.entry = await of.mm.hook.ptep_modify_prot_start(mm=of.mm, addr=of.base + word.a)
    return code(of.entry)


async def _modify_commit(of: MmHands, word: Word) -> None:
    new = entry_of(of, word.b)
    await of.mm.hook.ptep_modify_prot_commit(mm=of.mm, addr=of.base + word.a, oldpte=of.entry, pte=new)
    of.new = new


def _needs_flush(of: MmHands, word: Word) -> bool:
    old, new = entry_of(of, word.a), entry_of(of, word.b)
    return of.mm.hook.pte_needs_flush(mm=of.mm, oldpte=old, newpte=new)


async def _flush_range(of: MmHands, word: Word) -> None:
    await of.mm.hook.flush_tlb_range(mm=of.mm, start=of.base + word.a, end=of.base + word.b, stride=1)


async def _flush_pmd_range(of: MmHands, word: Word) -> None:
    await of.mm.hook.flush_pmd_tlb_range(mm=of.mm, start=of.base + word.a, end=of.base + word.b)


async def _clear_huge(of: MmHands, word: Word) -> int:
    """pmdp_huge_get_and_clear(), which is used of both kinds of pmd."""
    addr = of.base + word.a
    if of.of_table:
        of.upper = await get_and_clear_pmd(of.mm, addr)
    else:
        of.upper = of.entry = await of.mm.hook.pmdp_huge_get_and_clear(mm=of.mm, addr=addr, full=bool(word.b))
    return upper_code(of.upper)


async def _establish(of: MmHands, word: Word) -> int:
    of.upper = of.entry = await establish_invalid_pmd(of.mm, of.base + word.a)
    return upper_code(of.upper)


def _huge_of(of: MmHands, said: int) -> Entry:
    """The huge entry that was read last, or what pmd_modify() has made of it."""
    assert of.change is not None
    huge: Entry = of.change(of.upper) if said & HUGE_MODIFIED else of.upper
    return huge


async def _set_huge(of: MmHands, word: Word) -> None:
    """change_huge_pmd()."""
    of.new = _huge_of(of, word.b)
    await set_pmd_at(of.mm, of.base + word.a, of.new)


def _huge_needs_flush(of: MmHands, word: Word) -> bool:
    return of.mm.hook.huge_pmd_needs_flush(mm=of.mm, oldpmd=_huge_of(of, word.a), newpmd=_huge_of(of, word.b))


async def _remove_huge_page(of: MmHands, word: Word) -> None:
    """tlb_remove_page_size() of include/asm-generic/tlb.h."""
    if await of.mm.hook.tlb_remove_page(tlb=of.gather, page=of.entry.frame, nr=1, delay_rmap=False):
        await tlb_flush_mmu(of.gather)


def _is_second(of: MmHands, word: Word) -> bool:
    of.second = of.base + word.a
    return of.mm.table_of(of.table) != of.mm.table_of(of.second)


async def _lock_pmd(of: MmHands, word: Word) -> None:
    of.pmd = of.base + word.a * of.mm.span[0]
    await pmd_lock(of.mm, of.pmd)


BATCHED = tuple(pending | flushed << 16 for pending in range(4) for flushed in range(pending + 1))
"""What mm->tlb_flush_batched may be: pending and flushed; no model has more than three."""


def batched(value: int) -> tuple[int, int]:
    """(pending, flushed)."""
    return value & 0xFFFF, value >> 16


async def _read_batched(of: MmHands, word: Word) -> int:
    """No look at it where nothing is ever pending."""
    pending, flushed = await read_batched() if of.mm.reclaims else (0, 0)
    return pending | flushed << 16


async def _add_pending(of: MmHands, word: Word) -> None:
    await of.mm.hook.arch_tlbbatch_add_pending(mm=of.mm, batch=of.ubc, start=of.addr, end=of.addr + of.nr)
    of.ubc.read_only &= not of.entry.write


async def _read_ubc(of: MmHands, word: Word) -> int:
    return int(getattr(of.ubc, word.place.removeprefix("ubc.")))


async def _write_ubc(of: MmHands, word: Word) -> int:
    setattr(of.ubc, word.place.removeprefix("ubc."), bool(word.a))
    of.ubc.read_only |= not of.ubc.flush_required
    return 0


async def _walk(of: MmHands, word: Word) -> bool:
    of.found = await page_vma_mapped_walk(of.mm, of.page, of.addr, migration=bool(word.a & PVMW_MIGRATION))
    if of.found is not None:
        of.table, of.entry = of.found.ptl, of.found.entry
    return of.found is not None


async def _end_walk(of: MmHands, word: Word) -> None:
    of.found = None
    await pte_unlock(of.mm, of.table)


async def _lock_child(of: MmHands, word: Word) -> None:
    of.table = of.entry_at(OF_CHILD + word.a)
    await pte_lock(of.mm, of.table)


def _more(of: MmHands, nr: int) -> range:
    """The pages that are mapped once more."""
    first: int = of.entry.frame if of.becomes is None else of.becomes
    return range(first, first + nr)


async def _add_refs(of: MmHands, word: Word) -> None:
    """In a split the first page keeps the reference of the huge entry."""
    for page in _more(of, word.a) if of.deposited is None else _more(of, word.a + 1)[1:]:
        await get_page(page)


async def _withdraw(of: MmHands, word: Word) -> None:
    assert of.deposited is not None
    of.further = of.deposited * of.mm.span[0] - of.pmd


async def _populate(of: MmHands, word: Word) -> None:
    table = of.upper if of.deposited is None else of.deposited
    await pmd_populate(of.mm, of.base + word.a * of.mm.span[0], table)


async def _add_mappings(of: MmHands, word: Word) -> None:
    for page in _more(of, word.a):
        await inc_mapcount(page)


async def _free_swap(of: MmHands, word: Word) -> None:
    if isinstance(of.entry, Swap):
        await free_swap_and_cache(of.mm, of.entry, word.a)


async def _swap_duplicate(of: MmHands, word: Word) -> None:
    await swap_duplicate(of.mm, of.entry.frame)


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


async def _set_entry(of: MmHands, word: Word) -> None:
    addr, entry = of.entry_at(word.a), entry_of(of, word.b)
    if isinstance(entry, Migration):
        of.collected.append((entry.frame, addr))
    await set_pte_at(of.mm, addr, entry)


async def _prealloc(of: MmHands, word: Word) -> None:
    of.becomes = of.mm.copies[of.page]
    await get_page(of.becomes)


async def _in_swap_cache(of: MmHands, word: Word) -> bool:
    """try_to_unmap_one() only asks whether it is as folio_test_swapbacked() says."""
    if not of.faults:
        return of.page not in of.mm.lazyfree
    return of.page in of.mm.swaps and bool(await folio_test_swapcache(of.page))


async def _leave_swap(of: MmHands, word: Word) -> bool:
    return bool(await folio_free_swap(of.mm, of.page))


async def _leave_swap_unmapped(of: MmHands, word: Word) -> None:
    if of.page in of.mm.swaps:
        await free_swap_cache(of.mm, of.page)


async def _on_lru(of: MmHands, word: Word) -> bool:
    return of.page not in of.mm.lru_batched or bool(await folio_test_lru(of.page))


async def _add_to_lru(of: MmHands, word: Word) -> None:
    assert of.becomes is not None
    await folio_add_lru(of.mm, of.becomes)


async def _copy_page(of: MmHands, word: Word) -> None:
    assert of.becomes is not None
    await copy_page(of.page, of.becomes)


def _put(of: MmHands, word: Word) -> Op:
    """In a fault a page, or its copy; elsewhere what the entry maps."""
    if word.a:
        assert of.becomes is not None
        return put_page(of.becomes)
    return put_page(of.frame)


def _head(of: MmHands) -> tuple[int, int]:
    return of.mm.folio(of.frame)


RULES = (
    Rule("ptep_get", "", _read_entry, just(*ENTRIES)),
    Rule("ptep_get_lockless", "", _read_lockless, just(*ENTRIES)),
    Rule("read|READ_ONCE", "entry*", _read_entry, just(*ENTRIES)),
    Rule("ptep_get_and_clear", "", _clear_one, just(*ENTRIES)),
    Rule("get_and_clear_full_ptes", "", _clear_several, just(*PRESENT_ENTRIES)),
    Rule("read|READ_ONCE", "pmd*", _read_upper, just(*UPPER)),
    Rule("read|READ_ONCE", "pud*", _read_upper, just(0, TABLE)),
    Rule("read|READ_ONCE", "p4d*", _read_upper, just(0, TABLE)),
    Rule("pte_offset_map_lock", "", _lock_table, truth),
    call("pte_unmap_unlock", _unlock_table),
    known("vm_normal_page", lambda of, word: not of.mm.special(of.frame), truth),
    known("folio_test_anon", lambda of, word: of.mm.is_anon(of.frame), truth),
    known("folio_test_large", lambda of, word: _head(of)[1] > 1, truth),
    call("folio_mark_dirty", lambda of, word: set_page_dirty(_head(of)[0])),
    call(
        "folio_remove_rmap_ptes",
        lambda of, word: folio_remove_rmap_ptes(of.mm, of.table, of.frame, word.a, "early"),
    ),
    call("folio_pte_batch", lambda of, word: folio_pte_batch(of.mm, of.base + word.a, of.entry, word.b), up_to),
    call("swap_pte_batch", lambda of, word: swap_pte_batch(of.mm, of.base + word.a, word.b, of.entry), up_to),
    call(
        "clear_not_present_full_ptes",
        lambda of, word: clear_not_present_full_ptes(of.mm, of.base + word.a, word.b),
    ),
    call("need_resched", lambda of, word: need_resched(of.mm), truth),
    call("cond_resched", lambda of, word: cond_resched()),
    call("arch_enter_lazy_mmu_mode", lambda of, word: of.mm.hook.arch_enter_lazy_mmu_mode(mm=of.mm)),
    call("arch_leave_lazy_mmu_mode", lambda of, word: of.mm.hook.arch_leave_lazy_mmu_mode(mm=of.mm)),
    Rule("atomic_read", "mm.tlb_flush_batched", _read_batched, just(*BATCHED)),
    call("atomic_add", lambda of, word: add_batched(of.mm), place="mm.tlb_flush_batched"),
    call("atomic_cmpxchg", lambda of, word: set_flushed(of.mm, batched(word.a)), place="mm.tlb_flush_batched"),
    call("atomic_set", lambda of, word: store_batched(batched(word.a)), place="mm.tlb_flush_batched"),
    call("arch_flush_tlb_batched_pending", lambda of, word: of.mm.hook.arch_flush_tlb_batched_pending(mm=of.mm)),
    call("flush_tlb_mm", lambda of, word: of.mm.hook.flush_tlb_mm(mm=of.mm)),
    call("should_defer_flush", lambda of, word: should_defer_flush(of.mm), truth),
    call("arch_tlbbatch_add_pending", _add_pending),
    call("arch_tlbbatch_flush", lambda of, word: of.mm.hook.arch_tlbbatch_flush(mm=of.mm, batch=of.ubc)),
    Rule("read", "ubc.*", _read_ubc, truth),
    Rule("write", "ubc.*", _write_ubc),
    call("page_vma_mapped_walk", _walk, truth),
    call("page_vma_mapped_walk_done", _end_walk),
    known("folio_test_swapbacked", lambda of, word: of.page not in of.mm.lazyfree, truth),
    call("folio_ref_count", lambda of, word: folio_ref_count(of.page), just(*range(6))),
    call("folio_mapcount", lambda of, word: folio_mapcount(of.page), just(*range(6))),
    call("folio_put", _put),
    known("same_page", lambda of, word: of.orig is None or of.entry == of.orig, truth),
    known("is_shared", lambda of, word: of.faults and not of.mm.is_anon(of.page), truth),
    Rule("folio_test_swapcache", "*", _in_swap_cache, truth),
    call("folio_free_swap", _leave_swap, truth),
    call("free_swap_cache", _leave_swap_unmapped),
    Rule("folio_test_lru", "*", _on_lru, truth),
    call("lru_add_drain", lambda of, word: lru_add_drain(of.mm)),
    call("folio_add_lru", _add_to_lru),
    call("folio_lock", lambda of, word: lock_page(of.mm, _head(of)[0])),
    call("folio_trylock", lambda of, word: trylock_page(of.mm, _head(of)[0]), truth),
    call("folio_unlock", lambda of, word: unlock_page(of.mm, of.mm.folio(of.page)[0])),
    call("ptep_set_access_flags", _set_access_flags, truth),
    call("mm_tlb_flush_pending", lambda of, word: mm_tlb_flush_pending(), truth),
    call("folio_prealloc", _prealloc),
    call("copy_page", _copy_page),
    hidden("folio_set_swapbacked", why="this round leaves the page alone, and there is no other"),
    call("tlb_change_page_size", lambda of, word: tlb_change_page_size(of.gather, word.a)),
    call("tlb_start_vma", lambda of, word: of.mm.hook.tlb_start_vma(tlb=of.gather, vma=of.vma)),  # type: ignore[arg-type]
    call("tlb_end_vma", lambda of, word: of.mm.hook.tlb_end_vma(tlb=of.gather, vma=of.vma)),  # type: ignore[arg-type]
    known("tlb_delay_rmap", lambda of, word: of.mm.hook.tlb_delay_rmap(tlb=of.gather), truth),
    known("tlb_remove_tlb_entries", lambda of, word: tlb_flush_pte_range(of.gather, of.base + word.a, word.b)),
    call(
        "tlb_remove_page",
        lambda of, word: of.mm.hook.tlb_remove_page(
            tlb=of.gather, page=of.entry.frame, nr=word.a, delay_rmap=bool(word.b)
        ),
        truth,
    ),
    call("tlb_flush_mmu_tlbonly", lambda of, word: tlb_flush_mmu_tlbonly(of.gather)),
    call("tlb_flush_rmaps", lambda of, word: tlb_flush_rmaps(of.gather, of.table)),
    call("tlb_flush_mmu", lambda of, word: tlb_flush_mmu(of.gather)),
    call("split_huge_pmd", _split),
    known("is_huge_zero_pmd", lambda of, word: of.mm.special(of.upper.frame), truth),
    call("folio_remove_rmap_pmd", lambda of, word: folio_remove_rmap_pmd(of.mm, of.pmd, of.upper.frame)),
    known("tlb_flush_pmd_range", lambda of, word: tlb_flush_pmd_range(of.gather, of.base + word.a, of.mm.span[0])),
    call("tlb_remove_page_size", _remove_huge_page),
    Rule("pmdp_establish", "", _establish, just(*UPPER)),
    call("set_pmd_at", _set_huge),
    known("huge_pmd_needs_flush", _huge_needs_flush, truth),
    Rule("ptep_modify_prot_start", "", _modify_start, just(*PRESENT_ENTRIES)),
    call("ptep_modify_prot_commit", _modify_commit),
    known("pte_needs_flush", _needs_flush, truth),
    call("set_pte_at", _set_entry),
    call("pte_accessible", lambda of, word: pte_accessible(of.mm, of.entry), truth),
    call(
        "ptep_test_and_clear_young",
        lambda of, word: of.mm.hook.ptep_test_and_clear_young(mm=of.mm, addr=of.base + word.a),
        truth,
    ),
    call("flush_tlb_range", _flush_range),
    call("flush_pmd_tlb_range", _flush_pmd_range),
    call("flush_tlb_page", lambda of, word: of.mm.hook.flush_tlb_page(mm=of.mm, addr=of.base + word.a)),
    Rule("pmdp_huge_get_and_clear", "", _clear_huge, just(*UPPER)),
    known("is_second_table", _is_second, truth),
    call("lock", lambda of, word: pte_lock(of.mm, of.second), place="second_lock"),
    call("unlock", lambda of, word: pte_unlock(of.mm, of.second), place="second_lock"),
    call("pmd_lock", _lock_pmd),
    call("unlock", lambda of, word: pmd_unlock(of.mm, of.pmd), place="pmd_lock"),
    call("lock_child", _lock_child),
    call("folio_ref_add", _add_refs),
    call("inc_mapcount", _add_mappings),
    call("wrprotect_ptes", lambda of, word: of.mm.hook.wrprotect_ptes(mm=of.mm, addr=of.entry_at(word.a), nr=word.b)),
    call("set_ptes", _set_several),
    hidden("lock|unlock", "", why="a child's table is never its parent's"),
    hidden("copy_nonpresent_pte", why="no model forks with swap entries"),
    call("take_rmap_locks", lambda of, word: rmap_lock(of.mm)),
    call("drop_rmap_locks", lambda of, word: rmap_unlock(of.mm)),
    call("pmd_clear", lambda of, word: clear_upper(of.mm, 0, of.base + word.a * of.mm.span[0])),
    call("pmd_populate", _populate),
    call("pgtable_trans_huge_withdraw", _withdraw),
    call("folio_test_dirty", lambda of, word: folio_test_dirty(_head(of)[0]), truth),
    hidden("atomic_read", "mm.mm_users", "every page is on another node", just(1, 2)),
    call("free_swap_and_cache", _free_swap),
    call("swap_duplicate", _swap_duplicate),
    hidden("read", "page.mapping", "no page is truncated while it is mapped", just(1)),
    hidden("pte_install_uffd_wp_if_needed", why="no model has a file's area under userfaultfd"),
    *EVERYWHERE,
)

VOCABULARY = Vocabulary(RULES)
