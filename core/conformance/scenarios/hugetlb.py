"""A page table of hugetlb pages is shared by two processes, and each flushes its own CPUs.

B-28, a4a118f2eead, CVE-2021-4002

CPU0 user of P1      CPU1 munmap in P1              CPU2 truncate by P2
load: cached
                     lock i_mmap
                     drop the shared table
                     unlock i_mmap; flush later
                                                    lock i_mmap
                                                    clear the entry, flush P2's CPUs
                                                    free the page
load through the
stale entry: use after free
                     flush

hugetlb-walk, 8ce720d5bd91: and the last process that has the table frees it

CPU0 idle on P1      CPU1 munmap in P1              CPU2 munmap in P2
the walker remembers
the table
                     drop the shared table
                     flush: who is told, of what?
                                                    flush P2's CPUs, free the table
the walker goes on
in the freed table
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from core.conformance.exhibit import Exhibit
from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.freed_table import windows
from core.conformance.scenarios.lazy_tlb import on_borrowed_tables, walker
from core.conformance.world import World
from core.explore.model import Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.machine.walk import user_load_through
from core.mm.era import Era
from core.mm.hugetlb import hugetlb_vmtruncate, leave_and_free, unmap_hugepage_range
from core.mm.mm import Mm
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0


async def reader(mm: Mm) -> None:
    """Load twice."""
    for _ in range(2):
        await user_load_through(mm.task.cpu, ADDR, upper_entry(0, ADDR), {ADDR: pte_cell(ADDR)}, [PAGE])


@cache
def second_process(mm: Mm) -> Mm:
    """The mm of P2, which runs on this CPU only.  One object, because an Mm is compared by identity."""
    return replace(mm, cpus=frozenset({mm.task.cpu}))


def unshared(arch: Arch, era: Era) -> Model:
    """munmap in one process, ftruncate in the other once the first has dropped the table.

    While both have it, truncation goes through the VMAs of both and flushes both, which this scenario is not about.
    """
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, geometry={"ptes_per_table": 1}, more={"tables": True})
    world.memory[upper_entry(0, ADDR)] = ADDR
    world.task("user", reader)
    world.task("munmap", lambda mm: unmap_hugepage_range(mm, ADDR))

    async def truncate(mm: Mm) -> None:
        """Flush P2's mm if P1 has left the table, else both."""
        await hugetlb_vmtruncate(mm, second_process(mm), ADDR, upper_entry(0, ADDR))

    world.kthread("truncate", truncate)
    window = sometimes(
        "unshared-first",
        "this process has left the table, and the page is not free",
        (upper_entry(0, ADDR), ref_cell(PAGE)),
        lambda table, ref: table is None and ref == 1,
    )
    return world.model("hugetlb-unshare", sometimes=[window])


def left(arch: Arch, era: Era) -> Model:
    """munmap in one process, then in the other, which frees the table; a CPU of the first is idle on its page
    tables.
    """
    world = on_borrowed_tables(arch, era)
    world.task("munmap", lambda mm: unmap_hugepage_range(mm, ADDR))

    async def last(mm: Mm) -> None:
        """P2's mm runs on this CPU only."""
        await leave_and_free(second_process(mm), ADDR, upper_entry(0, ADDR))

    world.kthread("munmap by P2", last)
    made = world.model("hugetlb-walk", sometimes=windows())
    world.attach(Cpu(0), Cpu(1))
    return replace(made, daemons=(*made.daemons, *walker()))


SCENARIOS = [
    Scenario(
        "hugetlb-unshare",
        "a process that leaves a shared page table flushes before the others may free its pages",
        "a4a118f2eead",
        unshared,
        tier="optional",
        requires=("gather", "hardware_walk", "shares_pmd_tables"),
    ),
    Scenario(
        "hugetlb-walk",
        "no shared page table is freed while the walker of a process that has left it has it cached",
        "8ce720d5bd91",
        left,
        tier="optional",
        requires=("smp", "spread", "gather", "hardware_walk", "shares_pmd_tables"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-28",
        "a4a118f2eead",
        "a shared page table is dropped before the flush, and its other user frees the page",
        "hugetlb-unshare",
        lacks=frozenset({"a4a118f2eead"}),
        cve="CVE-2021-4002",
    ),
    Exhibit(
        "B-51",
        "8ce720d5bd91",
        "a shared page table is left with a flush of its entries only, and a walker uses it after it is freed",
        "hugetlb-walk",
        plugin="arch_plugins.arm64:Arm64Range",
        lacks=frozenset({"8ce720d5bd91"}),
    ),
]
