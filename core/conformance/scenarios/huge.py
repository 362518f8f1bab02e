"""An entry that maps a huge page is looked at without its lock.

B-24, ced108037c2a

CPU0 change of protection                   CPU1 MADV_DONTNEED
lock pmd
clear the entry
                                            the pmd is empty: nothing to do
                                            returns
set the entry, read-only
unlock pmd, flush
the page is mapped still
"""

from __future__ import annotations

from core.arch import Arch
from core.conformance.exhibit import Exhibit
from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model, Property
from core.machine.lock import mmap_read_lock, mmap_read_unlock
from core.mm.era import Era
from core.mm.huge_memory import HugePmd, change_huge_pmd
from core.mm.madvise import madvise_dontneed
from core.mm.memory import upper_entry
from core.mm.mm import Mm, Vma

PMD = upper_entry(0, 0)


async def change(mm: Mm) -> None:
    """change_prot_numa() and its likes hold mmap_lock for reading only."""
    await mmap_read_lock(mm.task)
    await change_huge_pmd(mm, 0)
    await mmap_read_unlock(mm.task)


def emptied(arch: Arch, era: Era) -> Model:
    """A change of protection against MADV_DONTNEED, both for reading, on one huge page."""
    more = {"tables": True, "folio": lambda page: (0, 1)}
    world = World(arch, era, {0: None}, frozenset({0}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[upper_entry(1, 0)] = world.memory[upper_entry(2, 0)] = 0
    world.memory[PMD] = HugePmd(0)
    world.task("change", change)
    world.task("madvise", lambda mm: madvise_dontneed(mm, Vma(0, 1), 0, 1))
    gone = Property("unmapped-at-end", SENTENCES["unmapped-at-end"], (PMD,), lambda pmd: pmd is None)
    window = sometimes(
        "changed-first", "the entry is changed, and there", (PMD,), lambda pmd: pmd is not None and not pmd.write
    )
    return world.model("huge-emptied", finally_=[gone], sometimes=[window])


SCENARIOS = [
    Scenario(
        "huge-emptied",
        "a huge entry that is being changed is not empty for a moment",
        "ced108037c2a",
        emptied,
        tier="optional",
        requires=("smp", "gather"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-24",
        "ced108037c2a",
        "a huge entry is empty for a moment, and MADV_DONTNEED goes by it",
        SCENARIOS[0],
        lacks=frozenset({"ced108037c2a"}),
    ),
]
