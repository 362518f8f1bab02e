"""A page fault looks again under the lock: what it saw without it may be over.

fault-twice: two threads use an address where nothing is mapped

CPU0 store: nothing is there       CPU1 store: nothing is there
allocate page 1                    allocate page 2
                                   lock the table, map page 2
                                   store to page 2
lock the table, map page 1:
page 2 is mapped nowhere, and what was stored is lost

hint-zapped: the page of a NUMA hint is given up while its fault is on its way

CPU0 load: a hint                  CPU1 MADV_DONTNEED           CPU2 another holder of the page
                                   clear the entry
                                                                drop the page: free
lock the table, take a reference
to a page that is free

or it cannot be moved, since CPU2 has it locked, and is mapped again where it was, for an entry that is empty
"""

from __future__ import annotations

from core.conformance.properties import held_by_mappings, mapcount_is_ptes, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import Program, World, load
from core.explore.model import Model, Property
from core.machine.pte import ProtNone, pte_cell
from core.machine.tlb import ref_cell, user_store
from core.mm.era import Era
from core.mm.memory import handle_numa_fault
from core.mm.mm import Mm, Vma
from core.mm.page import lock_page, mapcount_cell, pg_locked_cell, put_page, unlock_page
from core.mm.pte_missing import handle_missing_fault
from core.mm.syscalls import madvise_dontneed
from core.plugins.arch import Arch

ADDR, VMA = 0, Vma(0, 1)


# ---- fault-twice ---------------------------------------------------------------------------------------------

ONE, OTHER = 1, 2


def user(page: int) -> Program:
    """Store, with a fault that maps `page` if nothing is there, and store again."""

    async def program(mm: Mm) -> None:
        if await user_store(mm.task.cpu, ADDR, (ONE, OTHER), mm.facts.hw_dirty) == "fault":
            await handle_missing_fault(mm, VMA, ADDR, page, ())
            await user_store(mm.task.cpu, ADDR, (ONE, OTHER), mm.facts.hw_dirty)

    return program


def twice(arch: Arch, era: Era) -> Model:
    """Each fault has a page of its own, of which one is mapped and the other given back."""
    world = World(arch, era, {ADDR: None}, frozenset({ONE, OTHER}))
    for page in (ONE, OTHER):
        world.memory[ref_cell(page)] = world.memory[mapcount_cell(page)] = 0
    world.task("one", user(ONE))
    world.task("other", user(OTHER))
    both = sometimes(
        "both-allocated",
        "both faults have a page, and none is mapped",
        (pte_cell(ADDR), ref_cell(ONE), ref_cell(OTHER)),
        lambda pte, one, other: pte is None and one and other,
    )
    ends = [check(page) for page in (ONE, OTHER) for check in (held_by_mappings, mapped_once)]
    return world.model("fault-twice", finally_=ends, sometimes=[both])


def mapped_once(page: int) -> Property:
    """Its one mapping is that of the address, if there is any."""
    return mapcount_is_ptes(page, [ADDR])


# ---- hint-zapped ---------------------------------------------------------------------------------------------

OLD, NEW = 0, 1


async def hinted(mm: Mm) -> None:
    """Access the page."""
    if not await load(mm, ADDR, [OLD, NEW]):
        await handle_numa_fault(mm, VMA, ADDR)


async def holder(mm: Mm) -> None:
    """Somebody who has a reference to the page locks it for a while, as reclaim does, and drops it."""
    await lock_page(mm, OLD)
    await unlock_page(mm, OLD)
    await put_page(OLD)


def zapped(arch: Arch, era: Era) -> Model:
    """The page is to move here."""
    world = World(
        arch, era, {ADDR: ProtNone(OLD, write=True, dirty=True)}, frozenset({OLD, NEW}), more={"copies": {OLD: NEW}}
    )
    world.memory[ref_cell(OLD)] = 2
    world.memory[ref_cell(NEW)] = world.memory[mapcount_cell(NEW)] = 0
    world.task("fault", hinted)
    world.task("dontneed", lambda mm: madvise_dontneed(mm, VMA, VMA.start, VMA.end))
    world.kthread("holder", holder)
    window = sometimes(
        "given-up",
        "the entry is empty, and the page is locked",
        (pte_cell(ADDR), pg_locked_cell(OLD)),
        lambda pte, owner: pte is None and owner is not None,
    )
    ends = [check(page) for page in (OLD, NEW) for check in (held_by_mappings, mapped_once)]
    return world.model("hint-zapped", finally_=ends, sometimes=[window])


SCENARIOS = [
    Scenario(
        "fault-twice",
        "two faults at one address map one page, and the other is given back",
        "mm/memory.c:vmf_pte_changed",
        twice,
        requires=("smp", "several_cpus"),
    ),
    Scenario(
        "hint-zapped",
        "the fault on a NUMA hint touches nothing if its entry has been cleared meanwhile",
        "mm/memory.c:do_numa_page",
        zapped,
    ),
]
