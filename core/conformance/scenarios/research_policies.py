"""What policies from papers rely on: the accessed bit, and the moment at which a free page is handed out again.

flush-by-access (page access tracking, USENIX ATC 2017)

CPU0 user            CPU1 reclaim                   CPU2 MADV_DONTNEED
load: cached, bit set
                     clear the bit, flush nobody
                                                    clear the entry: its bit is clear, so nobody has it
                                                    free the page
load through the stale entry

flush-on-reuse (LUF)

CPU0 user            CPU1 reclaim                   CPU2 allocator
load: cached
                     clear the entry, put the flush off
                     free the page
load: what was there before
                                                    take the page, flush nobody
                                                    it is another's
load: what is another's

flush-on-reuse-twice (LUF)

CPU0 user            CPU1 reclaim                   CPU2 allocator                 CPU3 allocator
load 0, 1: cached
                     clear entry 0, put it off
                     free page 0
                                                    page 0: CPU0 owes a flush
                                                    CPU0 flushes
load 1: cached again
                     clear entry 1, put it off
                     free page 1
                                                    nobody owes anything
                                                                                   page 1: nobody owes
load 1: what is another's
"""

from __future__ import annotations

from core.conformance.properties import mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World
from core.explore.model import Model
from core.machine.accessed import accessed_cell, tracked
from core.machine.pte import Pte, pte_cell
from core.machine.reuse import hand_out, load_unless_reused, owner_cell, take_free_page
from core.machine.tlb import ref_cell, tlb_cell, user_load
from core.mm.aging import folio_referenced_one
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.reclaim import shrink_lruvec
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0


async def tracked_reader(mm: Mm) -> None:
    """Load twice; the walker sets the accessed bit."""
    for _ in range(2):
        access = user_load(mm.task.cpu, ADDR, [PAGE], mm.facts.hw_dirty)
        if await tracked(access, mm.task.cpu, ADDR) == "fault":
            return


async def unmap(mm: Mm) -> None:
    """MADV_DONTNEED."""
    await madvise_dontneed(mm, Vma(ADDR, ADDR + 1), ADDR, ADDR + 1)


async def age(mm: Mm) -> None:
    """Reclaim tests whether the page is in use."""
    await folio_referenced_one(mm, PAGE, ADDR)


def by_access(arch: Arch, era: Era) -> Model:
    """An entry that has never been accessed, a user who may access it, reclaim that tests it, and an unmap."""
    world = World(arch, era, {ADDR: Pte(PAGE)}, anon=frozenset({PAGE}))
    world.memory[accessed_cell(ADDR)] = False
    user = world.task("user", tracked_reader)
    world.task("unmap", unmap)
    world.kthread("reclaim", age)
    windows = [
        sometimes(
            "aged-while-cached",
            "the bit is clear and the entry is there and cached",
            (accessed_cell(ADDR), pte_cell(ADDR), tlb_cell(user.cpu, ADDR)),
            lambda young, pte, entry: not young and pte is not None and entry is not None,
        ),
        sometimes("freed", "the page is free", (ref_cell(PAGE),), lambda ref: ref == 0),
    ]
    return world.model("flush-by-access", sometimes=windows)


async def reader(mm: Mm) -> None:
    """Load three times."""
    for _ in range(3):
        if await load_unless_reused(mm.task.cpu, ADDR, PAGE, mm.facts.hw_dirty) == "fault":
            return


async def kswapd(mm: Mm) -> None:
    """Reclaim the page."""
    await shrink_lruvec(mm, UnmapBatch(), [PAGE])


async def allocate(mm: Mm) -> None:
    """mm/page_alloc.c: the page is found on the free list, prepared, and handed out."""
    await take_free_page(PAGE)
    await mm.hook.arch_alloc_page(mm=mm, page=PAGE)
    await hand_out(PAGE, "another")


def on_reuse(arch: Arch, era: Era) -> Model:
    """A page that may only be read is reclaimed and handed out again."""
    world = World(arch, era, {ADDR: Pte(PAGE, write=False)}, more={"reclaims": True})
    world.memory[ref_cell(PAGE)] = 2  # the mapping's and the reclaimer's, who has taken it from the page cache
    user = world.task("user", reader)
    world.kthread("kswapd", kswapd)
    world.kthread("allocator", allocate)
    windows = [
        sometimes(
            "free-and-cached",
            "the page is free and a CPU can still read it",
            (ref_cell(PAGE), owner_cell(PAGE), tlb_cell(user.cpu, ADDR)),
            lambda ref, owner, entry: ref == 0 and owner is None and entry is not None,
        ),
        sometimes("reused", "the page is another's", (owner_cell(PAGE),), lambda owner: owner is not None),
    ]
    return world.model("flush-on-reuse", finally_=[mapcount_is_ptes(PAGE, [ADDR])], sometimes=windows)


async def reader_of_second(mm: Mm) -> None:
    """Load twice from the second page."""
    for _ in range(2):
        if await load_unless_reused(mm.task.cpu, 1, 1, mm.facts.hw_dirty) == "fault":
            return


async def kswapd_twice(mm: Mm) -> None:
    """Reclaim two pages, each with a batch of its own."""
    for page in (0, 1):
        await shrink_lruvec(mm, UnmapBatch(), [page])


def allocator_of(page: int) -> Program:
    """Hand out `page`."""

    async def program(mm: Mm) -> None:
        await take_free_page(page)
        await mm.hook.arch_alloc_page(mm=mm, page=page)
        await hand_out(page, "another")

    return program


def on_reuse_twice(arch: Arch, era: Era) -> Model:
    """Two pages are reclaimed one after the other, and each is handed out as soon as it is free."""
    mapped = {page: Pte(page, write=False) for page in (0, 1)}
    world = World(arch, era, mapped, geometry={"ptes_per_table": 1}, more={"reclaims": True})
    world.memory[ref_cell(0)] = world.memory[ref_cell(1)] = 2
    user = world.task("user", reader_of_second)
    world.kthread("kswapd", kswapd_twice)
    for page in (0, 1):
        world.kthread(f"allocator of page{page}", allocator_of(page))
    windows = [
        sometimes(
            "paid-while-put-off",
            "page 0 is being handed out, and the flush for page 1, which a CPU can still read, is put off",
            (ref_cell(0), owner_cell(0), ref_cell(1), tlb_cell(user.cpu, 1)),
            lambda ref, owner, second, entry: ref == 0 and owner is None and second == 0 and entry is not None,
        ),
        sometimes("reused", "page 1 is another's", (owner_cell(1),), lambda owner: owner is not None),
    ]
    return world.model("flush-on-reuse-twice", sometimes=windows)


SCENARIOS = [
    Scenario(
        "flush-by-access",
        "an entry whose accessed bit is clear is cached nowhere, or is flushed anyway",
        "USENIX ATC 2017",
        by_access,
        tier="optional",
        requires=("smp", "access_tracking"),
    ),
    Scenario(
        "flush-on-reuse",
        "no CPU reads a page through a stale entry once it has been handed out again",
        "LUF",
        on_reuse,
        tier="optional",
        requires=("smp", "reallocation_flush"),
    ),
    Scenario(
        "flush-on-reuse-twice",
        "a flush that is put off while an earlier one is being paid stays owed",
        "LUF",
        on_reuse_twice,
        tier="optional",
        requires=("smp", "reallocation_flush"),
    ),
]
