"""Migration to a device collects pages, replacing entries by migration entries, and forgets something.

B-05, fd35ca3d12cc: the dirty bit

CPU0 user            CPU1 migrate_vma
store: dirty
                     clear the entry, put a migration entry there
                     the page stays: map it again, clean
                                                    the store is lost

B-06, 60bae7370896: the flush, until after the lock

CPU0 user            CPU1 migrate_vma               CPU2 MADV_DONTNEED
load: cached
                     migration entry, unlock
                                                    nothing present: nothing to flush
                                                    returns
load: stale
                     flush
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, dirty_known_at_end, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, returned, store
from core.explore.model import Model, Property
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.era import Era
from core.mm.migrate import migrate_vma
from core.mm.mm import Mm, Vma
from core.mm.syscalls import madvise_dontneed
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


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED, and back."""
    await madvise_dontneed(mm, VMA, 0, 1)
    await returned(mm, 0)


def collected(newer: bool) -> Property:
    """The window: the entry is a migration entry, of a page that is newer than the disk or not."""
    return sometimes(
        "collected",
        "a migration entry stands for the page",
        (pte_cell(0), newer_cell(0)),
        lambda pte, is_newer: isinstance(pte, Migration) and is_newer == newer,
    )


def dirty(arch: Arch, era: Era) -> Model:
    """A page of a shared file is collected, and in the end not migrated."""
    world = World(arch, era, {0: Pte(0)})
    world.memory[ref_cell(0)] = 2  # the mapping's and the page cache's
    world.task("user", writer)
    world.task("migrate", lambda mm: migrate_vma(mm, 0, 1))
    kept = [dirty_known_at_end(0, [0]), mapcount_is_ptes(0, [0]), all_freed(0, 2)]
    return world.model("migrate-dirty", finally_=kept, sometimes=[collected(True)])


def flush(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED of an anonymous page that is being collected."""
    world = World(arch, era, {0: Pte(0)}, anon=frozenset({0}))
    world.task("user", reader)
    world.task("migrate", lambda mm: migrate_vma(mm, 0, 1))
    world.task("madvise", dontneed)
    return world.model(
        "migrate-flush", finally_=[all_freed(0, 0), mapcount_is_ptes(0, [0])], sometimes=[collected(False)]
    )


SCENARIOS = [
    Scenario(
        "migrate-dirty",
        "a page that is collected for migration keeps its dirty bit",
        "fd35ca3d12cc",
        dirty,
    ),
    Scenario(
        "migrate-flush",
        "no call relies on a migration entry whose page is still cached",
        "60bae7370896",
        flush,
    ),
]

EXHIBITS = [
    Exhibit(
        "B-05",
        "fd35ca3d12cc",
        "migrate_vma clears a dirty entry and loses the dirty bit",
        "migrate-dirty",
        lacks=frozenset({"fd35ca3d12cc"}),
    ),
    Exhibit(
        "B-06",
        "60bae7370896",
        "migrate_vma flushes after releasing the page-table lock: MADV_DONTNEED returns before",
        "migrate-flush",
        lacks=frozenset({"60bae7370896"}),
    ),
]
