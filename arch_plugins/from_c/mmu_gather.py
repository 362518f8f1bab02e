"""mm/mmu_gather.c and include/asm-generic/tlb.h of a tree in place of core/mm/mmu_gather.py, on generic SMP.

There a table is freed as a page is; `mmu_gather_rcu` is the same where tables are freed by RCU.

Each function of the C is given the gather as it is, and says at its end what has become of it.  So a gather is the
text's own, and only what is done with it is the tree's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arch_plugins.generic import Smp, give_back
from core.hookspecs import Facts, hookimpl
from core.mm.encoded_page import ENCODED_PAGE_BIT_NR_PAGES_NEXT, encoded_page_flags, page_pointer
from core.mm.mm import (
    Mm,
    Vma,
    alloc_page,
    cond_resched,
    dec_tlb_flush_pending,
    free_batch,
    inc_tlb_flush_pending,
    log,
    mm_tlb_flush_nested,
)
from core.mm.mmu_gather import ALL_ONES, TASK_SIZE, Batch, MmuGather, flush_flags, tlb_remove_table_free
from core.mm.rmap import folio_remove_rmap_ptes
from core.mm.swap import Slot, Table, first_page, free_table
from core.mm.swap_state import free_pages_and_swap_cache
from core.tree.binding import Binding
from core.tree.gather import BITS, PAGE_SHIFT, adopt, bits
from core.tree.hybrid import FromC, at_once
from core.tree.manifest import GENERIC_GATHER, Manifest, Source, Version, names_in
from core.tree.vocabulary import EVERYWHERE, Rule, Vocabulary, Word, hidden, just, truth

ENCODED = "encode_page encode_nr_pages encoded_page_flags encoded_page_ptr encoded_nr_pages #ENCODED_PAGE_\\w+"


def manifest(version: Version) -> Manifest:
    """mmu_gather.c whole; pages have no flags in 6.1."""
    encoded = (Source("include/linux/mm_types.h", keep=names_in(ENCODED)),) if version >= (6, 12) else ()
    return Manifest(
        (
            *encoded,
            Source(
                "include/linux/mm_inline.h",
                keep=names_in("inc_tlb_flush_pending dec_tlb_flush_pending mm_tlb_flush_nested"),
            ),
            Source(GENERIC_GATHER, name="asm/tlb.h"),
            Source("mm/mmu_gather.c"),
        ),
        "mmu_gather.h",
        "mmu_gather.c",
    )


# ---- a gather as arguments, and back -----------------------------------------------------------------------------

PAGES, TABLES = 0x200000800000, 0x200000C00000
"""Where pages and tables are for the C: neither is ever looked into."""

C_TASK_SIZE = 0x7FFFFFFFF000
DELAYED, PFN = 256, 512
NO_TABLES = ALL_ONES
NR_SHIFT = 2
"""encode_nr_pages(): a number of pages has no flags."""

LEVELS = ("pte", "pmd", "pud", "p4d")


def _table(table: Table) -> int:
    return TABLES + (LEVELS.index(table.level) << 20) + page_pointer(table.index)


def _table_at(pointer: int) -> Table:
    level, offset = divmod(pointer - TABLES, 1 << 20)
    return Table(LEVELS[level], offset // page_pointer(1))


def _bound(page: int) -> int:
    return {ALL_ONES: ALL_ONES, TASK_SIZE: C_TASK_SIZE}.get(page, page << PAGE_SHIFT)


def _page(bound: int) -> int:
    return {ALL_ONES: ALL_ONES, C_TASK_SIZE: TASK_SIZE}.get(bound, bound >> PAGE_SHIFT)


def _words(slot: Slot) -> list[int]:
    """A slot as the array of a batch has it."""
    if slot.table is not None:
        return [_table(slot.table)]
    assert slot.entries == 1
    return [PAGES + slot.encoded, *([slot.pages << NR_SHIFT] if slot.pages > 1 else [])]


def _slots(words: list[int]) -> list[Slot]:
    """The array of a batch as slots."""
    found, left = [], list(words)
    while left:
        word = left.pop(0)
        if word >= TABLES:
            found.append(Slot(0, 1, table=_table_at(word)))
        elif encoded_page_flags(word) & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
            found.append(Slot(word - PAGES, 1, left.pop(0) >> NR_SHIFT))
        else:
            found.append(Slot(word - PAGES, 1))
    return found


@dataclass
class GatherHands:
    """The gather that C works on; what it has said of it so far, and what it is about to free."""

    mm: Mm
    tlb: MmuGather
    addr: int = 0
    what: str = "batch"
    table: Table | None = None
    tables: list[Table] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    words: list[list[int]] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    freeing: Table | None = None
    working: bool = False
    """Behind the driver's own tlb_gather_mmu(), which is not the program's."""

    def arguments(self, call: int, call2: int) -> list[int]:
        """As shim/mmu_gather.c takes them."""
        tlb = self.tlb
        merges = self.mm.facts.merge_vmas or self.mm.facts.no_range
        settings = bool(self.mm.hook.tlb_needs_table_invalidate()) | self.mm.init_on_free << 1 | merges << 2
        flags = bits(tlb) | tlb.delayed_rmap * DELAYED | tlb.vma_pfn * PFN
        tables = [NO_TABLES] if tlb.tables is None else [len(tlb.tables), *map(_table, tlb.tables)]
        batches = []
        for batch in tlb.batches:
            words = [word for slot in batch.slots for word in _words(slot)]
            batches += [len(words), *words]
        bounds = _bound(tlb.start), _bound(tlb.end)
        facts = self.mm.facts
        sizes = facts.bundle, facts.batch_entries, facts.batch_count, facts.table_batch_entries
        return [settings, *sizes, *bounds, flags, call, call2, *tables, tlb.active, len(tlb.batches), *batches]


# ---- what its operations mean ------------------------------------------------------------------------------------


async def _change_pending(of: GatherHands, word: Word) -> int:
    if of.working:
        await (dec_tlb_flush_pending(of.mm) if word.a >> 63 or word.a == 0xFFFFFFFF else inc_tlb_flush_pending(of.mm))
    return 0


async def _begins(of: GatherHands, word: Word) -> int:
    of.working = True
    return 0


async def _nested(of: GatherHands, word: Word) -> int:
    return 2 if await mm_tlb_flush_nested() else 1


async def _gather(of: GatherHands, word: Word) -> int:
    tlb = of.tlb
    tlb.start, tlb.end = _page(word.a), _page(word.b)
    for at, name in enumerate(BITS):
        setattr(tlb, name, bool(word.c >> at & 1))
    tlb.delayed_rmap, tlb.vma_pfn = bool(word.c & DELAYED), bool(word.c & PFN)
    return 0


async def _more(of: GatherHands, word: Word) -> int:
    """What C has added behind the table's freeing, which may have flushed the gather."""
    adopt(of.tlb, word, 0, 0)
    return 0


