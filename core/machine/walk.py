"""A load whose translation goes through a page table that may be moved or freed: first the pmd, then the entry.

What a CPU remembers of an address if it is only the table that maps it (core.machine.tlb:Upper) stands in the address's
TLB cell, and goes with any flush of it but one of the last level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.tlb import USE_AFTER_FREE, Entry, Upper, ref_cell, tlb_cell, walk


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
    return Op(f"load({addr})", reads, (entry_cell,), step, may_schedule="user")


def cache_upper(cpu: Cpu, addr: int, pmd: Cell) -> Op:
    """The walker reads the pmd and remembers the table; at any time, for any address. Returns whether there is one."""
    cell = tlb_cell(cpu, addr)

    def step(entry: object, table: int | None) -> list[Outcome]:
        if entry is None and table is not None:
            entry = Upper(table)
        return [Outcome(entry is not None, (entry,))]

    return Op(f"walk: the table of {addr}", (cell, pmd), (cell,), step)


def walk_on(cpu: Cpu, addr: int, table: Cell) -> Op:
    """The walker reads an entry in the table that it remembers; `table` says whether that still is one."""
    cell = tlb_cell(cpu, addr)

    def step(entry: object, there: bool) -> list[Outcome]:
        freed = isinstance(entry, Upper) and not there
        return [Outcome(None, (), "walk-of-freed-table" if freed else "")]

    return Op(f"walk: the entry of {addr}", (cell, table), (), step)
