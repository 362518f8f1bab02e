"""Contiguous blocks are read: without the lock while they are unfolded, and by reclaim for their accessed bits.

The hardware keeps one dirty and one accessed bit for a block, in any of its entries.

A wrong ptep_get_lockless()

CPU0 GUP-fast, of page 0                 CPU1 MADV_DONTNEED of page 1
read entry 0: of a block, clean
                                         contpte_convert(): clear entry 0, clear entry 1, which was dirty
read entries 0 and 1: nothing is dirty
return: page 0 is clean                  set entry 0, dirty
"""

from __future__ import annotations

from core.conformance.monitor import report
from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.contpte import BLOCK, access, changes, dontneed, folded, read_only
from core.conformance.world import pick
from core.explore.model import Model
from core.machine.accessed import accessed_cell
from core.machine.broadcast import Done, broadcast_cell
from core.machine.contpte import WALKS, noted
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.plugins.arch import Arch

PAGES = range(BLOCK)
READER = Cpu(0)
YOUNG = "young-as-told"


async def looks(mm: Mm) -> None:
    """GUP-fast, or a page fault: the entry of page 0, which is dirty all the time, or empty."""
    pte = await mm.hook.ptep_get_lockless(mm=mm, addr=0)
    if isinstance(pte, Pte) and (pte.frame != 0 or not pte.dirty):
        await report("entry-as-told")


async def unfolds(mm: Mm) -> None:
    """Page 1 is unmapped, or it, or the block, becomes read-only; page 0 stays mapped."""
    call, start = ((dontneed, 1), (read_only, 1), (read_only, 0))[await pick(3)]
    await changes(((start, BLOCK),), call)(mm)


def read_without_lock(arch: Arch, era: Era) -> Model:
    """The dirty bit of the block is in the entry of page 1."""
    world = folded(arch, era, BLOCK, Pte(0), anon=True)
    world.memory[pte_cell(1)] = Pte(1, dirty=True, cont=True)
    world.task("reader", looks)
    world.task("unfold", unfolds)
    window = sometimes(
        "one-empty",
        "one entry has been cleared, and the other not yet",
        (pte_cell(0), pte_cell(1)),
        lambda first, second: first is None and isinstance(second, Pte) and second.cont,
    )
    return world.model("contpte-lockless", sometimes=[window])


async def uses_twice(mm: Mm) -> None:
    """Loads from either page; a walk sets the accessed bit of any entry."""
    for _ in range(2):
        addr = await pick(BLOCK)
        if await noted(access(mm, addr, False), mm.task.cpu, PAGES) == "fault":
            return


def state_of(cpu: Cpu) -> Op:
    """How often the block was walked for, which accessed bits are set, and which pages `cpu` has cached."""
    cells = (WALKS, *map(accessed_cell, PAGES), *(tlb_cell(cpu, addr) for addr in PAGES))

    def step(walks: int, *state: object) -> list[Outcome]:
        young, cached = state[:BLOCK], state[BLOCK:]
        return [Outcome((walks, any(young), tuple(addr for addr in PAGES if cached[addr] is not None)))]

    return Op("who has used it", cells, (), step, order=Order.PRIVATE)


def issued(mm: Mm) -> Op:
    """The flushes that nobody has waited for."""
    return Op("issued", (broadcast_cell(mm.task.cpu),), (), lambda sent: [Outcome(sent)], order=Order.PRIVATE)


async def asks_twice(mm: Mm) -> None:
    """Reclaim asks whether page 0 is in use, and again.

    Where nobody has walked for the block meanwhile: what was set is told, nothing is set any more, and what is cached
    is being flushed, so that the next use will be noticed.
    """
    for _ in range(2):
        await pte_lock(mm, 0)
        walks, used, _ = await state_of(READER)
        young = await mm.hook.clear_flush_young_ptes(mm=mm, addr=0, nr=1)
        later, left, cached = await state_of(READER)
        flushes = [request for request in await issued(mm) if not isinstance(request, Done)]
        if used and not young:
            await report(YOUNG)
        if walks == later and young:
            noticed = all(any(request.covers(addr) for request in flushes) for addr in cached)
            if left or not noticed:
                await report(YOUNG)
        await pte_unlock(mm, 0)


def aged(arch: Arch, era: Era) -> Model:
    """A block that is used now and then."""
    world = folded(arch, era, BLOCK, Pte(0, write=False), anon=True)
    for addr in PAGES:
        world.memory[accessed_cell(addr)] = False
    world.task("user", uses_twice)
    world.kthread("kswapd", asks_twice)
    window = sometimes(
        "in-the-other",
        "only the entry of the other page says that the block is in use",
        tuple(map(accessed_cell, PAGES)),
        lambda first, second: second and not first,
    )
    return world.model("contpte-young", sometimes=[window])


SCENARIOS = [
    Scenario(
        "contpte-lockless",
        "a contiguous block is read without the lock while it is unfolded: what is dirty is not read as clean",
        "arch/arm64/mm/contpte.c:contpte_ptep_get_lockless",
        read_without_lock,
        tier="optional",
        requires=("contpte",),
    ),
    Scenario(
        "contpte-young",
        "a contiguous block is asked whether it is in use: the bit of every entry counts, is cleared, and flushed for",
        "arch/arm64/mm/contpte.c:contpte_ptep_clear_flush_young",
        aged,
        tier="optional",
        requires=("contpte",),
    ),
]
