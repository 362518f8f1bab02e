"""A page is in the swap cache while its mappings go, and while it is mapped again.

swap-cache-shared: the last mapping goes while another process, whose entry says that the contents are in swap, faults

CPU0 MADV_DONTNEED, parent   CPU1 write fault, child
clear the entry, flush
                             the page is in the swap cache: a reference, its lock
not mapped, but locked: the
page stays in the cache
                             its place in swap is free: out of the cache
drop the mapping's reference
                             map it

swap-cache-refault: a fault finds the page that reclaim has unmapped, and whose flush is put off

CPU0 user                    CPU1 fault                   CPU2 reclaim
store: cached rw
                                                          into the cache, clear the entry
                             a reference, wait for the lock
store through the stale entry
                                                          flush, write: the disk has what memory has
                                                          two references too many: keep it
                             map it again

swap-cache-copied: a write fault on a page that only it maps, while another process has its contents in swap

CPU0 write fault, child                         CPU1 fault, parent
two references: its own, and the swap cache's
lock the page
its place in swap is needed: it stays cached
so two references are one too many: copy it
                                                map it: as the fork has left it
"""

from __future__ import annotations

from core.conformance.properties import (
    all_freed,
    contents_kept,
    held_by_mappings,
    held_by_swap_cache,
    mapcount_is_ptes,
    mapped_at_end,
    places_are_entries,
    sometimes,
    unmapped_at_end,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, store
from core.explore.model import Model
from core.machine.pte import Pte, Swap, pte_cell
from core.machine.tlb import newer_cell, ref_cell, user_load, user_store
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell, pg_dirty_cell, pg_locked_cell, put_page
from core.mm.reclaim import shrink_folio_list
from core.mm.swap_fault import handle_swap_fault
from core.mm.swapfile import pg_swapcache_cell, swap_map_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PAGE, COPY = 0, 2
HERE, CHILD = 0, 1
VMA, CHILD_VMA = Vma(HERE, HERE + 1), Vma(CHILD, CHILD + 1)


def in_cache(world: World, page: int, entries: int) -> None:
    """`page` is in the swap cache, and dirty, for nobody has written it out yet; `entries` have its place in swap."""
    world.memory[pg_swapcache_cell(page)] = world.memory[pg_dirty_cell(page)] = world.memory[newer_cell(page)] = True
    world.memory[swap_map_cell(page)] = entries
    world.memory[ref_cell(page)] = 2  # the mapping's, and the cache's


async def touches(mm: Mm, vma: Vma, write: bool) -> bool:
    """One access, with its faults on swap entries. False where the page would have to be read in."""
    access, reach = (user_store if write else user_load), (PAGE, COPY)
    while await access(mm.task.cpu, vma.start, reach, mm.facts.hw_dirty) == "fault":
        if not await handle_swap_fault(mm, vma, vma.start, write):
            return False
    return True


async def writes(mm: Mm) -> None:
    """Two stores: the second one may go through a stale entry."""
    if await touches(mm, VMA, write=True):
        await touches(mm, VMA, write=True)


def zapped(arch: Arch, era: Era) -> Model:
    """A folio of two pages, which the gather holds as an entry with flags (v6.9), is unmapped."""
    more = {"swaps": frozenset({0, 1}), "folio": lambda page: (0, 2)}
    world = World(arch, era, {0: Pte(0, write=False), 1: Pte(1, write=False)}, frozenset({0, 1}), more=more)
    in_cache(world, 0, 0)
    world.memory[ref_cell(1)] = 2

    async def reads(mm: Mm) -> None:
        if await load(mm, 1, [0, 1]):
            await load(mm, 1, [0, 1])

    world.task("user", reads)
    world.task("dontneed", lambda mm: madvise_dontneed(mm, Vma(0, 2), 0, 2))
    window = sometimes(
        "cached-and-unmapped",
        "the folio is mapped no more, and still in the swap cache",
        (mapcount_cell(0), mapcount_cell(1), pg_swapcache_cell(0)),
        lambda first, second, cached: not first and not second and cached,
    )
    return world.model("swap-cache-zap", finally_=[all_freed(0, 0), all_freed(1, 0)], sometimes=[window])


def shared(arch: Arch, era: Era) -> Model:
    """What a fork has left: a parent that maps the page again, and a child's entry that has its place in swap."""
    more = {"swaps": frozenset({PAGE}), "copies": {PAGE: COPY}, "mappings": {PAGE: (HERE, CHILD)}}
    mapped = {HERE: Pte(PAGE, write=False), CHILD: None}
    world = World(arch, era, mapped, frozenset({PAGE, COPY}), geometry={"ptes_per_table": 1}, more=more)
    in_cache(world, PAGE, 1)
    world.memory[pte_cell(CHILD)] = Swap(PAGE)
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.task("parent", lambda mm: madvise_dontneed(mm, VMA, HERE, HERE + 1))
    world.task("child", lambda mm: touches(mm, CHILD_VMA, write=True))
    window = sometimes(
        "locked-and-unmapped",
        "the page is in the swap cache, mapped nowhere, and locked by the fault",
        (mapcount_cell(PAGE), pg_swapcache_cell(PAGE), pg_locked_cell(PAGE), pte_cell(CHILD)),
        lambda mapped, cached, owner, pte: not mapped and cached and owner is not None and isinstance(pte, Swap),
    )
    kept = [
        held_by_swap_cache(PAGE),
        contents_kept(PAGE, CHILD, COPY),
        places_are_entries(PAGE, [CHILD]),
        mapcount_is_ptes(PAGE, [HERE, CHILD]),
        mapcount_is_ptes(COPY, [HERE, CHILD]),
    ]
    return world.model("swap-cache-shared", finally_=kept, sometimes=[window])


def both_go(arch: Arch, era: Era) -> Model:
    """The same two processes: the one unmaps the page while the other gives up its place in swap."""
    world = World(
        arch,
        era,
        {HERE: Pte(PAGE, write=False), CHILD: None},
        frozenset({PAGE}),
        geometry={"ptes_per_table": 1},
        more={"swaps": frozenset({PAGE})},
    )
    in_cache(world, PAGE, 1)
    world.memory[pte_cell(CHILD)] = Swap(PAGE)
    world.task("parent", lambda mm: madvise_dontneed(mm, VMA, HERE, HERE + 1))
    world.task("child", lambda mm: madvise_dontneed(mm, CHILD_VMA, CHILD, CHILD + 1))
    window = sometimes("freed", "the page is free", (ref_cell(PAGE),), lambda ref: not ref)
    ends = [
        held_by_swap_cache(PAGE),
        mapcount_is_ptes(PAGE, [HERE]),
        places_are_entries(PAGE, [CHILD]),
        unmapped_at_end(CHILD),
    ]
    return world.model("swap-cache-both", finally_=ends, sometimes=[window])


def copied(arch: Arch, era: Era) -> Model:
    """What a fork has left: the child has mapped the page again, and writes to it; the parent's entry is in swap."""
    more = {"swaps": frozenset({PAGE}), "copies": {PAGE: COPY}, "mappings": {PAGE: (HERE, CHILD)}}
    mapped = {HERE: None, CHILD: Pte(PAGE, write=False)}
    world = World(arch, era, mapped, frozenset({PAGE, COPY}), geometry={"ptes_per_table": 1}, more=more)
    in_cache(world, PAGE, 1)
    world.memory[pte_cell(HERE)] = Swap(PAGE)
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.task("child", lambda mm: store(mm, CHILD_VMA, CHILD, [PAGE, COPY]))
    world.task("parent", lambda mm: touches(mm, VMA, write=False))
    window = sometimes(
        "locked-and-needed",
        "the child's fault has locked the page, whose place in swap the parent's entry has",
        (pg_locked_cell(PAGE), pte_cell(HERE), ref_cell(PAGE)),
        lambda owner, pte, ref: owner is not None and isinstance(pte, Swap) and ref == 2,
    )
    both = [HERE, CHILD]
    ends = [
        mapped_at_end(CHILD, COPY),
        held_by_swap_cache(PAGE),
        held_by_mappings(COPY),
        places_are_entries(PAGE, both),
        mapcount_is_ptes(PAGE, both),
        mapcount_is_ptes(COPY, both),
    ]
    return world.model("swap-cache-copied", finally_=ends, sometimes=[window])


async def reclaims(mm: Mm) -> None:
    """shrink_inactive_list(): what cannot be freed goes back to its list, and with it the reference."""
    for page in await shrink_folio_list(mm, UnmapBatch(), [PAGE]):
        await put_page(page)


def refaulted(arch: Arch, era: Era) -> Model:
    """Reclaim of a page that one thread writes to while another takes it out of the swap cache again."""
    more = {"swaps": frozenset({PAGE}), "copies": {PAGE: COPY}, "reclaims": True}
    world = World(arch, era, {HERE: Pte(PAGE, dirty=True)}, frozenset({PAGE, COPY}), more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and the reclaimer's
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.task("user", writes)
    world.task("fault", lambda mm: touches(mm, VMA, write=False))
    world.kthread("kswapd", reclaims)
    window = sometimes(
        "mapped-again",
        "the page is mapped again, and still in the swap cache",
        (pte_cell(HERE), pg_swapcache_cell(PAGE)),
        lambda pte, cached: isinstance(pte, Pte) and cached,
    )
    kept = [
        held_by_swap_cache(PAGE),
        contents_kept(PAGE, HERE, COPY),
        places_are_entries(PAGE, [HERE]),
        mapcount_is_ptes(PAGE, [HERE]),
        mapcount_is_ptes(COPY, [HERE]),
    ]
    return world.model("swap-cache-refault", finally_=kept, sometimes=[window])


SCENARIOS = [
    Scenario(
        "swap-cache-zap",
        "a folio that is in the swap cache leaves it, and is freed, when its last mapping goes",
        "mm/swap_state.c:free_pages_and_swap_cache",
        zapped,
    ),
    Scenario(
        "swap-cache-shared",
        "a page stays in the swap cache, with its place, as long as an entry needs it or a fault has it locked",
        "mm/swap_state.c:free_swap_cache",
        shared,
    ),
    Scenario(
        "swap-cache-both",
        "a page leaves the swap cache once, whoever is the last to need it",
        "mm/swapfile.c:__try_to_reclaim_swap",
        both_go,
    ),
    Scenario(
        "swap-cache-copied",
        "a store to a page that another process still has in swap is to a copy",
        "mm/memory.c:wp_can_reuse_anon_folio",
        copied,
    ),
    Scenario(
        "swap-cache-refault",
        "a page that a fault has found in the swap cache is not reclaimed, and no store to it is lost",
        "mm/vmscan.c:__remove_mapping",
        refaulted,
        tier="optional",
        requires=("smp",),
    ),
]
