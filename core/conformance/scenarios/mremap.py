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
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, dirty_known_at_end, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, raw_stores, store
from core.explore.model import Model, Property
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.syscalls import mremap, truncate_pagecache
from core.mm.writeback import write_page
from core.plugins.arch import Arch

HERE, THERE, PAGE = 0, 1, 0
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


def first_store(arch: Arch, era: Era) -> Model:
    """mremap of a clean page, which a CPU is writing to; nobody cleans it, and so none takes writable for dirty."""
    world = world_of(arch, era, Pte(PAGE))
    world.task("user", raw_stores(HERE, [PAGE]))
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA))
    places = [HERE, THERE]
    kept = [dirty_known_at_end(PAGE, places), mapcount_is_ptes(PAGE, places)]
    return world.model("mremap-dirty", finally_=kept, sometimes=[moved(True)])


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
        "mremap-dirty",
        "a store that comes as mremap moves the entry is not forgotten",
        "mm/mremap.c:move_ptes",
        first_store,
        requires=("hardware_dirty",),
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
