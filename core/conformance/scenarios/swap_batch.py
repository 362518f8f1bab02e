"""Swap entries are taken out together, and what stands next to them is not.

CPU0 user            CPU1 MADV_DONTNEED
load: cached
                     two swap entries with consecutive offsets: clear both, which needs no flush
                     the entry behind them is present: clear it, flush it, free the page
"""

from __future__ import annotations

from core.conformance.properties import all_freed, mapcount_is_ptes, sometimes, unmapped_at_end
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, returned
from core.explore.model import Model
from core.machine.pte import Pte, Swap, pte_cell
from core.mm.era import Era
from core.mm.mm import Mm, Vma
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

PAGE, ADDR = 0, 2
VMA = Vma(0, 3)


async def dontneed(mm: Mm) -> None:
    """MADV_DONTNEED of all three, and back."""
    await madvise_dontneed(mm, VMA, VMA.start, VMA.end)
    await returned(mm, ADDR)


async def reader(mm: Mm) -> None:
    """Load from the page that is there, twice."""
    for _ in range(2):
        await load(mm, ADDR, [PAGE])


def zapped(arch: Arch, era: Era) -> Model:
    """MADV_DONTNEED of two swap entries and a page that another CPU uses."""
    world = World(arch, era, {0: None, 1: None, ADDR: Pte(PAGE)}, anon=frozenset({PAGE}))
    world.memory[pte_cell(0)], world.memory[pte_cell(1)] = Swap(7), Swap(8)
    world.task("user", reader)
    world.task("dontneed", dontneed)
    window = sometimes(
        "swap-first",
        "the swap entries are gone and the page is still mapped",
        (pte_cell(0), pte_cell(1), pte_cell(ADDR)),
        lambda first, second, pte: first is None and second is None and pte is not None,
    )
    gone = [*(unmapped_at_end(addr) for addr in range(VMA.end)), mapcount_is_ptes(PAGE, [ADDR]), all_freed(PAGE, 0)]
    return world.model("swap-batch", finally_=gone, sometimes=[window])


SCENARIOS = [
    Scenario(
        "swap-batch",
        "a run of swap entries is cleared without a flush, and the page after it is flushed and freed",
        "mm/internal.h:swap_pte_batch",
        zapped,
        tier="optional",
    ),
]
