"""The huge zero page is shared by all readers; when it is unused, a shrinker frees it.

B-32, aa88b68c3b1d

CPU0 user            CPU1 MADV_DONTNEED             CPU2 shrinker
load: the huge zero page, cached
                     clear the entry, unlock pmd
                     put_huge_zero_page
                                                    nobody but the shrinker holds it: free it
load: whatever is there by now
                     flush

aa88b68c3b1d keeps the reference in the gather until after the flush.  Since 6fcb52a56ff6 the mm holds the reference,
and drops it when its last user is gone.
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model, Property
from core.machine.op import Cpu
from core.machine.pte import Pte
from core.machine.tlb import ref_cell, tlb_cell, user_load
from core.mm.era import Era
from core.mm.huge_memory import mm_put_huge_zero_folio, shrink_huge_zero_folio_scan
from core.mm.kthread import MM_USERS, mmput
from core.mm.mm import Mm, Vma
from core.mm.pgtable import upper_entry
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PAGE, PMD = 0, upper_entry(0, 0)


async def leave(mm: Mm) -> None:
    """A thread exits.  By then nothing is mapped, so exit_mmap() has nothing to do."""
    if await mmput():
        await mm_put_huge_zero_folio(mm, PAGE)


async def reader(mm: Mm) -> None:
    """Loads until the page is gone."""
    for _ in range(2):
        if await user_load(mm.task.cpu, 0, [PAGE], mm.facts.hw_dirty, PMD) == "fault":
            break
    await leave(mm)


async def zap(mm: Mm) -> None:
    """Unmap the page; the mm exists for as long as the reader runs."""
    await madvise_dontneed(mm, Vma(0, 1), 0, 1)
    await leave(mm)


async def shrink(mm: Mm) -> None:
    """The shrinker runs once, at any time."""
    await shrink_huge_zero_folio_scan(PAGE)


def remembered(arch: Arch, cpu: Cpu) -> Property:
    """The window: the entry is gone and `cpu` has the page cached; cached at all where clearing flushes (no gather)."""
    entry_and_tlb = (PMD, tlb_cell(cpu, 0))
    if not arch.facts.gather:
        return sometimes("cached", "a CPU remembers the page", entry_and_tlb, lambda pmd, entry: entry is not None)
    return sometimes(
        "unmapped-and-cached",
        "the entry is gone, and a CPU remembers it",
        entry_and_tlb,
        lambda pmd, entry: pmd is None and entry is not None,
    )


def shrunk(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED of the huge zero page against its shrinker."""
    more = {"tables": True, "folio": lambda page: (0, 1), "special": lambda page: True}
    world = World(arch, era, {0: None}, frozenset({PAGE}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[upper_entry(1, 0)] = world.memory[upper_entry(2, 0)] = 0
    world.memory[PMD] = Pte(PAGE, write=False)
    world.memory[ref_cell(PAGE)] = 2  # the mapping's (or the mm's), and the shrinker's
    world.memory[MM_USERS] = 2
    user = world.task("user", reader)
    world.task("madvise", zap)
    world.kthread("shrinker", shrink)
    let_go = Property("all-freed", SENTENCES["all-freed"], (ref_cell(PAGE),), lambda ref: ref <= 1)
    freed = sometimes("shrunk", "the shrinker frees the page", (ref_cell(PAGE),), lambda ref: ref == 0)
    return world.model("huge-zero-shrink", finally_=[let_go], sometimes=[remembered(arch, user.cpu), freed])


SCENARIOS = [
    Scenario(
        "huge-zero-shrink",
        "the huge zero page is not freed while a CPU can still read it",
        "aa88b68c3b1d",
        shrunk,
        tier="optional",
    ),
]

EXHIBITS = [
    Exhibit(
        "B-32",
        "aa88b68c3b1d",
        "the huge zero page is dropped before the flush, and its shrinker frees it",
        "huge-zero-shrink",
        lacks=frozenset({"aa88b68c3b1d", "6fcb52a56ff6"}),
    ),
]
