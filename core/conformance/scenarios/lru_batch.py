"""A new page waits in the batch of the CPU that has mapped it, which holds a reference until it is drained.

lru-batch-zap: another CPU drops the last mapping meanwhile

CPU0 fault                   CPU1 MADV_DONTNEED
map a new page: in the batch
                             clear the entry, flush
                             drop the mapping's reference: the batch has one
drain the batch: free it

lru-batch-reuse: a write fault may use a page as it is if nobody else has a reference

CPU0                         CPU1, which has mapped the page
                             drain the batch
write fault: the page is on
its list, and mapped once
write to it
"""

from __future__ import annotations

from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.machine.pte import pte_cell
from core.machine.tlb import ref_cell, user_store
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pte_missing import handle_missing_fault
from core.mm.swap import pg_lru_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0
VMA = Vma(ADDR, ADDR + 1)


def zapped(arch: Arch, era: Era) -> Model:
    """Two threads, one of which stores to a new page; then each calls MADV_DONTNEED."""
    world = World(arch, era, {ADDR: None}, frozenset({PAGE}), more={"lru_batched": frozenset({PAGE})})
    world.memory[ref_cell(PAGE)] = world.memory[mapcount_cell(PAGE)] = 0
    world.memory[pg_lru_cell(PAGE)] = False

    async def writes(mm: Mm) -> None:
        if await user_store(mm.task.cpu, ADDR, [PAGE], mm.facts.hw_dirty) == "fault":
            await handle_missing_fault(mm, VMA, ADDR, PAGE, [0])
            await user_store(mm.task.cpu, ADDR, [PAGE], mm.facts.hw_dirty)
        await madvise_dontneed(mm, VMA, ADDR, ADDR + 1)

    world.task("user", writes)
    world.task("dontneed", lambda mm: madvise_dontneed(mm, VMA, ADDR, ADDR + 1))
    window = sometimes(
        "waits-unmapped",
        "the page is mapped no more, and is not free",
        (mapcount_cell(PAGE), pg_lru_cell(PAGE), ref_cell(PAGE), pte_cell(ADDR)),
        lambda mapped, on_list, ref, pte: not mapped and not on_list and ref == 1 and pte is None,
    )
    ends = [all_freed(PAGE, 0), mapcount_is_ptes(PAGE, [ADDR])]
    return world.model("lru-batch-zap", finally_=ends, sometimes=[window])


SCENARIOS = [
    Scenario(
        "lru-batch-zap",
        "a page that waits in a CPU's batch for its LRU list is freed when the batch is drained, and not before",
        "mm/swap.c:folio_add_lru",
        zapped,
    ),
]
