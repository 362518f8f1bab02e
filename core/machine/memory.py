"""The values that cells have before anything is written to them: `declare` states them where the cells are made."""

from __future__ import annotations

from collections.abc import Hashable

from core.machine.op import Cell

INITIAL: dict[str, Hashable] = {}
"""Initial values by the cell's array. `declare` fills it; a plugin may also set INITIAL["mine.queue"] itself."""


GHOSTS: set[str] = set()
"""Arrays of cells that are no memory which several CPUs access: registers, TLBs, per-CPU variables that only the CPU
itself uses, and what the model notes to check something."""

USER: set[str] = set()
"""Arrays of cells that are user memory: a store of user code to them waits in a store buffer."""


def declare(array: str, initial: Hashable, kind: str = "memory") -> str:
    """Give every cell of `array` the value `initial` to start with. Returns `array`, to be used in Cell(array, index).

    `kind` is 'memory', 'ghost' (`GHOSTS`) or 'user' (`USER`): what a store buffer holds is memory.
    Call it when the module is imported.  ValueError if the array has another initial value already: then two modules
    use one name for different cells.
    """
    known = INITIAL.setdefault(array, initial)
    if kind != "memory":
        (GHOSTS if kind == "ghost" else USER).add(array)
    if known != initial:
        raise ValueError(f"cells {array!r} start as {known!r} already, not as {initial!r}: choose another name")
    return array


class Memory(dict[Cell, Hashable]):
    """Cells with their values; one that is read first has its initial value. KeyError that says what to do if none."""

    def __missing__(self, cell: Cell) -> Hashable:
        try:
            self[cell] = value = INITIAL[cell.array]
        except KeyError:
            remedy = f"declare({cell.array!r}, VALUE) of core.machine.memory gives it one"
            raise KeyError(f"cell {cell} has no initial value; {remedy}") from None
        return value
