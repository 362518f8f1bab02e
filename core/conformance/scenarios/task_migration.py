"""A CPU leaves an address space and comes back to it, with the architecture's own switch_mm() and flush.

A CPU that is not sent a flush must have dropped its entries, or drop them when it comes back: by a new context (mips,
sh, loongarch), a generation (x86), a deferred flush (s390), or a flush at every switch (openrisc).  A CPU that comes
back with its old entries must have been sent every flush meanwhile (riscv with ASIDs, and most others, whose mm_cpumask
only grows).

switch-back

CPU0 user                                   CPU1 MADV_DONTNEED
load: cached
another task runs here
                                            clear the entry, flush who must be told
                                            free the page
back again
load through the stale entry

lazy-back: the same, but a kernel thread runs in between, on the page tables of the mm: x86 does not interrupt such CPUs

task-moves: the same with one task, which is all that uses the mm, and goes from CPU0 to CPU1 and back

task-moves-lazily: and CPU0, idle in between, stays on the page tables of the mm

switch-reclaim, switch-range: as switch-back, but kswapd takes the page, by ptep_clear_flush(), or the entry is flushed
by flush_tlb_range(), as migration does for a device: these too must be told to who is on his way in

exec-then-flush: a CPU that has got its mm by exec, without the scheduler

CPU0 exec                                   CPU1 a thread of it
activate_mm: who sets the bit?
clone
load: cached
                                            MADV_DONTNEED: clear the entry, flush, free the page
load through the stale entry
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import Program, World, load
from core.explore.model import Daemon, Model, Property
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, barrier, executed_on
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.kthread import MM_USERS, active_mm_cell, current_mm_cell, lazy_fill
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0
HERE, THERE = Cpu(0), Cpu(1)


def on(number: int, **more: object) -> dict[str, object]:
    """Fields of an `Mm` whose mm_cpumask is a cell, on `cpus` CPUs."""
    return {"cpus": None, "online": frozenset(map(Cpu, range(number))), **more}


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of the page."""
    await madvise_dontneed(mm, Vma(ADDR, ADDR + 1), ADDR, ADDR + 1)


def comes_back(lazily: bool, addr: int = ADDR) -> Program:
    """A user whose CPU runs another task in between, or a kernel thread. The page has the number of its address."""

    async def program(mm: Mm) -> None:
        prev = None
        for _ in range(2):
            await switch_in(mm, prev)
            await load(mm, addr, [addr])
            await switch_out(mm, lazily)
            prev = mm if lazily else None
        await switch_in(mm, prev)
        await load(mm, addr, [addr])

    return program


async def unmaps(mm: Mm) -> None:
    """Another task of the mm."""
    await switch_in(mm)
    await dontneed(mm)


@cache
def over_there(mm: Mm) -> Mm:
    """The mm as the same task sees it on the other CPU.  One object, because an Mm is compared by identity."""
    return mm.on(replace(mm.task, cpu=THERE))


async def unmaps_there(mm: Mm, lazily: bool) -> None:
    """MADV_DONTNEED on the other CPU."""
    await switch_in(mm)
    await dontneed(mm)
    await switch_out(mm, lazily)
    await barrier(Order.SMP_MB)


def moves(lazily: bool) -> Program:
    """A single-threaded process that the scheduler moves to another CPU and back.

    What it has done on one CPU is visible when it runs on the next: prev->on_cpu is cleared by a store-release, for
    which try_to_wake_up() waits (kernel/sched/core.c:finish_task()); a barrier stands for the two.
    """

    async def program(mm: Mm) -> None:
        there = over_there(mm)
        await switch_in(mm)
        await load(mm, ADDR, [PAGE])
        await switch_out(mm, lazily)
        await barrier(Order.SMP_MB)
        await executed_on(THERE, unmaps_there(there, lazily))
        await switch_in(mm, mm if lazily else None)
        await load(mm, ADDR, [PAGE])

    return program


CLONED = Cell(declare("cloned", False))
"""The process has a second thread."""


async def execs(mm: Mm) -> None:
    """exec, clone, and continue; no other task wants the CPU."""
    await mm.hook.activate_mm(mm=mm)
    await Op("clone", (), (CLONED,), lambda: [Outcome(None, (True,))], order=Order.FULL)
    for _ in range(2):
        await load(mm, ADDR, [PAGE])


