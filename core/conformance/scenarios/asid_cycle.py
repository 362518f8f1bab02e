"""A CPU that allocates its own ASIDs runs out of them and starts again.

CPU0                                        CPU1
a process runs under ASID 1: load, cached
                                            the process has moved here; it takes the page away
                                            flush, or drop its context on CPU0
                                            free the page
others run, under ASID 2, and then 1 again:
  a new cycle, for which the TLB is flushed
load under ASID 1: whose entry is there?

asid-dropped: an mm with one user is flushed without interrupts, and what is set to 0 is read

CPU0 the only thread                        CPU1 kernel thread, was here before
clear an entry
mm_users is 1: nobody else runs on the mm
                                            mmget_not_zero, kthread_use_mm
                                            the context is of this cycle
set the context on CPU1 to 0
                                            read the context: load ASID 0
                                            load: whose entry is there?
"""

from __future__ import annotations

from dataclasses import replace

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World
from core.explore.model import Model
from core.machine.asid import load_tagged, tagged, ttbr_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.kthread import MM_USERS, kthread_use_mm, mmget_not_zero
from core.mm.mm import Mm
from core.mm.page import put_page
from core.plugins.arch import Arch

PAGE = 0
HERE, THERE = Cpu(0), Cpu(1)
ASIDS = 3
"""1 and 2."""

MOVED = declare("moved", False, "ghost", panel="check")
"""The process has left CPU0."""


def moved() -> Op:
    """The scheduler moves the process to the other CPU."""
    return Op("move to CPU1", (), (Cell(MOVED),), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)


def arrives() -> Op:
    """Wait until the process is on this CPU."""
    return Op("arrive on CPU1", (Cell(MOVED),), (), lambda there: [Outcome(None)] if there else [], order=Order.PRIVATE)


def load_unmapped(cpu: Cpu) -> Op:
    """User code of an mm that maps nothing at page 0 loads from there: a fault, unless an entry of another mm is
    cached.
    """
    tlb = tuple(tlb_cell(cpu, tagged(asid, 0)) for asid in range(1, ASIDS))

    def step(asid: int, *entries: Entry | None) -> list[Outcome]:
        return [Outcome(None, (), "" if entries[asid - 1] is None else "anothers-translation")]

    return Op("load(0) of another mm", (ttbr_cell(cpu), *tlb), (), step, order=Order.WALK)


async def takes_away(mm: Mm) -> None:
    """The process, on its new CPU."""
    await arrives()
    await mm.hook.switch_mm(prev=None, next=mm)
    await mm.hook.ptep_clear_flush(mm=mm, addr=0)
    await put_page(PAGE)


def renewed(arch: Arch, era: Era) -> Model:
    """One process that moves, and two others that take its CPU."""
    contexts = [Cell("mm", name) for name in ("process", "second", "third")]
    world = World(
        arch,
        era,
        {0: Pte(PAGE, write=False)},
        frozenset({PAGE}),
        geometry={"user_asids": ASIDS},
        more={"context": contexts[0], "addrs": [tagged(asid, 0) for asid in range(1, ASIDS)]},
    )
    world.memory[MM_USERS] = 1
    for cpu in (HERE, THERE):
        world.memory[ttbr_cell(cpu)] = None
    others: list[Mm] = []

    async def runs(mm: Mm) -> None:
        await mm.hook.switch_mm(prev=None, next=mm)
        await load_tagged(HERE, 0, range(1, ASIDS), [PAGE], mm.facts.hw_dirty)
        await mm.hook.switch_mm(prev=mm, next=None)
        await moved()
        for other in others:
            await other.hook.switch_mm(prev=None, next=other)
            await load_unmapped(HERE)
            await other.hook.switch_mm(prev=other, next=None)

    task = world.task("others", runs)
    world.task("process", takes_away)
    others.extend(replace(world.mm().on(task), context=context) for context in contexts[1:])
    window = sometimes(
        "given-out-again",
        "ASID 1 has been given out again, and the page is free",
        (ttbr_cell(HERE), Cell(MOVED), ref_cell(PAGE)),
        lambda asid, gone, ref: asid == 1 and gone and ref == 0,
    )
    return world.model("asid-cycle", finally_=[all_freed(PAGE, 0)], sometimes=[window])


OTHERS = 2
"""The page of another process."""


def load_own(cpu: Cpu, addr: int, asids: range) -> Op:
    """User code of the process loads from `addr`: what is cached there under the CPU's ASID must be its own."""
    tlb = tuple(tlb_cell(cpu, tagged(asid, addr)) for asid in asids)

    def step(asid: int, *entries: Entry | None) -> list[Outcome]:
        entry = entries[asid - asids.start]
        return [Outcome(None, (), "anothers-translation" if entry and entry.frame == OTHERS else "")]

    return Op(f"load({addr})", (ttbr_cell(cpu), *tlb), (), step, order=Order.WALK)


def dropped(arch: Arch, era: Era) -> Model:
    """A process that flushes as if it were alone, and a kernel thread that takes up its mm again meanwhile.

    What the process unmaps the kernel thread does not use. On its CPU another process has ASID 0, with which a cycle
    begins.
    """
    asids, kept, gone = range(ASIDS), 0, 1
    world = World(
        arch,
        era,
        {kept: Pte(0, write=False), gone: Pte(1, write=False)},
        frozenset({0, 1}),
        geometry={"user_asids": ASIDS},
        more={
            "context": Cell("mm", "process"),
            "addrs": [tagged(asid, addr) for asid in asids for addr in (kept, gone)],
        },
    )
    world.memory[MM_USERS] = 1
    for cpu in (HERE, THERE):
        world.memory[ttbr_cell(cpu)] = None
    world.memory[tlb_cell(THERE, tagged(0, kept))] = Entry(OTHERS, False, False)

    async def process(mm: Mm) -> None:
        await mm.hook.switch_mm(prev=None, next=mm)
        await mm.hook.ptep_clear_flush(mm=mm, addr=gone)
        await put_page(gone)

    async def kthread(mm: Mm) -> None:
        await mm.hook.switch_mm(prev=None, next=mm)
        await mm.hook.switch_mm(prev=mm, next=None)
        if await mmget_not_zero():
            await kthread_use_mm(mm)
            await load_own(THERE, kept, asids)

    world.task("process", process)
    world.task("kthread", kthread)
    window = sometimes(
        "unmapped-while-used",
        "the page is free, and the kernel thread has the mm",
        (ref_cell(gone), MM_USERS, ttbr_cell(THERE)),
        lambda ref, users, asid: ref == 0 and users == 2 and asid is not None,
    )
    return world.model("asid-dropped", finally_=[all_freed(gone, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "asid-cycle",
        "a CPU that reallocates an ASID has no entry of another mm cached under it",
        "arch/mips/mm/context.c:get_new_mmu_context",
        renewed,
        tier="optional",
        requires=("smp", "spread", "cpu_asids"),
    ),
    Scenario(
        "asid-dropped",
        "a CPU that switches to an mm while its context there is dropped does not run under another mm's ASID",
        "arch/loongarch/include/asm/mmu_context.h:switch_mm_irqs_off",
        dropped,
        tier="optional",
        requires=("smp", "spread", "cpu_asids"),
    ),
]
