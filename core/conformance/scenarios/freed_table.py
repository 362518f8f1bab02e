"""A page table is freed while a walker may still use it: one that has cached its address, or has just read it.

Who walks and what is freed at once are facts of the architecture (`walker`, `tables_at_once`).

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

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes, table_freed
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, pick
from core.explore.model import Daemon, Model, Property
from core.facts import Facts
from core.machine.op import Cell, Cpu
from core.machine.rcu import environment, rcu_callback, rcu_head_cell, sync_cell, take_sync_ipi
from core.machine.task import Task
from core.machine.walk import KEEP_UPPER, WALKS
from core.mm.era import FLUSH_MM_FIX, Era
from core.mm.khugepaged import retract_page_tables
from core.mm.mm import Choices, Mm, Vma
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, free_table_page, table_cell
from core.mm.syscalls import madvise_dontneed, munmap
from core.plugins.arch import Arch

RCU_TABLES = (Table("pte", 0), Table("pmd", 0), Table("pud", 0))

TABLES = tuple(map(table_cell, RCU_TABLES))
"""What the entries of each upper level point to."""

TABLE = TABLES[0]

WALKER = Cpu(0)


async def walk(mm: Mm, level: int) -> None:
    """Two walks, as the architecture makes them: the second uses what the first has cached, if anything."""
    for _ in range(2):
        await WALKS[mm.facts.walker](mm.task.cpu, 0, level, upper_entry(level, 0), TABLES[level])


async def walker(mm: Mm) -> None:
    """A walker that starts at the lowest upper-level entry."""
    await walk(mm, 0)


def upper_walker(lowest: int, top: int) -> Program:
    """A walker in any table from that of level `lowest` to that of level `top`."""

    async def program(mm: Mm) -> None:
        await walk(mm, lowest + await pick(top - lowest + 1))

    return program


async def dontneed_elsewhere(mm: Mm) -> None:
    """A gather is open meanwhile, for an address where nothing is mapped."""
    await madvise_dontneed(mm, Vma(1, 2), 1, 2)


async def flush(mm: Mm) -> None:
    """Another operation that ends with a flush of the mm."""
    await mm.hook.flush_tlb_mm(mm=mm)


def waited_for(facts: Facts, rcu_table_free: bool) -> frozenset[Cpu]:
    """The CPUs for whose walks RCU waits before it frees a table: a walk that caches nothing has interrupts off."""
    waits = rcu_table_free and facts.walker not in KEEP_UPPER and facts.smp and not facts.one_cpu
    return frozenset({WALKER}) if waits else frozenset()


def freed_by_rcu(
    world: World, made: Model, readers: frozenset[Cpu], unmapper: Task, tables: Sequence[Table] = RCU_TABLES
) -> Model:
    """`model` with what hardware and RCU do by themselves about `readers` of `tables`."""
    if not readers:
        return made
    world.memory[sync_cell(unmapper.tid, WALKER)] = False
    for table in tables:
        world.memory[rcu_head_cell(table)] = None
    callbacks = [Daemon("RCU", unmapper.cpu, rcu_callback(table, free_table_page(table))) for table in tables]
    grace = [Daemon("RCU", cpu, op) for cpu, op in environment(tables, readers)]
    sync = Daemon(f"IPI from {unmapper.name}", WALKER, take_sync_ipi(unmapper.tid, WALKER))
    return replace(made, daemons=(*made.daemons, *callbacks, *grace, sync))


def unhooking(name: str, alloc_fails: bool = False, other: Program | None = None, owed: bool = False) -> Build:
    """munmap of all that a page table maps; the tables above are kept.  Memory for a batch may be short.

    `other` is what another thread does meanwhile; `owed`: a lazy flush of the mm is owed at the start (s390).
    """

    def build(arch: Arch, era: Era) -> Model:
        readers = waited_for(arch.facts, True)
        world = World(
            arch,
            era,
            {0: None, 1: None} if other is dontneed_elsewhere else {0: None},
            choices=Choices(alloc_fails=alloc_fails),
            geometry={"rcu_table_free": True, "ptes_per_table": 1},
            more={"tables": True, "walked": True, "readers": readers},
        )
        for level in range(3):
            world.memory[upper_entry(level, 0)] = 0
        world.memory[TABLE] = True
        world.task("walker", walker)
        unmapper = world.task("munmap", lambda mm: munmap(mm, [Vma(0, 1)], 0, 1))
        if other:
            world.task("other", other)
        world.memory[Cell("flush_mm")] = owed
        return freed_by_rcu(world, world.model(name, sometimes=windows()), readers, unmapper)

    return build


FULL = {"bundle": 1, "max_gather_batch_count": 0, "max_table_batch": 1}
"""Facts with which every page and every table fills its batch, so that it is flushed at once."""


def upwards(
    name: str,
    lowest: int = 0,
    highest: int = 2,
    walks: bool = True,
    alloc_fails: bool = False,
    geometry: Mapping[str, int] | None = None,
) -> Build:
    """munmap of the last mapping in the table that an entry of `highest` points to: what is mapped beyond needs that
    entry's table. Every table has two entries; `geometry` are further facts.

    No page is mapped any more, and there are no tables below that of `lowest`. `walks`: the hardware does meanwhile.
    """

    def build(arch: Arch, era: Era) -> Model:
        readers = waited_for(arch.facts, walks and arch.facts.rcu_table_free)
        world = World(
            arch,
            era,
            {0: None, 1: None},
            choices=Choices(alloc_fails=alloc_fails),
            geometry={"ptes_per_table": 2, "upper_entries": 2, **(geometry or {})},
            more={"tables": True, "walked": True, "readers": readers},
        )
        top = min(arch.facts.levels - 2, highest)
        for level, table in enumerate(TABLES):
            world.memory[upper_entry(level, 0)] = 0 if level >= lowest else None
            world.memory[table] = level >= lowest
        if walks:
            world.task("walker", upper_walker(lowest, top))
        unmapper = world.task("munmap", lambda mm: munmap(mm, [Vma(0, 2)], 0, mm.span[top]))
        heads = [rcu_head_cell(table) if readers else None for table in RCU_TABLES]
        conserved = [
            table_freed(upper_entry(level, 0), table, head)
            for level, (table, head) in enumerate(zip(TABLES, heads, strict=True))
        ]
        made = world.model(name, finally_=conserved, sometimes=windows(upper_entry(top, 0), TABLES[top]))
        return freed_by_rcu(world, made, readers, unmapper)

    return build


def collapsed(arch: Arch, era: Era) -> Model:
    """khugepaged frees the empty table of a file; its size tells how it is flushed."""
    readers = waited_for(arch.facts, True)
    more = {"tables": True, "walked": True, "readers": readers}
    world = World(arch, era, {0: None}, geometry={"rcu_table_free": True}, more=more)
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[TABLE] = True
    world.task("walker", walker)
    khugepaged = world.kthread("khugepaged", lambda mm: retract_page_tables(mm, Vma(0, 1)))
    return freed_by_rcu(world, world.model("table-collapse", sometimes=windows()), readers, khugepaged)


def windows(entry: Cell = upper_entry(0, 0), table: Cell = TABLE) -> list[Property]:
    """The window between the two moments that matter, for the `table` that `entry` points to."""
    return [
        sometimes(
            "unhooked",
            f"the {entry.array} is clear and the table is there",
            (entry, table),
            lambda value, there: value is None and there,
        ),
        sometimes("freed", "the table is free", (table,), lambda there: not there),
    ]


SCENARIOS = [
    Scenario(
        "table-free",
        "no page table is freed while a walker may use it, even without memory for a batch",
        "d86564a2f085",
        unhooking("table-free", alloc_fails=True),
        tier="optional",
        requires=("table_walk",),
    ),
    Scenario(
        "table-nested",
        "no page table is freed while a walker may use it, even with another gather open",
        "7a30df49f63a",
        unhooking("table-nested", other=dontneed_elsewhere),
        tier="optional",
        requires=("table_walk",),
    ),
    Scenario(
        "table-flush-mm",
        "no page table is freed while a walker may use it, where a flag says that a flush is owed",
        FLUSH_MM_FIX,
        unhooking("table-flush-mm", other=flush, owed=True),
        tier="optional",
        requires=("smp", "flush_mm", "several_cpus"),
    ),
    Scenario(
        "tables-freed",
        "each unhooked page table of any level is freed exactly once, even without memory for a batch",
        "mm/memory.c:free_pgd_range",
        upwards("tables-freed", walks=False, alloc_fails=True),
    ),
    Scenario(
        "table-upwards",
        "no table of any level is freed while a walker may use it, even if no PTE was cleared",
        "include/asm-generic/tlb.h:tlb->freed_tables",
        upwards("table-upwards"),
        tier="optional",
        requires=("table_walk",),
    ),
    Scenario(
        "table-full",
        "no table of any level is freed while a walker may use it, even if each fills the gather",
        "include/asm-generic/tlb.h:pte_free_tlb",
        upwards("table-full", geometry=FULL),
        tier="optional",
        requires=("table_walk", "queues_all_tables"),
    ),
    Scenario(
        "table-collapse",
        "no page table that khugepaged frees is freed while a walker may go on in it",
        "mm/pgtable-generic.c:pmdp_collapse_flush",
        collapsed,
        tier="optional",
        requires=("table_walk", "thp"),
    ),
    Scenario(
        "table-pmd",
        "no empty pmd table is freed while a walker may use it",
        "include/asm-generic/tlb.h:pmd_free_tlb",
        upwards("table-pmd", lowest=1, highest=1),
        tier="optional",
        requires=("table_walk", "pmd_tables"),
    ),
    Scenario(
        "table-pud",
        "no empty pud table is freed while a walker may use it",
        "include/asm-generic/tlb.h:pud_free_tlb",
        upwards("table-pud", lowest=2),
        tier="optional",
        requires=("table_walk", "pud_tables"),
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
        "a flush forced by another gather forgets that tables have been freed, and spares the walk caches",
        "table-nested",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"7a30df49f63a"}),
    ),
    Exhibit(
        "B-43f",
        FLUSH_MM_FIX,
        "the flag for an owed flush is cleared after the flush, with what was noted since",
        "table-flush-mm",
        plugin="arch_plugins.s390:S390",
        lacks=frozenset({FLUSH_MM_FIX}),
    ),
]
