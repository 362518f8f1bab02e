"""Several entries that map one large folio are dealt with together: all of them, and each is an access of its own.

Each scenario has a folio of two pages, mapped by two entries, and somebody who uses either.  A kernel that takes
entries one by one (before 6.9) is asked the same.

folio-dirty

CPU0 user            CPU1 MADV_DONTNEED of both
                     clear entry 0: clean
store to page 1
                     clear entry 1: dirty
                     what is returned is of entry 0 alone: nothing is dirty
"""

from __future__ import annotations

from typing import Any

from core.base.asked import changed
from core.conformance.properties import (
    all_freed,
    held_by_mappings,
    mapcount_is_ptes,
    mapped_at_end,
    shared_read_only,
    sometimes,
    store_after_copy,
)
from core.conformance.scenario import Build, Scenario
from core.conformance.scenarios.contpte import dirty_known
from core.conformance.world import Program, World, load, pick, raw_stores, returned
from core.explore.model import Model
from core.machine.accessed import accessed_cell
from core.machine.early_ack import handler_cell
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell, tlb_cell
from core.mm.aging import folio_referenced_one
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.reclaim import shrink_folio_list
from core.mm.syscalls import dup_mmap, madvise_dontneed, madvise_free
from core.plugins.arch import Arch

PAGES = (0, 1)
BOTH = Vma(0, 2)
CHILD = {0: 2, 1: 3}
"""The child's entries, in a table of their own."""


def folio(arch: Arch, era: Era, entry: Pte, anon: bool, **more: object) -> World:
    """A folio of two pages, at the addresses of the same numbers."""
    mapped: dict[int, Pte | None] = {page: entry._replace(frame=page) for page in PAGES}
    small = {"ptes_per_table": 2}
    folios = {"folio": lambda page: (0, 2), **more}
    return World(arch, era, mapped, frozenset(PAGES if anon else ()), geometry=small, more=folios)


def either(times: int = 2) -> Program:
    """Loads from one of the pages, whichever."""

    async def program(mm: Mm) -> None:
        addr = await pick(2)
        for _ in range(times):
            await load(mm, addr, [addr])

    return program


async def writes(mm: Mm) -> None:
    """Two stores to one of the pages, whichever, that end at a page fault."""
    addr = await pick(2)
    await raw_stores(addr, [addr])(mm)