async def _tlb_flush(of: GatherHands, word: Word) -> int:
    kind = await of.mm.hook.tlb_flush(tlb=of.tlb)
    if kind is not None:
        await log("flush", of.tlb.start, of.tlb.end, flush_flags(of.tlb, kind))
    return 0


async def _alloc_page(of: GatherHands, word: Word) -> int:
    return int(await alloc_page(of.mm, of.what))


async def _free_batch(of: GatherHands, word: Word) -> int:
    await free_batch(of.mm, "batch_free")
    return 0


async def _free_later(of: GatherHands, word: Word) -> int:
    """__pte_free_tlb() of the architecture."""
    assert of.freeing is not None
    await give_back(of.tlb, of.freeing)
    return 0


async def _call_rcu(of: GatherHands, word: Word) -> int:
    """Of the tables that were said before."""
    tables, of.tables = of.tables, []
    await tlb_remove_table_free(of.tlb, tables)
    return 0


async def _sync_one(of: GatherHands, word: Word) -> int:
    await of.mm.hook.tlb_remove_table_sync_one(mm=of.mm)
    return 0


async def _free_table(of: GatherHands, word: Word) -> int:
    await free_table(_table_at(word.a))
    return 0


async def _remove_rmap(of: GatherHands, word: Word) -> int:
    await folio_remove_rmap_ptes(of.mm, of.addr, first_page(Slot(word.a - PAGES, 1)), word.b, "delayed")
    return 0


