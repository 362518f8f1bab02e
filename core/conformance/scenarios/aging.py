"""Reclaim relies on the accessed bit, which says less than it seems to.

B-45, 07509e10dcc7, arm64: an old entry is taken for one that no CPU has cached

CPU0 user            CPU1 reclaim
load: cached
                     is it in use? clear the accessed bit, send the flush, wait for nothing
                     and now? no: unmap; not accessed, so no CPU has it, so no flush
                     free the page
load through the stale entry
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import dirty_known_at_end, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, raw_stores
from core.explore.model import Model
from core.machine.accessed import accessed_cell, tracked
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import newer_cell, ref_cell, tlb_cell, user_load
from core.mm.aging import folio_referenced_one
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.mm import Mm
from core.mm.reclaim import shrink_lruvec
from core.plugins.arch import Arch

HERE, PAGE = 0, 0


async def reader(mm: Mm) -> None:
    """Loads; one that walks the page table sets the accessed bit."""
    for _ in range(3):
        access = user_load(mm.task.cpu, HERE, [PAGE], mm.facts.hw_dirty)
        if await tracked(access, mm.task.cpu, HERE) == "fault":
            return


async def kswapd(mm: Mm) -> None:
    """Test twice whether the page is in use; reclaim it if it has not been accessed in between."""
    for _ in range(2):
        if not await folio_referenced_one(mm, PAGE, HERE):
            await shrink_lruvec(mm, UnmapBatch(), [PAGE])
            return


def aged(arch: Arch, era: Era) -> Model:
    """A clean page that is not used often enough."""
    world = World(arch, era, {HERE: Pte(PAGE, write=False)}, more={"reclaims": True})
    world.memory[accessed_cell(HERE)] = False
    world.memory[ref_cell(PAGE)] = 2  # the mapping's and the reclaimer's, who has taken it from the page cache
    user = world.task("user", reader)
    world.kthread("kswapd", kswapd)
    window = sometimes(
        "old-but-cached",
        "the accessed bit is clear, and a CPU has the entry",
        (accessed_cell(HERE), pte_cell(HERE), tlb_cell(user.cpu, HERE)),
        lambda young, pte, entry: not young and pte is not None and entry is not None,
    )
    return world.model("reclaim-old", finally_=[mapcount_is_ptes(PAGE, [HERE])], sometimes=[window])


async def looks_twice(mm: Mm) -> None:
    """Is the page in use? And since?"""
    for _ in range(2):
        await folio_referenced_one(mm, PAGE, HERE)


def aged_and_written(arch: Arch, era: Era) -> Model:
    """A page that the disk has, and that is written to while somebody asks whether it is in use."""
    world = World(arch, era, {HERE: Pte(PAGE)})
    world.task("user", raw_stores(HERE, [PAGE]))
    world.kthread("kswapd", looks_twice)
    window = sometimes(
        "written-and-old",
        "the page has been written to, and its accessed bit is clear",
        (newer_cell(PAGE), accessed_cell(HERE)),
        lambda newer, young: newer and not young,
    )
    return world.model("young-dirty", finally_=[dirty_known_at_end(PAGE, [HERE])], sometimes=[window])


SCENARIOS = [
    Scenario(
        "reclaim-old",
        "a page whose entry looks unused is not freed while a CPU can still use it",
        "07509e10dcc7",
        aged,
        requires=("flush_before_free", "gather"),  # s390 flushes an entry that it makes old: none is cached
    ),
    Scenario(
        "young-dirty",
        "to clear the accessed bit of an entry loses no dirty bit, also one that hardware sets meanwhile",
        "mm/pgtable-generic.c:ptep_clear_flush_young",
        aged_and_written,
        requires=("hardware_dirty",),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-45",
        "07509e10dcc7",
        "arm64 takes an entry that has not been accessed lately for one that no CPU has cached",
        "reclaim-old",
        plugin="arch_plugins.arm64:Arm64V61",
        era="6.1",
        lacks=frozenset({"07509e10dcc7"}),
    ),
]
