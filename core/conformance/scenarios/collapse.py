"""khugepaged copies small pages into a huge one: no CPU may go on writing to them through what it has cached.

CPU0 user                    CPU1 khugepaged
store to page 1: cached
                             empty the pmd
                             flush the first page of the table alone
                             copy page 0, copy page 1
store to page 1: lost
                             map the huge page

Who has a reference to a page may write to it without any translation:

B-54, 70cbc3cc78a9, where an invalidation is broadcast and interrupts nobody

CPU0 GUP-fast                CPU1 khugepaged
interrupts off
read the pmd
                             empty the pmd, flush
                             count the references: none but the mapping's
take a reference
the pmd is the same: not looked at again
                             copy page 0, copy page 1
write to the page: lost
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.exhibit import Exhibit
from core.conformance.properties import SENTENCES, all_freed, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, pick
from core.explore.model import Daemon, Model, Property
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.rcu import sync_cell, take_sync_ipi
from core.machine.tlb import Entry, newer_cell, tlb_cell
from core.mm.era import Era
from core.mm.gup import gup_fast
from core.mm.khugepaged import collapse_huge_page
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell, put_page
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, table_cell
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


async def collapse(mm: Mm) -> None:
    """Make one huge page of both."""
    await collapse_huge_page(mm, Vma(0, len(PAGES)), 0, HUGE)


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
    world.memory[PMD] = world.memory[mapcount_cell(HUGE)] = 0
    world.task("user", user)
    world.kthread("khugepaged", collapse)
    window = sometimes(
        "stored-before",
        "a store has reached a page, and its table is still there",
        (newer_cell(1), PMD),
        lambda newer, pmd: newer and pmd == 0,
    )
    ends = [end for page in PAGES for end in (all_freed(page, 0), mapcount_is_ptes(page, PAGES))]
    return world.model("collapse-copies", always=[copied(page) for page in PAGES], finally_=ends, sometimes=[window])


async def pins(mm: Mm) -> None:
    """Take a reference by GUP-fast, write to the page, and drop the reference: a device's transfer, or the kernel's."""
    page = await gup_fast(mm, 0)
    if page is not None:
        await Op("write to the pinned page", (), (newer_cell(page),), written, order=Order.PLAIN)
        await put_page(page)


def written() -> list[Outcome]:
    """Memory has what no copy of before has."""
    return [Outcome(None, (True,))]


def pinned(arch: Arch, era: Era) -> Model:
    """GUP-fast takes a page of the table that is collapsed."""
    walker = Cpu(0)
    mapped = {page: Pte(page, dirty=True) for page in PAGES}
    more = {"tables": True, "readers": frozenset({walker})}
    world = World(arch, era, mapped, frozenset(PAGES), geometry={"ptes_per_table": 2}, more=more)
    world.memory[PMD] = world.memory[mapcount_cell(HUGE)] = 0
    world.memory[table_cell(Table("pte", 0))] = True
    world.task("GUP-fast", pins)
    khugepaged = world.kthread("khugepaged", collapse)
    world.memory[sync_cell(khugepaged.tid, walker)] = False
    inside = sometimes(
        "emptied-under-walk",
        "the pmd is empty while the walk goes on",
        (PMD, irqs_off_cell(walker)),
        lambda pmd, off: pmd is None and off,
    )
    given_up = sometimes(
        "given-up",
        "the page has been written to in its table",
        (PMD, newer_cell(0)),
        lambda pmd, newer: newer and pmd == 0,
    )
    kept = Property("mapped-at-end", SENTENCES["mapped-at-end"], (PMD,), lambda pmd: pmd is not None)
    made = world.model(
        "collapse-gup", always=[copied(page) for page in PAGES], finally_=[kept], sometimes=[inside, given_up]
    )
    sync = Daemon("IPI from khugepaged", walker, take_sync_ipi(khugepaged.tid, walker))
    return replace(made, daemons=(*made.daemons, sync))


SCENARIOS = [
    Scenario(
        "collapse-copies",
        "no store to any page of a table is lost when khugepaged copies them into a huge page",
        "mm/khugepaged.c:collapse_huge_page",
        collapsed,
        tier="optional",
        requires=("thp",),
    ),
    Scenario(
        "collapse-gup",
        "no page is copied into a huge page while GUP-fast has a reference through which it may be written to",
        "mm/khugepaged.c:is_refcount_suitable",
        pinned,
        tier="optional",
        requires=("thp", "smp", "several_cpus", "gup_fast"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-54",
        "70cbc3cc78a9",
        "khugepaged empties a pmd while GUP-fast reads below it, and copies a page that may be written to",
        "collapse-gup",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"70cbc3cc78a9", "2ba99c5e0881"}),
    ),
]
