"""A page table of the kernel is freed, for a huge page takes its place.

B-33, 51696d346c49, arm64

CPU0 vmap                                   CPU0 and CPU1, walkers
                                            remember the table
clear the pmd; DSB ISHST; TLBI; DSB ISH
                                            CPU1 has forgotten it; CPU0 has fetched instructions ahead, and translated
                                            them
free the table
                                            CPU0 walks on in the freed table

An ISB in front of the free throws away what was fetched.  Under sequential consistency the walker of CPU1 is enough to
show what a forgotten flush does, and no order of the two stores matters.
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.exhibit import Exhibit
from core.conformance.properties import SENTENCES, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Daemon, Model, Property
from core.machine.op import Cpu
from core.machine.tlb import Upper, tlb_cell
from core.machine.walk import cache_upper, walk_on
from core.mm.era import Era
from core.mm.mm import Mm
from core.mm.pgtable import upper_entry
from core.mm.swap import Table, table_cell
from core.mm.vmalloc import vmap_try_huge_pmd
from core.plugins.arch import Arch

PMD, TABLE, HUGE = upper_entry(0, 0), table_cell(Table("pte", 0)), 0

FREED = Property("all-freed", SENTENCES["all-freed"], (TABLE,), lambda there: not there)


async def vmap(mm: Mm) -> None:
    """A mapping of the kernel that a huge page can serve, where smaller ones have been."""
    await vmap_try_huge_pmd(mm, 0, HUGE)


async def elsewhere(mm: Mm) -> None:
    """A task of another mm, on another CPU, whose walker has the tables of the kernel too."""


def freed(arch: Arch, era: Era) -> Model:
    """The walker of each CPU walks for the address whenever it likes."""
    world = World(arch, era, {0: None}, geometry={"ptes_per_table": 1}, more={"tables": True, "walked": True})
    world.memory[PMD], world.memory[TABLE] = 0, True
    world.task("vmap", vmap)
    world.kthread("other", elsewhere)
    window = sometimes(
        "remembered",
        "each CPU remembers the table, which is not linked any more",
        (PMD, *(tlb_cell(cpu, 0) for cpu in map(Cpu, range(2)))),
        lambda pmd, *entries: pmd is None and Upper(0) in entries,
    )
    made = world.model("kernel-table", finally_=[FREED], sometimes=[window])
    walkers = [
        Daemon("walker", cpu, op)
        for cpu in map(Cpu, range(2))
        for op in (cache_upper(cpu, 0, PMD), walk_on(cpu, 0, TABLE))
    ]
    return replace(made, daemons=(*made.daemons, *walkers))


SCENARIOS = [
    Scenario(
        "kernel-table",
        "no CPU walks in a page table of the kernel that a huge page has replaced",
        "mm/vmalloc.c:vmap_try_huge_pmd",
        freed,
        tier="optional",
        requires=("smp", "spread", "huge_vmap"),
    )
]

EXHIBITS = [
    Exhibit(
        "B-33",
        "51696d346c49",
        "instructions fetched before the walk cache was invalidated go on in the freed table: no ISB",
        "kernel-table",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"51696d346c49"}),
    ),
]
