"""MADV_DONTNEED frees the page table that it has emptied, with mmap_lock held for reading (CONFIG_PT_RECLAIM).

B-53, "mm: fix incorrect flush address in direct page table reclaim": what is flushed is the page behind the table

CPU0 walker                  CPU1 MADV_DONTNEED of what is empty already
remember the table
                             clear the pmd
                             flush from the end of the table on
                             free the table
walk on in the freed table

What 0d940a9b270b keeps apart: the lock of a table is taken, and the table has gone

CPU0 MADV_DONTNEED           CPU1 MADV_DONTNEED
read the pmd
                             empty the table, clear the pmd
lock the table: it is empty
clear the pmd: free the table
a second time
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import (
    all_freed,
    held_by_mappings,
    mapcount_is_ptes,
    sometimes,
    tables_freed,
    unhooked_entry,
)
from core.conformance.scenario import Scenario
from core.conformance.scenarios.freed_table import freed_by_rcu, waited_for, walker, windows
from core.conformance.scenarios.gup_fast import next_to_gup_fast
from core.conformance.world import Program, World, in_its_table
from core.explore.model import Model
from core.machine.op import Cell
from core.machine.pte import ProtNone, Pte, pte_cell
from core.machine.tlb import ref_cell
from core.machine.walk import user_load_through
from core.mm.era import RECLAIM_FIX, Era
from core.mm.mm import PENDING, Choices, Mm, Vma
from core.mm.page import mapcount_cell
from core.mm.pgtable import upper_entry
from core.mm.pte_missing import handle_missing_fault
from core.mm.swap import Table, table_cell
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PMD = upper_entry(0, 0)
VMA = Vma(0, 1)


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of all that the table maps."""
    await madvise_dontneed(mm, VMA, VMA.start, VMA.end)


def checked(program: Program, tables: tuple[int, ...]) -> Program:
    """`program`, with each of its looks at the entry checked."""
    return lambda mm: in_its_table(program(mm), mm, 0, tables)


def small(arch: Arch, era: Era, mapped: Pte | ProtNone | None, tables: tuple[int, ...], resched: bool = False) -> World:
    """One page, `mapped` in table 0; the others of `tables` are free. Where the table is freed, RCU frees it."""
    world = World(
        arch,
        era,
        {0: mapped},
        frozenset({0}),
        choices=Choices(resched=resched),
        geometry={"rcu_table_free": True, "ptes_per_table": 1},
        more={"tables": True, "walked": True},
        reclaims_tables=True,
    )
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    for table in tables:
        world.memory[table_cell(Table("pte", table))] = table == 0
    return world


def cells(tables: tuple[int, ...]) -> dict[int, Cell]:
    """Whether each is a table, by number."""
    return {table: table_cell(Table("pte", table)) for table in tables}


# ---- table-reclaim -------------------------------------------------------------------------------------------


def walked(arch: Arch, era: Era) -> Model:
    """The table is empty at the start, so that no entry of its own is flushed."""
    world = small(arch, era, None, (0,))
    readers = waited_for(arch.facts, True)
    world.more = {**world.more, "readers": readers}
    world.task("walker", walker)
    unmapper = world.task("dontneed", dontneed)
    return freed_by_rcu(world, world.model("table-reclaim", sometimes=windows()), readers, unmapper)


# ---- table-reclaim-twice -------------------------------------------------------------------------------------


def twice(arch: Arch, era: Era) -> Model:
    """Two calls for the same range, each of which may lose its CPU, and so the lock of the table, in between."""
    world = small(arch, era, Pte(0), (0,), resched=True)
    for name in ("one", "other"):
        world.task(name, checked(dontneed, (0,)))
    both = sometimes(
        "both-in-the-call",
        "the pmd is clear, and both calls have a gather open",
        (PMD, PENDING),
        lambda pmd, pending: pmd is None and pending == 2,
    )
    made = [all_freed(0, 0), tables_freed(PMD, cells((0,)))]
    return world.model("table-reclaim-twice", finally_=made, sometimes=[both], equal=("one", "other"))


# ---- table-reclaim-fault -------------------------------------------------------------------------------------

TABLES = (0, 1)
PAGES = (0, 1, 2)


async def user(mm: Mm) -> None:
    """Load twice; where nothing is mapped, fault a new page in."""
    entries = dict.fromkeys(TABLES, pte_cell(0))
    for page in PAGES[1:]:
        if await user_load_through(mm.task.cpu, 0, PMD, entries, PAGES) == "fault":
            await in_its_table(handle_missing_fault(mm, VMA, 0, page, TABLES), mm, 0, TABLES)


def faulted(arch: Arch, era: Era) -> Model:
    """A thread that uses what another one gives up."""
    world = small(arch, era, Pte(0), TABLES, resched=True)
    world.anon = frozenset(PAGES)
    for page in PAGES[1:]:
        world.memory[ref_cell(page)] = world.memory[mapcount_cell(page)] = 0
    world.task("user", user)
    world.task("dontneed", checked(dontneed, TABLES))
    window = sometimes(
        "filled-again",
        "the page is given back, and another is mapped",
        (pte_cell(0), ref_cell(0)),
        lambda pte, ref: pte is not None and pte.frame > 0 and not ref,
    )
    ends = [*map(held_by_mappings, PAGES), *(mapcount_is_ptes(page, [0]) for page in PAGES), unhooked_entry(0, PMD)]
    # a weak machine may show the entry before the upper entry that was stored before it, which no walker minds
    always = [] if world.memory_model == "weak" else [unhooked_entry(0, PMD)]
    return world.model(
        "table-reclaim-fault",
        always=always,
        finally_=[*ends, tables_freed(PMD, cells(TABLES))],
        sometimes=[window],
    )


SCENARIOS = [
    Scenario(
        "table-reclaim",
        "no page table that MADV_DONTNEED frees is freed while a walker may go on in it",
        RECLAIM_FIX,
        walked,
        tier="optional",
        requires=("table_walk", "queues_tables"),
    ),
    Scenario(
        "table-reclaim-twice",
        "two calls of MADV_DONTNEED free the page table that they empty once",
        "0d940a9b270b",
        twice,
        tier="optional",
        requires=("queues_tables",),
    ),
    Scenario(
        "table-reclaim-fault",
        "no fault fills an entry of a page table that MADV_DONTNEED frees",
        "0d940a9b270b",
        faulted,
        tier="optional",
        requires=("queues_tables",),
    ),
    Scenario(
        "table-reclaim-gup",
        "no page table that MADV_DONTNEED frees is freed while a lockless walk in software reads in it",
        "6375e95f381e",
        lambda arch, era: next_to_gup_fast("table-reclaim-gup", arch, era, dontneed, reclaims_tables=True),
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast", "queues_tables"),
    ),
]

EXHIBITS = [
    Exhibit(
        identity,
        RECLAIM_FIX,
        "pte_free_tlb() is given the address behind the table: the flush does not reach what the walker remembers",
        "table-reclaim",
        plugin=plugin,
        era="7.2",
        lacks=frozenset({RECLAIM_FIX}),
        cve="CVE-2026-74674",
    )
    for identity, plugin in (
        ("B-53", "arch_plugins.arm64:Arm64"),
        ("B-53g", "arch_plugins.generic:Smp"),
        ("B-53l", "arch_plugins.loongarch:LoongarchPtw"),
        ("B-53x", "arch_plugins.x86_618:X86618"),
    )
]
