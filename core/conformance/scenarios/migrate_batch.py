"""migrate_pages() flushes once for all pages that it has unmapped, before it copies the first (7e12beb8ca2a, v6.3).

Until that flush a migration entry stands where a CPU may still have the page cached.  Whoever takes the page-table lock
and goes by the entry asks whether such a flush is due (flush_tlb_batched_pending()).

CPU0 user                    CPU1 kcompactd                CPU2 MADV_DONTNEED
load: cached
                             migration entry, no flush yet
                                                           finds no mapping: nothing to flush
                                                           returns
load through the stale entry
                             flush
"""

from __future__ import annotations

from core.conformance.properties import held_by_mappings, mapcount_is_ptes, sometimes, store_after_copy
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, raw_stores, returned
from core.explore.model import Model
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

COPIES = {0: 2, 1: 3}
"""Two pages, and what the allocator hands out for each."""

VMA = Vma(0, 2)


def compacting(arch: Arch, era: Era, dirty: bool) -> World:
    """Two pages, which kcompactd has isolated."""
    mapped = {page: Pte(page, dirty=dirty) for page in COPIES}
    more = {"copies": COPIES, "reclaims": True}
    world = World(arch, era, mapped, frozenset({*COPIES, *COPIES.values()}), more=more)
    for page, new in COPIES.items():
        world.memory[ref_cell(page)] = 2
        world.memory[ref_cell(new)] = world.memory[mapcount_cell(new)] = 0
    return world


def migrated(arch: Arch, era: Era) -> Model:
    """A thread stores to one of the pages meanwhile."""
    world = compacting(arch, era, dirty=True)
    world.task("user", raw_stores(1, [1, COPIES[1]]))
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, list(COPIES)))
    window = sometimes(
        "both-unmapped",
        "both pages are unmapped at once",
        tuple(map(pte_cell, COPIES)),
        lambda *ptes: all(isinstance(pte, Migration) for pte in ptes),
    )
    copied = [store_after_copy(1, COPIES[1], 1)]
    mapped = [mapcount_is_ptes(page, [addr]) for addr, new in COPIES.items() for page in (addr, new)]
    held = [held_by_mappings(page) for page in (*COPIES, *COPIES.values())]
    return world.model("migrate-batch", always=copied, finally_=[*mapped, *held], sometimes=[window])


async def reader(mm: Mm) -> None:
    """Load twice from the first page."""
    for _ in range(2):
        await load(mm, 0, [0, COPIES[0]])


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of the first page, and what holds as it returns."""
    await madvise_dontneed(mm, Vma(0, 1), 0, 1)
    await returned(mm, 0)


def given_up(arch: Arch, era: Era) -> Model:
    """Another thread gives a page up that is being migrated."""
    world = compacting(arch, era, dirty=False)
    user = world.task("user", reader)
    world.task("dontneed", dontneed)
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, [0]))
    window = sometimes(
        "unmapped-and-cached",
        "there is a migration entry, or none, and the user's CPU has the page cached",
        (pte_cell(0), tlb_cell(user.cpu, 0)),
        lambda pte, entry: not isinstance(pte, Pte) and entry is not None,
    )
    return world.model("migrate-batch-dontneed", sometimes=[window])


SCENARIOS = [
    Scenario(
        "migrate-batch",
        "no page of several that are migrated together is copied while a CPU can still write to it",
        "7e12beb8ca2a",
        migrated,
        tier="optional",
        requires=("batched_unmap", "flush_before_free"),
    ),
    Scenario(
        "migrate-batch-dontneed",
        "MADV_DONTNEED does not go by a migration entry whose flush is still to come",
        "7e12beb8ca2a",
        given_up,
        tier="optional",
        requires=("batched_unmap", "flush_before_free"),
    ),
]
