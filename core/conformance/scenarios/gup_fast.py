"""A page table is given back while a lockless walk in software (GUP-fast) reads in it.

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
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.properties import all_freed, sometimes, table_freed
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Daemon, Model
from core.machine.ipi import irqs_off_cell
from core.machine.op import Cpu
from core.machine.pte import Pte
from core.machine.rcu import environment, rcu_callback, rcu_head_cell, sync_cell, take_sync_ipi
from core.mm.era import Era
from core.mm.gup import gup_fast
from core.mm.memory import upper_entry
from core.mm.mm import Choices, Mm, Vma
from core.mm.mmap import munmap
from core.mm.page import put_page
from core.mm.swap import Table, free_table_page, table_cell
from core.plugins.arch import Arch

ADDR, PAGE, TABLE = 0, 0, Table("pte", 0)

WALKER = Cpu(0)


async def pin_user_pages_fast(mm: Mm) -> None:
    """Take a reference by GUP-fast, and drop it in the end."""
    page = await gup_fast(mm, ADDR)
    if page is not None:
        await put_page(page)


def unmapped(arch: Arch, era: Era) -> Model:
    """munmap of all that a page table maps, with or without memory for a batch of tables, next to GUP-fast."""
    world = World(
        arch,
        era,
        {ADDR: Pte(PAGE)},
        choices=Choices(alloc_fails=True),
        geometry={"ptes_per_table": 1},
        more={"tables": True, "readers": frozenset({WALKER})},
    )
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[table_cell(TABLE)] = True
    world.memory[rcu_head_cell(TABLE)] = None
    world.task("GUP-fast", pin_user_pages_fast)
    unmapper = world.task("munmap", lambda mm: munmap(mm, [Vma(ADDR, ADDR + 1)], 0, 1))
    world.memory[sync_cell(unmapper.tid, WALKER)] = False
    inside = sometimes(
        "unhooked-under-walk",
        "the pmd is clear while the walk goes on",
        (upper_entry(0, ADDR), irqs_off_cell(WALKER)),
        lambda pmd, off: pmd is None and off,
    )
    freed = table_freed(upper_entry(0, ADDR), table_cell(TABLE), rcu_head_cell(TABLE))
    made = world.model("gup-fast", finally_=[all_freed(PAGE, 0), freed], sometimes=[inside])
    callback = Daemon("RCU", unmapper.cpu, rcu_callback(TABLE, free_table_page(TABLE)))
    grace = [Daemon("RCU", cpu, op) for cpu, op in environment([TABLE], [WALKER])]
    sync = Daemon("IPI from munmap", WALKER, take_sync_ipi(unmapper.tid, WALKER))
    return replace(made, daemons=(*made.daemons, callback, *grace, sync))


SCENARIOS = [
    Scenario(
        "gup-fast",
        "no page table is freed while a lockless walk in software reads in it, also without memory for a batch",
        "mm/mmu_gather.c:tlb_remove_table_sync_one",
        unmapped,
        tier="optional",
        requires=("smp", "several_cpus", "gup_fast"),
    ),
]
