"""What the hooks make of several entries at once, and what a read without the lock may see of one that changes.

run-values: a hook that takes `nr` does to each of them what it does to one, whatever each is, and nothing to the
entries before and behind.  The entries of a run map one folio; one may be dirty and the next clean, as zap, fork() and
MADV_FREE batch them (mm/internal.h:folio_pte_batch()).  No other task runs.

lockless-value: GUP-fast reads an entry that is replaced meanwhile.  What it gets must have been there at one moment:
two halves of different entries are a translation that nobody has made.

CPU0 GUP-fast         CPU1
                      the entry maps page 0, writable
read the permission
                      clear it
                      set it: page 1, read-only
read the page
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

from core.conformance.monitor import report
from core.conformance.properties import sometimes
from core.conformance.scenario import Scenario
from core.conformance.scenarios.entry_values import chosen, peek
from core.conformance.world import Program, World, pick
from core.explore.model import Model
from core.machine.accessed import accessed_cell
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry, Pte, pte_cell
from core.mm.era import Era
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.pgtable import set_pte_at, upper_entry
from core.plugins.arch import Arch

NR = 3
FIRST = 1
RUN = range(FIRST, FIRST + NR)
BEFORE, BEHIND = 0, FIRST + NR

Values = tuple[Entry, ...]
Try = Callable[[Mm, tuple[Pte, ...]], Awaitable[tuple[object, object, Values]]]
"""Calls a hook on a run.  Returns what it should have returned, what it did, and the entries that it should leave."""

RUNS = tuple(
    tuple(Pte(page, write, dirty) for page, dirty in zip(RUN, each, strict=True))
    for write in (False, True)
    for each in product((False, True), repeat=NR)
)


async def set_all(mm: Mm, run: tuple[Pte, ...]) -> tuple[object, object, Values]:
    """set_ptes(), of entries that are all like the first."""
    for addr in RUN:
        await chosen(pte_cell(addr), None)
    await mm.hook.set_ptes(mm=mm, addr=FIRST, pte=run[0], nr=NR)
    return None, None, tuple(run[0]._replace(frame=page) for page in RUN)


async def cleared(mm: Mm, run: tuple[Pte, ...]) -> tuple[object, object, Values]:
    """get_and_clear_full_ptes(): the first entry, dirty if one was."""
    first = await mm.hook.get_and_clear_full_ptes(mm=mm, addr=FIRST, nr=NR, full=False)
    return run[0]._replace(dirty=any(pte.dirty for pte in run)), first, (None,) * NR


async def protected(mm: Mm, run: tuple[Pte, ...]) -> tuple[object, object, Values]:
    """wrprotect_ptes(), which fork() calls for entries that can be written to."""
    if run[0].write:
        await mm.hook.wrprotect_ptes(mm=mm, addr=FIRST, nr=NR)
    return None, None, tuple(pte._replace(write=False) for pte in run)


async def cleaned(mm: Mm, run: tuple[Pte, ...]) -> tuple[object, object, Values]:
    """clear_young_dirty_ptes()."""
    await mm.hook.clear_young_dirty_ptes(mm=mm, addr=FIRST, nr=NR)
    return None, None, tuple(pte._replace(dirty=False) for pte in run)


async def made_old(mm: Mm, run: tuple[Pte, ...]) -> tuple[object, object, Values]:
    """clear_flush_young_ptes() of a run in which the entries that are dirty have been used since."""
    for pte in run:
        await chosen(accessed_cell(pte.frame), pte.dirty)
    young = bool(await mm.hook.clear_flush_young_ptes(mm=mm, addr=FIRST, nr=NR))
    for pte in run:
        if await peek(accessed_cell(pte.frame)):
            await report("entry-as-told")
    return any(pte.dirty for pte in run), young, run


TRIED: tuple[Try, ...] = (set_all, cleared, protected, cleaned, made_old)

NEIGHBOURS = {addr: Pte(addr, dirty=True) for addr in (BEFORE, BEHIND)}


async def on_a_run(mm: Mm) -> None:
    """One of the hooks, on one of the runs, between two entries that are none of its business."""
    attempt: Try = TRIED[await pick(len(TRIED))]
    run = RUNS[await pick(len(RUNS))]
    await pte_lock(mm, FIRST)
    for addr in (BEFORE, *RUN, BEHIND):
        await chosen(pte_cell(addr), run[addr - FIRST] if addr in RUN else NEIGHBOURS[addr])
    wanted, returned, left = await attempt(mm, run)
    for addr in (BEFORE, *RUN, BEHIND):
        if await peek(pte_cell(addr)) != (left[addr - FIRST] if addr in RUN else NEIGHBOURS[addr]):
            await report("entry-as-told")
    if returned != wanted:
        await report("entry-as-told")
    await pte_unlock(mm, FIRST)


def runs(arch: Arch, era: Era) -> Model:
    """One task; the five entries are of one table."""
    addrs = range(BEHIND + 1)
    more = {"tables": True, "folio": lambda page: (FIRST, NR) if page in RUN else (page, 1)}
    geometry = {"ptes_per_table": 2 * len(addrs)}
    world = World(arch, era, dict.fromkeys(addrs), frozenset(addrs), geometry=geometry, more=more)
    world.memory[upper_entry(0, 0)] = None
    world.task("task", on_a_run)
    return world.model("run-values")


# ---- one entry, without its lock -----------------------------------------------------------------------------

OLD, NEW = Pte(0, write=True, dirty=True), Pte(1, write=False)
SEEN = Cell(declare("lockless_read", False, "ghost"))


async def replace(mm: Mm) -> None:
    """Clear the entry and flush it, then map another page read-only."""
    await pte_lock(mm, 0)
    await mm.hook.ptep_clear_flush(mm=mm, addr=0)
    await set_pte_at(mm, 0, NEW)
    await pte_unlock(mm, 0)


async def read(mm: Mm) -> None:
    """ptep_get_lockless()."""
    pte: Any = await mm.hook.ptep_get_lockless(mm=mm, addr=0)
    if pte not in (OLD, NEW) and isinstance(pte, Pte):
        await report("entry-as-told")
    if pte == NEW:
        await Op("choose: the new entry was read", (), (SEEN,), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)


def lockless(arch: Arch, era: Era) -> Model:
    """One reads, one replaces."""
    world = World(arch, era, {0: OLD}, frozenset({0, 1}))
    for name, program in NAMED:
        world.task(name, program)
    window = sometimes("new-read", "the new entry is read without its lock", (SEEN,), bool)
    return world.model("lockless-value", sometimes=[window])


NAMED: tuple[tuple[str, Program], ...] = (("gup", read), ("fault", replace))

SCENARIOS = [
    Scenario(
        "run-values",
        "a hook that takes several entries does to each what it does to one, and nothing to others",
        "include/linux/pgtable.h:get_and_clear_full_ptes",
        runs,
    ),
    Scenario(
        "lockless-value",
        "an entry that is read without its lock has been there at one moment",
        "include/linux/pgtable.h:ptep_get_lockless",
        lockless,
        requires=("smp", "gup_fast"),
    ),
]
