"""Calls that put one translation in the place of another: each breaks the old one before it makes the new one.

No other task runs, for the rule is about what the CPU that writes has done before: core.conformance.break_before_make.
Tried are a copy on write, KSM, a migration, a collapse to a huge page, a huge page that is split, and one of the kernel
that takes the place of a page table.
"""

from __future__ import annotations

from core.conformance.break_before_make import Pages, watched
from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.entry_values import chosen
from core.conformance.world import Program, World, pick
from core.explore.model import Model
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.huge_memory import split_huge_pmd
from core.mm.khugepaged import collapse_huge_page
from core.mm.ksm import try_to_merge_one_page
from core.mm.memory import handle_write_fault
from core.mm.migrate import migrate_pages
from core.mm.mm import Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pgtable import pmd_populate, upper_entry
from core.mm.swap import Table, table_cell
from core.mm.vmalloc import vmap_try_huge_pmd
from core.plugins.arch import Arch

ADDR, OLD, NEW = 0, 0, 1
PMD, TABLE = upper_entry(0, 0), table_cell(Table("pte", 0))


async def copies(mm: Mm) -> None:
    """A write fault on a page that somebody else holds, too."""
    await handle_write_fault(mm, Vma(ADDR, ADDR + 1), ADDR)


async def merges(mm: Mm) -> None:
    """KSM."""
    await try_to_merge_one_page(mm, ADDR, OLD, NEW)


async def moves(mm: Mm) -> None:
    """Compaction."""
    await migrate_pages(mm, [OLD])


async def collapses(mm: Mm) -> None:
    """khugepaged, of a page that nobody else holds and that may be written to."""
    await chosen(ref_cell(OLD), 1)
    await chosen(pte_cell(ADDR), Pte(OLD))
    await collapse_huge_page(mm, Vma(ADDR, ADDR + 1), ADDR, NEW)


async def splits(mm: Mm) -> None:
    """A huge page of a file is split, and a table takes its place."""
    await chosen(PMD, Pte(NEW, dirty=True))
    await chosen(mapcount_cell(NEW), 1)
    await split_huge_pmd(mm, ADDR)
    await pmd_populate(mm, ADDR, 0)


async def maps_huge(mm: Mm) -> None:
    """vmalloc, where the entries of the table are empty but for what it maps here: that it must not be walked again."""
    await vmap_try_huge_pmd(mm, ADDR, NEW)


def replaced(arch: Arch, era: Era) -> Model:
    """One task, which makes one of the calls."""
    calls: list[Program] = [copies, merges, moves, collapses, splits]
    if "huge_vmap" in arch.facts.capabilities:
        calls.append(maps_huge)
    world = World(
        arch,
        era,
        {ADDR: Pte(OLD, write=False)},
        frozenset({OLD, NEW}),
        geometry={"ptes_per_table": 1},
        more={"tables": True, "copies": {OLD: NEW}},
    )
    world.memory[PMD], world.memory[TABLE] = 0, True
    world.memory[ref_cell(OLD)] = 2
    world.memory[mapcount_cell(NEW)] = 0

    async def any_of(mm: Mm) -> None:
        pages = Pages([ADDR], world.memory.__getitem__)
        await watched(calls[await pick(len(calls))](mm), pages)

    world.task("task", any_of)
    window = sometimes(
        "replaced",
        "another page is mapped than at the start",
        (PMD, pte_cell(ADDR)),
        lambda pmd, pte: isinstance(pmd, Pte) or (isinstance(pte, Pte) and pte.frame == NEW),
    )
    return world.model("break-before-make", sometimes=[window])


SCENARIOS = [
    Scenario(
        "break-before-make",
        "an entry that a TLB may hold is invalid and flushed before another takes its place",
        "arch/arm64/mm/hugetlbpage.c",
        replaced,
        tier="optional",
        requires=("smp", "break_before_make"),
    )
]
