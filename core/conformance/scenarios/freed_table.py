"""A page table is given back while the hardware remembers where it was.

B-27, d86564a2f085, where tables wait for lockless walkers (RCU_TABLE_FREE)

CPU0 walker                  CPU1 munmap
remember the table
                             clear the pmd
                             no memory for a batch of tables: free it at once,
                             after an IPI that lockless walkers in software wait for, but not the hardware
walk on in the freed table
                             flush

B-21, 7a30df49f63a, where a flush of pages spares what is remembered of upper levels

CPU0 walker                  CPU1 munmap                     CPU2 MADV_DONTNEED elsewhere
remember the table
                             clear the pmd, queue the table
                                                             open: its flush is still to come
                             not alone: flush the call's
                             range, of the last level
                             free the table
walk on in the freed table

B-43f, s390/mm: fix race on mm->context.flush_mm

CPU0 walker                  CPU1 munmap                     CPU2 flush of the mm
                                                             a flush is owed: IDTE
remember the table
                             clear the pmd: a flush is owed
                                                             none is owed now
                             none is owed: free the table
walk on in the freed table
"""

from __future__ import annotations

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes, table_freed
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, pick
from core.explore.model import Model, Property
from core.machine.op import Cell
from core.machine.walk import cache_upper, walk_on
from core.mm.era import FLUSH_MM_FIX, Era
from core.mm.madvise import madvise_dontneed
from core.mm.memory import LEVELS, upper_entry
from core.mm.mm import Choices, Mm, Vma
from core.mm.mmap import munmap
from core.mm.swap import Table
from core.plugins.arch import Arch

TABLE = Cell("table", Table("pte", 0))

TABLES = (TABLE, Cell("table", Table("pmd", 0)), Cell("table", Table("pud", 0)))
"""What the entries of each upper level point to."""


async def walker(mm: Mm) -> None:
    """Two walks; what the first has remembered the second goes by."""
    for _ in range(2):
        if await cache_upper(mm.task.cpu, 0, upper_entry(0, 0)):
            await walk_on(mm.task.cpu, 0, TABLE)


def upper_walker(lowest: int, top: int) -> Program:
    """The same in any table from that of level `lowest` to that of level `top`."""

    async def program(mm: Mm) -> None:
        level = lowest + await pick(top - lowest + 1)
        for _ in range(2):
            if await cache_upper(mm.task.cpu, 0, upper_entry(level, 0)):
                await walk_on(mm.task.cpu, 0, TABLES[level])

    return program


async def dontneed_elsewhere(mm: Mm) -> None:
    """A gather is open meanwhile, for an address that nothing maps."""
    await madvise_dontneed(mm, Vma(1, 2), 1, 2)


async def flush(mm: Mm) -> None:
    """Another operation ends with a flush of the mm."""
    await mm.hook.flush_tlb_mm(mm=mm)


def unhooking(name: str, alloc_fails: bool = False, other: Program | None = None, owed: bool = False) -> Build:
    """munmap of all that a page table maps; the tables above are kept. Memory for a batch may be short.

    `other` is what another thread does meanwhile; `owed`: a lazy flush of the mm is owed at the start (s390).
    """

    def build(arch: Arch, era: Era) -> Model:
        world = World(
            arch,
            era,
            {0: None, 1: None} if other is dontneed_elsewhere else {0: None},
            choices=Choices(alloc_fails=alloc_fails),
            geometry={"rcu_table_free": True, "ptes_per_table": 1},
            more={"tables": True, "walked": True},
        )
        for level in range(3):
            world.memory[upper_entry(level, 0)] = 0
        world.memory[TABLE] = True
        world.task("walker", walker)
        world.task("munmap", lambda mm: munmap(mm, [Vma(0, 1)], 0, 1))
        if other:
            world.task("other", other)
        world.memory[Cell("flush_mm")] = owed
        return world.model(name, sometimes=windows())

    return build


