"""A CPU runs a kernel thread on borrowed page tables (lazy TLB): which flushes is it sent, and what does it do later?

lazy-walk: an idle CPU is on the page tables still, and its walker goes on in them

CPU0 idle                    CPU1 munmap
the walker remembers the table
                             clear the pmd
                             CPU0 is lazy: it is not asked
                             free the table
the walker goes on in the freed table

lazy-collapse: the same with khugepaged, which frees a table that a huge page has made superfluous

lazy-exit: the same where the last thread exits, whose CPU flushes for a process that no thread runs any more

leaving-walk: the same with a CPU that switches to another mm, and is sent no flush although it is still on the page
tables

B-37, d53c3dfb23c4, powerpc radix: a CPU told to drop borrowed page tables is already switching away, and keeps walking
them

CPU0 kernel thread           CPU1 the only thread
exec: active_mm is a new mm
                             IPI: leave the mm
active_mm is not the mm: it has left, its bit goes
the walker remembers the table
                             munmap: clear the pmd, flush here, free the table
the walker goes on in the freed table
activate_mm: now it leaves

lazy-batch: reclaim defers its flush, and a CPU comes back from a kernel thread in between

CPU0 kernel thread, user     CPU1 kswapd
                             clear the entry, remember CPU0
the user goes on: has a flush been missed?
                             CPU0 is lazy, or not lazy any more
                             free the page
load through the stale entry
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.freed_table import TABLE, windows
from core.conformance.scenarios.task_migration import HERE, on
from core.conformance.world import World, load
from core.explore.model import Daemon, Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.machine.walk import cache_upper, walk_on
from core.mm.batched_unmap import UnmapBatch, set_tlb_ubc_flush_pending, try_to_unmap_flush
from core.mm.era import Era
from core.mm.exit import exit_and_mmput
from core.mm.khugepaged import retract_page_tables
from core.mm.kthread import MM_USERS, current_mm_cell, while_on
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.pgtable import upper_entry
from core.mm.sched import switch_in, switch_out
from core.mm.syscalls import exec_mmap, munmap
from core.plugins.arch import Arch

# ---- lazy-walk -----------------------------------------------------------------------------------------------


def walked(arch: Arch, era: Era, name: str, lazily: bool) -> Model:
    """munmap of all that a page table maps, while the walker of a CPU that its task leaves may be using it."""
    world = World(arch, era, {0: None}, geometry={"ptes_per_table": 1}, more=on(2, tables=True, walked=True))
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[TABLE] = True
    world.task("user", lambda mm: switch_out(mm, lazily))
    world.task("munmap", lambda mm: munmap(mm, [Vma(0, 1)], 0, 1))
    made = world.model(name, sometimes=windows())
    world.attach(Cpu(0), Cpu(1))
    return replace(made, daemons=(*made.daemons, *walker()))


async def exits(mm: Mm) -> None:
    """A thread exits, and its CPU stays on the page tables, which the last one tears down."""
    await exit_and_mmput(mm, [Vma(0, 1)])


def exited(arch: Arch, era: Era) -> Model:
    """Two threads exit, and the walker of a CPU that is idle then goes on."""
    world = World(arch, era, {0: None}, geometry={"ptes_per_table": 1}, more=on(2, tables=True, walked=True))
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[TABLE] = True
    world.memory[MM_USERS] = 2
    for name in ("one", "other"):
        world.task(name, exits)
    made = world.model("lazy-exit", sometimes=windows())
    world.attach(Cpu(0), Cpu(1))
    return replace(made, daemons=(*made.daemons, *walker()))


def collapsed(arch: Arch, era: Era) -> Model:
    """khugepaged frees an empty page table, while the walker of an idle CPU may be using it."""
    world = on_borrowed_tables(arch, era)
    world.kthread("khugepaged", lambda mm: retract_page_tables(mm, Vma(0, 1)))
    made = world.model("lazy-collapse", sometimes=windows())
    world.attach(HERE)
    return replace(made, daemons=(*made.daemons, *walker()))


def on_borrowed_tables(arch: Arch, era: Era) -> World:
    """A CPU that becomes idle and stays on the page tables of the mm, which are as large as they are."""
    world = World(arch, era, {0: None}, more=on(2, tables=True, walked=True))
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[TABLE] = True
    world.task("user", lambda mm: switch_out(mm, lazily=True))
    return world


def walker() -> list[Daemon]:
    """What the hardware does by itself on a CPU that is still on the mm's page tables."""
    walks = (cache_upper(HERE, 0, upper_entry(0, 0)), walk_on(HERE, 0, TABLE))
    return [Daemon("walker", HERE, while_on(HERE, walk)) for walk in walks]


async def forks_and_unmaps(mm: Mm) -> None:
    """fork() ends with a flush of the mm, which makes other CPUs leave it; munmap() then flushes only here."""
    await mm.hook.flush_tlb_mm(mm=mm)
    await munmap(mm, [Vma(0, 1)], 0, 1)


