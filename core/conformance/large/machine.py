"""The memory of a large run: every page has its cells, and the old entries that CPUs may still have are tracked.

An operation on `nr` consecutive cells (`Cell.nr`) is done on each of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from core.conformance.large.layout import LargeLayout, Mapped, mapped
from core.conformance.large.stale import Item, Stale, UpperOf
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Entry, Upper, newer_cell, ref_cell
from core.mm.pgtable import LEVELS, upper_entry
from core.mm.swap import Table


class CellChange(NamedTuple):
    """A cell that an operation has changed."""

    cell: Cell
    before: Hashable
    after: Hashable


class LargeMachine:
    """The cells of a large run, and what CPUs may still have of entries that have been changed.

    `span` are the pages covered by an entry of each upper level; `kept` the levels whose entries a walker keeps.
    `used` is False if no task runs on the mm any more, so that only its walkers matter.
    """

    def __init__(
        self, layout: LargeLayout, span: Sequence[int], kept: frozenset[int], used: bool = True, refs: int = 1
    ) -> None:
        self.span, self.kept, self.used = span, kept, used
        self.cells = Memory()
        self.mapped = mapped(layout, span[0])
        self.stale = Stale([Cpu(n) for n in range(layout.cpus)])
        self.tables: set[Table] = set()
        self.locked: set[Hashable] = set()
        """By what the page-table locks that are held are of: a table's number, or ('pmd', number)."""
        self.present: dict[Hashable, dict[int, None]] = {}
        """The pages that present entries map, by the same."""
        self._fill(self.mapped, refs)

    def _fill(self, made: Mapped, refs: int) -> None:
        for addr, pte in made.ptes.items():
            self.cells[pte_cell(addr)] = pte
            self._mark(addr, 1, pte)
            self._tables_above(addr, 0)
            self._page(pte, refs)
        for index, pmd in made.pmds.items():
            self.cells[upper_entry(0, index)] = pmd
            self._mark(index * self.span[0], self.span[0], pmd)
            self._tables_above(index * self.span[0], 1)
            self._page(pmd, refs)

    def _tables_above(self, addr: int, lowest: int) -> None:
        """There are tables above `addr`, from the one that an entry of level `lowest` points to."""
        for level in range(lowest, 3):
            index = addr // self.span[level]
            self.cells[upper_entry(level, index)] = index
            self.tables.add(Table(("pte", "pmd", "pud")[level], index))

    def _page(self, pte: object, refs: int) -> None:
        if isinstance(pte, Pte):
            self.cells[ref_cell(pte.frame)] = refs
            self.cells[newer_cell(pte.frame)] = pte.dirty and pte.frame in self.mapped.files

    # ---- operations ----------------------------------------------------------------------------------------------

    def outcomes(self, op: Op) -> Sequence[Outcome]:
        """What `op` can do now; of one on several cells, what it can do on the first of each."""
        return op.step(*[self.read(cell) for cell in op.reads])

    def read(self, cell: Cell) -> Any:
        """The value of a cell; of the first of several."""
        if cell.array == "tlb":
            return self.stale.cached(*cell.index)  # type: ignore[misc]
        return self.cells[cell if cell.nr == 1 else cell._replace(nr=1)]

    def stored(self, op: Op) -> None:
        """Another CPU stores through each entry that `op` is about to write and that is writable and clean.

        It is the latest moment: hardware sets the dirty bit, and an operation that has not read it is too late.
        """
        for cell in op.writes:
            for at in range(cell.nr) if cell.array == "pte" else ():
                one = _behind(cell, at)
                pte = self.cells[one._replace(nr=1)]
                if isinstance(pte, Pte) and pte.write and not pte.dirty:
                    self.cells[one] = pte._replace(dirty=True)
                    self.cells[newer_cell(pte.frame)] = pte.frame in self.mapped.files

    def do(self, op: Op, outcome: Outcome) -> list[CellChange]:
        """Let `outcome` of `op` happen, on each of its cells. Returns what has changed.

        Entries first: what the same operation flushes it flushes behind them.
        """
        written = list(zip(op.writes, outcome.written, strict=True))
        changes = [self.write(_behind(cell, 0), new) for cell, new in written if cell.nr > 1]
        for i in range(1, max((cell.nr for cell in op.writes), default=1)):
            (also,) = op.step(*[self.read(_behind(cell, i)) for cell in op.reads])
            each = zip(op.writes, also.written, strict=True)
            changes += [self.write(_behind(cell, i), new) for cell, new in each if cell.nr > 1]
        changes += [self.write(cell, new) for cell, new in written if cell.nr == 1]
        return [change for change in changes if change.before != change.after]

    def write(self, cell: Cell, value: Hashable) -> CellChange:
        """Change one cell, and owe what CPUs have of the entry that it was."""
        before = self.read(cell)
        if cell.array == "tlb":
            if value is None:
                self.stale.forget(*cell.index)  # type: ignore[misc]
            return CellChange(cell, before, value)
        self.cells[cell] = value
        if cell.array == "ptl":
            self._lock(cell.index, value is not None)
        elif cell.array == "pte":
            self._changed(cell.index, 1, before, value)  # type: ignore[arg-type]
        elif cell.array in LEVELS:
            self._upper_changed(cell, before, value)
        return CellChange(cell, before, value)

    def _lock(self, table: Hashable, held: bool) -> None:
        (self.locked.add if held else self.locked.discard)(table)

    def addrs(self) -> list[int]:
        """The virtual pages that a CPU may have something of that matters: what is owed, and what may change any time.

        That is what stands under the page-table locks that are held, for who flushes as it clears.
        """
        return [*self.stale.addrs, *(addr for table in self.locked for addr in self.present.get(table, ()))]

    def _mark(self, addr: int, pages: int, entry: object) -> None:
        """Whether the pages from `addr` on are mapped."""
        lock: Hashable = addr // self.span[0] if pages == 1 else ("pmd", addr // self.span[1])
        present = self.present.setdefault(lock, {})
        for page in range(addr, addr + pages):
            if isinstance(entry, Pte):
                present[page] = None
            else:
                present.pop(page, None)

    def _changed(self, addr: int, pages: int, before: object, now: object) -> None:
        """An entry of `pages` pages that was `before` is something else."""
        self._mark(addr, pages, now)
        if self.used and isinstance(before, Pte) and takes_away(before, now):
            self.stale.owe(Item(addr, pages, Entry(before.frame, before.write, before.dirty)))

    def allows(self, item: Item) -> bool:
        """Does the page table say again what the CPUs have of an entry that was gone for a while?"""
        cached = item.cached
        if isinstance(cached, Upper):
            return False
        now = self.read(pte_cell(item.key) if item.pages == 1 else upper_entry(0, item.key // self.span[0]))
        return not takes_away(Pte(cached.frame, cached.write), now)

    def _upper_changed(self, cell: Cell, before: object, now: object) -> None:
        level, index = LEVELS.index(cell.array), cell.index
        first = index * self.span[level]  # type: ignore[operator]
        if isinstance(before, Pte) or isinstance(now, Pte):
            self._changed(first, self.span[0], before, now)
        elif before is not None and now is None and level in self.kept:
            self.stale.owe(Item(UpperOf(first), self.span[level], Upper(before)))  # type: ignore[arg-type]


def _behind(cell: Cell, i: int) -> Cell:
    """Of several cells the one `i` behind the first."""
    return Cell(cell.array, cell.index + i) if cell.nr > 1 else cell  # type: ignore[operator]


def takes_away(before: Pte, now: object) -> bool:
    """May a CPU that has the old entry do anything that the new one does not allow?"""
    return not isinstance(now, Pte) or now.frame != before.frame or (before.write and not now.write)
