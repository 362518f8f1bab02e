"""A huge page gets old, is paged out, freed lazily, or split into the entries of a table, while a CPU writes to it.

CPU0 user                                   CPU1 split_huge_pmd of anonymous memory
load: the huge entry is cached, clean
                                            read the huge entry: clean
store: the huge entry is dirty
                                            set the small ones, clean, and hook up their table
                                            the page counts as clean: the store is lost when it is reclaimed

What the split forgets to flush goes on as a huge translation beside the small ones.
"""

from __future__ import annotations

from core.conformance.properties import (
    SENTENCES,
    all_freed,
    dirty_known_at_end,
    mapcount_is_ptes,
    no_lost_dirty,
    sometimes,
)
from core.conformance.scenario import Scenario
from core.conformance.scenarios.huge_pmd import huge_page
from core.conformance.world import World, pick, returned
from core.explore.model import Model, Property
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Entry, newer_cell, ref_cell, tlb_cell, user_store
from core.mm.era import Era
from core.mm.huge_memory import split_huge_anon_pmd
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell, pg_dirty_cell
from core.mm.pgtable import upper_entry
from core.mm.syscalls import madvise_cold, madvise_dontneed, madvise_free, madvise_pageout
from core.plugins.arch import Arch

PMD = upper_entry(0, 0)


async def writer(mm: Mm) -> None:
    """Two stores to the same part of the page, whichever that is; a fault ends it."""
    addr = await pick(mm.span[0])
    for _ in range(2):
        if await user_store(mm.task.cpu, addr, [0], mm.facts.hw_dirty, PMD) == "fault":
            return


def written(then: str, gone: bool) -> Property:
    """The window: the page has been written to, and is or is not mapped by the huge entry."""
    return sometimes(
        "written", then, (newer_cell(0), PMD), lambda newer, pmd: newer and isinstance(pmd, Pte) is not gone
    )


async def cools_and_zaps(mm: Mm) -> None:
    """MADV_COLD, then MADV_DONTNEED, which must find the dirty bit."""
    await madvise_cold(mm, Vma(0, 1), 0, 1)
    await madvise_dontneed(mm, Vma(0, 1), 0, 1)


def cold(arch: Arch, era: Era) -> Model:
    """A huge page of a file that one thread writes to for the first time while another calls it cold."""
    world = huge_page(arch, era, frozenset())
    world.task("user", writer)
    world.task("cold", cools_and_zaps)
    window = written("the page has been written to, and is mapped", gone=False)
    return world.model("huge-cold", finally_=[dirty_known_at_end(0, [])], sometimes=[window])


async def frees(mm: Mm) -> None:
    """MADV_FREE: the page may be dropped once it is clean, so a store behind it must make the entry dirty again."""
    await madvise_free(mm, Vma(0, 1), 0, 1)
    given_up = Outcome(None, (False,))
    await Op("what the page had is given up", (), (newer_cell(0),), lambda: [given_up], order=Order.PRIVATE)


def freed_lazily(arch: Arch, era: Era) -> Model:
    """A huge page of anonymous memory, written to before, during and after MADV_FREE; the folio is dirty, too."""
    world = huge_page(arch, era, frozenset({0}))
    world.memory[PMD] = Pte(0, dirty=True)
    world.memory[pg_dirty_cell(0)] = True
    world.task("user", writer)
    world.task("free", frees)
    window = sometimes(
        "clean-and-mapped",
        "the entry is clean, and so is the folio",
        (PMD, pg_dirty_cell(0)),
        lambda pmd, dirty: isinstance(pmd, Pte) and not pmd.dirty and not dirty,
    )
    known = Property(
        "no-lost-dirty",
        SENTENCES["no-lost-dirty"],
        (newer_cell(0), PMD),
        lambda newer, pmd: not newer or (isinstance(pmd, Pte) and pmd.dirty),
    )
    return world.model("huge-free", finally_=[known], sometimes=[window])


