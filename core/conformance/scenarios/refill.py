"""A handler of TLB misses writes to an entry that another CPU takes out: nothing but its interrupts is locked.

Where the handler stores without a check

CPU0 user                    CPU1 MADV_DONTNEED
store: TLB miss
read the entry
                             clear the entry, flush: CPU0 has interrupts off
write it back, dirty
write the TLB entry, return
flush
                             free the page
store: TLB miss, the entry is there
store to the freed page

refill-load: a store that nobody sees, without any race

the entry is writable and clean, as MADV_FREE leaves it
load: TLB miss, the handler caches it with its write permission
store: the TLB allows it
reclaim: the entry is clean, the page is discarded
"""

from __future__ import annotations

from core.conformance.properties import all_freed, dirty_known_at_end, no_lost_dirty, sometimes, unmapped_at_end
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, store
from core.explore.model import Model
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.refill import refill_for_load, refill_for_store
from core.machine.tlb import newer_cell, ref_cell, user_store
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.madvise import madvise_dontneed
from core.mm.mm import Mm, Vma
from core.mm.reclaim import shrink_folio_list
from core.plugins.arch import Arch

ADDR, PAGE, USER = 0, 0, Cpu(0)
VMA = Vma(ADDR, ADDR + 1)


def storing(exclusive: bool) -> Program:
    """Two stores, each of which misses; of no more interest once it has faulted."""

    async def program(mm: Mm) -> None:
        for _ in range(2):
            if not await refill_for_store(mm.task.cpu, ADDR, exclusive):
                return
            if await user_store(mm.task.cpu, ADDR, [PAGE], mm.facts.hw_dirty) == "fault":
                return

    return program


def refilled(arch: Arch, era: Era) -> Model:
    """A clean, writable page of a file; the unmapper holds a reference of the page cache."""
    world = World(arch, era, {ADDR: Pte(PAGE)})
    world.task("user", storing("refill_exclusive" in arch.facts.capabilities))
    world.task("dontneed", lambda mm: madvise_dontneed(mm, Vma(ADDR, ADDR + 1), ADDR, ADDR + 1))
    window = sometimes(
        "inside",
        "the entry is gone while the handler is at work",
        (pte_cell(ADDR), irqs_off_cell(USER)),
        lambda pte, off: pte is None and off,
    )
    always = [no_lost_dirty(PAGE, [ADDR])]
    return world.model(
        "refill-dirty", always=always, finally_=[all_freed(PAGE, 0), unmapped_at_end(ADDR)], sometimes=[window]
    )


async def stores_behind_a_load(mm: Mm) -> None:
    """Load, store, and reclaim by the same task."""
    by_permission = "refill_by_permission" in mm.facts.capabilities
    if await refill_for_load(mm.task.cpu, ADDR, by_permission) == "ok":
        await store(mm, VMA, ADDR, [PAGE])
        await shrink_folio_list(mm, UnmapBatch(), [PAGE])


def loaded_first(arch: Arch, era: Era) -> Model:
    """One task and an anonymous page of MADV_FREE."""
    world = World(arch, era, {ADDR: Pte(PAGE)}, frozenset({PAGE}), more={"lazyfree": frozenset({PAGE})})
    world.memory[ref_cell(PAGE)] = 2  # the mapping's, and that of whoever has isolated it
    world.task("task", stores_behind_a_load)
    window = sometimes("written", "the page has been written to", (newer_cell(PAGE),), lambda newer: newer)
    return world.model("refill-load", finally_=[dirty_known_at_end(PAGE, [ADDR])], sometimes=[window])


SCENARIOS = [
    Scenario(
        "refill-dirty",
        "a TLB refill handler that sets the dirty bit restores no entry that another CPU has cleared",
        "arch/mips/mm/tlbex.c:iPTE_SW",
        refilled,
        tier="optional",
        requires=("smp", "spread", "refill_dirties"),
    ),
    Scenario(
        "refill-load",
        "a store behind a load makes the entry dirty: reclaim does not discard what it has written",
        "arch/arc/mm/tlbex.S:EV_TLBMissD",
        loaded_first,
        tier="optional",
        requires=("software_dirty", "table_walk"),
    ),
]
