"""Use after free: a page is freed while a CPU can still reach it; the first rule of include/asm-generic/tlb.h.

Unhook the entry, invalidate the TLBs, free the page: in this order, for an anonymous page whose last reference the
gather holds.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, store
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.syscalls import madvise_dontneed, madvise_pageout
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def reader_and_writer(mm: Mm) -> None:
    """Load, then store: a reader is affected too."""
    if await load(mm, 0, [0]):
        await store(mm, VMA, 0, [0])


def use_after_free(arch: Arch, era: Era) -> Model:
    """A user against MADV_DONTNEED of an anonymous page."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
    world.task("user", reader_and_writer)
    world.task("unmap", lambda mm: madvise_dontneed(mm, VMA, 0, 1))
    window = sometimes(
        "unmapped-but-held",
        "the entry is gone and the page is not yet free",
        (pte_cell(0), ref_cell(0)),
        lambda pte, ref: pte is None and ref == 1,
    )
    return world.model("use-after-free", finally_=[all_freed(0, 0)], sometimes=[window])


async def uses_unmaps_uses(mm: Mm) -> None:
    """Load, MADV_DONTNEED, load: this CPU's own entry must be flushed too."""
    await load(mm, 0, [0])
    await madvise_dontneed(mm, VMA, 0, 1)
    await load(mm, 0, [0])


def own_tlb(arch: Arch, era: Era) -> Model:
    """One task alone, with its own TLB."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
    world.task("task", uses_unmaps_uses)
    window = sometimes("freed", "the page is free", (ref_cell(0),), lambda ref: ref == 0)
    return world.model("own-tlb", finally_=[all_freed(0, 0)], sometimes=[window])


async def uses_pages_out_uses(mm: Mm) -> None:
    """Load, MADV_PAGEOUT, load: reclaim in the task's own context, where no other CPU need be asked."""
    await load(mm, 0, [0])
    await madvise_pageout(mm, VMA, 0, 1)
    await load(mm, 0, [0])


def own_pageout(arch: Arch, era: Era) -> Model:
    """One task alone, which has its own page reclaimed."""
    world = World(arch, era, {0: Pte(0, write=False)}, more={"reclaims": True})
    world.task("task", uses_pages_out_uses)
    window = sometimes("freed", "the page is free", (ref_cell(0),), lambda ref: ref == 0)
    return world.model("own-pageout", finally_=[all_freed(0, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "own-pageout",
        "a task that has its own page reclaimed does not reach it any more, although no other CPU is asked",
        "mm/rmap.c:try_to_unmap_one",
        own_pageout,
        tier="optional",
        requires=("flush_before_free",),
    ),
    Scenario(
        "own-tlb",
        "the CPU that unmaps flushes its own TLB too",
        "Documentation/core-api/cachetlb.rst",
        own_tlb,
        tier="smoke",
    ),
    Scenario(
        "use-after-free",
        "no page is freed while a TLB entry to it can still be used",
        "include/asm-generic/tlb.h",
        use_after_free,
    ),
]
