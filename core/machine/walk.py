"""Walks of the page tables: who makes them, and what they still rely on when a table has been moved or freed.

A CPU may remember of an address only which table maps it (core.machine.tlb:Upper).  That stands in the address's TLB
cell, and any flush of the address drops it, but for one of the last level alone.

    WALKS       by kind of walker (`Facts.walker`): one walk for an address, through the entry of `level` that maps it
    table       a cell that says whether the table is one still, and not back in the allocator
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from core.machine.ipi import irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import USE_AFTER_FREE, Entry, Upper, ref_cell, tlb_cell, walk

Walk = Callable[[Cpu, int, int, Cell, Cell], Coroutine[Op, Any, None]]
"""On a CPU, for an address, through the upper entry of a level, which is in the first cell; the second is its table."""


def user_load_through(cpu: Cpu, addr: int, pmd: Cell, entries: Mapping[int, Cell], frames: Sequence[int]) -> Op:
    """One load from virtual page `addr`. Returns 'ok' or 'fault'.

    `pmd` holds the number of the table that maps `addr`, or None; `entries` has the entry of `addr` in each table
    that it can ever be.  No walk cache is kept: the TLB remembers the whole translation, or nothing.
    """
    entry_cell = tlb_cell(cpu, addr)
    refs = tuple(ref_cell(f) for f in frames)
    tables = tuple(entries)

    def step(entry: Entry | None, table: int | None, *state: object) -> list[Outcome]:
        ref, ptes = state[: len(refs)], state[len(refs) :]
        if entry is None:
            walked = None if table is None else walk(ptes[tables.index(table)], False, True)
            if walked is None:
                return [Outcome("fault", (None,))]
            entry = walked[0]
        freed = ref[frames.index(entry.frame)] == 0
        return [Outcome("ok", (entry,), USE_AFTER_FREE if freed else "")]

    reads = (entry_cell, pmd, *refs, *entries.values())
    return Op(f"load({addr})", reads, (entry_cell,), step, may_schedule="user", order=Order.WALK)


# ---- walks that remember -------------------------------------------------------------------------------------


def cache_upper(cpu: Cpu, addr: int, upper: Cell) -> Op:
    """The walker reads an upper entry and remembers the table; at any time, for any address.

    Returns whether there is one.
    """
    cell = tlb_cell(cpu, addr)

    def step(entry: object, table: int | None) -> list[Outcome]:
        if entry is None and isinstance(table, int):  # and not a huge page
            entry = Upper(table)
        return [Outcome(entry is not None, (entry,))]

    return Op(f"walk: the table of {addr}", (cell, upper), (cell,), step, may_schedule="walk", order=Order.WALK)


def walk_on(cpu: Cpu, addr: int, table: Cell) -> Op:
    """The walker reads an entry in the table that it remembers; `table` says whether that still is one."""
    cell = tlb_cell(cpu, addr)

    def step(entry: object, there: bool) -> list[Outcome]:
        freed = isinstance(entry, Upper) and not there
        return [Outcome(None, (), "walk-of-freed-table" if freed else "")]

    return Op(f"walk: the entry of {addr}", (cell, table), (), step, may_schedule="walk", order=Order.WALK)


async def remembering(cpu: Cpu, addr: int, level: int, upper: Cell, table: Cell) -> None:
    """Hardware that caches upper entries: what this walk remembers a later one goes by."""
    if await cache_upper(cpu, addr, upper):
        await walk_on(cpu, addr, table)


# ---- walks that do not ---------------------------------------------------------------------------------------


def begin_walk(cpu: Cpu, name: str) -> Op:
    """Until `end_walk` the CPU takes no interrupt and runs nothing else."""
    cell = irqs_off_cell(cpu)
    return Op(
        name, (cell,), (cell,), lambda off: [] if off else [Outcome(None, (True,))], preempt=1, order=Order.PRIVATE
    )


def end_walk(cpu: Cpu, name: str) -> Op:
    """The access is made again, or faults."""
    return Op(
        name,
        (),
        (irqs_off_cell(cpu),),
        lambda: [Outcome(None, (False,))],
        preempt=-1,
        may_schedule="walk",
        order=Order.PRIVATE,
    )


def read_upper(addr: int, upper: Cell) -> Op:
    """Whether an upper entry has a table, which is where the walk goes next."""
    return Op(f"walk: the table of {addr}", (upper,), (), lambda table: [Outcome(table is not None)], order=Order.WALK)


def read_entry(addr: int, table: Cell, how: str = "") -> Op:
    """Read the entry of `addr` in the table that the walk has come to, and, by `how`, write it back."""

    def step(there: bool) -> list[Outcome]:
        return [Outcome(None, (), "" if there else "walk-of-freed-table")]

    return Op(f"walk: {how}the entry of {addr}", (table,), (), step, order=Order.WALK)


def from_the_root(begin: str, end: str, how: str = "") -> Walk:
    """A walk that starts at the root, and of which nothing is left when it ends."""

    async def walk(cpu: Cpu, addr: int, level: int, upper: Cell, table: Cell) -> None:
        await begin_walk(cpu, begin)
        if await read_upper(addr, upper):
            await read_entry(addr, table, how)
        await end_walk(cpu, end)

    return walk


async def linear(cpu: Cpu, addr: int, level: int, upper: Cell, table: Cell) -> None:
    """The TLB maps the page of a table of entries; tables above are read by the handler that looks for that page."""
    await (remembering if level == 0 else by_handler)(cpu, addr, level, upper, table)


by_handler = from_the_root("TLB miss: exception", "return from exception")

WALKS: dict[str, Walk] = {
    "caches": remembering,
    "hardware": from_the_root("walk: from the root", "walk: end"),
    "linear": linear,
    "handler": by_handler,
    "writes": from_the_root("TLB miss: exception", "return from exception", "read and write back "),
    "palcode": from_the_root("TLB miss: PALcode", "return from PALcode"),
}

KEEP_UPPER = frozenset({"caches", "linear"})
"""Those that go on from what an earlier walk has found."""


def keeps(walker: str, level: int) -> bool:
    """Does a later walk go on from an upper entry of `level` that an earlier one has found?"""
    return walker == "caches" or (walker == "linear" and level == 0)