# ---- the zap -------------------------------------------------------------------------------------------------


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of both pages."""
    await madvise_dontneed(mm, BOTH, 0, 2)
    for addr in PAGES:
        await returned(mm, addr)


def zapped(arch: Arch, era: Era) -> Model:
    """Anonymous pages, which are freed."""
    world = folio(arch, era, Pte(0, dirty=True), anon=True)
    user = world.task("user", either())
    world.task("unmap", dontneed)
    window = sometimes(
        "second-cached",
        "the first entry is gone, and the second page is cached and not free",
        (pte_cell(0), tlb_cell(user.cpu, 1), ref_cell(1)),
        lambda pte, entry, ref: pte is None and entry is not None and ref == 1,
    )
    return world.model("folio-zap", finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])


def dirtied(arch: Arch, era: Era) -> Model:
    """Pages of a file, the second of which may be written to while the first has been cleared."""
    world = folio(arch, era, Pte(0), anon=False)
    for page in PAGES:
        world.memory[ref_cell(page)] = 2  # the page cache's too
    world.task("user", writes)
    world.task("unmap", dontneed)
    window = sometimes(
        "written-between",
        "the first entry is gone, and the second page has been written to",
        (pte_cell(0), pte_cell(1), newer_cell(1)),
        lambda first, second, newer: first is None and newer,
    )
    kept = [all_freed(page, 1) for page in PAGES]
    unmapped = [mapcount_is_ptes(page, [page]) for page in PAGES]
    return world.model("folio-dirty", finally_=[dirty_known(2, PAGES), *kept, *unmapped], sometimes=[window])


# ---- fork(), MADV_FREE ---------------------------------------------------------------------------------------


async def forks(mm: Mm) -> None:
    """fork(): no CPU writes to either page on return."""
    await dup_mmap(mm, [BOTH], CHILD)
    for addr in PAGES:
        await returned(mm, addr)


def forked(arch: Arch, era: Era) -> Model:
    """Both entries are write-protected, and copied, though the first one alone would need nothing."""
    world = folio(arch, era, Pte(0, dirty=True), anon=True)
    world.memory[pte_cell(0)] = Pte(0, write=False, dirty=True)
    world.mapped = {**world.mapped, **dict.fromkeys(CHILD.values())}
    world.task("user", writes)
    world.task("fork", forks)
    window = sometimes(
        "copied",
        "the child has the second entry, and its page has been written to",
        (pte_cell(CHILD[1]), newer_cell(1)),
        lambda pte, newer: isinstance(pte, Pte) and newer,
    )
    shared = [shared_read_only(page, (page, copy)) for page, copy in CHILD.items()]
    copied = [mapped_at_end(copy, page) for page, copy in CHILD.items()]
    copied += [held_by_mappings(page) for page in PAGES]
    return world.model("folio-fork", finally_=[*shared, *copied], sometimes=[window])


def dirty_nowhere_else(mm: Mm, addr: int) -> Op:
    """A step that violates no-lost-dirty if a CPU would store through a cached entry that says dirty where the page
    table does not.
    """
    cpus = sorted(mm.cpus or ())
    cells, handlers = tuple(tlb_cell(cpu, addr) for cpu in cpus), tuple(map(handler_cell, cpus))

    def step(pte: object, *state: Any) -> list[Outcome]:
        entries, inside = state[: len(cpus)], state[len(cpus) :]
        usable = [e for e, request in zip(entries, inside, strict=True) if request is None]
        clean = isinstance(pte, Pte) and not pte.dirty
        stale = clean and any(entry is not None and entry.write and entry.dirty for entry in usable)
        return [Outcome(None, (), "no-lost-dirty" if stale else "")]

    return Op("return to user mode", (pte_cell(addr), *cells, *handlers), (), step, order=Order.PLAIN)


def cleaned(arch: Arch, era: Era) -> Model:
    """MADV_FREE: what is written behind it must be found to be dirty, in either page."""
    world = folio(arch, era, Pte(0, dirty=True), anon=True)

    async def frees(mm: Mm) -> None:
        await madvise_free(mm, BOTH, 0, 2)
        for addr in PAGES:
            await dirty_nowhere_else(mm, addr)

    world.task("user", writes)
    world.task("free", frees)
    window = sometimes(
        "cleaned",
        "the second entry is clean, and its page has been written to",
        (pte_cell(1), newer_cell(1)),
        lambda pte, newer: isinstance(pte, Pte) and not pte.dirty and newer,
    )
    return world.model("folio-free", sometimes=[window])


# ---- reclaim -------------------------------------------------------------------------------------------------


def kswapd(mm: Mm) -> Any:
    """Reclaim the folio."""
    return shrink_folio_list(mm, UnmapBatch(), [0])


def reclaimed(arch: Arch, era: Era) -> Model:
    """A clean folio of MADV_FREE, which reclaim discards: the flush is of the whole range, deferred or not."""
    later = changed(era, unmaps_folios=era.unmaps_folios or "lazyfree", folio_entries=True)
    world = folio(arch, later, Pte(0), anon=True, lazyfree=frozenset(PAGES), reclaims=True)
    for page in PAGES:
        world.memory[ref_cell(page)] = 2  # the mapping's, and that of isolation
    user = world.task("user", either())
    world.kthread("kswapd", kswapd)
    window = sometimes(
        "second-cached",
        "the first entry is gone, and the second page is cached and not free",
        (pte_cell(0), tlb_cell(user.cpu, 1), ref_cell(1)),
        lambda pte, entry, ref: pte is None and entry is not None and ref,
    )
    return world.model("folio-reclaim", finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])


COPIES = {0: 2, 1: 3}
"""The folio's pages, and those of the folio that takes its place."""


