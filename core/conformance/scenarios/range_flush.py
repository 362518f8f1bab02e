"""One flush for several pages: each of them must be covered, the first, the last and those between.

CPU0 user                    CPU1 MADV_DONTNEED of pages 0, 1 and 2
load one of them: cached
                             clear entry 0, 1 and 2
                             flush from 0 to 3
                             free pages 0, 1 and 2
load the same
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, pick
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PAGES = range(3)
VMA = Vma(PAGES.start, PAGES.stop)


async def user(mm: Mm) -> None:
    """Load twice from the same page, whichever that is."""
    page = await pick(len(PAGES))
    if await load(mm, page, PAGES):
        await load(mm, page, PAGES)


def three_pages(arch: Arch, era: Era) -> Model:
    """A user against MADV_DONTNEED of three anonymous pages of one table.

    The gather has room for all of them, whatever the row says about batches, so there is one flush.
    """
    room = {"bundle": max(arch.facts.bundle, 2 * len(PAGES))}
    world = World(arch, era, {page: Pte(page, dirty=True) for page in PAGES}, frozenset(PAGES), geometry=room)
    world.task("user", user)
    world.task("unmap", lambda mm: madvise_dontneed(mm, VMA, VMA.start, VMA.end))
    last = PAGES[-1]
    window = sometimes(
        "unmapped-but-held",
        "the last entry is gone and its page is not yet free",
        (pte_cell(last), ref_cell(last)),
        lambda pte, ref: pte is None and ref == 1,
    )
    return world.model("range-of-three", finally_=[all_freed(page, 0) for page in PAGES], sometimes=[window])


SCENARIOS = [
    Scenario(
        "range-of-three",
        "a flush of several pages covers all of them",
        "Documentation/core-api/cachetlb.rst",
        three_pages,
    )
]
