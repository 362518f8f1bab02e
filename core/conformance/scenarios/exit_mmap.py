"""The last thread of a process tears its mm down: a gather of the whole mm (tlb_gather_mmu_fullmm()).

Architectures flush little or nothing for it, because no task runs on the mm any more: mm_users has dropped to 0.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, mm_users_is, sometimes, table_freed
from core.conformance.scenario import Scenario
from core.conformance.world import World, in_its_table, load
from core.explore.model import Model
from core.machine.pte import Pte
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.kthread import MM_USERS
from core.mm.mm import PENDING, Mm, Vma
from core.mm.oom_kill import oom_reap_task_mm
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, table_cell
from core.mm.syscalls import exit_mm
from core.plugins.arch import Arch

VMA = Vma(0, 1)


async def thread(mm: Mm) -> None:
    """Use the page, and exit."""
    await load(mm, 0, [0])
    await exit_mm(mm, [VMA])


def exited(arch: Arch, era: Era) -> Model:
    """Two threads; the last to exit tears the mm down, with the flushes that mm_users of 0 requires."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, anon=frozenset({0}))
    world.memory[MM_USERS] = 2
    for name in ("one", "other"):
        world.task(name, thread)
    window = sometimes("freed", "the page is free", (ref_cell(0),), lambda ref: ref == 0)
    return world.model("exit-mmap", finally_=[all_freed(0, 0), mm_users_is(0)], sometimes=[window])


async def exits(mm: Mm) -> None:
    """The last thread exits."""
    await exit_mm(mm, [VMA])


def reaped(arch: Arch, era: Era) -> Model:
    """The oom reaper is at work on the mm that the last thread tears down."""
    world = World(
        arch,
        era,
        {0: Pte(0)},
        anon=frozenset({0}),
        geometry={"ptes_per_table": 1},
        more={"tables": True, "walked": True},
    )
    world.memory[MM_USERS] = 1
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.task("exit", exits)
    world.kthread("oom_reaper", lambda mm: in_its_table(oom_reap_task_mm(mm, [VMA]), mm, 0, (0,)))
    both = sometimes("both-unmap", "both have a gather open", (PENDING,), lambda pending: pending == 2)
    ends = [all_freed(0, 0), table_freed(upper_entry(0, 0), table_cell(Table("pte", 0)))]
    return world.model("exit-oom-reaper", finally_=ends, sometimes=[both])


SCENARIOS = [
    Scenario(
        "exit-mmap",
        "the last thread to exit frees no page that another one can still reach, however little it flushes",
        "arch/mips/kernel/smp.c:flush_tlb_mm",
        exited,
        tier="optional",
    ),
    Scenario(
        "exit-oom-reaper",
        "the last thread to exit frees no page table that the oom reaper looks into",
        "mm/mmap.c:exit_mmap",
        reaped,
        tier="optional",
    ),
]
