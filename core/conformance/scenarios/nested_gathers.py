"""Two gathers on one mm: the second finds entries empty that the first has not flushed yet.

Commits 56236a59556c, 99baac21e458.

CPU0 user     CPU1 MADV_DONTNEED            CPU2 MADV_DONTNEED
load: cached
              clear the entry
                                            the entry is empty: nothing to flush
                                            returns
load: stale
              flush
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, returned
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.mm.era import Era
from core.mm.mm import PENDING, Mm, Vma
from core.mm.syscalls import madvise_dontneed
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


def nested(arch: Arch, era: Era) -> Model:
    """Two MADV_DONTNEED on the same page."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
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
    )
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
