"""A flush names an ASID, and before it is issued all ASIDs are reallocated.

B-40, 5e10f9887ed8, arm64

CPU0 try_to_unmap           CPU1 switches to the mm          CPU2 switches to another
clear the entry: in the
  store buffer
read the mm's ASID: 1
                                                             no ASID is free: rollover; takes 1
                            the mm gets ASID 4
                            load: the old entry, cached
                              under 4
DSB ISHST: the entry is clear
TLBI of ASID 1; DSB
free the page
                            load through the stale entry

If the ASID is read after the barrier, an mm that has a newer one got it after the entry was cleared.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Build, Scenario
from core.conformance.world import World, clears_plainly
from core.explore.model import Model
from core.machine.asid import load_tagged, tagged, ttbr_cell
from core.machine.op import Cell, Cpu, Op, Outcome, doing
from core.machine.order import Order
from core.machine.pte import Pte
from core.machine.tlb import Entry, ref_cell, tlb_cell
from core.mm.era import Era
from core.mm.mm import Mm
from core.mm.page import put_page
from core.plugins.arch import Arch

PAGE, ANOTHERS = 0, 1
UNMAPPER, USER, OTHER = Cpu(0), Cpu(1), Cpu(2)
ASIDS = 5
"""1 to 4: as many as there are CPUs, and one."""

MINE, NEWCOMER, SECOND = (Cell("context_id", mm) for mm in ("mm", "newcomer", "second newcomer"))


async def unmap(mm: Mm) -> None:
    """ptep_clear_flush(). Clearing may imply no ordering: arm64 has xchg_relaxed(), arm and mips a load and a store."""
    clear = mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
    await doing(clear, partial(clears_plainly, mm))
    await mm.hook.flush_tlb_page(mm=mm, addr=0)
    await put_page(PAGE)


async def run(mm: Mm) -> None:
    """Switch to the mm and use it, then switch again to another of its threads."""
    for _ in range(2):
        await mm.hook.switch_mm(prev=None, next=mm)
        await load_tagged(USER, 0, range(1, ASIDS), [PAGE, ANOTHERS], mm.facts.hw_dirty)


def rolled_over(arch: Arch, era: Era) -> Model:
    """All ASIDs are in use: 1 by the mm, 2 and 3 by what CPU1 and CPU2 run, 4 by an mm that is gone.

    CPU1 still has an entry of the last one: an ASID that is not used any more is not flushed for that.
    """
    world = World(
        arch,
        era,
        {0: Pte(PAGE, write=False)},
        frozenset({PAGE, ANOTHERS}),
        geometry={"user_asids": ASIDS},
        more={"context": MINE, "addrs": [tagged(asid, 0) for asid in range(1, ASIDS)]},
        buffers="weak",
    )
    world.memory[ref_cell(ANOTHERS)] = 0
    world.memory[MINE], world.memory[NEWCOMER] = (1, 1), None
    world.memory[Cell("asid_generation")] = 1
    world.memory[Cell("asid_map")] = frozenset(range(1, ASIDS))
    world.memory[Cell("flush_at_switch")] = frozenset()
    world.memory[Cell("cpu_asid_lock")] = None
    for cpu, asid in ((UNMAPPER, None), (USER, (1, 2)), (OTHER, (1, 3))):
        world.memory[Cell("active_asids", cpu)] = asid
        world.memory[Cell("reserved_asids", cpu)] = None
        world.memory[ttbr_cell(cpu)] = None if asid is None else asid[1]
    world.memory[tlb_cell(USER, tagged(4, 0))] = Entry(ANOTHERS, False, False)
    newcomers: list[Mm] = []
    world.task("unmap", unmap)
    world.task("user", run)
    other = world.task("newcomer", lambda mm: mm.hook.switch_mm(prev=None, next=newcomers[0]))
    newcomers.append(replace(world.mm().on(other), context=NEWCOMER))
    window = sometimes(
        "rolled-over",
        "the mm has another ASID and the page, which is not free yet",
        (MINE, tlb_cell(USER, tagged(4, 0)), ref_cell(PAGE)),
        lambda context, entry, ref: context == (2, 4) and entry == Entry(PAGE, False, False) and ref == 1,
    )
    return world.model("asid-rollover", finally_=[all_freed(PAGE, 0)], sometimes=[window])


RUNS, NEXT = Cpu(0), Cpu(1)


def own_asid(mm: Mm) -> Op:
    """A step that violates anothers-translation if the CPU runs under another ASID than a flush of the mm is for."""

    def step(runs: int, context: tuple[int, int]) -> list[Outcome]:
        return [Outcome(None, (), "" if runs == context[1] else "anothers-translation")]

    return Op("run under the mm's ASID", (ttbr_cell(mm.task.cpu), MINE), (), step, order=Order.PRIVATE)


async def runs(mm: Mm) -> None:
    """Switch to the mm and use it, twice under what is hoped to be the same ASID."""
    await mm.hook.switch_mm(prev=None, next=mm)
    for _ in range(2):
        await own_asid(mm)
        await load_tagged(mm.task.cpu, 0, range(1, ASIDS), [PAGE, ANOTHERS], mm.facts.hw_dirty)


async def unmaps(mm: Mm) -> None:
    """Another thread of the mm, on another CPU: it uses the page too, unmaps it, and has nothing left of it."""
    cpu, hw_dirty = mm.task.cpu, mm.facts.hw_dirty
    await mm.hook.switch_mm(prev=None, next=mm)
    await own_asid(mm)
    await load_tagged(cpu, 0, range(1, ASIDS), [PAGE, ANOTHERS], hw_dirty)
    await mm.hook.ptep_get_and_clear(mm=mm, addr=0, nr=1, full=False)
    await mm.hook.flush_tlb_page(mm=mm, addr=0)
    await put_page(PAGE)
    await load_tagged(cpu, 0, range(1, ASIDS), [PAGE, ANOTHERS], hw_dirty)


def kept(name: str, mine: tuple[int, int]) -> Build:
    """An mm that is running keeps its ASID, however often others roll over: what its CPU has is under that.

    `mine` is the ASID that it has before it is switched to, of this generation or of an older one.  CPU0 has entries of
    dead mms under every other ASID, and all ASIDs are taken; two newcomers on CPU2 make a rollover, or two.
    """

    def build(arch: Arch, era: Era) -> Model:
        world = World(
            arch,
            era,
            {0: Pte(PAGE, write=False)},
            frozenset({PAGE, ANOTHERS}),
            geometry={"user_asids": ASIDS},
            more={"context": MINE, "addrs": [tagged(asid, 0) for asid in range(1, ASIDS)]},
        )
        world.memory[ref_cell(ANOTHERS)] = 0
        world.memory[MINE], world.memory[NEWCOMER], world.memory[SECOND] = mine, None, None
        world.memory[Cell("asid_generation")] = 1
        world.memory[Cell("asid_map")] = frozenset(range(1, ASIDS))
        world.memory[Cell("flush_at_switch")] = frozenset()
        world.memory[Cell("cpu_asid_lock")] = None
        for cpu, asid in ((RUNS, (1, 2)), (NEXT, None), (OTHER, (1, 3))):
            world.memory[Cell("active_asids", cpu)] = asid
            world.memory[Cell("reserved_asids", cpu)] = None
            world.memory[ttbr_cell(cpu)] = None if asid is None else asid[1]
        for number in range(1, ASIDS):
            if mine != (1, number):
                world.memory[tlb_cell(RUNS, tagged(number, 0))] = Entry(ANOTHERS, False, False)
        newcomers: list[Mm] = []
        world.task("user", runs)
        world.task("thread", unmaps)

        async def come(mm: Mm) -> None:
            for newcomer in newcomers:
                await newcomer.hook.switch_mm(prev=None, next=newcomer)

        other = world.task("newcomers", come)
        newcomers += [replace(world.mm().on(other), context=context) for context in (NEWCOMER, SECOND)]
        window = sometimes(
            "rolled-over",
            "the ASIDs have been given out anew, and the mm runs",
            (Cell("asid_generation"), ttbr_cell(RUNS), MINE),
            lambda generation, asid, context: generation > 1 and context is not None and asid == context[1],
        )
        return world.model(name, finally_=[all_freed(PAGE, 0)], sometimes=[window])

    return build


SCENARIOS = [
    Scenario(
        "asid-kept",
        "an mm that runs keeps its ASID when others roll over",
        "arch/arm64/mm/context.c:check_and_switch_context",
        kept("asid-kept", (1, 1)),
        tier="optional",
        requires=("smp", "asid_rollover"),
    ),
    Scenario(
        "asid-anew",
        "an mm that gets an ASID by a rollover finds nothing of another under it, and keeps it",
        "arch/arm64/mm/context.c:new_context",
        kept("asid-anew", (0, 1)),
        tier="optional",
        requires=("smp", "asid_rollover"),
    ),
    Scenario(
        "asid-rollover",
        "a flush reaches what is cached under an ASID that was allocated meanwhile",
        "5e10f9887ed8",
        rolled_over,
        tier="optional",
        requires=("smp", "asid_rollover"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-40",
        "5e10f9887ed8",
        "the ASID to flush is read while the cleared entry is still in the store buffer, and has changed by the flush",
        "asid-rollover",
        plugin="arch_plugins.arm64:Arm64",
        lacks=frozenset({"5e10f9887ed8"}),
    ),
]