def migrated(arch: Arch, era: Era) -> Model:
    """kcompactd moves the folio, to which somebody stores: every entry is unmapped before anything is copied."""
    more = {"folio": lambda page: (page - page % 2, 2), "copies": COPIES, "reclaims": True}
    mapped = {page: Pte(page, dirty=True) for page in PAGES}
    world = World(arch, era, mapped, frozenset({*COPIES, *COPIES.values()}), geometry={"ptes_per_table": 2}, more=more)
    for page, new in COPIES.items():
        world.memory[ref_cell(page)] = 2
        world.memory[ref_cell(new)] = world.memory[mapcount_cell(new)] = 0

    async def stores(mm: Mm) -> None:
        addr = await pick(2)
        await raw_stores(addr, [addr, COPIES[addr]])(mm)

    world.task("user", stores)
    world.kthread("kcompactd", lambda mm: migrate_pages(mm, [0]))
    window = sometimes(
        "first-unmapped",
        "the first entry is that of a migration, and the second page is mapped",
        tuple(map(pte_cell, PAGES)),
        lambda first, second: isinstance(first, Migration) and isinstance(second, Pte),
    )
    copied = [store_after_copy(page, new, page) for page, new in COPIES.items()]
    counted = [mapcount_is_ptes(page, [addr]) for addr, new in COPIES.items() for page in (addr, new)]
    held = [held_by_mappings(page) for page in (*COPIES, *COPIES.values())]
    return world.model("folio-migrate", always=copied, finally_=[*counted, *held], sometimes=[window])


UNSEEN = "young-unseen"


def aged(arch: Arch, era: Era) -> Model:
    """Only one of the pages has been used, whichever: the folio has."""
    world = folio(arch, changed(era, ages_folios=True, folio_entries=True), Pte(0), anon=True)
    for page in PAGES:
        world.memory[accessed_cell(page)] = False

    async def looks(mm: Mm) -> None:
        used = accessed_cell(await pick(2))
        await Op("use the page", (), (used,), lambda: [Outcome(None, (True,))], order=Order.PLAIN)
        seen = [await folio_referenced_one(mm, 0, 0) for _ in range(2)]
        wrong = "" if seen == [True, False] else UNSEEN
        await Op("was it used?", (accessed_cell(1),), (), lambda young: [Outcome(None, (), wrong)], order=Order.PLAIN)

    world.kthread("kswapd", looks)
    window = sometimes("old", "both entries are old", tuple(map(accessed_cell, PAGES)), lambda *young: not any(young))
    said = {UNSEEN: "Reclaim does not notice that a page of the folio was used, or notices it twice."}
    return world.model("folio-young", sometimes=[window], sentences=said)


def scenario(name: str, title: str, origin: str, build: Build, *requires: str) -> Scenario:
    """One of this module: without CONFIG_TRANSPARENT_HUGEPAGE there are no large folios."""
    return Scenario(name, title, origin, build, tier="optional", requires=("thp", *requires))


SCENARIOS = [
    scenario(
        "folio-zap",
        "no page of a folio that is unmapped as a whole is freed while a CPU can use its entry",
        "mm/memory.c:zap_present_folio_ptes",
        zapped,
        "flush_before_free",
    ),
    scenario(
        "folio-dirty",
        "a folio that is unmapped as a whole is dirty if any of its entries was",
        "include/linux/pgtable.h:get_and_clear_full_ptes",
        dirtied,
        "hardware_dirty",
    ),
    scenario(
        "folio-fork",
        "fork() write-protects every entry of a folio",
        "include/linux/pgtable.h:wrprotect_ptes",
        forked,
    ),
    scenario(
        "folio-free",
        "MADV_FREE cleans every entry of a folio, and no CPU goes on with one that was dirty",
        "include/linux/pgtable.h:clear_young_dirty_ptes",
        cleaned,
        "hardware_dirty",
    ),
    scenario(
        "folio-reclaim",
        "no page of a folio that reclaim unmaps as a whole is freed while a CPU can use its entry",
        "mm/rmap.c:folio_unmap_pte_batch",
        reclaimed,
        "smp",
        "flush_before_free",
    ),
    scenario(
        "folio-migrate",
        "no page of a folio is copied while a CPU can store to it",
        "mm/rmap.c:try_to_migrate_one",
        migrated,
        "smp",
        "flush_before_free",
    ),
    scenario(
        "folio-young",
        "a folio has been used if any of its entries has",
        "include/linux/pgtable.h:clear_flush_young_ptes",
        aged,
    ),
]
