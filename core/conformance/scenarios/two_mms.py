"""A CPU goes from one process to another and back, and pages of both are taken away meanwhile.

CPU0 P1, P2, P1, P2                         CPU1 kswapd
P1 runs: load, cached
switch to P2: load, cached
                                            clear P1's entry: CPU0 is not on P1, no interrupt
                                            free P1's page
                                            clear P2's entry: CPU0 is asked, or not
                                            free P2's page
switch to P1: what has it missed, of which mm?
load through the stale entry

Each mm has its own mask, generation or context: what a CPU knows of the one says nothing of the other.
"""

from __future__ import annotations

from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load
from core.explore.model import Model
from core.machine.op import Cpu
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.mm.sched import switch_in, switch_out
from core.mm.two_mms import of_second, second_mm
from core.plugins.arch import Arch

FIRST, SECOND = 0, 1
"""The page of each process, at the address of the same number."""

HERE = Cpu(0)


async def runs(mm: Mm, addr: int) -> None:
    """The CPU comes to the process, uses its page, and leaves it for another."""
    await switch_in(mm)
    await load(mm, addr, [addr])
    await switch_out(mm, lazily=False)


async def turns(mm: Mm) -> None:
    """Each process twice."""
    for _ in range(2):
        await runs(mm, FIRST)
        await of_second(runs(second_mm(mm), SECOND))


async def takes(mm: Mm, page: int) -> None:
    """kswapd takes the page of one process."""
    await pte_lock(mm, page)
    await mm.hook.ptep_clear_flush(mm=mm, addr=page)
    await pte_unlock(mm, page)
    await put_page(page)


async def kswapd(mm: Mm) -> None:
    """One page of each."""
    await takes(mm, FIRST)
    await of_second(takes(second_mm(mm), SECOND))


def between_two(arch: Arch, era: Era) -> Model:
    """Nobody is on either mm at first."""
    world = World(
        arch,
        era,
        {FIRST: Pte(FIRST, write=False)},
        frozenset({FIRST, SECOND}),
        geometry={"ptes_per_table": 1},
        attached=frozenset(),
        second={SECOND: Pte(SECOND, write=False)},
    )
    world.task("user", turns)
    world.kthread("kswapd", kswapd)
    window = sometimes(
        "both-cached",
        "the first page is gone, and the CPU has both cached",
        (pte_cell(FIRST), tlb_cell(HERE, FIRST), tlb_cell(HERE, SECOND)),
        lambda pte, first, second: pte is None and second is not None,
    )
    return world.model("two-mms", finally_=[all_freed(page, 0) for page in (FIRST, SECOND)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "two-mms",
        "a CPU that goes from one process to another and back has missed no flush of either",
        "kernel/sched/core.c:context_switch",
        between_two,
        tier="optional",
        requires=("smp", "spread", "flush_before_free"),
    )
]
