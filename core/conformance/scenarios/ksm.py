"""Two pages are compared and merged while a CPU can still write to one of them through a stale entry.

B-20, b3a81d0841a9: KSM believes that a clean read-only entry says what CPUs can do

CPU0 user            CPU1 MADV_FREE, CPU2 clear_refs    CPU3 KSM
store: cached rw
                     CPU1 mark it clean, flush later
                     CPU2 write-protect, flush later
                                                    read-only and clean: no flush
                                                    identical to the other page
store: they differ
                                                    map the other page: the store is lost
                     flush
"""

from __future__ import annotations

from core.base.asked import changed
from core.conformance.exhibit import Exhibit
from core.conformance.properties import store_after_copy
from core.conformance.scenario import Scenario
from core.conformance.scenarios.cow import NEW, OLD, VMA, accounted, pending
from core.conformance.world import World, raw_stores
from core.explore.model import Model
from core.machine.pte import Pte
from core.mm.era import Era
from core.mm.ksm import try_to_merge_one_page
from core.mm.mm import Mm
from core.mm.page import mapcount_cell
from core.mm.syscalls import madvise_free
from core.mm.task_mmu import clear_refs_write
from core.plugins.arch import Arch


def ksm(arch: Arch, era: Era) -> Model:
    """KSM next to MADV_FREE and clear_refs, in a kernel where all three hold mmap_lock for reading (4.13)."""
    era = changed(era, lacks=era.lacks | {"29a951dfb3c3"})
    world = World(arch, era, {0: Pte(OLD, dirty=True)}, frozenset({OLD, NEW}))
    world.memory[mapcount_cell(NEW)] = 0
    world.task("user", raw_stores(0, [OLD, NEW]))
    world.task("madvise", lambda mm: madvise_free(mm, VMA, 0, 1))
    world.task("clear_refs", lambda mm: clear_refs_write(mm, 0, 1))

    async def ksmd(mm: Mm) -> None:
        await try_to_merge_one_page(mm, 0, OLD, NEW)

    world.kthread("ksmd", ksmd)
    window = [pending(True), pending(False)]
    return world.model("merge-ksm", always=[store_after_copy(OLD, NEW, 0)], finally_=accounted(), sometimes=window)


SCENARIOS = [
    Scenario(
        "merge-ksm",
        "no page is merged while a CPU can still write to it",
        "b3a81d0841a9",
        ksm,
        tier="long",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-20",
        "b3a81d0841a9",
        "KSM relies on a clean read-only entry that has not been flushed yet",
        "merge-ksm",
        lacks=frozenset({"b3a81d0841a9"}),
    ),
]
