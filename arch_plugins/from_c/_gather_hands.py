"""A gather as mmu_gather.c sees it (shim/mmu_gather.c): as arguments, and what C has said of it on the way back.

Each function of the C is given the gather as it is, and says at its end what has become of it.  So a gather is the
text's own, and only what is done with it is the tree's.  Pages and tables are pointers that C never looks into; what
frees them turns them into slots again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.mm.encoded_page import (
    ENCODED_PAGE_BIT_NR_PAGES_NEXT,
    SIZEOF_STRUCT_PAGE,
    encoded_page_flags,
    page_pointer,
)
from core.mm.mm import Mm
from core.mm.mmu_gather import ALL_ONES, TASK_SIZE, Batch, MmuGather
from core.mm.swap import Slot, Table
from core.tree.gather import PAGE_SHIFT, bits
from core.tree.vocabulary import Word

PAGES, TABLES = 0x200000800000, 0x200000C00000
"""Where pages and tables are for the C: neither is ever looked into."""

C_TASK_SIZE = 0x7FFFFFFFF000
DELAYED, PFN = 256, 512
"""Bits of a gather behind those of core.tree.gather: delayed_rmap, vma_pfn."""

NO_TABLES = ALL_ONES
NR_SHIFT = 2
"""encode_nr_pages(): a number of pages has no flags."""

LEVELS = ("pte", "pmd", "pud", "p4d")


def table_pointer(table: Table) -> int:
    """A table as C holds it."""
    return TABLES + (LEVELS.index(table.level) << 20) + page_pointer(table.index)


def table_at(pointer: int) -> Table:
    """Of which table is that?"""
    level, offset = divmod(pointer - TABLES, 1 << 20)
    return Table(LEVELS[level], offset // page_pointer(1))


def bound_of(page: int) -> int:
    """A page at which a range begins or ends as an address of C."""
    return {ALL_ONES: ALL_ONES, TASK_SIZE: C_TASK_SIZE}.get(page, page << PAGE_SHIFT)


def page_of(bound: int) -> int:
    """The opposite."""
    return {ALL_ONES: ALL_ONES, C_TASK_SIZE: TASK_SIZE}.get(bound, bound >> PAGE_SHIFT)


def words_of(slot: Slot) -> list[int]:
    """A slot as the array of a batch has it."""
    if slot.table is not None:
        return [table_pointer(slot.table)]
    assert slot.entries == 1
    return [PAGES + slot.encoded, *([slot.pages << NR_SHIFT] if slot.pages > 1 else [])]


def slots_of(words: list[int]) -> list[Slot]:
    """The array of a batch as slots. ValueError if a page lacks the number that its flag announces, or one is alone."""
    found, left = [], list(words)
    while left:
        word = left.pop(0)
        if word < PAGES:
            raise ValueError(f"{word:#x} is no page")
        if word >= TABLES:
            found.append(Slot(0, 1, table=table_at(word)))
        elif encoded_page_flags(word) & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
            if not left:
                raise ValueError(f"{word:#x} has no number of pages")
            found.append(Slot(word - PAGES, 1, left.pop(0) >> NR_SHIFT))
        else:
            found.append(Slot(word - PAGES, 1))
    return found


def array(words: list[int], in_runs: bool) -> list[int]:
    """An array as C takes it: its length, then the words, or runs of pages that follow one another."""
    if not in_runs:
        return [len(words), *words]
    runs: list[list[int]] = []
    for word in words:
        if runs and word == runs[-1][1] + runs[-1][0] * SIZEOF_STRUCT_PAGE:
            runs[-1][0] += 1
        else:
            runs.append([1, word])
    return [len(words), *(number for run in runs for number in run)]


def run_of(word: Word) -> list[int]:
    """The words of an array that C says in one: a run, or a single one."""
    return [word.a + at * SIZEOF_STRUCT_PAGE for at in range(word.b or 1)]


def flags_of(tlb: MmuGather) -> int:
    """The bits of a gather."""
    return bits(tlb) | tlb.delayed_rmap * DELAYED | tlb.vma_pfn * PFN


@dataclass
class GatherHands:
    """The gather that C works on; what it has said of it so far, and what it is about to free."""

    mm: Mm
    tlb: MmuGather
    addr: int = 0
    what: str = "batch"
    tables: list[Table] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    words: list[list[int]] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    freeing: Table | None = None
    working: bool = False
    """Behind the driver's own tlb_gather_mmu(), which is not the program's."""
    in_runs: bool = False
    """What follows one another is one run for C, of any length: where workloads are counted."""

    def arguments(self, call: int, call2: int) -> list[int]:
        """As shim/mmu_gather.c takes them."""
        tlb = self.tlb
        merges = self.mm.facts.merge_vmas or self.mm.facts.no_range
        settings = (
            bool(self.mm.hook.tlb_needs_table_invalidate())
            | self.mm.init_on_free << 1
            | merges << 2
            | self.in_runs << 3
        )
        tables = [NO_TABLES] if tlb.tables is None else array([*map(table_pointer, tlb.tables)], self.in_runs)
        batches = []
        for batch in tlb.batches:
            words = [word for slot in batch.slots for word in words_of(slot)]
            batches += array(words, self.in_runs)
        bounds = bound_of(tlb.start), bound_of(tlb.end)
        facts = self.mm.facts
        batches_of = facts.bundle, facts.batch_entries, facts.batch_count
        sizes = *batches_of, facts.table_batch_entries, self.mm.folios_per_free
        return [settings, *sizes, *bounds, flags_of(tlb), call, call2, *tables, tlb.active, len(tlb.batches), *batches]