async def thread(mm: Mm) -> None:
    """The second thread, on the other CPU."""
    await Op("start", (CLONED,), (), lambda cloned: [Outcome(None)] if cloned else [], order=Order.ACQUIRE)
    await unmaps(mm)


def executed(arch: Arch, era: Era) -> Model:
    """A process that has just been exec'd."""
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, frozenset({PAGE}), more=on(2))
    world.task("exec", execs)
    world.task("thread", thread)
    window = sometimes(
        "cached",
        "there are two threads, and the first has the page cached",
        (CLONED, tlb_cell(HERE, ADDR)),
        lambda cloned, entry: cloned and entry is not None,
    )
    made = world.model("exec-then-flush", finally_=[all_freed(PAGE, 0)], sometimes=[window])
    world.attach()
    return made


def switched(arch: Arch, era: Era) -> Model:
    """Two tasks; one CPU leaves and comes back."""
    window = sometimes(
        "unmapped-while-cached",
        "the entry is gone, the page not free, and the CPU that comes and goes has it cached",
        (pte_cell(ADDR), ref_cell(PAGE), tlb_cell(HERE, ADDR)),
        lambda pte, ref, entry: pte is None and ref == 1 and entry is not None,
    )
    return against_unmap(arch, era, "switch-back", comes_back(lazily=False), window)


def lazy(arch: Arch, era: Era) -> Model:
    """Two tasks; one CPU goes to a kernel thread and comes back, and stays on the page tables."""
    window = sometimes(
        "cached",
        "the CPU that comes and goes has the page cached",
        (tlb_cell(HERE, ADDR),),
        lambda entry: entry is not None,
    )
    return against_unmap(arch, era, "lazy-back", comes_back(lazily=True), window)


def between_flushes(arch: Arch, era: Era) -> Model:
    """switch-back with a page before, which fills the gather: the page is flushed by the gather's second flush."""
    before, addr = ADDR, ADDR + 1

    async def unmaps_both(mm: Mm) -> None:
        await switch_in(mm)
        await madvise_dontneed(mm, Vma(before, addr + 1), before, addr + 1)

    small = {"bundle": min(arch.facts.bundle, 1), "max_gather_batch_count": 0}
    mapped = {page: Pte(page, dirty=True) for page in (before, addr)}
    world = World(arch, era, mapped, frozenset(mapped), geometry=small, more=on(2))
    world.task("user", comes_back(lazily=False, addr=addr))
    world.task("unmap", unmaps_both)
    window = sometimes(
        "unmapped-while-cached",
        "both entries are gone, and the CPU that comes and goes has the second page cached",
        (pte_cell(addr), ref_cell(addr), tlb_cell(HERE, addr)),
        lambda pte, ref, entry: pte is None and ref == 1 and entry is not None,
    )
    made = world.model("switch-full", finally_=[all_freed(page, 0) for page in mapped], sometimes=[window])
    world.attach()
    return made


def against_unmap(arch: Arch, era: Era, name: str, user: Program, window: Property) -> Model:
    """One task that does what `user` does, and one that unmaps."""
    world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, frozenset({PAGE}), more=on(2))
    world.task("user", user)
    world.task("unmap", unmaps)
    made = world.model(name, finally_=[all_freed(PAGE, 0)], sometimes=[window])
    world.attach()
    if arch.facts.walker not in ("caches", "hardware"):
        return made
    # of the page tables that the CPU is on the walker may fetch a translation at any time
    fill = Daemon("walker", HERE, lazy_fill(HERE, ADDR, arch.facts.hw_dirty))
    return replace(made, daemons=(*made.daemons, fill))


async def reclaims(mm: Mm) -> None:
    """kswapd, on a CPU that has nothing to do with the mm."""
    await pte_lock(mm, ADDR)
    await mm.hook.ptep_clear_flush(mm=mm, addr=ADDR)
    await pte_unlock(mm, ADDR)
    await put_page(PAGE)


async def takes_a_range(mm: Mm) -> None:
    """The same for a range, of one page here: mm/migrate_device.c:migrate_vma_collect_pmd()."""
    await pte_lock(mm, ADDR)
    await mm.hook.ptep_get_and_clear(mm=mm, addr=ADDR, nr=1, full=False)
    await mm.hook.flush_tlb_range(mm=mm, start=ADDR, end=ADDR + 1, stride=1)
    await pte_unlock(mm, ADDR)
    await put_page(PAGE)


