"""The entries that a walk can find, level by level.

Each level is a read of the walker's own, and each but the last leads to the table of the next one.  An entry that leads
to a table may stay cached without those below it (a walk cache), so a walk may join an old one with a younger one.  It
reads from the top: what it finds below is never older than what leads there, that is, it was not overwritten before the
entry above it was written.  Nothing else ties the levels together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.memory_model.program import Cell, Program, entry_cell, in_table
from core.memory_model.values import Descriptor, NotExpressible, TableDescriptor, Value
from core.memory_model.weak.state import NEVER, Entries, WeakState


class Path(NamedTuple):
    """What a walk of a page finds: `entries` from the top, and the `value` of the last.

    `begin` is the time since which all of them were there, or had been; `first_end` is when the first of them was
    overwritten, `last_end` when the last one was.  `output` is the physical page (None: unknown, or no mapping)."""

    entries: Entries
    value: Value
    begin: int
    first_end: int
    last_end: int
    output: Cell | None

    @property
    def last(self) -> Cell:
        """The cell of the last entry."""
        return self.entries[-1][0]


def paths(program: Program, state: WeakState, page: str) -> Iterator[Path]:
    """Every path of entries of `page` that a walk may ever have found; oldest first."""
    levels = (*program.above.get(page, ()), entry_cell(page))
    yield from _below(program, state, page, levels, Path((), 0, 0, NEVER, NEVER, None), "")


def _below(
    program: Program, state: WeakState, page: str, levels: tuple[Cell, ...], found: Path, table: str
) -> Iterator[Path]:
    """The paths that begin with what was `found`, and go on in `table`."""
    depth = len(found.entries)
    cell = in_table(levels[depth], table)
    history = state.memory.get(cell)
    if history is None:
        missing = f"an entry of {page} in table {table}, which is not given" if table else f"{page}, which has no entry"
        raise NotExpressible(f"an access to {missing}")
    for k, (begin, value) in enumerate(history):
        end = history[k + 1][0] if k + 1 < len(history) else NEVER
        if is_older(end, found.begin):
            continue
        entries = (*found.entries, (cell, begin))
        output = program.output(page, depth, value.oa) if isinstance(value, Descriptor) and value.oa else None
        path = Path(entries, value, max(found.begin, begin), min(found.first_end, end), end, output)
        if not isinstance(value, TableDescriptor):
            yield path
        elif depth + 1 == len(levels):
            raise NotExpressible(f"a table descriptor on the last level, of {page}")
        else:
            yield from _below(program, state, page, levels, path, value.name)


def is_older(end: int, above: int) -> bool:
    """Whether a value that ended at `end` was gone when what leads to its table was written, at `above`."""
    return end <= above
