"""migrate_pages() batching: unmap all, flush once, then copy (7e12beb8ca2a, v6.3), and its deadlock (fb3592c41a44).

The series flushes once for a batch and not for each page; the patch measured 99.1 % fewer IPIs.  It changes no hook, so
it is a scenario: the programs of the patch beside a thread that stores.

The discussion: folio locks are held from unmapping to copying, so a batch holds several.  Two batches in different
order lock each other out (LOCKS_ALL, a verdict: deadlock).  fb3592c41a44 only tries the lock once it holds one, and
moves what it holds before it waits for the rest (BATCH, TWO_BATCHES).

    python -m core.compare run --scenario examples/series/migrate_batching.py:BATCH \
        --scenario examples/series/migrate_batching.py:TWO_BATCHES --arch smp-6.12 --no-costs
    python -m core.compare explain smp-6.12 examples/series/migrate_batching.py:LOCKS_ALL
    python -m core.compare compare smp-6.12 --against 6.2-fix --workload migrate
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core.scenarios import (
    Arch,
    Build,
    Era,
    Model,
    Scenario,
    World,
    held_by_mappings,
    lock_page,
    mapcount_cell,
    mapcount_is_ptes,
    migrate_folio_move,
    pg_locked_cell,
    raw_stores,
    ref_cell,
    sometimes,
    store_after_copy,
    try_to_migrate_one,
    try_to_unmap_flush,
    trylock_page,
    unlock_page,
)
from core.words import Migration, Mm, Pte, UnmapBatch, pte_cell

COPIES = {0: 2, 1: 3}
"""Two pages, and what the allocator hands out for each."""


async def batch(mm: Mm, pages: Sequence[int], flushes_late: bool = False, waits: bool = False) -> None:
    """migrate_pages_batch(): what cannot be locked at once is left for a second round, which holds nothing.

    Wrong forms: `flushes_late`, behind the copies; `waits` for a lock while it holds others.
    """
    left = list(pages)
    while left:
        left = await one_round(mm, left, flushes_late, waits)


async def one_round(mm: Mm, pages: Sequence[int], flushes_late: bool, waits: bool) -> list[int]:
    """Unmap what can be locked, flush, move it. Returns the pages that are left."""
    ubc, locked, left = UnmapBatch(), list[int](), list[int]()
    for page in pages:
        if locked and not waits and not await trylock_page(mm, page):
            left.append(page)
            continue
        if not locked or waits:
            await lock_page(mm, page)
        locked.append(page)
        for addr in mm.mappings[page]:
            await try_to_migrate_one(mm, ubc, page, addr)
    if not flushes_late:
        await try_to_unmap_flush(mm, ubc)
    for page in locked:
        await migrate_folio_move(mm, page)
    await try_to_unmap_flush(mm, ubc)
    return left


def world_of(arch: Arch, era: Era, mapped: bool = True) -> World:
    """Two pages that have been isolated."""
    entries = {page: Pte(page, dirty=True) if mapped else None for page in COPIES}
    more = {"copies": COPIES, "reclaims": True}
    world = World(arch, era, entries, frozenset({*COPIES, *COPIES.values()}), more=more)
    for page, new in COPIES.items():
        world.memory[ref_cell(page)] = 2
        world.memory[ref_cell(new)] = world.memory[mapcount_cell(new)] = 0
    return world


def stored(name: str, flushes_late: bool) -> Build:
    """A thread stores to one of the pages meanwhile."""

    def build(arch: Arch, era: Era) -> Model:
        world = world_of(arch, era)
        world.task("user", raw_stores(1, [1, COPIES[1]]))
        world.kthread("kcompactd", partial(batch, pages=list(COPIES), flushes_late=flushes_late))
        both = sometimes(
            "both-unmapped",
            "both pages are unmapped at once",
            tuple(map(pte_cell, COPIES)),
            lambda *ptes: all(isinstance(pte, Migration) for pte in ptes),
        )
        mapped = [mapcount_is_ptes(page, [addr]) for addr, new in COPIES.items() for page in (addr, new)]
        held = [held_by_mappings(page) for page in (*COPIES, *COPIES.values())]
        always = [store_after_copy(1, COPIES[1], 1)]
        return world.model(name, always=always, finally_=[*mapped, *held], sometimes=[both])

    return build


async def writeback(mm: Mm) -> None:
    """Somebody else who locks both pages, in the other order: he waits for the second while he holds the first."""
    for page in (1, 0):
        await lock_page(mm, page)
    for page in (0, 1):
        await unlock_page(mm, page)


def locked(name: str, waits: bool) -> Build:
    """Two who lock both pages."""

    def build(arch: Arch, era: Era) -> Model:
        world = world_of(arch, era)
        world.task("user", raw_stores(1, [1, COPIES[1]], times=1))
        world.kthread("kcompactd", partial(batch, pages=list(COPIES), waits=waits))
        world.kthread("writeback", writeback)
        crossed = sometimes(
            "crossed",
            "each holds one of the two locks",
            tuple(map(pg_locked_cell, COPIES)),
            lambda first, second: None not in (first, second) and first != second,
        )
        return world.model(name, sometimes=[crossed])

    return build


def scenario(name: str, title: str, origin: str, build: Build) -> Scenario:
    """One of this file, for rows that batch."""
    return Scenario(name, title, origin, build, requires=("batched_unmap", "flush_before_free", "smp"))


BATCH = scenario("batch", "no page of a batch is copied before the flush", "7e12beb8ca2a", stored("batch", False))
LATE = scenario("batch-late", "wrong: the flush comes behind the copies", "7e12beb8ca2a", stored("batch-late", True))
TWO_BATCHES = scenario("batches", "who holds a folio lock waits for none", "fb3592c41a44", locked("batches", False))
LOCKS_ALL = scenario("locks-all", "wrong: it waits while it holds locks", "fb3592c41a44", locked("locks-all", True))