def execed(arch: Arch, era: Era) -> Model:
    """A kernel thread that has borrowed the page tables calls exec while the only thread of the process unmaps."""
    world = World(arch, era, {0: None}, geometry={"ptes_per_table": 1}, more=on(2, tables=True, walked=True))
    for level in range(3):
        world.memory[upper_entry(level, 0)] = 0
    world.memory[TABLE] = True
    world.memory[MM_USERS] = 1
    world.memory[current_mm_cell(HERE)] = False
    world.task("kthread", exec_mmap)
    world.task("process", forks_and_unmaps)
    made = world.model("exec-lazily", sometimes=windows())
    world.attach(Cpu(0), Cpu(1))
    return replace(made, daemons=(*made.daemons, *walker()))


# ---- lazy-batch ----------------------------------------------------------------------------------------------


async def comes_back(mm: Mm) -> None:
    """Load, run a kernel thread, load again."""
    await load(mm, 0, [0])
    await switch_out(mm, lazily=True)
    await switch_in(mm, prev=mm)
    await load(mm, 0, [0])


async def reclaims(mm: Mm) -> None:
    """try_to_unmap_one() with TTU_BATCH_FLUSH, and the end of shrink_folio_list()."""
    ubc = UnmapBatch()
    await pte_lock(mm, 0)
    pte = cast(Pte, await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False))
    await set_tlb_ubc_flush_pending(mm, ubc, pte, 0, 1)
    await pte_unlock(mm, 0)
    await try_to_unmap_flush(mm, ubc)
    await put_page(0)


def batched(arch: Arch, era: Era) -> Model:
    """A reclaimer with a deferred flush, and a CPU that was lazy."""
    world = World(arch, era, {0: Pte(0, write=False)}, frozenset({0}), more=on(2))
    world.task("user", comes_back)
    world.kthread("kswapd", reclaims)
    window = sometimes(
        "put-off",
        "the entry is gone, the page not free, and the CPU that was lazy has it cached",
        (pte_cell(0), ref_cell(0), tlb_cell(HERE, 0)),
        lambda pte, ref, entry: pte is None and ref == 1 and entry is not None,
    )
    made = world.model("lazy-batch", finally_=[all_freed(0, 0)], sometimes=[window])
    world.attach(Cpu(0))
    return made


SCENARIOS = [
    Scenario(
        "lazy-walk",
        "no page table is freed while the walker of an idle CPU has it cached",
        "arch/x86/mm/tlb.c:native_flush_tlb_multi",
        lambda arch, era: walked(arch, era, "lazy-walk", lazily=True),
        tier="optional",
        requires=("smp", "spread", "upper_cache"),
    ),
    Scenario(
        "lazy-exit",
        "the last thread to exit frees no page table that the walker of an idle CPU has cached",
        "mm/mmap.c:exit_mmap",
        exited,
        tier="optional",
        requires=("smp", "spread", "upper_cache"),
    ),
    Scenario(
        "lazy-batch",
        "a CPU that comes back from a kernel thread has no entry that reclaim counts as flushed",
        "arch/x86/include/asm/tlbflush.h:arch_tlbbatch_add_pending",
        batched,
        tier="optional",
        requires=("smp", "spread", "batched_unmap", "flush_before_free"),
    ),
    Scenario(
        "lazy-collapse",
        "khugepaged frees no page table that the walker of an idle CPU has cached",
        "3ef938c35035",
        collapsed,
        tier="optional",
        requires=("smp", "spread", "lazy_tlb"),
    ),
    Scenario(
        "exec-lazily",
        "a CPU told to drop borrowed page tables while already switching away does not keep walking them",
        "d53c3dfb23c4",
        execed,
        tier="optional",
        requires=("smp", "spread", "hardware_walk", "trims_mm_cpumask"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-50",
        "3ef938c35035",
        "flush_tlb_range() says that no table was freed, and an idle CPU's walker uses a collapsed one",
        "lazy-collapse",
        plugin="arch_plugins.x86:X86",
        lacks=frozenset({"3ef938c35035"}),
    ),
    Exhibit(
        "B-37",
        "d53c3dfb23c4",
        "exec changes active_mm with interrupts on, and a CPU reports that it left an mm its walker still uses",
        "exec-lazily",
        plugin="arch_plugins.powerpc_radix:PowerpcRadix",
        lacks=frozenset({"d53c3dfb23c4"}),
    ),
]

FINDINGS = [
    Scenario(
        "leaving-walk",
        "no page table is freed while the walker of a CPU that is about to leave the mm has it cached",
        "arch/x86/mm/tlb.c:switch_mm_irqs_off",
        lambda arch, era: walked(arch, era, "leaving-walk", lazily=False),
        tier="finding",
        requires=("smp", "spread", "lazy_tlb"),
    )
]