def paged_out(arch: Arch, era: Era) -> Model:
    """A huge page of a file that one thread writes to while another has it reclaimed."""
    world = huge_page(arch, era, frozenset(), pages=2, mappings={0: [0]}, reclaims=True)
    world.memory[ref_cell(0)] = 2  # the mapping's, and the page cache's
    world.task("user", writer)
    world.task("pageout", lambda mm: madvise_pageout(mm, Vma(0, 2), 0, 2))
    window = sometimes(
        "unmapped", "the page is mapped no more", (PMD, mapcount_cell(0)), lambda pmd, n: pmd is None and not n
    )
    always = [no_lost_dirty(0, [])]
    return world.model("huge-pageout", always=always, finally_=[mapcount_is_ptes(0, [])], sometimes=[window])


CACHED_HUGE = declare("cached_huge", False, "ghost")
"""By CPU: is what it has cached a huge translation?"""


def store_either(cpu: Cpu, hw_dirty: bool) -> Op:
    """A store to page 0 by the huge entry, or by the small one once there is its table. Returns whether it was made."""
    cell, pte = tlb_cell(cpu, 0), pte_cell(0)

    def step(entry: Entry | None, pmd: object, small: object, newer: bool, huge: bool) -> list[Outcome]:
        if entry is None or not entry.dirty:
            leaf = pmd if isinstance(pmd, Pte) else small if pmd is not None else None
            if not isinstance(leaf, Pte) or not leaf.write or not (leaf.dirty or hw_dirty):
                return [Outcome(False, (None, pmd, small, newer, huge))]
            dirty, entry, huge = leaf._replace(dirty=True), Entry(leaf.frame, True, True), isinstance(pmd, Pte)
            pmd, small = (dirty, small) if huge else (pmd, dirty)
        return [Outcome(True, (entry, pmd, small, True, huge), stored=((newer_cell(0), cell),))]

    reads = (cell, PMD, pte, newer_cell(0), Cell(CACHED_HUGE, cpu))
    return Op("store(0)", reads, reads, step, may_schedule="user", order=Order.WALK)


async def stores(mm: Mm) -> None:
    """Two stores; a fault ends it."""
    for _ in range(2):
        if not await store_either(mm.task.cpu, mm.facts.hw_dirty):
            return


async def splits(mm: Mm) -> None:
    """The split; then no CPU may have what the small entries do not say."""
    await split_huge_anon_pmd(mm, 0, 0)
    await returned(mm, 0)


def split(arch: Arch, era: Era) -> Model:
    """A huge page of anonymous memory, which its deposited page table maps by its parts from now on."""
    world: World = huge_page(arch, era, frozenset({0}))
    user = world.task("user", stores)
    world.task("split", splits)
    only_small = Property(
        "huge-beside-small",
        "A CPU has a huge translation cached while a table maps the page by its parts: it may come to have both.",
        (PMD, tlb_cell(user.cpu, 0), Cell(CACHED_HUGE, user.cpu)),
        lambda pmd, entry, huge: not (isinstance(pmd, int) and entry is not None and huge),
    )
    window = written("the page has been written to, and is mapped by its parts", gone=True)
    finally_ = [dirty_known_at_end(0, [0]), all_freed(0, 1), mapcount_is_ptes(0, [0])]
    return world.model("huge-split-anon", always=[only_small], finally_=finally_, sometimes=[window])


SCENARIOS = [
    Scenario(
        "huge-cold",
        "MADV_COLD of a huge page loses no dirty bit that is set while it makes the entry old",
        "mm/madvise.c:madvise_cold_or_pageout_pte_range",
        cold,
        tier="optional",
        requires=("gather", "hardware_dirty"),
    ),
    Scenario(
        "huge-free",
        "a store to a huge page behind MADV_FREE makes its entry dirty again",
        "mm/huge_memory.c:madvise_free_huge_pmd",
        freed_lazily,
        tier="optional",
        requires=("gather", "hardware_dirty"),
    ),
    Scenario(
        "huge-pageout",
        "MADV_PAGEOUT writes a huge page to disk only when no CPU can write to it any more",
        "mm/madvise.c:madvise_cold_or_pageout_pte_range",
        paged_out,
        tier="optional",
        requires=("thp", "flush_before_free"),
    ),
    Scenario(
        "huge-split-anon",
        "the dirty bit of a huge entry is not lost when small entries take its place, and no CPU keeps the huge one",
        "mm/huge_memory.c:__split_huge_pmd_locked",
        split,
        tier="optional",
        requires=("thp", "hardware_dirty"),
    ),
]
