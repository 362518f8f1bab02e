"""An entry that maps a huge page is read without its lock.

B-24, ced108037c2a

CPU0 change of protection                   CPU1 MADV_DONTNEED
lock pmd
clear the entry
                                            the pmd is empty: nothing to do
                                            returns
set the entry, read-only
unlock pmd, flush
the page is mapped still

The fix invalidates the entry with pmdp_invalidate() instead of clearing it, which also keeps a dirty bit that the
hardware sets between the read and the write of the entry.

B-07, thp: fix data loss when splitting a file pmd (4.18)

CPU0 user                                   CPU1 split_huge_pmd
store: the entry is dirty
                                            clear the entry, flush
                                            rmap is gone, the page is not marked dirty
                                            the page is clean: the store is lost when it is reclaimed
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    SENTENCES,
    all_freed,
    dirty_known_at_end,
    mapcount_is_ptes,
    no_lost_dirty,
    sometimes,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, pick, returned
from core.explore.model import Model, Property
from core.machine.op import Cell
from core.machine.pte import ProtNone, Pte
from core.machine.tlb import newer_cell, ref_cell, user_load, user_store
from core.mm.era import SPLIT_FIX, Era
from core.mm.huge_memory import folio_mkclean_pmd, split_huge_pmd
from core.mm.mm import Mm, Vma
from core.mm.mprotect import change_prot_numa, wrprotect
from core.mm.pgtable import upper_entry
from core.mm.syscalls import madvise_dontneed, mprotect
from core.mm.writeback import write_page
from core.plugins.arch import Arch

PMD = upper_entry(0, 0)
VMA = Vma(0, 1)


async def change(mm: Mm) -> None:
    """A NUMA hint, under mmap_lock for reading."""
    await change_prot_numa(mm, VMA)


def huge_page(arch: Arch, era: Era, anon: frozenset[int], pages: int = 1, **more: object) -> World:
    """Page 0, mapped by a pmd; tables have `pages` entries (with one, it is as large as any other page).

    Where software sets the dirty bit, the fault that mapped the page for a store has set it (mm/memory.c:do_set_pmd()).
    """
    more = {"tables": True, "folio": lambda page: (0, pages)} | more
    world = World(arch, era, dict.fromkeys(range(pages)), anon, geometry={"ptes_per_table": pages}, more=more)
    world.memory[upper_entry(1, 0)] = world.memory[upper_entry(2, 0)] = 0
    world.memory[PMD] = Pte(0, dirty=not arch.facts.hw_dirty)
    return world


UNMAPPED = mapcount_is_ptes(0, [])
"""No entry maps the page, and rmap says so."""


def emptied(arch: Arch, era: Era) -> Model:
    """A change of protection against MADV_DONTNEED of one huge page, both with mmap_lock for reading."""
    world = huge_page(arch, era, frozenset({0}))
    world.task("change", change)
    world.task("madvise", lambda mm: madvise_dontneed(mm, VMA, 0, 1))
    gone = Property("unmapped-at-end", SENTENCES["unmapped-at-end"], (PMD,), lambda pmd: pmd is None)
    window = sometimes(
        "changed-first", "the entry is changed, and there", (PMD,), lambda pmd: isinstance(pmd, ProtNone)
    )
    return world.model("huge-emptied", finally_=[gone], sometimes=[window])


async def change_and_zap(mm: Mm) -> None:
    """A change of protection, then a zap: the dirty bit must reach PG_dirty."""
    await change(mm)
    await madvise_dontneed(mm, VMA, 0, 1)


async def writer(mm: Mm) -> None:
    """Store until the page is no longer writable."""
    for _ in range(2):
        if await user_store(mm.task.cpu, 0, [0], mm.facts.hw_dirty, PMD) == "fault":
            return


def dirtied(arch: Arch, era: Era) -> Model:
    """A change of protection of a huge page of a file, while a CPU writes to it for the first time."""
    world = huge_page(arch, era, frozenset())
    world.task("user", writer)
    world.task("change", change_and_zap)
    window = sometimes(
        "dirty-and-changed",
        "the page has been written to, and then its entry changed",
        (PMD, newer_cell(0)),
        lambda pmd, newer: newer and isinstance(pmd, ProtNone),
    )
    return world.model("huge-dirty", finally_=[dirty_known_at_end(0, [])], sometimes=[window])


async def split_and_look(mm: Mm) -> None:
    """__split_huge_pmd(): behind it no CPU has the huge entry any more."""
    await split_huge_pmd(mm, 0)
    await returned(mm, 0, PMD)


def split(arch: Arch, era: Era) -> Model:
    """A huge page of a file is unmapped to be mapped by its parts, while a CPU writes to it for the first time."""
    world = huge_page(arch, era, frozenset())
    world.memory[ref_cell(0)] = 2
    world.task("user", writer)
    world.task("split", split_and_look)
    window = sometimes(
        "dirty-and-unmapped",
        "the page has been written to and is mapped no more",
        (PMD, newer_cell(0)),
        lambda pmd, newer: newer and pmd is None,
    )
    finally_ = [dirty_known_at_end(0, []), all_freed(0, 1), UNMAPPED]
    return world.model("huge-split", always=[no_lost_dirty(0, [])], finally_=finally_, sometimes=[window])


async def reader(mm: Mm) -> None:
    """Load twice from the same part of the page, whichever that is."""
    addr = await pick(2)
    for _ in range(2):
        if await user_load(mm.task.cpu, addr, [0], mm.facts.hw_dirty, PMD) == "fault":
            return


def freed(arch: Arch, era: Era) -> Model:
    """use-after-free with a huge entry: the stride of the flush is the whole page."""
    world = huge_page(arch, era, frozenset({0}), pages=2, mappings={0: [0]})
    world.task("user", reader)
    world.task("unmap", lambda mm: madvise_dontneed(mm, Vma(0, 2), 0, 2))
    window = sometimes(
        "unmapped-but-held",
        "the entry is gone and the page is not yet free",
        (PMD, ref_cell(0)),
        lambda pmd, ref: pmd is None and ref == 1,
    )
    return world.model("huge-freed", finally_=[all_freed(0, 0), UNMAPPED], sometimes=[window])


def zapped_twice(arch: Arch, era: Era) -> Model:
    """Two MADV_DONTNEED of one huge page, both of which see it before they have its lock."""
    world = huge_page(arch, era, frozenset({0}))
    for name in ("first", "second"):
        world.task(name, lambda mm: madvise_dontneed(mm, VMA, 0, 1))
    window = sometimes(
        "gone-while-locked",
        "the entry is gone, and somebody has its lock",
        (PMD, Cell("ptl", ("pmd", 0)), ref_cell(0)),
        lambda pmd, owner, ref: pmd is None and owner is not None and not ref,
    )
    windows = [] if arch.facts.one_cpu else [window]
    return world.model("huge-zap-twice", finally_=[all_freed(0, 0), UNMAPPED], sometimes=windows)


async def protects(mm: Mm) -> None:
    """mprotect(PROT_READ) of the page, and back."""
    await mprotect(mm, [VMA], wrprotect)
    await returned(mm, 0, PMD)


def protected(arch: Arch, era: Era) -> Model:
    """A change of protection of a huge page that a CPU writes to."""
    world = huge_page(arch, era, frozenset({0}))
    world.memory[PMD] = Pte(0, dirty=True)
    world.task("user", writer)
    world.task("mprotect", protects)
    window = sometimes(
        "written-and-changed",
        "the page has been written to, and then write-protected",
        (PMD, newer_cell(0)),
        lambda pmd, newer: newer and isinstance(pmd, Pte) and not pmd.write,
    )
    return world.model("huge-protect", sometimes=[window])


def cleaned(arch: Arch, era: Era) -> Model:
    """Writeback of a huge page of a file, while a CPU writes to it: pmdp_invalidate() alone flushes."""
    world = huge_page(arch, era, frozenset(), mappings={0: [0]})
    world.memory[PMD], world.memory[ref_cell(0)] = Pte(0, dirty=True), 2
    world.task("user", writer)
    world.kthread("writeback", lambda mm: write_page(mm, 0, folio_mkclean_pmd))
    window = sometimes(
        "written-and-cleaned",
        "the page has been written to, and then its entry cleaned",
        (PMD, newer_cell(0)),
        lambda pmd, newer: newer and isinstance(pmd, Pte) and not pmd.write,
    )
    return world.model("huge-cleaned", finally_=[dirty_known_at_end(0, [], PMD)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "huge-emptied",
        "a huge entry is at no moment empty while it is being changed",
        "ced108037c2a",
        emptied,
        tier="optional",
    ),
    Scenario(
        "huge-dirty",
        "a huge entry loses no dirty bit while it is being changed",
        "ced108037c2a",
        dirtied,
        tier="optional",
        requires=("gather", "hardware_dirty"),
    ),
    Scenario(
        "huge-zap-twice",
        "a huge page that two calls of MADV_DONTNEED find is unmapped once",
        "mm/huge_memory.c:zap_huge_pmd",
        zapped_twice,
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "huge-protect",
        "mprotect of a huge page does not return while a CPU can still write to it",
        "mm/huge_memory.c:change_huge_pmd",
        protected,
        tier="optional",
    ),
    Scenario(
        "huge-cleaned",
        "no CPU writes to a huge page through an entry that writeback has cleaned",
        "mm/rmap.c:page_vma_mkclean_one",
        cleaned,
        tier="optional",
        requires=("thp",),
    ),
    Scenario(
        "huge-split",
        "the dirty bit of a file's huge entry is not lost when the entry is split",
        SPLIT_FIX,
        split,
        tier="optional",
    ),
    Scenario(
        "huge-freed",
        "no huge page is freed while a TLB entry to any part of it can still be used",
        "mm/huge_memory.c:zap_huge_pmd",
        freed,
        tier="optional",
    ),
]


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of the huge page."""
    await madvise_dontneed(mm, VMA, 0, 1)


