"""The memory of a large run: every page has its cells, and the old entries that CPUs may still have are tracked.

An operation on `nr` consecutive cells (`Cell.nr`) is done on each of them.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import Any, NamedTuple

from core.conformance.large.layout import LargeLayout, Mapped, mapped
from core.conformance.large.stale import Item, Stale, UpperOf
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import Entry, Upper, newer_cell, ref_cell
from core.mm.pgtable import LEVELS, upper_entry
from core.mm.swap import Table

NO_VALUE = object()
"""No value of a cell."""


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
        self._pointed: set[tuple[int, int]] = set()
        """The upper entries that point to a table, by level and number."""
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
            if (level, index) in self._pointed:
                return  # to it, and so to those above it
            self._pointed.add((level, index))
            self.cells[upper_entry(level, index)] = index
            self.tables.add(Table(("pte", "pmd", "pud")[level], index))

    def _page(self, pte: object, refs: int) -> None:
        if isinstance(pte, Pte):
            self.cells[ref_cell(pte.frame)] = refs
            self.cells[newer_cell(pte.frame)] = pte.dirty and pte.frame in self.mapped.files

    # ---- operations ----------------------------------------------------------------------------------------------

    def outcomes(self, op: Op) -> Sequence[Outcome]:
        """What `op` can do now; of one on several cells, what it can do on the first of each."""
        cells, cached, at = self.cells, self.stale.cached, self._at
        values = [
            cached(*index) if array == "tlb" else cells[cell] if nr == 1 else at(array, index)  # type: ignore[misc]
            for cell in op.reads
            for array, index, nr in (cell,)
        ]
        return op.step(*values)

    def read(self, cell: Cell) -> Any:
        """The value of a cell; of the first of several."""
        array, index, nr = cell
        if array == "tlb":
            return self.stale.cached(*index)  # type: ignore[misc]
        return self.cells[cell] if nr == 1 else self._at(array, index)

    def _at(self, array: str, index: Hashable) -> Any:
        """The value of one cell, which is made only if it has none yet: a tuple finds the equal cell."""
        value = self.cells.get((array, index, 1), NO_VALUE)  # type: ignore[call-overload]
        return self.cells[Cell(array, index)] if value is NO_VALUE else value

    def entry(self, addr: int) -> Any:
        """The page-table entry of virtual page `addr`."""
        return self._at("pte", addr)

    def stored(self, op: Op) -> None:
        """Another CPU stores through each entry that `op` is about to write and that is writable and clean.

        It is the latest moment: hardware sets the dirty bit, and an operation that has not read it is too late.
        """
        for array, index, nr in op.writes:
            for addr in range(index, index + nr) if array == "pte" else ():  # type: ignore[operator,call-overload]
                pte = self._at(array, addr)
                if isinstance(pte, Pte) and pte.write and not pte.dirty:
                    self.cells[pte_cell(addr)] = pte._replace(dirty=True)
                    self.cells[newer_cell(pte.frame)] = pte.frame in self.mapped.files

    def do(self, op: Op, outcome: Outcome, watched: Container[str]) -> list[CellChange]:
        """Let `outcome` of `op` happen, on each of its cells. Returns what has changed of the arrays `watched`.

        Entries first: what the same operation flushes it flushes behind them.
        """
        changes: list[CellChange] = []
        several = [cell.nr for cell in op.writes if cell.nr > 1]
        if several:
            self._do_several(op, outcome, max(several), watched, changes)
        tells = "tlb" in watched
        for cell, new in zip(op.writes, outcome.written, strict=True):
            if cell.array == "tlb" and not tells:
                if new is None:
                    self.stale.forget(*cell.index)  # type: ignore[misc]
            elif cell.nr == 1:
                self._write(cell, new, watched, changes)
        return changes

    def _do_several(
        self, op: Op, first: Outcome, number: int, watched: Container[str], changes: list[CellChange]
    ) -> None:
        """The part of `op` that is done on each of `number` consecutive cells; `first` is its outcome on the first.

        What it does is a function of what it reads, so where that is equal it is not asked again.
        """
        outcome, known = first, [self.read(cell) for cell in op.reads]
        for i in range(number):
            if i:
                values = [self._behind(cell, i) for cell in op.reads]
                if values != known:
                    (outcome,), known = op.step(*values), values
            for cell, new in zip(op.writes, outcome.written, strict=True):
                if cell.nr > 1:
                    self._write(Cell(cell.array, cell.index + i), new, watched, changes)  # type: ignore[operator]

    def _behind(self, cell: Cell, i: int) -> Any:
        """The value of a cell; of several that of the one `i` behind the first."""
        return self.read(cell) if cell.nr == 1 else self._at(cell.array, cell.index + i)  # type: ignore[operator]

    def _write(self, cell: Cell, value: Hashable, watched: Container[str], changes: list[CellChange]) -> None:
        """Change one cell, and owe what CPUs have of the entry that it was."""
        array, index, _ = cell
        if array == "tlb":
            before: Any = self.stale.cached(*index)  # type: ignore[misc]
            if value is None and before is not None:
                self.stale.forget(*index)  # type: ignore[misc]
        else:
            before = self.cells[cell]
            self.cells[cell] = value
            if array == "ptl":
                self._lock(index, value is not None)
            elif array == "pte":
                self._changed(index, 1, before, value)  # type: ignore[arg-type]
            elif array in LEVELS:
                self._upper_changed(cell, before, value)
        if array in watched and before != value:
            changes.append(CellChange(cell, before, value))

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


def takes_away(before: Pte, now: object) -> bool:
    """May a CPU that has the old entry do anything that the new one does not allow?"""
    return not isinstance(now, Pte) or now.frame != before.frame or (before.write and not now.write)
