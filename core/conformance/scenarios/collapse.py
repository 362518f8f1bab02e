"""khugepaged copies small pages into a huge one: no CPU may go on writing to them through what it has cached.

CPU0 user                    CPU1 khugepaged
store to page 1: cached
                             empty the pmd
                             flush the first page of the table alone
                             copy page 0, copy page 1
store to page 1: lost
                             map the huge page
"""

from __future__ import annotations

from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, pick
from core.explore.model import Model, Property
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Entry, newer_cell, tlb_cell
from core.mm.era import Era
from core.mm.khugepaged import collapse_huge_page
from core.mm.mm import Mm
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

PAGES, HUGE = (0, 1), 2
PMD = upper_entry(0, 0)


def store_through(cpu: Cpu, addr: int) -> Op:
    """A store through the entry of the page table, if that can be reached, or through what is cached. Returns whether
    one is.
    """
    cell, newer = tlb_cell(cpu, addr), newer_cell(addr)

    def step(entry: Entry | None, pmd: object, pte: Pte | None, was: bool) -> list[Outcome]:
        if entry is None and isinstance(pmd, int) and isinstance(pte, Pte):
            entry = Entry(pte.frame, pte.write, pte.dirty)
        stored = () if entry is None else ((newer, cell),)
        return [Outcome(entry is not None, (entry, was or entry is not None), stored=stored)]

    return Op(
        f"store({addr})", (cell, PMD, pte_cell(addr), newer), (cell, newer), step, may_schedule="user", order=Order.WALK
    )


async def user(mm: Mm) -> None:
    """Two stores to one of the pages."""
    addr = await pick(len(PAGES))
    if await store_through(mm.task.cpu, addr):
        await store_through(mm.task.cpu, addr)


def copied(page: int) -> Property:
    """Always: once the huge page is mapped, it has every store that reached `page`."""
    return Property(
        "store-after-copy",
        SENTENCES["store-after-copy"],
        (newer_cell(page), PMD),
        lambda newer, pmd: not (newer and isinstance(pmd, Pte)),
    )


def collapsed(arch: Arch, era: Era) -> Model:
    """A user of either page against the collapse of both."""
    mapped = {page: Pte(page, dirty=True) for page in PAGES}
    world = World(arch, era, mapped, frozenset(PAGES), geometry={"ptes_per_table": 2}, more={"tables": True})
    world.memory[PMD] = 0
    world.task("user", user)
    world.kthread("khugepaged", lambda mm: collapse_huge_page(mm, 0, PAGES, HUGE))
    window = sometimes(
        "stored-before",
        "a store has reached a page, and its table is still there",
        (newer_cell(1), PMD),
        lambda newer, pmd: newer and pmd == 0,
    )
    return world.model("collapse-copies", always=[copied(page) for page in PAGES], sometimes=[window])


SCENARIOS = [
    Scenario(
        "collapse-copies",
        "no store to any page of a table is lost when khugepaged copies them into a huge page",
        "mm/khugepaged.c:collapse_huge_page",
        collapsed,
        tier="optional",
        requires=("thp",),
    ),
]
