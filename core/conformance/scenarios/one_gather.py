"""Several pieces of work under one gather, or in one lazy-MMU section, of which each relies on its own flush.

process-madvise: ranges of several VMAs, with a hole in between, under one gather

CPU0 user            CPU1 process_madvise()
load 0: cached
                     clear entry 0; the VMA ends
                     clear entry 2: the range of the gather is what it has covered since
                     flush, free both pages
load 0 through the stale entry

lazy-mmu-nested: a section within a section; who has opened the inner one relies on its end

CPU0 user            CPU1
load 1: cached
                     enter; clear entry 0: put off
                     enter; clear entry 1: put off; leave
                     nothing has been done yet: free page 1
load 1 through the stale entry
                     leave: both are flushed
"""

from __future__ import annotations

from core.base.asked import changed
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, load, pick, returned
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.lazy_mmu import lazy_mmu_mode_disable, lazy_mmu_mode_enable, lazy_mmu_mode_pause, lazy_mmu_mode_resume
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.syscalls import process_madvise_dontneed
from core.plugins.arch import Arch

FIRST, SECOND = Vma(0, 1), Vma(2, 3)
"""Two VMAs, with a hole of one page between."""


def either(*addrs: int) -> Program:
    """Two loads from one of the pages, each at the address of its number."""

    async def program(mm: Mm) -> None:
        addr = addrs[await pick(len(addrs))]
        for _ in range(2):
            await load(mm, addr, [addr])

    return program


async def advises(mm: Mm) -> None:
    """process_madvise() of both, and back."""
    await process_madvise_dontneed(mm, [(vma, vma.start, vma.end) for vma in (FIRST, SECOND)])
    for vma in (FIRST, SECOND):
        await returned(mm, vma.start)


def advised(arch: Arch, era: Era) -> Model:
    """Two ranges under one gather, of which somebody uses either."""
    pages = (FIRST.start, SECOND.start)
    mapped = {page: Pte(page, dirty=True) for page in pages}
    world = World(arch, changed(era, batches_madvise=True), mapped, frozenset(pages))
    user = world.task("user", either(*pages))
    world.task("madvise", advises)
    window = sometimes(
        "first-gone",
        "the first entry is gone, the second is not, and is cached",
        (pte_cell(0), pte_cell(2), tlb_cell(user.cpu, 2)),
        lambda first, second, entry: first is None and second is not None and entry is not None,
    )
    return world.model("process-madvise", finally_=[all_freed(page, 0) for page in pages], sometimes=[window])


async def clears(mm: Mm, addr: int) -> None:
    """Clear an entry, and have it flushed by the end of the section at the latest."""
    await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
    await mm.hook.flush_tlb_page(mm=mm, addr=addr)


async def nests(mm: Mm) -> None:
    """A section within a section, and a stretch in which both are paused; each page is freed when its own has ended."""
    await pte_lock(mm, 0)
    await lazy_mmu_mode_enable(mm)
    await lazy_mmu_mode_enable(mm)
    await clears(mm, 1)
    await lazy_mmu_mode_disable(mm)
    await put_page(1)
    await clears(mm, 0)
    await lazy_mmu_mode_pause(mm)
    await clears(mm, 2)
    await put_page(2)
    await lazy_mmu_mode_resume(mm)
    await lazy_mmu_mode_disable(mm)
    await pte_unlock(mm, 0)
    await put_page(0)


def nested(arch: Arch, era: Era) -> Model:
    """A user of any of the pages."""
    pages = (0, 1, 2)
    world = World(arch, era, {page: Pte(page, dirty=True) for page in pages}, frozenset(pages))
    user = world.task("user", either(*pages))
    world.task("section", nests)
    window = sometimes(
        "inner-ended",
        "the inner section has ended, and the page that is cleared next is cached",
        (ref_cell(1), ref_cell(2), tlb_cell(user.cpu, 2)),
        lambda inner, paused, entry: inner == 0 and paused == 1 and entry is not None,
    )
    return world.model("lazy-mmu-nested", finally_=[all_freed(page, 0) for page in pages], sometimes=[window])


SCENARIOS = [
    Scenario(
        "process-madvise",
        "no page of several ranges that are unmapped under one gather is freed while a CPU can use its entry",
        "mm/madvise.c:process_madvise",
        advised,
        tier="optional",
        requires=("flush_before_free",),
    ),
    Scenario(
        "lazy-mmu-nested",
        "where a lazy-MMU section ends within another, or both are paused, its updates are done",
        "include/linux/pgtable.h:arch_flush_lazy_mmu_mode",
        nested,
        tier="optional",
        requires=("flush_before_free",),
    ),
]
