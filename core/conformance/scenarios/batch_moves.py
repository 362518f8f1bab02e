"""A task is moved to another CPU between the invalidation that it has issued and the barrier that completes it.

Reclaim on arm64 issues a TLBI for each entry, and one DSB at the end of the batch.  In between it holds no lock and may
be preempted.  The DSB of another CPU completes nothing of it, so __switch_to() has one (arch/arm64/kernel/process.c).

CPU0 user            CPU1 kswapd                    CPU2 kswapd
load: cached
                     clear the entry
                     TLBI
                     preempted, continues on CPU2
                                                    DSB: completes nothing of CPU1's
                                                    free the page
load through the stale entry
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.several_flushes import reclaiming
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, executed_on
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import tlb_cell
from core.mm.batched_unmap import UnmapBatch, try_to_unmap_flush
from core.mm.era import Era
from core.mm.mm import Mm
from core.mm.page import put_page
from core.mm.reclaim import reclaim_one
from core.plugins.arch import Arch

PAGE = 0
USER, HERE, THERE = Cpu(0), Cpu(1), Cpu(2)

MOVED = Cell(declare("batch_moved", False))
"""The reclaimer runs on the other CPU."""


@cache
def over_there(mm: Mm) -> Mm:
    """The mm as the same task sees it on the other CPU.  One object, because an Mm is compared by identity."""
    return mm.on(replace(mm.task, cpu=THERE))


async def flush_and_free(mm: Mm, ubc: UnmapBatch) -> None:
    """The end of shrink_folio_list()."""
    await try_to_unmap_flush(mm, ubc)
    await put_page(PAGE)


async def reclaims(mm: Mm) -> None:
    """shrink_folio_list(), whose task is moved once it has unmapped the page."""
    ubc = UnmapBatch()
    if not await reclaim_one(mm, ubc, PAGE, None):
        return
    lazy = await mm.hook.arch_start_context_switch(mm=mm)
    await Op(f"schedule: continue on CPU{THERE}", (), (MOVED,), lambda: [Outcome(None, (True,))], order=Order.FULL)
    there = over_there(mm)
    await executed_on(THERE, there.hook.arch_end_context_switch(mm=there, lazy=lazy))
    await executed_on(THERE, flush_and_free(there, ubc))


async def reader(mm: Mm) -> None:
    """Two loads."""
    for _ in range(2):
        await load(mm, PAGE, [PAGE])


async def idle(mm: Mm) -> None:
    """The CPU to which the reclaimer goes runs nothing else."""


def moved(arch: Arch, era: Era) -> Model:
    """A user, and a reclaimer that goes from one CPU to another; neither of the two is the user's."""
    world: World = reclaiming(arch, era, (PAGE,), {})
    world.task("user", reader)
    kswapd = world.kthread("kswapd", reclaims)
    world.kthread("idle", idle)
    window = sometimes(
        "moved-before-the-barrier",
        "the reclaimer has been moved, the entry is gone, and the user had it cached",
        (MOVED, pte_cell(PAGE), tlb_cell(USER, PAGE)),
        lambda moved, pte, entry: moved and not isinstance(pte, Pte),
    )
    made = world.model("batch-moves", finally_=[all_freed(PAGE, 0)], sometimes=[window])
    assert kswapd.cpu == HERE
    return made


SCENARIOS = [
    Scenario(
        "batch-moves",
        "a barrier completes what its own CPU has issued: a task that is moved in between leaves nothing incomplete",
        "arch/arm64/kernel/process.c:__switch_to",
        moved,
        tier="optional",
        requires=("smp", "several_cpus", "batched_unmap", "flush_before_free"),
    ),
]