def upwards(name: str, lowest: int = 0, highest: int = 2, walks: bool = True, alloc_fails: bool = False) -> Build:
    """munmap of the last mapping in the table that an entry of `highest` points to: what is mapped beyond needs that
    entry's table. Every table has two entries.

    No page is mapped any more, and there are no tables below that of `lowest`. `walks`: the hardware does meanwhile.
    """

    def build(arch: Arch, era: Era) -> Model:
        world = World(
            arch,
            era,
            {0: None, 1: None},
            choices=Choices(alloc_fails=alloc_fails),
            geometry={"ptes_per_table": 2, "upper_entries": 2},
            more={"tables": True, "walked": True},
        )
        top = min(arch.facts.levels - 2, highest)
        for level, table in enumerate(TABLES):
            world.memory[upper_entry(level, 0)] = 0 if level >= lowest else None
            world.memory[table] = level >= lowest
        if walks:
            world.task("walker", upper_walker(lowest, top))
        world.task("munmap", lambda mm: munmap(mm, [Vma(0, 2)], 0, mm.span[top]))
        conserved = [table_freed(upper_entry(level, 0), table) for level, table in enumerate(TABLES)]
        return world.model(name, finally_=conserved, sometimes=windows(top))

    return build


def windows(level: int = 0) -> list[Property]:
    """Between the two moments that matter, for the table that an entry of `level` points to."""
    return [
        sometimes(
            "unhooked",
            f"the {LEVELS[level]} is clear and the table is there",
            (upper_entry(level, 0), TABLES[level]),
            lambda entry, there: entry is None and there,
        ),
        sometimes("freed", "the table is free", (TABLES[level],), lambda there: not there),
    ]


SCENARIOS = [
    Scenario(
        "table-free",
        "no page table is freed while the hardware remembers it, also without memory for a batch",
        "d86564a2f085",
        unhooking("table-free", alloc_fails=True),
        tier="optional",
        requires=("hardware_walk",),
    ),
    Scenario(
        "table-nested",
        "no page table is freed while the hardware remembers it, also next to another gather",
        "7a30df49f63a",
        unhooking("table-nested", other=dontneed_elsewhere),
        tier="optional",
        requires=("hardware_walk",),
    ),
    Scenario(
        "table-flush-mm",
        "no page table is freed while the hardware remembers it, where the flush that is owed is noted in a flag",
        FLUSH_MM_FIX,
        unhooking("table-flush-mm", other=flush, owed=True),
        tier="optional",
        requires=("smp", "flush_mm", "several_cpus"),
    ),
    Scenario(
        "tables-freed",
        "each page table that is unhooked, of whatever level, is freed exactly once, also without memory for a batch",
        "mm/memory.c:free_pgd_range",
        upwards("tables-freed", walks=False, alloc_fails=True),
    ),
    Scenario(
        "table-upwards",
        "no table of any level is freed while the hardware remembers it, also if no entry of a page was cleared",
        "include/asm-generic/tlb.h:tlb->freed_tables",
        upwards("table-upwards"),
        tier="optional",
        requires=("hardware_walk",),
    ),
    Scenario(
        "table-pmd",
        "no empty pmd table is freed while the hardware remembers it",
        "include/asm-generic/tlb.h:pmd_free_tlb",
        upwards("table-pmd", lowest=1, highest=1),
        tier="optional",
        requires=("hardware_walk", "pmd_tables"),
    ),
    Scenario(
        "table-pud",
        "no empty pud table is freed while the hardware remembers it",
        "include/asm-generic/tlb.h:pud_free_tlb",
        upwards("table-pud", lowest=2),
        tier="optional",
        requires=("hardware_walk", "pud_tables"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-27",
        "d86564a2f085",
        "without memory for a batch a page table is freed at once, and the hardware still walks it",
        "table-free",
        lacks=frozenset({"d86564a2f085"}),
    ),
    Exhibit(
        "B-21",
        "7a30df49f63a",
        "a flush that another gather forces forgets that tables have been freed, and spares the walk caches",
        "table-nested",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"7a30df49f63a"}),
    ),
    Exhibit(
        "B-43f",
        FLUSH_MM_FIX,
        "the flag that says that a flush is owed is cleared after the flush, and with it what was noted since",
        "table-flush-mm",
        plugin="arch_plugins.s390:S390",
        lacks=frozenset({FLUSH_MM_FIX}),
    ),
]
