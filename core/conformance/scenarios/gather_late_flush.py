"""What the gather flushes too late, or does not flush at all.

B-02, 1cf35d47712d: the page-table lock is dropped before the flush of a dirty shared page

CPU0 user            CPU1 munmap                    CPU2 writeback
store: dirty, cached
                     clear the entry, PG_dirty
                     unlock
                                                    folio_mkclean: the other mapping is clean
                                                    the disk has what memory has
store through the
stale dirty entry
                     flush                          the last store is lost

The page has a second mapping, so that writeback also looks at the first one, under its lock: in kernels before
5df397dec7c4 the data of a page with one mapping is lost anyway (B-01).

B-25, e6c495a96ce0: the gather is full in the middle of a range

CPU0 user            CPU1 munmap [0, 2)
load 0: cached
                     clear entries 0 and 1: full
                     flush what is still to come: [1, 2)
                     free pages 0 and 1
load 0: use after free
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, dirty_known_at_end, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, store
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.syscalls import madvise_dontneed, munmap
from core.mm.writeback import write_page
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def writer(mm: Mm) -> None:
    """Store twice."""
    if await store(mm, VMA, 0, [0]):
        await store(mm, VMA, 0, [0])


async def reader(mm: Mm) -> None:
    """Load twice."""
    if await load(mm, 0, [0]):
        await load(mm, 0, [0])


def mapped_twice(arch: Arch, era: Era) -> Model:
    """munmap of one of two mappings of a file page, against writeback."""
    world = World(arch, era, {0: Pte(0, write=False), 1: Pte(0, write=False)})
    world.memory[mapcount_cell(0)], world.memory[ref_cell(0)] = 2, 3
    world.task("user", writer)
    world.task("unmap", lambda mm: munmap(mm, [VMA]))
    world.kthread("writeback", lambda mm: write_page(mm, 0))
    window = sometimes(
        "unmapped-while-newer",
        "the page is unmapped while memory is newer than the disk",
        (pte_cell(0), newer_cell(0)),
        lambda pte, newer: pte is None and newer,
    )
    kept = [dirty_known_at_end(0, [0, 1]), mapcount_is_ptes(0, [0, 1]), all_freed(0, 2)]
    return world.model("mapped-twice", finally_=kept, sometimes=[window])


def full_gather(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED of two anonymous pages with a gather that holds two."""
    small = {"bundle": min(arch.facts.bundle, 2), "max_gather_batch_count": 0}
    world = World(arch, era, {0: Pte(0), 1: Pte(1)}, anon=frozenset({0, 1}), geometry=small)
    world.task("user", reader)
    world.task("unmap", lambda mm: madvise_dontneed(mm, Vma(0, 2), 0, 2))
    window = sometimes(
        "first-unmapped",
        "the first entry is gone and the second is not",
        (pte_cell(0), pte_cell(1)),
        lambda first, second: first is None and second is not None,
    )
    freed = [all_freed(0, 0), all_freed(1, 0), mapcount_is_ptes(0, [0]), mapcount_is_ptes(1, [1])]
    return world.model("full-gather", finally_=freed, sometimes=[window])


SCENARIOS = [
    Scenario(
        "mapped-twice",
        "dirty data survives munmap of one of two mappings while another CPU cleans the page",
        "1cf35d47712d",
        mapped_twice,
    ),
    Scenario(
        "full-gather",
        "a gather that fills up in the middle of a range flushes what it has cleared",
        "e6c495a96ce0",
        full_gather,
        requires=("gather",),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-02",
        "1cf35d47712d",
        "the page-table lock is released before dirty shared pages are flushed, and writeback comes in between",
        "mapped-twice",
        era="6.1",
        lacks=frozenset({"1cf35d47712d"}),
    ),
    Exhibit(
        "B-25",
        "e6c495a96ce0",
        "a full gather flushes the rest of the range instead of the part that it has cleared",
        "full-gather",
        lacks=frozenset({"e6c495a96ce0"}),
    ),
]
