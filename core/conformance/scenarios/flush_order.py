"""Two concurrent flushes, whose requests a CPU serves in any order (arch/x86/mm/tlb.c:flush_tlb_func()).

CPU0 user                    CPU1 unmap of a page           CPU2 unmap of many
load: all are cached
                                                            generation 1
                             generation 2
asked by CPU1, forgets its page: up to date with 2?
asked by CPU2: 1 is older, nothing to do
                                                            free the pages
load through a stale entry
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.task_migration import on
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.plugins.arch import Arch

PAGES = (0, 1)


async def reader(mm: Mm) -> None:
    """Load each page once, then once more."""
    for page in (*PAGES, *PAGES):
        await load(mm, page, PAGES)


async def unmap(mm: Mm) -> None:
    """ptep_clear_flush() of one page, and free it."""
    await pte_lock(mm, 1)
    await mm.hook.ptep_clear_flush(mm=mm, addr=1)
    await pte_unlock(mm, 1)
    await put_page(1)


async def unmap_of_many(mm: Mm) -> None:
    """The other page is one of more than are flushed one by one; this CPU has used both pages."""
    for page in PAGES:
        await load(mm, page, PAGES)
    await pte_lock(mm, 0)
    await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
    await mm.hook.flush_tlb_mm(mm=mm)
    await pte_unlock(mm, 0)
    await put_page(0)
    for page in PAGES:
        await load(mm, page, PAGES)


def unordered(arch: Arch, era: Era) -> Model:
    """Each page has a table of its own: no lock orders the two flushes."""
    mapped = {page: Pte(page, write=False) for page in PAGES}
    world = World(arch, era, mapped, frozenset(PAGES), geometry={"ptes_per_table": 1}, more=on(3))
    world.task("user", reader)
    world.task("unmap", unmap)
    world.task("unmap of many", unmap_of_many)
    window = sometimes(
        "both-gone",
        "both entries are gone, and neither page is free",
        (*map(pte_cell, PAGES), *map(ref_cell, PAGES)),
        lambda one, other, *refs: one is other is None and refs == (1, 1),
    )
    made = world.model("any-order", finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])
    world.attach(Cpu(0), Cpu(1), Cpu(2))
    return made


SCENARIOS = [
    Scenario(
        "any-order",
        "a CPU that serves the requests of two flushes in any order flushes what both cover",
        "arch/x86/mm/tlb.c:flush_tlb_func",
        unordered,
        tier="optional",
        requires=("smp", "spread"),
    ),
]