def taken_while_away(name: str, takes: Program) -> Build:
    """A CPU that goes and comes, against a kernel thread that takes the page."""

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {ADDR: Pte(PAGE, write=False)}, frozenset({PAGE}), more=on(2))
        world.task("user", comes_back(lazily=False))
        world.kthread("kswapd", takes)
        world.memory[current_mm_cell(THERE)] = world.memory[active_mm_cell(THERE)] = False
        window = sometimes(
            "cached",
            "the CPU that comes and goes has the page cached",
            (tlb_cell(HERE, ADDR),),
            lambda entry: entry is not None,
        )
        made = world.model(name, finally_=[all_freed(PAGE, 0)], sometimes=[window])
        world.attach()
        return made

    return build


def moved(name: str, lazily: bool) -> Build:
    """One task, two CPUs."""

    def build(arch: Arch, era: Era) -> Model:
        world = World(arch, era, {ADDR: Pte(PAGE, dirty=True)}, frozenset({PAGE}), more=on(2))
        task = world.task("task", moves(lazily))
        world.memory[MM_USERS] = 1
        window = sometimes("freed", "the page is free", (ref_cell(PAGE),), lambda ref: ref == 0)
        made = world.model(name, finally_=[all_freed(PAGE, 0)], sometimes=[window])
        world.attach()
        interrupts = [world.interrupt(world.mm(), task, cpu) for cpu in (HERE, THERE)]
        return replace(made, daemons=(*made.daemons, *interrupts))

    return build


SCENARIOS = [
    Scenario(
        "switch-back",
        "a CPU that comes back to an mm has no entry that was flushed meanwhile",
        "82dd33fde026",
        switched,
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "switch-full",
        "a CPU that comes back to an mm between two flushes of one gather has no entry that the second is for",
        "mm/memory.c:zap_pte_range",
        between_flushes,
        tier="optional",
        requires=("smp", "gather"),
    ),
    Scenario(
        "lazy-back",
        "a CPU that comes back from a kernel thread has no entry that was flushed meanwhile",
        "arch/x86/mm/tlb.c:switch_mm_irqs_off",
        lazy,
        tier="optional",
        requires=("smp", "spread"),
    ),
    Scenario(
        "switch-reclaim",
        "a CPU that joins an mm, or comes back to it, is told of a page that reclaim takes meanwhile",
        "mm/pgtable-generic.c:ptep_clear_flush",
        taken_while_away("switch-reclaim", reclaims),
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "switch-range",
        "a CPU that joins an mm, or comes back to it, is told of a flush_tlb_range() meanwhile",
        "mm/migrate_device.c:migrate_vma_collect_pmd",
        taken_while_away("switch-range", takes_a_range),
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "task-moves",
        "a task that is moved back to a CPU has no entry there that it unmapped elsewhere",
        "arch/mips/kernel/smp.c:flush_tlb_mm",
        moved("task-moves", lazily=False),
        tier="optional",
        requires=("smp",),
    ),
    Scenario(
        "task-moves-lazily",
        "a task that is moved back to a CPU that has been idle has no entry there that it unmapped elsewhere",
        "arch/sh/include/asm/mmu_context.h:switch_mm",
        moved("task-moves-lazily", lazily=True),
        tier="optional",
        requires=("smp", "spread"),
    ),
    Scenario(
        "exec-then-flush",
        "a CPU that got its mm by exec is sent flushes",
        "fs/exec.c:exec_mmap",
        executed,
        tier="optional",
        requires=("smp", "spread"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-35p",
        "fea4e317f9e7",
        "B-35 on the x86 plugin: a CPU that is switching back to an mm is sent no flush",
        "switch-back",
        plugin="arch_plugins.x86_618:X86618",
        era="6.18",
        lacks=frozenset({"fea4e317f9e7"}),
    ),
    Exhibit(
        "B-39p",
        "82dd33fde026",
        "B-39 on the riscv plugin: a CPU leaves the mask with the mm, and comes back with its old entries",
        "task-moves",
        plugin="arch_plugins.riscv:Riscv",
        era="6.12",
        lacks=frozenset({"82dd33fde026"}),
    ),
]
