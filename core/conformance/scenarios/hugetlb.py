"""A page table of hugetlb pages is shared by two processes, and each flushes its own CPUs.

B-28, a4a118f2eead, CVE-2021-4002

CPU0 user of P1      CPU1 munmap in P1              CPU2 truncate by P2
load: cached
                     lock i_mmap
                     drop the shared table, no flush
                     unlock i_mmap
                                                    lock i_mmap
                                                    clear the entry, flush P2's CPUs
                                                    free the page
load through the
stale entry: use after free

hugetlb-walk, 8ce720d5bd91: and the last process that has the table frees it

CPU0 idle on P1      CPU1 munmap in P1              CPU2 munmap in P2
the walker remembers
the table
                     drop the shared table
                     flush: who is told, of what?
                                                    clear the entries
                                                    flush P2's CPUs, free the table
the walker goes on
in the freed table
"""

from __future__ import annotations

from collections.abc import Coroutine
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.freed_table import windows
from core.conformance.scenarios.lazy_tlb import on_borrowed_tables, walker
from core.conformance.world import World
from core.explore.model import Model
from core.machine.op import Cell, Cpu, Op, doing
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.machine.walk import user_load_through
from core.mm.era import Era
from core.mm.hugetlb import hugetlb_vmdelete_list, leave_and_free, munmap_hugetlb
from core.mm.mm import PENDING, Mm, Vma
from core.mm.pgtable import upper_entry
from core.plugins.arch import Arch

ADDR, PAGE, TABLE = 0, 0, 0


async def reader(mm: Mm) -> None:
    """Load twice."""
    for _ in range(2):
        await user_load_through(mm.task.cpu, ADDR, upper_entry(0, ADDR), {ADDR: pte_cell(ADDR)}, [PAGE])


def here(mm: Mm) -> Vma:
    """What the shared table maps, in P1."""
    return Vma(ADDR, ADDR + mm.span[0])


def there(mm: Mm) -> Vma:
    """The same in P2, at another address: so it has an upper entry of its own."""
    return Vma(mm.span[0], 2 * mm.span[0])


@cache
def second_process(mm: Mm) -> Mm:
    """The mm of P2, which runs on this CPU only.  One object, because an Mm is compared by identity."""
    return replace(mm, cpus=frozenset({mm.task.cpu}))


OWN_GATHERS = Cell(PENDING.array, "P2")


async def in_second_process(program: Coroutine[Op, Any, Any]) -> None:
    """Run `program`, which may be of both mms: the gathers that it opens are no nested ones to P1's own."""

    async def do(op: Op) -> Any:
        if PENDING in (*op.reads, *op.writes):
            op = copy(op)
            op.reads, op.writes = (
                tuple(OWN_GATHERS if c == PENDING else c for c in of) for of in (op.reads, op.writes)
            )
        return await op

    await doing(program, do)


def unshared(arch: Arch, era: Era) -> Model:
    """munmap in one process, ftruncate in the other, which takes the table from the first one if that has it still.

    With merged VMAs, without which tlb_end_vma() flushes what huge_pmd_unshare_flush() is there for.
    """
    geometry = {"ptes_per_table": 1, "merge_vmas": True}
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, geometry=geometry, more={"tables": True})
    world.memory[upper_entry(0, 0)] = world.memory[upper_entry(0, 1)] = TABLE
    world.task("user", reader)
    world.task("munmap", lambda mm: munmap_hugetlb(mm, here(mm)))

    async def truncate(mm: Mm) -> None:
        """Both VMAs of the file are unmapped, P2's own behind P1's."""
        own = second_process(mm)
        await in_second_process(hugetlb_vmdelete_list(((mm, here(mm)), (own, there(mm)))))

    world.kthread("truncate", truncate)
    window = sometimes(
        "unshared-first",
        "this process has left the table, and the page is not free",
        (upper_entry(0, ADDR), ref_cell(PAGE)),
        lambda table, ref: table is None and ref == 1,
    )
    ends = [all_freed(PAGE, 0), mapcount_is_ptes(PAGE, [ADDR])]
    return world.model("hugetlb-unshare", finally_=ends, sometimes=[window])


def left(arch: Arch, era: Era) -> Model:
    """munmap in one process, then in the other, which frees the table; a CPU of the first is idle on its page
    tables.
    """
    world = on_borrowed_tables(arch, era)
    world.memory[upper_entry(0, 1)] = TABLE
    world.task("munmap", lambda mm: munmap_hugetlb(mm, here(mm)))

    async def last(mm: Mm) -> None:
        """P2's mm runs on this CPU only."""
        await in_second_process(leave_and_free(second_process(mm), there(mm)))

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
