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

migrate-protect: what is migrated while mprotect() takes the write permission does not get it back

CPU0 mprotect                CPU1 kcompactd
                             migration entry: the page was writable
the entry says so no more
                             map the copy, read-only

migrate-locks, B-56, fb3592c41a44

CPU0 kcompactd               CPU1 writeback
lock page 0
                             lock page 1
wait for page 1              wait for page 0
"""

from __future__ import annotations

from collections.abc import Sequence

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    SENTENCES,
    dirty_kept,
    held_by_mappings,
    mapcount_is_ptes,
    sometimes,
    store_after_copy,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, raw_stores, returned
from core.explore.model import Model, Property
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.mprotect import wrprotect
from core.mm.page import lock_page, mapcount_cell, pg_locked_cell, unlock_page
from core.mm.syscalls import madvise_dontneed, mprotect
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
    window = both_unmapped() if era.batches_migration else second_unmapped()
    copied = [store_after_copy(1, COPIES[1], 1)]
    mapped = [mapcount_is_ptes(page, [addr]) for addr, new in COPIES.items() for page in (addr, new)]
    held = [held_by_mappings(page) for page in (*COPIES, *COPIES.values())]
    dirty = [dirty_kept(new, addr) for addr, new in COPIES.items()]
    return world.model("migrate-batch", always=copied, finally_=[*mapped, *held, *dirty], sometimes=[window])


def both_unmapped() -> Property:
    """The window of a kernel that migrates in batches."""
    return sometimes(
        "both-unmapped",
        "both pages are unmapped at once",
        tuple(map(pte_cell, COPIES)),
        lambda *ptes: all(isinstance(pte, Migration) for pte in ptes),
    )


def second_unmapped() -> Property:
    """The window of a kernel that moves one page after the other."""
    return sometimes(
        "second-unmapped", "the second page is unmapped", (pte_cell(1),), lambda pte: isinstance(pte, Migration)
    )


def protected(arch: Arch, era: Era) -> Model:
    """mprotect(PROT_READ) of a page that is being migrated, and written to: its copy is read-only then."""
    world = compacting(arch, era, dirty=True)
    world.task("user", raw_stores(0, [0, COPIES[0]], 1))
    world.task("mprotect", lambda mm: mprotect(mm, [Vma(0, 1)], wrprotect))
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, [0]))
    window = sometimes(
        "protected-meanwhile",
        "there is a migration entry, which says that the page is read-only",
        (pte_cell(0),),
        lambda pte: isinstance(pte, Migration) and not pte.write,
    )
    taken = Property(
        "write-protected",
        SENTENCES["write-protected"],
        (pte_cell(0),),
        lambda pte: isinstance(pte, Pte) and not pte.write,
    )
    held = [held_by_mappings(page) for page in (0, COPIES[0])]
    copied = [store_after_copy(0, COPIES[0], 0)]
    return world.model("migrate-protect", always=copied, finally_=[taken, *held], sometimes=[window])


# ---- two migrators ---------------------------------------------------------------------------------------------


def crossed(arch: Arch, era: Era) -> Model:
    """Somebody locks the pages that are migrated, in another order: neither may wait for ever."""
    world = compacting(arch, era, dirty=False)
    pages = list(COPIES)
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, pages))
    world.kthread("writeback", lambda mm: locks_and_leaves(mm, pages[::-1]))
    window = sometimes(
        "held-across",
        "one page is locked by each",
        tuple(map(pg_locked_cell, pages)),
        lambda first, second: None not in (first, second) and first != second,
    )
    return world.model("migrate-locks", sometimes=[window])


async def locks_and_leaves(mm: Mm, pages: Sequence[int]) -> None:
    """Another task locks the same folios in another order, one while it has the other, as writeback does."""
    for page in pages:
        await lock_page(mm, page)
    for page in pages:
        await unlock_page(mm, page)


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
        "migrate-protect",
        "a page that is write-protected while it is migrated stays so",
        "mm/mprotect.c:change_pte_range",
        protected,
        tier="optional",
    ),
    Scenario(
        "migrate-batch-dontneed",
        "MADV_DONTNEED does not go by a migration entry whose flush is still to come",
        "7e12beb8ca2a",
        given_up,
        tier="optional",
        requires=("batched_unmap", "flush_before_free"),
    ),
    Scenario(
        "migrate-locks",
        "migration of several pages waits for no page's lock while it holds another's",
        "fb3592c41a44",
        crossed,
        tier="optional",
        requires=("batched_unmap", "flush_before_free"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-56",
        "fb3592c41a44",
        "migration of a batch waits for the lock of a page while it holds those of others",
        "migrate-locks",
        era="6.12",
        lacks=frozenset({"fb3592c41a44"}),
    ),
]
