"""A number that tells a CPU whether it has missed a flush comes round: the CPU is away for as many as it has values.

CPU0 user                    CPU1
load: cached
another task runs here
                             clear the entry
                             flush, 64 times: six bits say what they said before
                             free the page
back again: nothing missed
load through the stale entry

64 is a multiple of every smaller power of two, so that a number of any width up to six bits comes round.  A wider one
is not shown: a cell has at most 256 values here, and a right policy's generation has one for each flush.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.task_migration import on
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import ref_cell
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.plugins.arch import Arch

FLUSHES = 64

AWAY = Cell(declare("away", 0, "ghost", panel="check"))
"""0: the CPU has not been away; 1: it is; 2: it may come back."""


def now(turn: int) -> Op:
    """What has happened so far."""
    return Op(f"away = {turn}", (), (AWAY,), lambda: [Outcome(None, (turn,))], order=Order.FULL)


def until(turn: int) -> Op:
    """Wait for it."""
    done = [Outcome(None)]
    return Op(f"wait until away = {turn}", (AWAY,), (), lambda at: done if at == turn else [], order=Order.FULL)


async def comes_back(mm: Mm) -> None:
    """Load, be away for all flushes, and load again."""
    await switch_in(mm)
    await load(mm, 0, [0])
    await switch_out(mm, False)
    await now(1)
    await until(2)
    await switch_in(mm)
    await load(mm, 0, [0])


async def flushes(mm: Mm) -> None:
    """Unmap the page while the other CPU is away, and flush it more often than there is need."""
    await switch_in(mm)
    await until(1)
    await pte_lock(mm, 0)
    await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
    await pte_unlock(mm, 0)
    for _ in range(FLUSHES):
        await mm.hook.flush_tlb_mm(mm=mm)
    await put_page(0)
    await now(2)


def round_again(arch: Arch, era: Era) -> Model:
    """One CPU that is away, one that flushes."""
    world = World(arch, era, {0: Pte(0, dirty=True)}, frozenset({0}), more=on(2))
    world.task("user", comes_back)
    world.task("unmap", flushes)
    window = sometimes(
        "unmapped-away",
        "the CPU is away, the entry is gone, and the page is not free",
        (AWAY, pte_cell(0), ref_cell(0)),
        lambda away, pte, ref: away == 1 and pte is None and ref == 1,
    )
    made = world.model("switch-round", finally_=[all_freed(0, 0)], sometimes=[window])
    world.attach()
    return made


SCENARIOS = [
    Scenario(
        "switch-round",
        "a CPU that comes back after 64 flushes has no entry that they were for: no number of them came round",
        "arch/x86/mm/tlb.c:switch_mm_irqs_off",
        round_again,
        tier="optional",
        requires=("smp", "spread"),
    ),
]