async def _free_slot(of: GatherHands, word: Word) -> int:
    of.freed.append(word.a)
    return 0


async def _free_pages(of: GatherHands, word: Word) -> int:
    slots, of.freed = _slots(of.freed), []
    await free_pages_and_swap_cache(of.mm, slots, word.a)
    return 0


async def _cond_resched(of: GatherHands, word: Word) -> int:
    await cond_resched()
    return 0


async def _say_table(of: GatherHands, word: Word) -> int:
    of.tables.append(_table_at(word.a))
    return 0


async def _say_batch(of: GatherHands, word: Word) -> int:
    of.batches.append(Batch(word.b, word.a))
    of.words.append([])
    return 0


async def _say_slot(of: GatherHands, word: Word) -> int:
    of.words[-1].append(word.a)
    return 0


async def _contents(of: GatherHands, word: Word) -> int:
    tlb, of.working = of.tlb, False
    tlb.active = word.a
    tlb.tables, of.tables = (of.tables if word.b else None), []
    for batch, words in zip(of.batches, of.words, strict=True):
        batch.slots = _slots(words)
    tlb.batches, of.batches, of.words = of.batches, [], []
    return 0


VOCABULARY = Vocabulary(
    (
        Rule("atomic_add", "mm.tlb_flush_pending", _change_pending),
        Rule("gathered", "", _begins),
        Rule("atomic_read", "mm.tlb_flush_pending", _nested, just(1, 2)),
        Rule("gather", "", _gather),
        Rule("more", "", _more),
        Rule("tlb_flush", "", _tlb_flush),
        Rule("alloc_page", "", _alloc_page, truth),
        Rule("free_batch", "", _free_batch),
        Rule("free_table_later", "", _free_later),
        Rule("call_rcu", "", _call_rcu),
        Rule("sync_one", "", _sync_one),
        Rule("tlb_remove_table", "", _free_table),
        Rule("remove_rmap", "", _remove_rmap),
        Rule("free_slot", "", _free_slot),
        Rule("free_pages_and_swap_cache", "", _free_pages),
        Rule("cond_resched", "", _cond_resched),
        Rule("table", "", _say_table),
        Rule("batch", "", _say_batch),
        Rule("slot", "", _say_slot),
        Rule("contents", "", _contents),
        hidden("free_table_batch", why="the array of tables is no table"),
        *EVERYWHERE,
    )
)


# ---- the functions -----------------------------------------------------------------------------------------------


