"""A page is moved to another address, and a CPU still has the old translation cached.

B-08, 5d1904204c99: the move leaves the flush of dirty entries to later

CPU0 user            CPU1 mremap                    CPU2 writeback
store: dirty, cached
                     move the entry
                                                    clean it at the new address, flush that
                                                    the disk has what memory has
store at the old address
                     flush                          the last store is lost

B-09, eb66ae030829, CVE-2018-18281: it releases the lock of the new place before the flush

CPU0 user            CPU1 mremap                    CPU2 truncate
load: cached
                     move the entry
                                                    unmap it at the new address, flush that
                                                    free the page
load at the old address:
use after free
                     flush

mremap-dirty: an entry is taken out of its old place in one step with its dirty bit

CPU0 user            CPU1 mremap
                     read the old entry: clean
store: hardware sets the dirty bit
                     set the new entry, clear the old one: nothing says that memory is newer than the disk

mremap-reclaim: the same, if only the lock of the new place is released before the flush

CPU0 user            CPU1 mremap                    CPU2 reclaim, without batched flushes
load: cached
                     lock both tables
                     move the entry
                     unlock the new table
                                                    look at the old place without its lock: nothing
                                                    unmap it at the new address, flush that
                                                    free the page
load at the old address:
use after free
                     flush, unlock the old table

mremap-migrate: the reverse map has the new place first, where the new VMA is part of one that begins earlier

CPU0 kcompactd       CPU1 mremap, without the rmap locks
a migration entry at
the old place
map the copy: at the
new place is nothing
                     move the migration entry
at the old place is
nothing              who faults at the new place waits for ever
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    all_freed,
    dirty_known_at_end,
    held_by_mappings,
    mapcount_is_ptes,
    mapped_at_end,
    sometimes,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, raw_stores, store
from core.explore.model import Model, Property
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.reclaim import shrink_lruvec
from core.mm.syscalls import mremap, truncate_pagecache
from core.mm.writeback import write_page
from core.plugins.arch import Arch

HERE, THERE, PAGE, COPY = 0, 1, 0, 2
VMA, NEW_VMA = Vma(HERE, HERE + 1), Vma(THERE, THERE + 1)


def world_of(arch: Arch, era: Era, start: Pte) -> World:
    """A page of a shared file, mapped in one place and later in another, under another page-table lock."""
    world = World(
        arch,
        era,
        {HERE: start, THERE: None},
        geometry={"ptes_per_table": 1},
        more={"mappings": {PAGE: (HERE, THERE)}},
    )
    world.memory[ref_cell(PAGE)] = 2  # the mapping's and the page cache's
    return world


def moved(newer: bool) -> Property:
    """The window: the page is in its new place, and newer than the disk if it is written to at all."""
    return sometimes(
        "moved",
        "the page is mapped in its new place after the user has used the old one",
        (pte_cell(THERE), newer_cell(PAGE)),
        lambda pte, is_newer: isinstance(pte, Pte) and is_newer == newer,
    )


async def writer(mm: Mm) -> None:
    """Store twice to the old place."""
    if await store(mm, VMA, HERE, [PAGE]):
        await store(mm, VMA, HERE, [PAGE])


async def reader(mm: Mm) -> None:
    """Load twice from the old place."""
    if await load(mm, HERE, [PAGE]):
        await load(mm, HERE, [PAGE])


def cleaned(arch: Arch, era: Era) -> Model:
    """mremap against writeback."""
    world = world_of(arch, era, Pte(PAGE))
    world.task("user", writer)
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA))
    world.kthread("writeback", lambda mm: write_page(mm, PAGE))
    places = [HERE, THERE]
    kept = [dirty_known_at_end(PAGE, places), mapcount_is_ptes(PAGE, places), all_freed(PAGE, 2)]
    return world.model("mremap-writeback", finally_=kept, sometimes=[moved(True)])


def freed(arch: Arch, era: Era) -> Model:
    """mremap against truncation, which is done by another process."""
    world = world_of(arch, era, Pte(PAGE, write=False))
    world.task("user", reader)
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA))
    world.kthread("truncate", lambda mm: truncate_pagecache(mm, [VMA, NEW_VMA], [PAGE]))
    gone = [all_freed(PAGE, 0), mapcount_is_ptes(PAGE, [HERE, THERE])]
    return world.model("mremap-truncate", finally_=gone, sometimes=[moved(False)])


async def reclaim(mm: Mm) -> None:
    """Reclaim the page."""
    await shrink_lruvec(mm, UnmapBatch(), [PAGE])


def reclaimed(arch: Arch, era: Era) -> Model:
    """mremap against reclaim that flushes each page as it is unmapped, and that comes to the old place first."""
    geometry = {"ptes_per_table": 1, "capabilities": arch.facts.capabilities - {"batched_unmap"}}
    more = {"mappings": {PAGE: (HERE, THERE)}, "moves": True}
    world = World(arch, era, {HERE: Pte(PAGE, write=False), THERE: None}, geometry=geometry, more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's and the reclaimer's
    world.task("user", reader)
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA))
    world.kthread("reclaim", reclaim)
    return world.model("mremap-reclaim", finally_=[mapcount_is_ptes(PAGE, [HERE, THERE])], sometimes=[moved(False)])


def first_store(arch: Arch, era: Era) -> Model:
    """mremap of a clean page, which a CPU is writing to; nobody cleans it, and so none takes writable for dirty."""
    world = world_of(arch, era, Pte(PAGE))
    world.task("user", raw_stores(HERE, [PAGE]))
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA))
    places = [HERE, THERE]
    kept = [dirty_known_at_end(PAGE, places), mapcount_is_ptes(PAGE, places)]
    return world.model("mremap-dirty", finally_=kept, sometimes=[moved(True)])


def migrated(arch: Arch, era: Era) -> Model:
    """mremap against the migration of an anonymous page; a walk of its reverse map comes to the new place first."""
    more = {"mappings": {PAGE: (THERE, HERE)}, "copies": {PAGE: COPY}, "moves": True}
    mapped = {HERE: Pte(PAGE), THERE: None}
    world = World(arch, era, mapped, frozenset({PAGE, COPY}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and that of isolation
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA, need_rmap_locks=True))
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, [PAGE]))
    window = sometimes(
        "entry-moved",
        "the migration entry is in its new place",
        (pte_cell(THERE),),
        lambda pte: isinstance(pte, Migration),
    )
    places = [HERE, THERE]
    counted = [mapcount_is_ptes(page, places) for page in (PAGE, COPY)]
    held = [held_by_mappings(page) for page in (PAGE, COPY)]
    return world.model("mremap-migrate", finally_=[mapped_at_end(THERE, COPY), *counted, *held], sometimes=[window])


SCENARIOS = [
    Scenario(
        "mremap-writeback",
        "no CPU writes through the old address of a moved page once it has been cleaned at the new one",
        "5d1904204c99",
        cleaned,
    ),
    Scenario(
        "mremap-truncate",
        "no CPU reaches a freed page through its address before the move",
        "eb66ae030829",
        freed,
    ),
    Scenario(
        "mremap-reclaim",
        "no CPU reaches a page that reclaim has freed at its new address through the one before the move",
        "mm/mremap.c:move_ptes",
        reclaimed,
    ),
    Scenario(
        "mremap-dirty",
        "a store that comes as mremap moves the entry is not forgotten",
        "mm/mremap.c:move_ptes",
        first_store,
        requires=("hardware_dirty",),
    ),
    Scenario(
        "mremap-migrate",
        "a page that is migrated while mremap moves it is mapped in the end, in whichever order its mappings are found",
        "mm/mremap.c:move_ptes",
        migrated,
    ),
]

EXHIBITS = [
    Exhibit(
        "B-08",
        "5d1904204c99",
        "mremap moves a dirty entry and flushes later: writeback cleans it in its new place, stores go to the old",
        "mremap-writeback",
        lacks=frozenset({"5d1904204c99", "eb66ae030829"}),
    ),
    Exhibit(
        "B-09",
        "eb66ae030829",
        "mremap releases the locks before it flushes: the page is freed at its new address and used at the old",
        "mremap-truncate",
        lacks=frozenset({"eb66ae030829"}),
        cve="CVE-2018-18281",
    ),
]