def zapped(arch: Arch, era: Era) -> Model:
    """lost-dirty-dontneed with a huge entry."""
    world = huge_page(arch, era, frozenset(), mappings={0: [0]})
    world.memory[ref_cell(0)] = 2
    world.task("user", writer)
    world.task("unmap", dontneed)
    world.kthread("writeback", lambda mm: write_page(mm, 0, folio_mkclean_pmd))
    window = sometimes(
        "unmapped-while-newer",
        "the page is unmapped while memory is newer than the disk",
        (PMD, newer_cell(0)),
        lambda pmd, newer: pmd is None and newer,
    )
    return world.model("zap-huge-dirty", finally_=[dirty_known_at_end(0, []), all_freed(0, 1)], sometimes=[window])


FINDINGS = [
    Scenario(
        "zap-huge-dirty",
        "dirty data of a huge page survives MADV_DONTNEED while another CPU cleans the page",
        "mm/huge_memory.c:zap_huge_pmd",
        zapped,
        tier="finding",
    )
]

EXHIBITS = [
    Exhibit(
        "B-24",
        "ced108037c2a",
        "a huge entry is empty for a moment, and MADV_DONTNEED relies on that",
        "huge-emptied",
        lacks=frozenset({"ced108037c2a"}),
    ),
    Exhibit(
        "B-07",
        SPLIT_FIX,
        "a huge entry of a file is split, and its dirty bit is lost",
        "huge-split",
        lacks=frozenset({SPLIT_FIX}),
    ),
]
