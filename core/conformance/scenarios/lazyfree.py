"""Reclaim discards a page of MADV_FREE that somebody still needs.

lazyfree-shared: another process has the page too, and has given no such advice

CPU0 MADV_FREE, parent       CPU1 read fault, child
                             the page is in the swap cache: a reference
the page is mapped once
                             its place in swap is free: no entry needs it
out of the swap cache
PG_dirty is cleared
                             map it, clean
reclaim may discard it: what the child had is lost

lazyfree-store: a store behind MADV_FREE must make the entry dirty again, and the page is not discarded.

lazyfree-dio: a device is about to write to it

B-46, 6c8e2a256915

CPU0 read() with O_DIRECT    CPU1 kswapd
GUP-fast: a reference, and
the entry is still the same
                             clear the entry
                             the page is clean: discard it, remove its mapping
the device writes
PG_dirty                     the process finds a page of zeros
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    held_by_swap_cache,
    mapcount_is_ptes,
    not_discarded,
    places_are_entries,
    reached_by_device,
    sometimes,
)
from core.conformance.scenario import Scenario
from core.conformance.scenarios.swap_cache import in_cache
from core.conformance.world import World, raw_stores
from core.explore.model import Model
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, Swap, pte_cell
from core.machine.tlb import newer_cell, ref_cell, user_load
from core.mm.batched_unmap import UnmapBatch
from core.mm.direct_io import device_wrote_cell, dio_read
from core.mm.era import Era
from core.mm.mm import Mm, Vma, ptl_cell
from core.mm.page import mapcount_cell, pg_dirty_cell
from core.mm.reclaim import reclaim_pages, shrink_folio_list
from core.mm.swap import folio_isolate_lru, pg_swapbacked_cell
from core.mm.swap_fault import handle_swap_fault
from core.mm.swapfile import swap_map_cell
from core.mm.syscalls import madvise_free
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0
CHILD, COPY = 1, 2
VMA, CHILD_VMA = Vma(ADDR, ADDR + 1), Vma(CHILD, CHILD + 1)


async def loads(mm: Mm) -> None:
    """One load of the child, with its fault on a swap entry."""
    while await user_load(mm.task.cpu, CHILD, [PAGE, COPY], mm.facts.hw_dirty) == "fault":
        if not await handle_swap_fault(mm, CHILD_VMA, CHILD, write=False):
            return


def shared(arch: Arch, era: Era) -> Model:
    """A page in the swap cache that the parent maps; the child's entry says that its contents are in swap."""
    more = {"swaps": frozenset({PAGE}), "lazyfree": frozenset({PAGE}), "copies": {PAGE: COPY}}
    entries = {ADDR: Pte(PAGE, write=False), CHILD: None}
    world = World(arch, era, entries, frozenset({PAGE, COPY}), geometry={"ptes_per_table": 1}, more=more)
    in_cache(world, PAGE, 1)
    world.memory[pg_swapbacked_cell(PAGE)] = True
    world.memory[pte_cell(CHILD)] = Swap(PAGE)
    parent = world.task("parent", lambda mm: madvise_free(mm, VMA, ADDR, ADDR + 1))
    world.task("child", loads)
    window = sometimes(
        "needed-unmapped",
        "the fault has given up the place in swap and not mapped the page, and MADV_FREE looks at it",
        (ptl_cell(world.mm(), ADDR), swap_map_cell(PAGE), mapcount_cell(PAGE)),
        lambda owner, entries, mapped: owner == parent.tid and not entries and mapped == 1,
    )
    kept = [
        not_discarded(PAGE, CHILD),
        held_by_swap_cache(PAGE),
        places_are_entries(PAGE, [CHILD]),
        mapcount_is_ptes(PAGE, [ADDR, CHILD]),
    ]
    return world.model("lazyfree-shared", finally_=kept, sometimes=[window])


async def frees(mm: Mm) -> None:
    """MADV_FREE; what was stored before it returns is given up."""
    await madvise_free(mm, VMA, ADDR, ADDR + 1)
    given_up = Outcome(None, (False,))
    await Op("what the page had is given up", (), (newer_cell(PAGE),), lambda: [given_up], order=Order.PRIVATE)


async def reclaims(mm: Mm) -> None:
    """kswapd takes the page off its list, and puts it back if it must keep it."""
    if await folio_isolate_lru(mm, PAGE):
        await reclaim_pages(mm, [PAGE])


def stored(arch: Arch, era: Era) -> Model:
    """A dirty page, to which one thread stores while another gives MADV_FREE, and kswapd reclaims it."""
    more = {"swaps": frozenset({PAGE}), "lazyfree": frozenset({PAGE}), "reclaims": True}
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, frozenset({PAGE}), more=more)
    world.memory[pg_swapbacked_cell(PAGE)] = world.memory[pg_dirty_cell(PAGE)] = True
    world.memory[newer_cell(PAGE)] = True
    world.task("user", raw_stores(ADDR, [PAGE]))
    world.task("free", frees)
    world.kthread("kswapd", reclaims)
    window = sometimes(
        "discarded",
        "the page is free, and has not been to swap",
        (pte_cell(ADDR), ref_cell(PAGE), pg_swapbacked_cell(PAGE)),
        lambda pte, ref, backed: pte is None and not ref and not backed,
    )
    kept = [not_discarded(PAGE, ADDR), held_by_swap_cache(PAGE), mapcount_is_ptes(PAGE, [ADDR])]
    return world.model("lazyfree-store", finally_=kept, sometimes=[window])


def discarded(arch: Arch, era: Era) -> Model:
    """kswapd reclaims the clean lazyfree page that a read with O_DIRECT is writing to."""
    more = {"lazyfree": frozenset({PAGE}), "readers": frozenset({Cpu(0)})}
    world = World(arch, era, {ADDR: Pte(PAGE, write=True)}, anon=frozenset({PAGE}), more=more)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and that of whoever has isolated it
    world.memory[device_wrote_cell(PAGE)] = False
    world.task("read", lambda mm: dio_read(mm, ADDR))
    world.kthread("kswapd", lambda mm: shrink_folio_list(mm, UnmapBatch(), [PAGE]))
    window = sometimes(
        "pinned-and-unmapped",
        "the entry is clear while the reader has its reference",
        (pte_cell(ADDR), ref_cell(PAGE)),
        lambda pte, ref: pte is None and ref == 3,
    )
    return world.model("lazyfree-dio", finally_=[reached_by_device(PAGE, ADDR)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "lazyfree-shared",
        "MADV_FREE does not give up the contents that another process has in the same page, or in swap",
        "mm/madvise.c:madvise_free_pte_range",
        shared,
        tier="optional",
        requires=("smp", "several_cpus"),
    ),
    Scenario(
        "lazyfree-store",
        "a page of MADV_FREE is discarded, unless somebody has stored to it since",
        "mm/madvise.c:madvise_free_pte_range",
        stored,
        tier="long",
    ),
    Scenario(
        "lazyfree-dio",
        "a page is not discarded while a device writes to it for the process",
        "6c8e2a256915",
        discarded,
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-46",
        "6c8e2a256915",
        "reclaim discards a page of MADV_FREE without checking its references: what a device writes to it is lost",
        "lazyfree-dio",
        lacks=frozenset({"6c8e2a256915"}),
    ),
]
