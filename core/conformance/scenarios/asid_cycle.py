"""A CPU that allocates its own ASIDs runs out of them and starts again.

CPU0                                        CPU1
a process runs under ASID 1: load, cached
                                            the process has moved here; it takes the page away
                                            flush, or drop its context on CPU0
                                            free the page
others run, under ASID 2, and then 1 again:
  a new cycle, for which the TLB is flushed
load under ASID 1: whose entry is there?
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
from core.mm.kthread import MM_USERS
from core.mm.mm import Mm
from core.mm.page import put_page
from core.plugins.arch import Arch

PAGE = 0
HERE, THERE = Cpu(0), Cpu(1)
ASIDS = 3
"""1 and 2."""

MOVED = declare("moved", False)
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
    await mm.hook.switch_mm(mm=mm)
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
        await mm.hook.switch_mm(mm=mm)
        await load_tagged(HERE, 0, range(1, ASIDS), [PAGE], mm.facts.hw_dirty)
        await mm.hook.leave_mm(mm=mm)
        await moved()
        for other in others:
            await other.hook.switch_mm(mm=other)
            await load_unmapped(HERE)
            await other.hook.leave_mm(mm=other)

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


SCENARIOS = [
    Scenario(
        "asid-cycle",
        "a CPU that reallocates an ASID has no entry of another mm cached under it",
        "arch/mips/mm/context.c:get_new_mmu_context",
        renewed,
        tier="optional",
        requires=("smp", "spread", "cpu_asids"),
    ),
]