class GatherFunctions(FromC):
    """The functions of mmu_gather.c from a tree, on an architecture that is named beside this class."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())  # type: ignore[misc]

    def core_functions(self, mm: Mm) -> Mapping[str, Callable[..., Any]]:
        """The functions of core.mm.mmu_gather that the C stands for."""
        mine: tuple[Callable[..., Any], ...] = (
            self.gather_page,
            self.tlb_finish_mmu,
            self.tlb_flush_mmu,
            self.tlb_flush_mmu_tlbonly,
            self.tlb_gather_mmu,
            self.tlb_remove_table,
        )
        ranges: tuple[Callable[..., Any], ...] = (self.tlb_flush_pte_range, self.tlb_flush_pmd_range)
        delayed = (self.tlb_flush_rmaps,) if self.automata.unit.version >= (6, 12) else ()
        return {function.__name__: function for function in (*mine, *ranges, *delayed)}

    async def on(self, of: GatherHands, name: str, call: int = 0, call2: int = 0) -> int:
        """Run the C function `name` on a gather."""
        return await self.run(of, f"enter_{name}", *of.arguments(call, call2))

    async def tlb_gather_mmu(self, mm: Mm, fullmm: bool = False) -> MmuGather:
        """The gather is made by the C."""
        tlb = MmuGather(mm, fullmm, [Batch(mm.facts.bundle)])
        await log("gather", tlb)
        await self.on(GatherHands(mm, tlb, working=True), "tlb_gather_mmu", int(fullmm))
        return tlb

    async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
        """mm/mmu_gather.c."""
        await log("finish")
        await self.on(GatherHands(tlb.mm, tlb), "tlb_finish_mmu")

    async def tlb_flush_mmu(self, tlb: MmuGather) -> None:
        """mm/mmu_gather.c."""
        await self.on(GatherHands(tlb.mm, tlb), "tlb_flush_mmu")

    async def tlb_flush_mmu_tlbonly(self, tlb: MmuGather) -> None:
        """include/asm-generic/tlb.h."""
        await self.on(GatherHands(tlb.mm, tlb), "tlb_flush_mmu_tlbonly")

    async def tlb_flush_rmaps(self, tlb: MmuGather, addr: int) -> None:
        """mm/mmu_gather.c."""
        await self.on(GatherHands(tlb.mm, tlb, addr), "tlb_flush_rmaps")

    async def tlb_remove_table(self, tlb: MmuGather, table: Table) -> None:
        """mm/mmu_gather.c; where tables are not freed by RCU, include/asm-generic/tlb.h."""
        rcu = tlb.mm.facts.rcu_table_free
        of = GatherHands(tlb.mm, tlb, what="table_batch" if rcu else "batch")
        await self.on(of, "tlb_remove_table", _table(table), int(rcu))

    async def gather_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        """__tlb_remove_page_size(), __tlb_remove_folio_pages()."""
        assert nr == 1 or tlb.mm.folio(page)[1] > 1, "pages are gathered one by one"
        of = GatherHands(tlb.mm, tlb)
        return bool(await self.on(of, "gather_page", PAGES + page_pointer(page), nr << 1 | delay_rmap))

    # ---- areas -------------------------------------------------------------------------------------------------

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """include/asm-generic/tlb.h, as is the next one."""
        await self._on_range(GatherHands(tlb.mm, tlb), "enter_tlb_start_vma", vma.pfn, 0)

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        await self.on(GatherHands(tlb.mm, tlb), "tlb_end_vma", int(vma.pfn))

    # ---- the range, which nobody else sees ---------------------------------------------------------------------

    def tlb_flush_pte_range(self, tlb: MmuGather, addr: int, size: int) -> None:
        """include/asm-generic/tlb.h."""
        self._flush_range(tlb, addr, size, 0)

    def tlb_flush_pmd_range(self, tlb: MmuGather, addr: int, size: int) -> None:
        """include/asm-generic/tlb.h."""
        self._flush_range(tlb, addr, size, 1)

    def _flush_range(self, tlb: MmuGather, addr: int, size: int, level: int) -> None:
        at_once(self._on_range(GatherHands(tlb.mm, tlb), "enter_flush_range", addr, size << PAGE_SHIFT | level))

    async def _on_range(self, of: GatherHands, entry: str, addr: int, call2: int) -> int:
        tlb = of.tlb
        flags = bits(tlb) | tlb.delayed_rmap * DELAYED | tlb.vma_pfn * PFN
        return await self.run(
            of, entry, 0, 0, 0, 0, 0, _bound(tlb.start), _bound(tlb.end), flags, addr << PAGE_SHIFT, call2
        )

    async def _free(self, tlb: MmuGather, table: Table, addr: int, level: int) -> None:
        await self._on_range(GatherHands(tlb.mm, tlb, freeing=table), "enter_free_table", addr, level)

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """include/asm-generic/tlb.h, as are the next two; __pte_free_tlb() is the architecture's."""
        await self._free(tlb, table, addr, 0)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self._free(tlb, table, addr, 1)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await self._free(tlb, table, addr, 2)


class GatherOfTree(GatherFunctions, Smp):
    """Generic SMP, which frees tables as it frees pages."""


BINDING = Binding("mmu_gather", manifest, VOCABULARY, GatherOfTree, lambda version: "arch_plugins.generic:Smp")
