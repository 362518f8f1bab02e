"""A new page waits in the batch of the CPU that has mapped it, which holds a reference until it is drained.

lru-batch-zap: another CPU drops the last mapping meanwhile

CPU0 fault                   CPU1 MADV_DONTNEED
map a new page: in the batch
                             clear the entry, flush
                             drop the mapping's reference: the batch has one
drain the batch: free it

lru-batch-reuse: a write fault may use a page as it is if nobody else has a reference

CPU0 write fault, parent     CPU1 MADV_DONTNEED, child
                             clear its entry, flush
                             drop the mapping's reference
two references: one is that
of the batch of this CPU
drain it: one reference
write to the page
"""

from __future__ import annotations

from collections.abc import Callable

from core.conformance.properties import (
    all_freed,
    batch_drained,
    held_by_mappings,
    mapcount_is_ptes,
    shared_read_only,
    sometimes,
)
from core.conformance.scenario import Scenario
from core.conformance.world import World, store
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, user_store
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pte_missing import handle_missing_fault
from core.mm.swap import lru_add_cell, pg_lru_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, CHILD, PAGE, COPY = 0, 1, 0, 2
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

    user = world.task("user", writes)
    world.task("dontneed", lambda mm: madvise_dontneed(mm, VMA, ADDR, ADDR + 1))
    window = sometimes(
        "waits-unmapped",
        "the page is mapped no more, and is not free",
        (mapcount_cell(PAGE), pg_lru_cell(PAGE), ref_cell(PAGE), pte_cell(ADDR)),
        lambda mapped, on_list, ref, pte: not mapped and not on_list and ref == 1 and pte is None,
    )
    ends = [all_freed(PAGE, 0), batch_drained(user.cpu), mapcount_is_ptes(PAGE, [ADDR])]
    return world.model("lru-batch-zap", finally_=ends, sometimes=[window])


def reused(arch: Arch, era: Era) -> Model:
    """A page that a fork has shared is in the batch of the parent's CPU; the child unmaps it as the parent writes."""
    more = {"lru_batched": frozenset({PAGE}), "copies": {PAGE: COPY}, "mappings": {PAGE: (ADDR, CHILD)}}
    mapped = {ADDR: Pte(PAGE, write=False), CHILD: Pte(PAGE, write=False)}
    world = World(arch, era, mapped, frozenset({PAGE, COPY}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[ref_cell(PAGE)], world.memory[mapcount_cell(PAGE)] = 3, 2
    world.memory[ref_cell(COPY)] = world.memory[mapcount_cell(COPY)] = 0
    world.memory[pg_lru_cell(PAGE)] = False
    parent = world.task("parent", lambda mm: store(mm, VMA, ADDR, [PAGE, COPY]))
    world.memory[lru_add_cell(parent.cpu)] = (PAGE,)
    world.task("child", lambda mm: madvise_dontneed(mm, Vma(CHILD, CHILD + 1), CHILD, CHILD + 1))

    def maps(page: int) -> Callable[[object], bool]:
        return lambda pte: isinstance(pte, Pte) and pte.frame == page and pte.write

    windows = [
        sometimes("reused", "the parent writes to the page itself", (pte_cell(ADDR),), maps(PAGE)),
        sometimes("copied", "the parent writes to a copy", (pte_cell(ADDR),), maps(COPY)),
    ]
    both = [ADDR, CHILD]
    ends = [held_by_mappings(PAGE), held_by_mappings(COPY), batch_drained(parent.cpu), mapcount_is_ptes(PAGE, both)]
    return world.model("lru-batch-reuse", always=[shared_read_only(PAGE, both)], finally_=ends, sometimes=windows)


SCENARIOS = [
    Scenario(
        "lru-batch-zap",
        "a page that waits in a CPU's batch for its LRU list is freed when the batch is drained, and not before",
        "mm/swap.c:folio_add_lru",
        zapped,
    ),
    Scenario(
        "lru-batch-reuse",
        "a write fault uses a page that only its mapping and a batch of its CPU have, and copies one that others have",
        "mm/memory.c:wp_can_reuse_anon_folio",
        reused,
    ),
]
