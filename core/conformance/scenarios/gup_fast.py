"""A page table is freed while a lockless walk in software (GUP-fast) reads in it.

Without rcu_table_free, on an architecture that broadcasts its invalidations

CPU0 GUP-fast                CPU1 munmap
interrupts off
read the pmd
                             clear the entry and the pmd
                             TLBI, DSB: complete, and CPU0 was not interrupted
                             free the table
read the entry in it

With an interrupt for each flush the munmap waits until CPU0 has its interrupts on again (mm/mmu_gather.c, "Semi RCU
freeing of the page directories").

B-47, 1013af4f585f, where invalidations are broadcast: a table that two processes share is not freed but left to one

CPU0 GUP-fast in P1          CPU1 munmap in P1              CPU2 P2
interrupts off
read the pud
                             drop the shared table, flush
                             unlock i_mmap
                                                            the table is P2's alone: map something
read the leaf: P2's page
the leaf is still the same
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes, table_freed
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World
from core.explore.model import Daemon, Model
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell, set_pte
from core.machine.rcu import environment, rcu_callback, rcu_head_cell, sync_cell, take_sync_ipi
from core.mm.era import Era
from core.mm.gup import gup_fast, gup_fast_huge
from core.mm.hugetlb import munmap_hugetlb
from core.mm.khugepaged import collapse_huge_page
from core.mm.mm import Choices, Mm, Vma
from core.mm.page import mapcount_cell, put_page
from core.mm.pgtable import upper_entry
from core.mm.rmap import rmap_lock, rmap_unlock
from core.mm.swap import Table, free_table_page, table_cell
from core.mm.syscalls import munmap
from core.plugins.arch import Arch

ADDR, PAGE, OTHER, TABLE = 0, 0, 1, Table("pte", 0)

WALKER = Cpu(0)


async def pin_user_pages_fast(mm: Mm) -> None:
    """Take a reference by GUP-fast, and drop it at the end."""
    page = await gup_fast(mm, ADDR)
    if page is not None:
        await put_page(page)


def next_to_gup_fast(name: str, arch: Arch, era: Era, unmap: Program, reclaims_tables: bool = False) -> Model:
    """`unmap` takes away all that a page table maps, with or without memory for a batch of tables, next to GUP-fast."""
    world = World(
        arch,
        era,
        {ADDR: Pte(PAGE)},
        choices=Choices(alloc_fails=True),
        geometry={"ptes_per_table": 1, **({"rcu_table_free": True} if reclaims_tables else {})},
        more={"tables": True, "readers": frozenset({WALKER})},
        reclaims_tables=reclaims_tables,
    )
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[table_cell(TABLE)] = True
    world.memory[rcu_head_cell(TABLE)] = None
    world.task("GUP-fast", pin_user_pages_fast)
    unmapper = world.task("munmap", unmap)
    world.memory[sync_cell(unmapper.tid, WALKER)] = False
    inside = sometimes(
        "unhooked-under-walk",
        "the pmd is clear while the walk goes on",
        (upper_entry(0, ADDR), irqs_off_cell(WALKER)),
        lambda pmd, off: pmd is None and off,
    )
    freed = table_freed(upper_entry(0, ADDR), table_cell(TABLE), rcu_head_cell(TABLE))
    made = world.model(name, finally_=[all_freed(PAGE, 0), freed], sometimes=[inside])
    callback = Daemon("RCU", unmapper.cpu, rcu_callback(TABLE, free_table_page(TABLE)))
    grace = [Daemon("RCU", cpu, op) for cpu, op in environment([TABLE], [WALKER])]
    sync = Daemon("IPI from munmap", WALKER, take_sync_ipi(unmapper.tid, WALKER))
    return replace(made, daemons=(*made.daemons, callback, *grace, sync))


HUGE = 2


async def collapses_and_zaps(mm: Mm) -> None:
    """khugepaged, and then whoever unmaps the huge page: zap_deposited_table() frees the table at once."""
    if await collapse_huge_page(mm, Vma(ADDR, ADDR + 1), ADDR, HUGE):
        await free_table_page(TABLE)


def collapsed(arch: Arch, era: Era) -> Model:
    """khugepaged takes the table out of use, and it is freed some time later, next to GUP-fast."""
    more = {"tables": True, "readers": frozenset({WALKER})}
    world = World(arch, era, {ADDR: Pte(PAGE)}, frozenset({PAGE, HUGE}), geometry={"ptes_per_table": 1}, more=more)
    world.memory[upper_entry(0, ADDR)] = world.memory[mapcount_cell(HUGE)] = 0
    world.memory[table_cell(TABLE)] = True
    world.task("GUP-fast", pin_user_pages_fast)
    khugepaged = world.task("khugepaged", collapses_and_zaps)
    world.memory[sync_cell(khugepaged.tid, WALKER)] = False
    window = sometimes(
        "unhooked-under-walk",
        "the pmd does not lead to the table while the walk goes on",
        (upper_entry(0, ADDR), irqs_off_cell(WALKER)),
        lambda pmd, off: pmd is None and off,
    )
    made = world.model("gup-fast-collapse", sometimes=[window])
    sync = Daemon("IPI from khugepaged", WALKER, take_sync_ipi(khugepaged.tid, WALKER))
    return replace(made, daemons=(*made.daemons, sync))


def unmapped(arch: Arch, era: Era) -> Model:
    """munmap()."""
    return next_to_gup_fast("gup-fast", arch, era, lambda mm: munmap(mm, [Vma(ADDR, ADDR + 1)], 0, 1))


def pinned(page: int) -> Op:
    """The caller has the page; its process has never mapped any page but PAGE."""
    return Op(
        f"pinned page{page}",
        (),
        (),
        lambda: [Outcome(None, (), "" if page == PAGE else "gup-of-another")],
        order=Order.PRIVATE,
    )


async def pin_huge(mm: Mm) -> None:
    """Take a reference to a huge page by GUP-fast, and drop it at the end."""
    page = await gup_fast_huge(mm, ADDR)
    if page is not None:
        await pinned(page)
        await put_page(page)


async def map_in_own_table(mm: Mm) -> None:
    """P2: under i_mmap_rwsem, and only if no other process has the table any more, map something unrelated in it."""
    await rmap_lock(mm)
    shared = await Op(
        "is the table shared?", (upper_entry(0, ADDR),), (), lambda pud: [Outcome(pud is not None)], order=Order.PRIVATE
    )
    if not shared:
        await set_pte(ADDR, Pte(OTHER))
    await rmap_unlock(mm)


def unshared(name: str, walkers: Sequence[Cpu]) -> Build:
    """munmap of a shared table of hugetlb pages, next to GUP-fast on each of `walkers`, the first CPUs, and to the
    table's other user, which keeps using it.
    """

    def build(arch: Arch, era: Era) -> Model:
        more = {"tables": True, "readers": frozenset(walkers)}
        world = World(arch, era, {ADDR: Pte(PAGE)}, geometry={"ptes_per_table": 1}, more=more)
        world.memory[upper_entry(0, ADDR)] = 0
        world.memory[table_cell(Table("pmd", 0))] = True
        for walker in walkers:
            world.task(f"GUP-fast{walker or ''}", pin_huge)
        unmapper = world.task("munmap", lambda mm: munmap_hugetlb(mm, Vma(ADDR, ADDR + 1)))
        for walker in walkers:
            world.memory[sync_cell(unmapper.tid, walker)] = False
        world.kthread("P2", map_in_own_table)
        window = sometimes(
            "used-by-the-other",
            "the other process has mapped its own page, and this one has left the table",
            (pte_cell(ADDR), upper_entry(0, ADDR)),
            lambda pte, pud: pte == Pte(OTHER) and pud is None,
        )
        made = world.model(name, sometimes=[window])
        syncs = [Daemon("IPI from munmap", walker, take_sync_ipi(unmapper.tid, walker)) for walker in walkers]
        return replace(made, daemons=(*made.daemons, *syncs))

    return build


SCENARIOS = [
    Scenario(
        "gup-fast",
        "no page table is freed while a lockless software walk reads it, even without memory for a batch",
        "mm/mmu_gather.c:tlb_remove_table_sync_one",
        unmapped,
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast"),
    ),
    Scenario(
        "gup-fast-unshare",
        "GUP-fast returns no page of the process to which a shared hugetlb page table was left",
        "1013af4f585f",
        unshared("gup-fast-unshare", [WALKER]),
        tier="optional",
        requires=("gather", "smp", "several_cpus", "gup_fast", "shares_pmd_tables"),
    ),
    Scenario(
        "gup-fast-two",
        "every CPU on which GUP-fast runs is waited for before a shared hugetlb page table is left",
        "mm/mmu_gather.c:tlb_remove_table_sync_one",
        unshared("gup-fast-two", [WALKER, Cpu(1)]),
        tier="optional",
        requires=("gather", "smp", "several_cpus", "gup_fast", "shares_pmd_tables"),
    ),
    Scenario(
        "gup-fast-collapse",
        "no page table that a huge page has made superfluous is used again while a lockless software walk reads it",
        "2ba99c5e0881",
        collapsed,
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast", "thp"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-47",
        "1013af4f585f",
        "a shared page table is left to its other user while GUP-fast reads in it, and returns that user's page",
        "gup-fast-unshare",
        plugin="arch_plugins.arm64:Arm64",
        era="6.12",
        lacks=frozenset({"1013af4f585f"}),
        cve="CVE-2025-38085",
    ),
    Exhibit(
        "B-57",
        "2ba99c5e0881",
        "khugepaged puts a page table aside while GUP-fast reads in it, and it is freed without a grace period",
        "gup-fast-collapse",
        plugin="arch_plugins.arm64:Arm64",
        era="6.12",
        lacks=frozenset({"2ba99c5e0881"}),
    ),
]
