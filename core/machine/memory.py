"""The values that cells have before anything is written to them: `declare` states them where the cells are made."""

from __future__ import annotations

import sys
from collections.abc import Hashable

from core.machine.op import Cell

INITIAL: dict[str, Hashable] = {}
"""Initial values by the cell's array. `declare` fills it; a plugin may also set INITIAL["mine.queue"] itself."""


GHOSTS: set[str] = set()
"""Arrays of cells that are no memory which several CPUs access: registers, TLBs, per-CPU variables that only the CPU
itself uses, and what the model notes to check something."""

USER: set[str] = set()
"""Arrays of cells that are user memory: a store of user code to them waits in a store buffer."""


ENTRIES: set[str] = set()
"""Arrays of cells that are page-table entries: memory that walkers read."""

OF_MM: set[str] = set()
"""Arrays of cells that each mm has of its own: its fields, and what a CPU notes about it."""

PANELS = ("cpu", "tables", "page", "mm", "check")
"""Where a picture of the machine shows a cell: with its CPU, with the page tables, with its page, with the mm and the
locks, or with what the model notes to check something."""

DECLARED_BY: dict[str, str] = {}
"""The module that has declared an array first."""

PANEL_OF: dict[str, str] = {}
"""The panel of an array, where `declare` names one."""


def declare(array: str, initial: Hashable, kind: str = "memory", panel: str = "", of_mm: bool = False) -> str:
    """Give every cell of `array` the value `initial` to start with. Returns `array`, to be used in Cell(array, index).

    `kind` is 'memory', 'ghost' (`GHOSTS`), 'user' (`USER`) or 'entry' (`ENTRIES`): what a store buffer holds is memory.
    `of_mm`: each mm has such a cell, or one for each CPU; otherwise there is one in the machine, or in each CPU,
    whatever mm is there.  It matters in models with two mms (core.mm.two_mms).
    `panel` is one of `PANELS`; without it a cell with a CPU in its index is shown with that CPU, any other with the mm.
    Call it when the module is imported.  ValueError if the array has another initial value already: then two modules
    use one name for different cells.
    """
    known = INITIAL.setdefault(array, initial)
    DECLARED_BY.setdefault(array, sys._getframe(1).f_globals.get("__name__", ""))
    if kind != "memory":
        {"ghost": GHOSTS, "user": USER, "entry": ENTRIES}[kind].add(array)
    if of_mm:
        OF_MM.add(array)
    if panel:
        PANEL_OF[array] = panel
    if known != initial:
        raise ValueError(f"cells {array!r} start as {known!r} already, not as {initial!r}: choose another name")
    return array


class Memory(dict[Cell, Hashable]):
    """Cells with their values; one that is read first has its initial value. KeyError that says what to do if none."""

    def __missing__(self, cell: Cell) -> Hashable:
        if cell.nr > 1:
            raise KeyError(
                f"cell {cell} is a run of {cell.nr}: only the accountant keeps one as a whole; take each alone"
            )
        try:
            self[cell] = value = INITIAL[cell.array]
        except KeyError:
            remedy = f"declare({cell.array!r}, VALUE) of core.machine.memory gives it one"
            raise KeyError(f"cell {cell} has no initial value; {remedy}") from None
        return value


class WholeRuns(Memory):
    """Memory of a reader with one schedule, to which a run of equal cells is one thing, beside the cells in it."""

    def __missing__(self, cell: Cell) -> Hashable:
        return super().__missing__(cell) if cell.nr == 1 else INITIAL[cell.array]


def panel_of_array(array: str, of_cpu: bool) -> str:
    """The panel of `PANELS` that shows a cell of `array`; `of_cpu`: it has a CPU in its index."""
    return PANEL_OF.get(array) or ("cpu" if of_cpu else "mm")
