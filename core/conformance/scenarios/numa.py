"""A page is migrated while the flush of its NUMA hint is still to come.

B-13, 20841405940e

CPU0 user            CPU1 NUMA scanner              CPU2 fault on the hint
store: cached
                     the entry allows nothing now
                                                    the entry allows nothing: no flush
                                                    migration entry, copy the page
store to the old page
                                                    map the copy: the store is lost
                     flush

B-18, 16af97dc5a89: with a flag instead of a counter the same happens when another operation ends in between

CPU0 user            CPU1 NUMA scanner              CPU2 MADV_DONTNEED elsewhere, then the fault
store: cached
                     pending = true
                                                    pending = true
                     the entry allows nothing now
                                                    pending = false
                                                    nothing is pending: no flush
                                                    migration entry, copy the page
store to the old page
                                                    map the copy: the store is lost
                     flush, pending = false
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import mapcount_is_ptes, sometimes, store_after_copy
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, load, raw_stores
from core.explore.model import Model
from core.machine.pte import Migration, Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.memory import handle_numa_fault
from core.mm.mm import Mm, Vma
from core.mm.mprotect import change_prot_numa
from core.mm.page import mapcount_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, OLD, NEW = 0, 0, 1


async def fault(mm: Mm) -> None:
    """Access the page; on a hint, migrate it here."""
    if not await load(mm, ADDR, [OLD, NEW]):
        await handle_numa_fault(mm, Vma(ADDR, ADDR + 1), ADDR)


async def dontneed_then_fault(mm: Mm) -> None:
    """An unrelated operation of the same mm, then the access."""
    await madvise_dontneed(mm, Vma(1, 2), 1, 2)
    await fault(mm)


def hint(name: str, third: Program) -> Build:
    """A user who stores, the NUMA scanner, and `third`."""

    def build(arch: Arch, era: Era) -> Model:
        more = {"copies": {OLD: NEW}, "reclaims": era.batches_migration}
        world = World(
            arch,
            era,
            {ADDR: Pte(OLD, dirty=True)},
            frozenset({OLD, NEW}),
            more=more,
        )
        world.memory[ref_cell(NEW)] = world.memory[mapcount_cell(NEW)] = 0
        world.task("user", raw_stores(ADDR, [OLD, NEW]))
        world.task("scanner", lambda mm: change_prot_numa(mm, Vma(ADDR, ADDR + 1)))
        world.task("fault", third)
        window = sometimes(
            "migrated",
            "the page is being moved",
            (pte_cell(ADDR),),
            lambda pte: isinstance(pte, Migration),
        )
        mapped = [mapcount_is_ptes(page, [ADDR]) for page in (OLD, NEW)]
        return world.model(name, always=[store_after_copy(OLD, NEW, ADDR)], finally_=mapped, sometimes=[window])

    return build


SCENARIOS = [
    Scenario(
        "numa-hint",
        "a page with a NUMA hint is not migrated while a CPU can still write to it",
        "20841405940e",
        hint("numa-hint", fault),
    ),
    Scenario(
        "numa-hint-nested",
        "the end of one operation does not hide the pending flush of another",
        "16af97dc5a89",
        hint("numa-hint-nested", dontneed_then_fault),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-13",
        "20841405940e",
        "migration skips the flush of an entry that allows no access, although the hint itself is not flushed yet",
        "numa-hint",
        lacks=frozenset({"20841405940e"}),
    ),
    Exhibit(
        "B-18",
        "16af97dc5a89",
        "tlb_flush_pending is a flag: the first operation to end clears it for all, and migration skips the flush",
        "numa-hint-nested",
        lacks=frozenset({"16af97dc5a89"}),
    ),
]
