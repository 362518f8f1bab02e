"""Two gathers on one mm: the second finds entries empty that the first has not flushed yet.

Commits 56236a59556c, 99baac21e458.

CPU0 user     CPU1 MADV_DONTNEED            CPU2 MADV_DONTNEED
load: cached
              clear the entry
                                            the entry is empty: nothing to flush
                                            returns
load: stale
              flush

The same with a mapping that takes the place of the first one: who has been told that the old pages are gone maps new
ones there, which the call that is still under way must neither flush too late for nor unmap.

CPU0 MADV_DONTNEED           CPU1 MADV_DONTNEED, mmap(MAP_FIXED)
find the VMA
                             the entry is empty: flush, return
                             wait for mmap_lock: CPU0 is a reader
flush, unlock
                             map another page, store to it
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from core.conformance.exhibit import Exhibit
from core.conformance.monitor import report
from core.conformance.properties import all_freed, mapcount_is_ptes, mapped_at_end, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, returned, store
from core.explore.model import Model
from core.machine.lock import MMAP_LOCK
from core.machine.op import Op, doing
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import PENDING, Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pte_missing import handle_missing_fault
from core.mm.syscalls import madvise_dontneed, mmap_over
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def dontneed(mm: Mm) -> None:
    """Load, so that this CPU has an entry of its own; MADV_DONTNEED; return."""
    await load(mm, 0, [0])
    await madvise_dontneed(mm, VMA, 0, 1)
    await returned(mm, 0)


async def reader(mm: Mm) -> None:
    """Load twice."""
    if await load(mm, 0, [0]):
        await load(mm, 0, [0])


OLD, NEW = Vma(1, 3), Vma(0, 3)
"""A mapping, and the one that takes its place. It begins below, so that it is another VMA."""


async def dontneed_old(mm: Mm) -> None:
    """MADV_DONTNEED of the old mapping, if it is still there."""
    await load(mm, 1, [0])
    await keeping_mmap_lock(madvise_dontneed(mm, OLD, OLD.start, OLD.end))


async def keeping_mmap_lock(program: Coroutine[Op, Any, Any]) -> None:
    """Run a call that takes mmap_lock once and releases it once: a hook in between may do neither.

    The VMA that it has been given may be gone when it has the lock again.
    """
    changes = 0

    async def do(op: Op) -> Any:
        nonlocal changes
        value = await op
        changes += MMAP_LOCK in op.writes
        if changes > 2:
            await report("lock-discipline")
        return value

    await doing(program, do)


async def dontneed_and_map(mm: Mm) -> None:
    """The same; then a new mapping takes its place, with a page of its own at the first access."""
    await dontneed_old(mm)
    await returned(mm, 1)
    await mmap_over(mm, [OLD], NEW)
    await returned(mm, 1)
    await handle_missing_fault(mm, NEW, 2, page=2, tables=())
    await store(mm, NEW, 2, [1, 2])


def remapped(arch: Arch, era: Era) -> Model:
    """Two MADV_DONTNEED of one mapping; behind the second, another mapping takes its place. A page fills a gather."""
    mapped = {0: None, 1: Pte(0, dirty=True), 2: Pte(1, dirty=True)}
    small = {"bundle": min(arch.facts.bundle, 1), "max_gather_batch_count": 0}
    world = World(arch, era, mapped, frozenset({0, 1, 2}), geometry=small, more={"remaps": True})
    world.memory[ref_cell(2)] = world.memory[mapcount_cell(2)] = 0
    world.task("first", dontneed_old)
    world.task("second", dontneed_and_map)
    window = sometimes(
        "both-open",
        "two gathers are open at once",
        (PENDING, pte_cell(1)),
        lambda n, pte: n == 2 and pte is None,
    )
    kept = [all_freed(0, 0), all_freed(1, 0), all_freed(2, 1), mapcount_is_ptes(2, [2]), mapped_at_end(2, 2)]
    return world.model("dontneed-remap", finally_=kept, sometimes=[window])


def nested(arch: Arch, era: Era) -> Model:
    """Two MADV_DONTNEED on the same page, with CONFIG_MMU_GATHER_MERGE_VMAS.

    Without it tlb_end_vma() flushes what the call itself has cleared, and nothing is left for tlb_finish_mmu(): in
    which order that flushes and says that its gather is closed would not be asked.
    """
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}), geometry={"merge_vmas": True})
    world.task("user", reader)
    world.task("first", dontneed)
    world.task("second", dontneed)
    window = sometimes(
        "both-open",
        "two gathers are open at once",
        (PENDING, pte_cell(0)),
        lambda n, pte: n == 2 and pte is None,
    )
    return world.model("nested-gathers", finally_=[all_freed(0, 0)], sometimes=[window], equal=["first", "second"])


SCENARIOS = [
    Scenario(
        "nested-gathers",
        "a call that finds entries already cleared by another does not return before they are flushed",
        "56236a59556c, 99baac21e458",
        nested,
    ),
    Scenario(
        "dontneed-remap",
        "of two MADV_DONTNEED and a mapping in their place neither leaves an old translation nor takes a new page away",
        "56236a59556c, mm/madvise.c:madvise_walk_vmas",
        remapped,
    ),
]

EXHIBITS = [
    Exhibit(
        "B-19",
        "56236a59556c, 99baac21e458",
        "a second MADV_DONTNEED finds the entries empty, flushes nothing and returns while they are still cached",
        "nested-gathers",
        lacks=frozenset({"56236a59556c"}),
    )
]
