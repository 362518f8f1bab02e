"""A whole page table is moved to another address, while another CPU works on an entry found through the old one.

B-10, 97113eb39fa7, CVE-2022-41222

CPU0 user            CPU1 mremap                    CPU2 reclaim, without batched flushes
                                                    the table at the old address: lock it
                     lock pmd
                     move the table to the new address
                     flush the old address
load at the new
address: cached
                     unlock pmd
                                                    clear the entry, flush the old address
                                                    free the page
load at the new
address: use after free

B-11, 6fa1066fc5d0, CVE-2024-50066

CPU0 mremap                                         CPU1 collapse of the file's pages
the old address has a page table
                                                    lock rmap
                                                    clear the pmd, flush, free the table
                                                    unlock rmap
lock rmap, lock pmd
take the pmd, which is empty, for a table
the new address has physical page 0 as a page table

mremap-walk: the walker remembers the table under its old address, where a flush of the last level leaves it

mremap-table-used: a CPU has an entry of the table cached under its old address
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.machine.walk import cache_upper, user_load_through
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import Era
from core.mm.khugepaged import retract_page_tables
from core.mm.mm import Mm, Vma
from core.mm.pgtable import upper_entry
from core.mm.reclaim import shrink_lruvec
from core.mm.swap import Table, table_cell
from core.mm.syscalls import mremap
from core.plugins.arch import Arch

OLD, NEW, PAGE = 0, 1, 0
VMA, NEW_VMA = Vma(OLD, OLD + 1), Vma(NEW, NEW + 1)


async def reader(mm: Mm) -> None:
    """Load from the new address twice; before the move that is a fault, which does not matter here."""
    for _ in range(2):
        await user_load_through(mm.task.cpu, NEW, upper_entry(0, NEW), {OLD: pte_cell(OLD)}, [PAGE])


async def reclaim(mm: Mm) -> None:
    """Reclaim the page."""
    await shrink_lruvec(mm, UnmapBatch(), [PAGE])


def moved_table(arch: Arch, era: Era) -> Model:
    """mremap of a table of one entry, against reclaim that flushes each page as it is unmapped."""
    world = World(
        arch,
        era,
        {OLD: Pte(PAGE), NEW: None},
        anon=frozenset({PAGE}),
        geometry={"ptes_per_table": 1, "capabilities": arch.facts.capabilities - {"batched_unmap"}},
        more={"mappings": {PAGE: (OLD, NEW)}, "tables": True},
    )
    world.memory[ref_cell(PAGE)] = 2  # the mapping's and the reclaimer's
    world.memory[upper_entry(0, OLD)] = OLD
    world.memory[upper_entry(0, NEW)] = None
    for level in (1, 2):
        world.memory[upper_entry(level, 0)] = 0
    world.task("user", reader)
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA, ceiling=NEW))
    world.kthread("reclaim", reclaim)
    window = sometimes(
        "moved",
        "the table is in its new place and the page is still mapped",
        (upper_entry(0, NEW), pte_cell(OLD)),
        lambda table, pte: table is not None and isinstance(pte, Pte),
    )
    return world.model("mremap-table", finally_=[mapcount_is_ptes(PAGE, [OLD])], sometimes=[window])


def retracted(arch: Arch, era: Era) -> Model:
    """mremap of an empty table, against MADV_COLLAPSE in another process that maps the file."""
    world = World(
        arch,
        era,
        {OLD: None, NEW: None},
        geometry={"ptes_per_table": 1},
        more={"tables": True},
    )
    world.memory[upper_entry(0, OLD)] = OLD
    world.memory[upper_entry(0, NEW)] = None
    for level in (1, 2):
        world.memory[upper_entry(level, 0)] = 0
    world.task("mremap", lambda mm: mremap(mm, VMA, NEW_VMA, ceiling=NEW))
    world.kthread("collapse", lambda mm: retract_page_tables(mm, VMA))
    moved = sometimes("moved", "the table is in its new place", (upper_entry(0, NEW),), lambda t: t is not None)
    freed = sometimes("freed", "the table is free", (table_cell(Table("pte", OLD)),), lambda there: not there)
    return world.model("mremap-collapse", sometimes=[moved, freed])


async def walker(mm: Mm) -> None:
    """Two walks for the old address, as far as the table."""
    for _ in range(2):
        await cache_upper(mm.task.cpu, OLD, upper_entry(0, OLD))


async def moves(mm: Mm) -> None:
    """mremap of the table; when it returns no CPU may find the entries of the new address through the old one."""
    span = mm.span[0]
    await mremap(mm, Vma(OLD, OLD + span), Vma(OLD + span, OLD + 2 * span), ceiling=OLD + span)
    remembered = tuple(tlb_cell(cpu, OLD) for cpu in sorted(mm.cpus or ()))

    def step(*uppers: object) -> list[Outcome]:
        return [Outcome(None, (), "stale-after-return" if any(upper is not None for upper in uppers) else "")]

    await Op("return to user mode", remembered, (), step, order=Order.PRIVATE)


def walked(arch: Arch, era: Era) -> Model:
    """mremap of a table that the hardware remembers; it is as large as it is, which tells how it is flushed."""
    world = World(arch, era, {OLD: None, arch.facts.ptes_per_table: None}, more={"tables": True})
    world.memory[upper_entry(0, 0)] = 0
    world.memory[upper_entry(0, 1)] = None
    user = world.task("walker", walker)
    world.task("mremap", moves)
    window = sometimes(
        "moved-and-remembered",
        "the table is in its new place, and a CPU remembers the old one",
        (upper_entry(0, 1), tlb_cell(user.cpu, OLD)),
        lambda table, upper: table is not None and upper is not None,
    )
    return world.model("mremap-walk", sometimes=[window])


async def reader_of_old(mm: Mm) -> None:
    """Load from the old address twice."""
    for _ in range(2):
        await user_load_through(mm.task.cpu, OLD, upper_entry(0, OLD), {OLD: pte_cell(OLD)}, [PAGE])


def used(arch: Arch, era: Era) -> Model:
    """mremap of a table of one entry, which a CPU has cached; nobody else is there to flush it."""
    world = World(
        arch,
        era,
        {OLD: Pte(PAGE), NEW: None},
        anon=frozenset({PAGE}),
        geometry={"ptes_per_table": 1},
        more={"mappings": {PAGE: (OLD, NEW)}, "tables": True},
    )
    world.memory[upper_entry(0, OLD)] = OLD
    world.memory[upper_entry(0, NEW)] = None
    for level in (1, 2):
        world.memory[upper_entry(level, 0)] = 0
    user = world.task("user", reader_of_old)
    world.task("mremap", moves)
    window = sometimes(
        "moved-and-cached",
        "the table is in its new place, and a CPU has its entry cached under the old address",
        (upper_entry(0, NEW), tlb_cell(user.cpu, OLD)),
        lambda table, entry: table is not None and entry is not None,
    )
    return world.model("mremap-table-used", finally_=[mapcount_is_ptes(PAGE, [OLD])], sometimes=[window])


SCENARIOS = [
    Scenario(
        "mremap-table",
        "an entry found through a page table's old place is not unmapped there after the table has moved",
        "97113eb39fa7",
        moved_table,
        tier="optional",
        requires=("move_pmd",),
    ),
    Scenario(
        "mremap-collapse",
        "no page table is moved that has been freed since it was looked up",
        "6fa1066fc5d0",
        retracted,
        tier="optional",
        requires=("move_pmd",),
    ),
    Scenario(
        "mremap-walk",
        "no CPU remembers a page table at its old place once it has been moved",
        "mm/mremap.c:move_normal_pmd",
        walked,
        tier="optional",
        requires=("move_pmd", "upper_cache"),
    ),
    Scenario(
        "mremap-table-used",
        "no CPU has an entry of a page table cached at its old place once the table has been moved",
        "mm/mremap.c:move_normal_pmd",
        used,
        tier="optional",
        requires=("move_pmd", "smp"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-10",
        "97113eb39fa7",
        "mremap moves a page table without the rmap lock: an entry in it is unmapped with a flush of the old address",
        "mremap-table",
        lacks=frozenset({"97113eb39fa7"}),
        cve="CVE-2022-41222",
    ),
    Exhibit(
        "B-11",
        "6fa1066fc5d0",
        "mremap looks up a page table before it takes the locks: the table is gone, and page 0 is installed as a table",
        "mremap-collapse",
        era="6.12",
        lacks=frozenset({"6fa1066fc5d0"}),
        cve="CVE-2024-50066",
    ),
]
